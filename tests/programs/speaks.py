"""Writes the lines in SPEAKS (a JSON list), then waits for `stop`; exits with EXIT (default 0)."""

import json
import os
import sys

for said in json.loads(os.environ["SPEAKS"]):
    if said == "leaves":
        sys.exit(70)
    print(json.dumps(said), flush=True)
for line in sys.stdin:
    if '"stop"' in line:
        break
sys.exit(int(os.environ.get("EXIT", "0")))
