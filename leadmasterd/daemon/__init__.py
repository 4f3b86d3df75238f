"""The long-running process: composes every part, and holds the parts that only it needs."""
