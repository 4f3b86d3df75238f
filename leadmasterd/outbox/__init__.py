"""The outbox: events for other programs and people, written in the same transaction as the change that they tell of.

Triggers of SQLite write them, so it does not matter whether the daemon or a command made the change. The triggers exist
only while a feed or an alert is configured; otherwise no events are written. Delivering them is left to `feeds` and
`alerts`.
"""
