"""Prints numbered lines as fast as it can, and at the end how many."""

import sys

for n in range(int(sys.argv[1])):
    sys.stdout.write(f"{n} {'x' * 100}\n")
