"""Prints what it inherited: session, environment, open files."""

import json
import os
from pathlib import Path

names = [name for name in os.environ if "LEADMASTERD" in name or name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "PATH")]
files = sorted(int(file.name) for file in Path("/proc/self/fd").iterdir())
print(json.dumps({"session": os.getsid(0) == os.getpid(), "environment": sorted(names), "files": files}), flush=True)
