// What marginfi's own client makes of accounts: reads a scenario on stdin, writes bytes and health.
const anchor = require("@coral-xyz/anchor");
const { convertIdlToCamelCase } = require("@coral-xyz/anchor/dist/cjs/idl");
const { PublicKey } = require("@solana/web3.js");
const BigNumber = require("bignumber.js");
const mfi = require("@mrgnlabs/marginfi-client-v2");
const published = require("@mrgnlabs/marginfi-client-v2/dist/idl/marginfi_0.1.8.json");
const { readFileSync } = require("fs");
const { Accounts } = require("./anchor.cjs");

const idl = convertIdlToCamelCase(published);
const accounts = new Accounts(idl);
const scenario = JSON.parse(readFileSync(0, "utf8"));
const encoded = (name, type, given) =>
  accounts.encode(name, scenario.layouts[type].discriminator, scenario.layouts[type].length, given);

const bankBytes = scenario.banks.map(({ values }) => encoded("bank", "Bank", values));
const banks = bankBytes.map((bytes, at) => {
  const raw = accounts.decode("bank", bytes);
  return mfi.Bank.fromAccountParsed(new PublicKey(scenario.banks[at].address), raw);
});

function quote({ price, confidence }) {
  const [at, by] = [new BigNumber(price), new BigNumber(confidence)];
  return { price: at, confidence: by, lowestPrice: at.minus(by), highestPrice: at.plus(by) };
}

const prices = new Map(
  scenario.banks.map(({ address, weighted, now }) => [
    address,
    { priceRealtime: quote(now), priceWeighted: quote(weighted), timestamp: new BigNumber(0) },
  ]),
);

// The pairs that the client makes of its banks' emode entries, as its own server gives them.
const pairs = banks.flatMap((debt) =>
  debt.emode.emodeEntries.map((entry) => ({
    collateralBanks: banks
      .filter((bank) => bank.emode.emodeTag === entry.collateralBankEmodeTag)
      .map((bank) => bank.address),
    collateralBankTag: entry.collateralBankEmodeTag,
    liabilityBank: debt.address,
    liabilityBankTag: debt.emode.emodeTag,
    assetWeightInit: entry.assetWeightInit,
    assetWeightMaint: entry.assetWeightMaint,
  })),
);

function banksFor(account) {
  const active = account.computeActiveEmodePairs(pairs);
  const weigh = (bank, name) => {
    const granted = active
      .filter((pair) => pair.collateralBanks.some((key) => key.equals(bank.address)))
      .map((pair) => pair[name]);
    if (granted.length === 0) return bank.config[name];
    return BigNumber.max(bank.config[name], BigNumber.min(...granted));
  };
  return new Map(
    banks.map((bank) => {
      const config = Object.assign(Object.create(Object.getPrototypeOf(bank.config)), bank.config, {
        assetWeightInit: weigh(bank, "assetWeightInit"),
        assetWeightMaint: weigh(bank, "assetWeightMaint"),
      });
      const copy = Object.assign(Object.create(Object.getPrototypeOf(bank)), bank, { config });
      return [bank.address.toBase58(), copy];
    }),
  );
}

function health(bytes, address) {
  const raw = accounts.decode("marginfiAccount", bytes);
  const account = mfi.MarginfiAccount.fromAccountParsed(new PublicKey(address), raw);
  const known = banksFor(account);
  const sums = (type) => {
    const { assets, liabilities } = account.computeHealthComponentsLegacy(known, prices, type);
    return [assets.toFixed(), liabilities.toFixed()];
  };
  return {
    initial: sums(mfi.MarginRequirementType.Initial),
    maintenance: sums(mfi.MarginRequirementType.Maintenance),
  };
}

// Each account draws on the emode of its own debts: one at a time.
const users = scenario.accounts.map(({ address, values }) => {
  const bytes = encoded("marginfiAccount", "MarginfiAccount", values);
  return { address, bytes: bytes.toString("base64"), ...health(bytes, address) };
});
process.stdout.write(
  JSON.stringify({ banks: bankBytes.map((bytes) => bytes.toString("base64")), accounts: users }),
  () => process.exit(0),
);
