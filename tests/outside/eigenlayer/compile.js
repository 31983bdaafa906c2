// Compiles EigenLayer's contracts: node compile.js CHECKOUT OUT. Settings and versions are those of their foundry.toml.
"use strict";
const fs = require("fs");
const path = require("path");
const solc = require("solc");

const [checkout, out] = process.argv.slice(2);
const wanted = [
  "core/AllocationManager",
  "core/AllocationManagerView",
  "core/DelegationManager",
  "core/StrategyManager",
  "permissions/PauserRegistry",
  "permissions/PermissionController",
  "pods/EigenPodManager",
  "strategies/StrategyBase",
].map((name) => `src/contracts/${name}.sol`);

const packages = {
  "@openzeppelin/contracts/": path.join(__dirname, "node_modules/@openzeppelin/contracts"),
  "@openzeppelin-upgrades/contracts/": path.join(__dirname, "node_modules/@openzeppelin/contracts-upgradeable"),
};
const imported = (name) => {
  const prefix = Object.keys(packages).find((one) => name.startsWith(one));
  const file = prefix ? path.join(packages[prefix], name.slice(prefix.length)) : path.join(checkout, name);
  return fs.existsSync(file) ? { contents: fs.readFileSync(file, "utf8") } : { error: "no such file" };
};

const job = {
  language: "Solidity",
  sources: Object.fromEntries(wanted.map((name) => [name, { content: imported(name).contents }])),
  settings: {
    evmVersion: "prague",
    optimizer: { enabled: true, runs: 200 },
    outputSelection: Object.fromEntries(
      wanted.map((name) => [name, { [path.basename(name, ".sol")]: ["evm.bytecode.object"] }]),
    ),
  },
};
const answer = JSON.parse(solc.compile(JSON.stringify(job), { import: imported }));
const errors = (answer.errors || []).filter((one) => one.severity === "error");
if (errors.length) {
  console.error(errors.map((one) => one.formattedMessage).join("\n"));
  process.exit(1);
}
fs.mkdirSync(out, { recursive: true });
for (const name of wanted) {
  const contract = path.basename(name, ".sol");
  const bytecode = "0x" + answer.contracts[name][contract].evm.bytecode.object;
  fs.writeFileSync(path.join(out, `${contract}.json`), JSON.stringify({ bytecode }));
}
