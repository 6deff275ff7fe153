// Compiles the named contracts of an unpacked aave-v3-origin with solcjs:
// node compile.js NODE_MODULES NAMES_JSON > artifacts.json
const fs = require("fs");
const path = require("path");

const [modules, namesJson] = process.argv.slice(2);
const aave = path.join(modules, "@aave-dao/aave-v3-origin");
const openzeppelin = path.join(modules, "@openzeppelin/contracts");
const solc = require(path.join(modules, "solc"));

function find(folder, file) {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const full = path.join(folder, entry.name);
    const found = entry.isDirectory() ? find(full, file) : entry.name === file ? full : null;
    if (found) return found;
  }
  return null;
}

function contents(wanted) {
  const prefix = "openzeppelin-contracts/contracts/";
  const file = wanted.startsWith(prefix)
    ? path.join(openzeppelin, wanted.slice(prefix.length))
    : path.join(aave, wanted);
  return fs.existsSync(file)
    ? { contents: fs.readFileSync(file, "utf8") }
    : { error: `${wanted} is in none of the packages` };
}

const names = JSON.parse(namesJson);
const files = Object.fromEntries(
  names.map((name) => [name, find(path.join(aave, "src/contracts"), `${name}.sol`)]),
);
const sources = Object.fromEntries(
  names.map((name) => [
    path.relative(aave, files[name]),
    { content: fs.readFileSync(files[name], "utf8") },
  ]),
);
const settings = {
  evmVersion: "shanghai",
  optimizer: { enabled: true, runs: 200 },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.bytecode.linkReferences"] } },
};
const input = JSON.stringify({ language: "Solidity", sources, settings });
const output = JSON.parse(solc.compile(input, { import: contents }));
const faults = (output.errors || []).filter((fault) => fault.severity === "error");
if (faults.length) throw new Error(faults[0].formattedMessage);
const compiled = names.map((name) => {
  const contract = output.contracts[path.relative(aave, files[name])][name];
  const { object, linkReferences } = contract.evm.bytecode;
  return [name, { abi: contract.abi, bytecode: "0x" + object, linkReferences }];
});
process.stdout.write(JSON.stringify(Object.fromEntries(compiled)));
