"""Node behind a pipe that misbehaves: bad_pipe.py HOW NODE ARGUMENTS...

The file HOW says how, and may be changed at any time: nothing, `garbage` (between the lines, what a dependency might
print), `torn` (of every three message lines about one loses its second half, by chance, or sweeps might always lose the
same) or `cut` (Node is killed in the middle of a message line; once, and then the file is empty). Exits with Node, with
the same code.
"""

import os
import random
import subprocess
import sys
from pathlib import Path

how_file, *argv = sys.argv[1:]
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
chance = random.Random(3)
for number, line in enumerate(node.stdout):
    out, how = line, Path(how_file).read_text()
    if b'"type":"message"' in line:
        if how == "torn" and chance.randrange(3) == 0:
            out = line[: len(line) // 2] + b"\n"
        elif how == "cut":
            Path(how_file).write_text("")
            node.kill()
            sys.stdout.buffer.write(line[: len(line) // 2])
            sys.stdout.buffer.flush()
            break
    if how == "garbage":
        out += GARBAGE[number % len(GARBAGE)]
    sys.stdout.buffer.write(out)
    sys.stdout.buffer.flush()
sys.exit(node.wait())
