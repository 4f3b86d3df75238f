"""The settings file: its model, where it is found, and a light reader for commands."""
