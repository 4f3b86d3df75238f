#!/usr/bin/env bash
# ndjson 0.3.1 (Python) changes the text of a message that holds a line separator, and raises nothing.
#
# One would guess: JSON lines end with a line feed, so U+2028, U+2029 and U+0085 inside a string are letters like any other;
#   at worst a reader that splits there would fail, as half a line is no JSON.
# What happens: it splits at them and joins the pieces with commas, to read all lines as one array. A cut inside a string is
#   mended by that comma, so the record is read, with a comma where the customer's line ended: "15" above "500" becomes
#   "15,500". Its own output does not survive either: `loads(dumps(rows, ensure_ascii=False))` is not `rows`.
# Who is hurt: whoever reads exported or captured messages with it. U+2028 comes with text that is pasted from web pages, PDFs
#   and some editors. Python's json with `ensure_ascii=False` and JavaScript's JSON.stringify both write it as it is.
# Way out: `ndjson.reader(file)`, which takes the file's own lines; or jsonlines; or json.loads on `text.split("\n")`.
# Versions: ndjson 0.3.1, jsonlines 4.0.0 beside it. Seen 2026-11-30.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
{ python3 -m venv env && env/bin/pip install --quiet --no-deps ndjson==0.3.1 jsonlines==4.0.0 attrs==25.4.0; } \
  || { echo "cannot install the packages"; exit 2; }

env/bin/python - <<'PY'
import json
from importlib.metadata import version

import jsonlines
import ndjson

print("ndjson", version("ndjson"), "jsonlines", version("jsonlines"))
bodies = ["2 remeras\u20283 medias", "pagué 15\u2028500 me faltan", "Hola\u2029¿tienen talle 40?", "Rosario\x85Santa Fe"]
with open("messages.ndjson", "w", encoding="utf-8", newline="\n") as file:
    for number, body in enumerate(bodies):
        file.write(json.dumps({"id": number, "body": body}, ensure_ascii=False) + "\n")

with open("messages.ndjson", encoding="utf-8") as file:
    loaded = [message["body"] for message in ndjson.load(file)]
with open("messages.ndjson", encoding="utf-8") as file:
    read = [message["body"] for message in ndjson.reader(file)]
with jsonlines.open("messages.ndjson") as reader:
    beside = [message["body"] for message in reader]
own = ndjson.loads(ndjson.dumps([{"body": body} for body in bodies], ensure_ascii=False))

for body, text in zip(bodies, loaded, strict=True):
    print(f"written {body!r:32} ndjson.load {text!r}")
print("ndjson.reader gives back what was written:", read == bodies)
print("jsonlines gives back what was written:", beside == bodies)
print("its own dumps and loads give back what was written:", [message["body"] for message in own] == bodies)
recorded = ["2 remeras,3 medias", "pagué 15,500 me faltan", "Hola,¿tienen talle 40?", "Rosario,Santa Fe"]
as_recorded = loaded == [message["body"] for message in own] == recorded and read == beside == bodies
print("as recorded" if as_recorded else "CHANGED")
raise SystemExit(not as_recorded)
PY
