// Bundles verify.js with the libraries it needs into one file that browsers and Node load as it is.
//
//     npm ci && npm run build     writes ../p2pavs/api/static/verify.mjs
//     npm run check               fails where that file is not what this would write

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const TARGET = here("../p2pavs/api/static/verify.mjs");

const licences = ["curves", "hashes"].map((name) => {
  const root = here(`node_modules/@noble/${name}/`);
  const { version } = JSON.parse(readFileSync(root + "package.json", "utf8"));
  return `@noble/${name} ${version}\n\n${readFileSync(root + "LICENSE", "utf8").trim()}`;
});
const banner = [
  "/*!",
  "Made by web/build.mjs from web/verify.js: do not edit. It contains:",
  "",
  licences.join("\n\n"),
  "*/",
].join("\n");

const { outputFiles } = await build({
  entryPoints: [here("verify.js")],
  absWorkingDir: here("."),
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  charset: "ascii",
  lineLimit: 160, // Node shows the line of an error that nobody caught
  legalComments: "none",
  banner: { js: banner },
  write: false,
});
const made = outputFiles[0].text;
if (process.argv.includes("--check")) {
  if (readFileSync(TARGET, "utf8") !== made) {
    console.error("p2pavs/api/static/verify.mjs is not what web/build.mjs makes: run npm run build in web/");
    process.exit(1);
  }
} else {
  writeFileSync(TARGET, made);
  console.log(`${TARGET}: ${made.length} bytes`);
}
