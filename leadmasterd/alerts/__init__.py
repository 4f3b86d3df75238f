"""Alerts: a person is told what needs them, once, and when it is over.

`kinds` defines the kinds of alerts, and conditions: what holds now. `observer` finds the conditions, with `session`,
`people`, `day` and `refused`, and `words` writes their texts. `episodes` decides what is told, `store` keeps it, and
`service` sends it through `notifier`. `ping` is apart from these: it reports to a dead-man's switch.
"""
