"""The only way for people to decide something: one unit of work for each decision, with a typed result.

Nothing here prints or knows who asks: commands use it, and so can a page. Whatever can't be done raises an error of
`leadmasterd.errors`, whose text is for people.
"""
