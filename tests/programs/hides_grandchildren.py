"""Starts what puppeteer starts: a child in its own session, and a double-forked one in another session.

The double-forked one ignores SIGTERM, and so does this program. With `leave` it exits and leaves both behind.
"""

import os
import signal
import subprocess
import sys

signal.signal(signal.SIGTERM, signal.SIG_IGN)
detached = subprocess.Popen(["sleep", "1000"], start_new_session=True)
reading, writing = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(writing, str(os.getpid()).encode())
        os.closerange(0, 3)
        while True:
            signal.pause()
    os._exit(0)
os.wait()
print(os.getpid(), detached.pid, os.read(reading, 20).decode(), flush=True)
if "leave" in sys.argv:
    os._exit(3)
while True:
    signal.pause()
