// Compiles a standard JSON input read from stdin: node compile.js SOLJSON_JS < input > output
const fs = require("fs");

const compiler = require(process.argv[2]);
const compile = compiler.cwrap("solidity_compile", "string", ["string", "number", "number"]);
process.stdout.write(compile(fs.readFileSync(0, "utf8"), 0, 0));
