"""Capture's half of SQLite: schema, the one writer thread, messages, people, completeness."""
