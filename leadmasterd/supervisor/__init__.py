"""The supervisor keeps the listener alive: `machine` decides, `runner` does."""
