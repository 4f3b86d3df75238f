"""The operator's page: a real server on a real port, asked by a plain client and by a real browser."""
