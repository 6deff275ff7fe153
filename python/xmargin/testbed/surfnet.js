// Runs one offline Solana VM until standard input closes; prints its endpoints as one JSON line.
// usage: node surfnet.js <path of the native module> <slot time in ms>
const [, , modulePath, slotTimeMs] = process.argv;
const { Surfnet } = require(modulePath);
const net = Surfnet.startWithConfig({
  offline: true,
  blockProductionMode: "clock",
  slotTimeMs: Number(slotTimeMs),
});
console.log(
  JSON.stringify({ http: net.rpcUrl, ws: net.wsUrl, payer: Array.from(net.payerSecretKey) }),
);
// The VM reports every write on a bounded channel and stands still when nobody reads it.
setInterval(() => net.drainEvents(), 20);
const end = () => {
  net.stop();
  process.exit(0);
};
process.stdin.on("end", end).resume();
process.on("SIGTERM", end);
