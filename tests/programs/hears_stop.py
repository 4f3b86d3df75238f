"""Leaves in good order when asked on stdin, and repeats what it was told."""

import sys

print("ready", flush=True)
for line in sys.stdin:
    print("told " + line.strip(), flush=True)
    if '"stop"' in line:
        break
print("bye", flush=True)
