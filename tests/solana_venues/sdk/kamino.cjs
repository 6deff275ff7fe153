// What Kamino's own SDK makes of obligations: reads a scenario on stdin, writes bytes and stats.
const Decimal = require("decimal.js");
const klend = "@kamino-finance/klend-sdk/dist";
const { Obligation, Reserve, LendingMarket } = require(`${klend}/@codegen/klend/accounts`);
const { KaminoObligation } = require(`${klend}/classes/obligation.js`);
const { KaminoReserve } = require(`${klend}/classes/reserve.js`);
const { readFileSync } = require("fs");
const { set } = require("./anchor.cjs");

const scenario = JSON.parse(readFileSync(0, "utf8"));

function encoded(type, given) {
  const body = Buffer.alloc(type.layout.span);
  type.layout.encode(set(type.layout.decode(Buffer.alloc(type.layout.span)), given), body);
  return Buffer.concat([Buffer.from(type.discriminator), body]);
}

const marketBytes = encoded(LendingMarket, scenario.market.values);
const marketState = LendingMarket.decode(marketBytes);
const reserves = new Map();
const reserveBytes = scenario.reserves.map(({ address, price, values }) => {
  const bytes = encoded(Reserve, values);
  const reserve = Object.create(KaminoReserve.prototype);
  reserve.state = Reserve.decode(bytes);
  reserve.address = address;
  reserve.tokenOraclePrice = { price: new Decimal(price) };
  reserve.stats = {
    loanToValue: reserve.state.config.loanToValuePct / 100,
    liquidationThreshold: reserve.state.config.liquidationThresholdPct / 100,
    borrowFactor: reserve.state.config.borrowFactorPct.toNumber(),
    decimals: reserve.state.liquidity.mintDecimals.toNumber(),
  };
  reserves.set(address, reserve);
  return bytes;
});
const market = {
  state: marketState,
  getReserveByAddress: (address) => reserves.get(address),
  getElevationGroup: (number) => marketState.elevationGroups[number - 1],
};

const obligations = scenario.obligations.map(({ address, values }) => {
  const bytes = encoded(Obligation, values);
  const state = Obligation.decode(bytes);
  const { refreshedStats: stats } = KaminoObligation.calculatePositions(
    market, state.deposits, state.borrows, state.elevationGroup, null, null,
  );
  return {
    address,
    bytes: bytes.toString("base64"),
    deposited: stats.userTotalDeposit.toFixed(),
    borrowed: stats.userTotalBorrow.toFixed(),
    adjusted_debt: stats.userTotalBorrowBorrowFactorAdjusted.toFixed(),
    allowed: stats.borrowLimit.toFixed(),
    unhealthy: stats.borrowLiquidationLimit.toFixed(),
  };
});
process.stdout.write(
  JSON.stringify({
    market: marketBytes.toString("base64"),
    reserves: reserveBytes.map((bytes) => bytes.toString("base64")),
    obligations,
  }),
  () => process.exit(0),
);
