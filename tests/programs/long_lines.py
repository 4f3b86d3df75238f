"""Prints a short line, one as long as its argument says, and another short one."""

import sys

out = sys.stdout.buffer
out.write(b"before\n" + b"x" * int(sys.argv[1]) + b"\nafter\n")
out.flush()
