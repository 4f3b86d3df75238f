#!/usr/bin/env bash
# text2num 3.1.0 and number-parser 0.3.2, Spanish: "entre quinientos y mil", between 500 and 1000, becomes "entre 500000".
#
# One would guess: "y" joins a ten and a unit ("treinta y cinco"), as Spanish has it, and parts two amounts everywhere else.
# What happens: both jump over it wherever the next word could go on with the number. "entre mil y dos mil" becomes "entre
#   1002 1000", "entre diez mil y quince mil" becomes "entre 10015 1000". With "o" and with "de … a …" the amounts are right.
#   One is Rust, the other Python, and both give the same wrong figures: to compare them finds nothing. In English text2num makes
#   "between 1002 1000" of "between one thousand and two thousand".
# Who is hurt: whoever turns transcripts of voice notes into figures: a budget or a range of prices becomes one amount, up to
#   a thousand times too high, or two that nobody said.
# Way out: cut the text at each "y" that has no ten before it, convert the pieces, and join them again.
# Versions: text2num 3.1.0, number-parser 0.3.2. Seen 2026-11-30.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
{ python3 -m venv env && env/bin/pip install --quiet --no-deps text2num==3.1.0 number-parser==0.3.2; } \
  || { echo "cannot install the packages"; exit 2; }

env/bin/python - <<'PY'
import re
from importlib.metadata import version

import number_parser
from text_to_num import alpha2digit

print("text2num", version("text2num"), "number-parser", version("number-parser"))
TENS = "treinta|cuarenta|cincuenta|sesenta|setenta|ochenta|noventa"
recorded = [
    ("treinta y cinco mil", "35000", "35000"),
    ("entre quinientos y mil", "entre 500000", "entre 500 y 1000"),
    ("entre mil y dos mil", "entre 1002 1000", "entre 1000 y 2000"),
    ("entre diez mil y quince mil", "entre 10015 1000", "entre 10000 y 15000"),
    ("entre un millón y dos millones", "entre 1000002 1000000", "entre 1000000 y 2000000"),
    ("quinientos o mil", "500 o 1000", "500 o 1000"),
    ("de mil a dos mil", "de 1000 a 2000", "de 1000 a 2000"),
]
as_recorded = True
for text, expected, right in recorded:
    seen = alpha2digit(text, "es")
    pieces = re.sub(rf"\b({TENS}) y\b", r"\1_y", text).split(" y ")
    cut = " y ".join(alpha2digit(piece.replace("_", " "), "es") for piece in pieces)
    other = number_parser.parse(text, language="es")
    print(f"{text:31} {seen:22} number-parser: {other:22} cut at y: {cut}")
    as_recorded = as_recorded and (seen, cut) == (expected, right) and other == expected
english = alpha2digit("between one thousand and two thousand", "en")
print("between one thousand and two thousand:", english)
as_recorded = as_recorded and english == "between 1002 1000"
print("as recorded" if as_recorded else "CHANGED")
raise SystemExit(not as_recorded)
PY
