"""The pages, one file each. Each has `ROUTES`, and functions that answer a request; `web.app` puts them together."""
