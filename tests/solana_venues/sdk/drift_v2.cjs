// What Drift's own SDK makes of accounts: reads a scenario on stdin, writes bytes and margins.
const sdk = require("@drift-labs/sdk");
const idl = require("@drift-labs/sdk/src/idl/drift.json");
const { readFileSync } = require("fs");
const { Accounts, BN } = require("./anchor.cjs");

const accounts = new Accounts(idl);
const scenario = JSON.parse(readFileSync(0, "utf8"));
const encoded = (name, given) =>
  accounts.encode(name, scenario.layouts[name].discriminator, scenario.layouts[name].length, given);

function markets(name, given) {
  const bytes = given.map((each) => encoded(name, each));
  const decoded = bytes.map((each) => accounts.decode(name, each));
  return { bytes, byIndex: new Map(decoded.map((each) => [each.marketIndex, each])) };
}

const spot = markets("SpotMarket", scenario.spotMarkets);
const perp = markets("PerpMarket", scenario.perpMarkets);
const price = (prices) => (index) => ({
  price: new BN(prices[index]),
  confidence: new BN(0),
  slot: new BN(0),
  hasSufficientNumberOfDataPoints: true,
});
const spotPrice = price(scenario.spotPrices);
const perpPrice = price(scenario.perpPrices);

function userOf(bytes) {
  const account = accounts.decode("User", bytes);
  const user = Object.create(sdk.User.prototype);
  user.getUserAccount = () => account;
  user.driftClient = {
    getSpotMarketAccount: (index) => spot.byIndex.get(index),
    getPerpMarketAccount: (index) => perp.byIndex.get(index),
    getOracleDataForSpotMarket: spotPrice,
    getOracleDataForPerpMarket: perpPrice,
    getMMOracleDataForPerpMarket: perpPrice,
  };
  user.getOracleDataForSpotMarket = spotPrice;
  user.getOracleDataForPerpMarket = perpPrice;
  user.getMMOracleDataForPerpMarket = perpPrice;
  return user;
}

function margins(bytes) {
  const user = userOf(bytes);
  return Object.fromEntries(
    ["Initial", "Maintenance"].map((category) => {
      const calculation = user.getMarginCalculation(category);
      const isolated = [...calculation.isolatedMarginCalculations.entries()];
      const sum = (of) => [of.totalCollateral.toString(), of.marginRequirement.toString()];
      return [
        category.toLowerCase(),
        { cross: sum(calculation), isolated: isolated.map(([at, of]) => [at, ...sum(of)]) },
      ];
    }),
  );
}

const base64 = (bytes) => bytes.toString("base64");
const users = scenario.users.map((given) => encoded("User", given));
process.stdout.write(
  JSON.stringify({
    spotMarkets: spot.bytes.map(base64),
    perpMarkets: perp.bytes.map(base64),
    users: users.map((bytes) => ({ bytes: base64(bytes), ...margins(bytes) })),
    captured: scenario.captured.map((text) => margins(Buffer.from(text, "base64"))),
  }),
  () => process.exit(0),
);
