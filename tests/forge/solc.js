#!/usr/bin/env node
// The compiler that npm installs, with the command line that forge expects of a compiler.
"use strict";
const path = require("path");
const solc = require(path.join(__dirname, "../../testnet/npm/node_modules/solc"));

const flags = process.argv.slice(2);
if (flags.includes("--version")) {
  const version = solc.version().replace(".Emscripten.clang", ".Linux.g++");
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${version}`);
} else if (flags.includes("--standard-json")) {
  let job = "";
  process.stdin.on("data", (chunk) => { job += chunk; });
  process.stdin.on("end", () => { process.stdout.write(solc.compile(job)); });
} else {
  console.error(`solc.js: only --version and --standard-json are known, not: ${flags.join(" ")}`);
  process.exit(1);
}
