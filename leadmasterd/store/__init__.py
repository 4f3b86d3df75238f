"""Everything that touches SQLite: the schema, the one writer thread, and the reads of the command line."""
