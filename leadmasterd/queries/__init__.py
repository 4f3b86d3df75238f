"""The only way to read for people and programs: typed records out of the database, nothing written, nothing printed.

The objects of docs/json.md are the TypedDicts here; times in them are the tables' text. Light imports: commands that
only look answer in a blink.
"""
