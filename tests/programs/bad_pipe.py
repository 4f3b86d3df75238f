"""Node behind a pipe that misbehaves: bad_pipe.py HOW FLAG NODE ARGUMENTS...

HOW is `garbage` (between the lines, what a dependency might print), `torn` (every third message line loses its second
half) or `cut` (Node is killed in the middle of a message line; once, and then the file FLAG exists). Exits with Node,
with the same code.
"""

import os
import subprocess
import sys
from pathlib import Path

how, flag, *argv = sys.argv[1:]
if argv[1:] == ["--version"]:
    os.execv(argv[0], argv)

GARBAGE = (
    b"DevTools listening on ws://127.0.0.1:1/devtools/browser/x\n",
    b"\xff\xfe\x00 not UTF-8\n",
    b"\n",
    b'{"v":1,"type":"message","seq":\n',
    b'["a","list"]\n',
    b'{"v":1,"type":"weather","seq":0,"at":0}\n',
    b"x" * 1_500_000 + b"\n",
)
node = subprocess.Popen(argv, stdout=subprocess.PIPE)
assert node.stdout is not None
messages = 0
for number, line in enumerate(node.stdout):
    out = line
    if b'"type":"message"' in line:
        messages += 1
        if how == "torn" and messages % 3 == 0:
            out = line[: len(line) // 2] + b"\n"
        elif how == "cut" and not Path(flag).exists():
            Path(flag).touch()
            node.kill()
            sys.stdout.buffer.write(line[: len(line) // 2])
            sys.stdout.buffer.flush()
            break
    if how == "garbage":
        out += GARBAGE[number % len(GARBAGE)]
    sys.stdout.buffer.write(out)
    sys.stdout.buffer.flush()
sys.exit(node.wait())
