"""Alerts: a person is told what needs them, once, and when it is over.

`kinds` is what everything here speaks of.
"""
