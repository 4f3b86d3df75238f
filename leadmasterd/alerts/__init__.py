"""Alerts: a person is told what needs them, once, and when it is over.

`kinds` is what everything here speaks of. `observer` looks for what holds now: `session`, `people`, `day` and `refused`
each find their kinds, and `words` says them.
"""
