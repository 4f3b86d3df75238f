#!/usr/bin/env bash
# npm `parse-price` 1.1.8: whether "$ 1.599" is a thousand and a half or one and a half hangs on its last digit.
#
# One would guess: a lone point with three digits behind it is taken in one way, whichever, and the
#   same for every price.
# What happens: with a last digit of 0 the point parts thousands, with any other it is the decimal point. "$ 1.590" is 1590
#   and "$ 1.599" is 1.599. Of "$ 1.234.567" only 1.234 is left, of "$ 1.234.560" all.
# Who is hurt: whoever reads prices that people write in Argentina, where cents are not written and the point parts
#   thousands. Round prices pass every trial; those of a shop window, that end in 9, are a thousand times too small.
# Way out: a parser that is told its separators: parse-decimal-number("1.599", ".,") is 1599.
# Versions: parse-price 1.1.8, parse-decimal-number 1.0.0 beside it. Seen 2026-11-30.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix . parse-price@1.1.8 parse-decimal-number@1.0.0 >/dev/null \
  || { echo "cannot install the packages"; exit 2; }

cat > seen.cjs <<'JS'
const parsePrice = require("parse-price");
const parseDecimalNumber = require("parse-decimal-number");
console.log("parse-price", require("parse-price/package.json").version, "node", process.version);
const recorded = {
  "$ 1.590": [1590, 1590],
  "$ 1.599": [1.599, 1599],
  "$ 24.500": [24500, 24500],
  "$ 24.999": [24.999, 24999],
  "$ 1.234.560": [1234560, 1234560],
  "$ 1.234.567": [1.234, 1234567],
  "$ 1.599,00": [1599, 1599],
};
let asRecorded = true;
for (const [text, [expected, right]] of Object.entries(recorded)) {
  const seen = parsePrice(text);
  const beside = parseDecimalNumber(text.replace("$ ", ""), ".,");
  console.log(text.padEnd(14), String(seen).padEnd(10), "parse-decimal-number:", beside);
  asRecorded &&= seen === expected && beside === right;
}
console.log(asRecorded ? "as recorded" : "CHANGED");
process.exitCode = asRecorded ? 0 : 1;
JS
node seen.cjs
