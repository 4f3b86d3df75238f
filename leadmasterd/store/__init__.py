"""Capture's half of SQLite: schema, the one writer thread, messages, people, completeness.

Leads are derived from these tables by `projection`, which nothing here waits for.
"""
