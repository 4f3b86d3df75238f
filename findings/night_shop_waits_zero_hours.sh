#!/usr/bin/env bash
# businesstimedelta 1.0.1 counts nothing between two moments of one night shift.
#
# One would guess: with business hours from 20:00 to 02:00 (its README has such a rule), a message of 21:00 that is answered
#   at 23:00 waited two business hours.
# What happens: 0 hours. A shift over midnight that has begun is forgotten: the time of day is compared with the hour it
#   opens, so after 20:00 only tomorrow's shift is looked at, and after midnight only the coming one. The same shift counts
#   in full when one asks from before it opened, as the README's example and most trials do.
# Who is hurt: whoever measures how long customers of an ice-cream parlour, a bar or a chemist on night duty wait. Just the
#   messages that came while the shop was open look as if they were answered at once, and no alert is ever due.
# Way out: two rules that meet at midnight, 20:00 to 23:59:59.999999 and 00:00 to 02:00 (with the days moved by one).
# Versions: businesstimedelta 1.0.1, pytz 2024.2, holidays 0.109. Seen 2026-11-30.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
{ python3 -m venv env && env/bin/pip install --quiet --no-deps businesstimedelta==1.0.1 pytz==2024.2 holidays==0.109 \
    python-dateutil==2.9.0.post0 six==1.17.0; } || { echo "cannot install the packages"; exit 2; }

env/bin/python - <<'PY'
import datetime
from importlib.metadata import version

import pytz
from businesstimedelta import Rules, WorkDayRule

print("businesstimedelta", version("businesstimedelta"))
zone = pytz.timezone("America/Argentina/Buenos_Aires")
every_day = list(range(7))


def rule(opens, closes):
    return WorkDayRule(start_time=opens, end_time=closes, working_days=every_day, tz=zone)


night = Rules([rule(datetime.time(20), datetime.time(2))])
split = Rules([rule(datetime.time(20), datetime.time.max), rule(datetime.time(0), datetime.time(2))])


def hours(rules, start, end):
    friday, saturday = 27, 28
    moments = [
        zone.localize(datetime.datetime(2026, 11, saturday if hour < 12 else friday, hour)) for hour in (start, end)
    ]
    waited = rules.difference(*moments)
    return round(waited.hours + waited.seconds / 3600, 2)


recorded = {(19, 23): (3, 3), (19, 1): (5, 5), (21, 23): (0, 2), (23, 1): (0, 2)}
seen = {}
for start, end in recorded:
    seen[start, end] = hours(night, start, end), hours(split, start, end)
    print(f"{start:02}:00 to {end:02}:00: {seen[start, end][0]} business hours, by two rules {seen[start, end][1]}")
print("as recorded" if seen == recorded else "CHANGED")
raise SystemExit(seen != recorded)
PY
