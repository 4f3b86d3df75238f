"""`python -m leadmasterd`, which is how the systemd unit starts it."""

import sys

from leadmasterd.cli import main

if __name__ == "__main__":
    sys.exit(main())
