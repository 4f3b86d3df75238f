"""The operator's page: a process of its own that reads through queries and writes through actions."""
