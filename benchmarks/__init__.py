"""Speed, where possible as a ratio to the raw limit in the same run. `make bench` prints a table; no test is timed."""

import os

# What is measured speaks English, whatever this machine does: Spanish reads a catalogue first.
for name in ("LC_ALL", "LC_MESSAGES"):
    os.environ.pop(name, None)
os.environ |= {"LANG": "en_US.UTF-8", "LC_CTYPE": "C.UTF-8"}
