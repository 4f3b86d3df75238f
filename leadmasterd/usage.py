"""Translates argparse's own words. argparse asks Python's gettext for them, which has no catalogue of them."""

import argparse

from leadmasterd.text import _, ngettext


def translate_usage() -> None:
    """Let argparse take the words of its help and errors from our catalogue from now on. English does not change."""
    vars(argparse).update(_=_, ngettext=ngettext)


def usage_words() -> tuple[str, ...]:
    """The texts of argparse in Python 3.11 to 3.14. It only brings them into the catalogue; a test calls it."""
    return (
        _("usage: "),
        _("%(heading)s:"),
        _("positional arguments"),
        _("options"),
        _("show this help message and exit"),
        _("show program's version number and exit"),
        _("argument %(argument_name)s: %(message)s"),
        _("expected one argument"),
        _("expected at most one argument"),
        _("expected at least one argument"),
        ngettext("expected %s argument", "expected %s arguments", 2),
        _("the following arguments are required: %s"),
        _("one of the arguments %s is required"),
        _("not allowed with argument %s"),
        _("unrecognized arguments: %s"),
        _("ignored explicit argument %r"),
        _("ambiguous option: %(option)s could match %(matches)s"),
        _("invalid %(type)s value: %(value)r"),
        _("invalid choice: %(value)r (choose from %(choices)s)"),
        _("invalid choice: %(value)r, maybe you meant %(closest)r? (choose from %(choices)s)"),
        _("unknown parser %(parser_name)r (choices: %(choices)s)"),
    )
