"""What argparse itself says, in the language of this process: it asks gettext, which has no catalogue for it."""

import argparse

from leadmasterd.text import _, ngettext


def translate_usage() -> None:
    """From now on the words of its help and its errors come from our catalogue. English stays as argparse has it."""
    vars(argparse).update(_=_, ngettext=ngettext)


def usage_words() -> tuple[str, ...]:
    """What argparse of Python 3.11 to 3.14 tells people, so that it is in the catalogue."""
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
