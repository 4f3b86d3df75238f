"""The page for whoever answers customers: a process of its own that reads through queries and writes through actions.

`server` runs it, `app` lists its pages (`pages/`), `guard` refuses whoever is not let in, `render` fills the templates.
"""
