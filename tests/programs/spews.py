"""Prints as many numbered lines as its argument says, as fast as it can."""

import sys

for n in range(int(sys.argv[1])):
    sys.stdout.write(f"{n} {'x' * 100}\n")
