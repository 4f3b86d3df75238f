#!/usr/bin/env bash
# chrono-node 2.10.3, Spanish: "a las 9 de la noche" is nine in the morning, "pasado mañana" is tomorrow.
#
# One would guess: words that its Spanish does not know give no result, as "la semana que viene" does.
# What happens: it takes the part that it knows and drops the words that change it. "mañana a las 8 de la noche" is
#   tomorrow 08:00, and a second result is today at 22:00; "pasado mañana" (in two days) is tomorrow; "antes de ayer" is
#   yesterday; "el lunes que viene", said on a Monday, is today. `parseDate` returns the first result and tells nobody that
#   words were left over. "a las 9 pm" is right, and so is the English "at 9 at night".
# Who is hurt: whoever turns what customers write into appointments or follow-ups: twelve hours or a day too early, and
#   nothing looks wrong. Only the `text` of a result shows what was dropped.
# Versions: chrono-node 2.10.3. Seen 2026-11-30.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix . chrono-node@2.10.3 >/dev/null \
  || { echo "cannot install the packages"; exit 2; }

cat > seen.mjs <<'JS'
import { readFileSync } from "node:fs";
import * as chrono from "chrono-node";

const { version } = JSON.parse(readFileSync("node_modules/chrono-node/package.json", "utf8"));
console.log("chrono-node", version, "node", process.version);
const monday = new Date(2026, 10, 30, 8, 0);
const recorded = [
  ["es", "a las 9 de la noche", "2026-11-30 09:00"],
  ["es", "a las 9 pm", "2026-11-30 21:00"],
  ["en", "at 9 at night", "2026-11-30 21:00"],
  ["es", "mañana a las 8 de la noche", "2026-12-01 08:00"],
  ["es", "pasado mañana a las 10", "2026-12-01 10:00"],
  ["es", "antes de ayer a las 10", "2026-11-29 10:00"],
  ["es", "el lunes que viene a las 10", "2026-11-30 12:00"],
  ["es", "la semana que viene", "nothing"],
];
let asRecorded = true;
for (const [language, text, expected] of recorded) {
  const date = chrono[language].parseDate(text, monday);
  const seen = date ? date.toLocaleString("sv").slice(0, 16) : "nothing";
  const parts = chrono[language].parse(text, monday).map((result) => JSON.stringify(result.text));
  console.log(language, text.padEnd(30), seen.padEnd(18), "made of", parts.join(" and ") || "nothing");
  asRecorded &&= seen === expected;
}
console.log(asRecorded ? "as recorded" : "CHANGED");
process.exitCode = asRecorded ? 0 : 1;
JS
TZ=America/Argentina/Buenos_Aires node seen.mjs
