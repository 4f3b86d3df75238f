"""The only read path for people and programs: typed records from the database, nothing written, nothing printed.

The objects of docs/json.md are the TypedDicts here; times in them are the tables' text. Light imports, because
read-only commands must answer at once.
"""
