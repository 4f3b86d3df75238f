#!/usr/bin/env bash
# whatsapp-chat-parser 4.0.2 makes messages out of the lines of a message: a list of appointments is sent by those on it.
#
# One would guess: a message begins with the line that the export writes, "30/11/2026, 09:05 - Ana: …" (or in brackets), and
#   what follows in another form belongs to it.
# What happens: comma, hyphen and brackets are optional, and so is any order of the date. A line of a message with a date, a
#   time and a colon, "1/12/2026 9:00 Marta: corte", is a message of Marta's, who never wrote, in the future. A line that
#   begins with an identity number and holds a time, "30.123.456 Ana Gómez, paso 18:30", is a notice of the system, in the
#   year 2466, and the name is dropped. The message itself ends before that line.
# Who is hurt: whoever imports a shop's exported chats: contacts who never wrote, leads of tomorrow, orders cut short.
#   Nothing tells of what it made up.
# Way out: put a space before each line that has not the form of the first one; then it belongs to the message above.
# Versions: whatsapp-chat-parser 4.0.2. Seen 2026-11-30. The people are made up.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix . whatsapp-chat-parser@4.0.2 >/dev/null \
  || { echo "cannot install the packages"; exit 2; }

cat > seen.mjs <<'JS'
import { readFileSync } from "node:fs";
import { parseString } from "whatsapp-chat-parser";

const { version } = JSON.parse(readFileSync("node_modules/whatsapp-chat-parser/package.json", "utf8"));
console.log("whatsapp-chat-parser", version, "node", process.version);
const exported = `30/11/2026, 09:00 - Peluquería Sol: Hola, ¿qué turnos hay?
30/11/2026, 09:05 - Ana Gómez: Los de mañana:
1/12/2026 9:00 Marta: corte
1/12/2026 10:30 - Julia: color
30/11/2026, 09:06 - Ana Gómez: Para la factura:
30.123.456 Ana Gómez, paso 18:30 hs
Gracias
30/11/2026, 09:07 - Peluquería Sol: Listo`;
const read = (text) =>
  parseString(text).map(({ date, author, message }) => {
    const at = date.toLocaleString("sv").slice(0, 16);
    return `${at} | ${author ?? "no author"} | ${message.replaceAll("\n", " / ")}`;
  });
const seen = read(exported);
console.log("4 messages were written, these were read:");
for (const line of seen) console.log(" ", line);
const spaced = read(exported.replace(/^(?!\d{2}\/\d{2}\/\d{4}, \d{2}:\d{2} - )/gm, " "));
console.log("with a space before each line of another form than the first:");
for (const line of spaced) console.log(" ", line);
const recorded = `2026-11-30 09:00 | Peluquería Sol | Hola, ¿qué turnos hay?
2026-11-30 09:05 | Ana Gómez | Los de mañana:
2026-12-01 09:00 | Marta | corte
2026-12-01 10:30 | Julia | color
2026-11-30 09:06 | Ana Gómez | Para la factura:
2466-03-30 18:30 | no author | hs / Gracias
2026-11-30 09:07 | Peluquería Sol | Listo`;
const asRecorded = seen.join("\n") === recorded && spaced.length === 4;
console.log(asRecorded ? "as recorded" : "CHANGED");
process.exitCode = asRecorded ? 0 : 1;
JS
TZ=America/Argentina/Buenos_Aires node seen.mjs
