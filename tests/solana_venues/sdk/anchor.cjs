// Accounts of an IDL written by Anchor's own coder: blank ones with some fields set.
const { BorshAccountsCoder, BN } = require("@coral-xyz/anchor");
const { PublicKey } = require("@solana/web3.js");

function set(template, given) {
  if (BN.isBN(template)) return new BN(given);
  if (template instanceof PublicKey) return new PublicKey(given);
  if (typeof template === "number") return Number(given);
  if (typeof template === "boolean" || typeof template === "string") return given;
  if (typeof given === "string") return { [given]: {} };
  if (Array.isArray(template)) {
    return template.map((item, at) => (at < given.length ? set(item, given[at]) : item));
  }
  const filled = { ...template };
  for (const [name, value] of Object.entries(given)) {
    if (!(name in template)) throw new Error(`no field ${name}`);
    filled[name] = set(template[name], value);
  }
  return filled;
}

class Accounts {
  constructor(idl) {
    this.layouts = new BorshAccountsCoder(idl).accountLayouts;
  }

  layout(name) {
    const found = this.layouts.get(name);
    return found.layout ?? found;
  }

  // `length` counts the discriminator.
  encode(name, discriminator, length, given) {
    const layout = this.layout(name);
    const filled = set(layout.decode(Buffer.alloc(length - 8)), given);
    const body = Buffer.alloc(length - 8);
    layout.encode(filled, body);
    return Buffer.concat([Buffer.from(discriminator, "hex"), body]);
  }

  decode(name, bytes) {
    return this.layout(name).decode(bytes.subarray(8));
  }
}

module.exports = { Accounts, BN, set };
