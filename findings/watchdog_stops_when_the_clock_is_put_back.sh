#!/usr/bin/env bash
# systemd-watchdog 1.0.1 goes silent when the wall clock is put back, and systemd then kills a healthy service.
#
# One would guess: `ping()`, which is there to be called from a loop and to send only when a beat is due, measures by a
#   monotonic clock, as systemd does.
# What happens: it compares wall-clock times. After a correction of an hour backwards no beat is due for an hour, and
#   `ping()` sends nothing, without an error. With WatchdogSec=30 the manager ends the service half a minute after
#   the last beat, as one that hangs. (The script plays the manager's socket; no systemd takes part.)
# Who is hurt: whoever keeps a listener alive on a small computer or a virtual machine whose clock is wrong at times: a
#   restart in the moment of the correction, for a fault that was none.
# Way out: `notify()` by a timer of one's own.
# Versions: systemd-watchdog 1.0.1 (1.0.2, for Python 3.12 and newer, compares in the same way); time-machine 3.6.0 plays
#   the clock. Seen 2026-11-30.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
{ python3 -m venv env && env/bin/pip install --quiet --no-deps systemd-watchdog==1.0.1 time-machine==3.6.0; } \
  || { echo "cannot install the packages"; exit 2; }

env/bin/python - <<'PY'
import datetime
import os
import socket
from importlib.metadata import version

import systemd_watchdog
import time_machine

print("systemd-watchdog", version("systemd-watchdog"))
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)  # what systemd would listen on
manager.bind("notify")
manager.setblocking(False)
os.environ.update(NOTIFY_SOCKET="notify", WATCHDOG_USEC="30000000", WATCHDOG_PID=str(os.getpid()))


def beats_received():
    count = 0
    while True:
        try:
            count += manager.recv(100) == b"WATCHDOG=1\n"
        except BlockingIOError:
            return count


def beats_in_ten_minutes(watchdog, clock):
    """A healthy loop that calls `ping` every ten seconds."""
    count = 0
    for _ in range(60):
        clock.shift(10)
        watchdog.ping()
        count += beats_received()
    return count


noon = datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.timezone.utc)
with time_machine.travel(noon, tick=False) as clock:
    watchdog = systemd_watchdog.WatchDog()
    watchdog.ping()
    before = beats_in_ten_minutes(watchdog, clock)
    clock.shift(-3600)
    after = beats_in_ten_minutes(watchdog, clock)
print(f"beats in ten minutes: {before}; in the ten minutes after the clock was put back an hour: {after}")
as_recorded = before >= 20 and after == 0
print("as recorded" if as_recorded else "CHANGED")
raise SystemExit(not as_recorded)
PY
