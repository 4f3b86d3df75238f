"""Feeds: a process of its own that delivers committed events to other programs, at least once and in order.

`books` remembers what was delivered, `engine` decides what is tried next, `schedule` says when, and `kinds` has the
receivers.
"""
