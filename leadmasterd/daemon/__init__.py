"""The long-running process: composes every part, and holds what only it needs."""
