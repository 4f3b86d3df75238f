"""The only write path for people's decisions: one unit of work for each, with a typed result.

Nothing here prints or knows its caller: the commands and the operator's page use the same functions. What can't be done
raises an error of `leadmasterd.errors`, whose text is for people.
"""
