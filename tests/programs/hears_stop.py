"""Repeats what it reads on stdin, and exits cleanly at a `stop`."""

import sys

print("ready", flush=True)
for line in sys.stdin:
    print("told " + line.strip(), flush=True)
    if '"stop"' in line:
        break
print("bye", flush=True)
