"""The only read path for people and programs: typed records from the database. Nothing here writes or prints.

The JSON objects of docs/json.md are TypedDicts in these modules. Times in them are text as in the tables (ISO 8601,
UTC). Imports are light, because read-only commands must answer at once.
"""
