"""leadmasterd keeps one WhatsApp number listening and every message it hears in SQLite."""

__version__ = "0.1.0"
