"""The outbox: what other programs and people are told, written with what it tells.

Each event is written by a trigger of SQLite, in the transaction of its row, whether the daemon or a command wrote that.
The triggers are there only while a feed or an alert is configured. Otherwise nothing is written.
"""
