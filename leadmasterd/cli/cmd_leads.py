"""`leadmasterd leads …`: its subcommands, each imported when it is typed."""

import argparse
from collections.abc import Mapping

from leadmasterd.cli.arguments import Command, add_commands, add_epilog
from leadmasterd.text import _


def commands() -> Mapping[str, Command]:
    """The subcommands by name, in the order of `--help`."""
    return {
        "list": Command(_("open leads: the longest waiting first, then the most recently active"), "leads_list"),
        "today": Command(_("what is due today: follow-ups, overdue ones too, and who needs an answer"), "leads_today"),
        "waiting": Command(_("who is waiting for an answer and how long, the longest first"), "leads_waiting"),
        "show": Command(_("one lead in full: who, what, why, next steps, messages"), "leads_show"),
        "label": Command(_("set what somebody wants; wins over the classifier, which learns from it"), "leads_label"),
        "stage": Command(_("move a lead to another stage; an open stage reopens a closed lead"), "leads_stage"),
        "dismiss": Command(_("say that what waits needs no answer; the lead stays as it is"), "leads_dismiss"),
        "note": Command(_("add a note to a lead"), "leads_note"),
        "merge": Command(_("merge contacts, or undo a merge"), "leads_merge"),
        "export": Command(_("all leads, as a table for a spreadsheet or a program"), "leads_export"),
        "rebuild": Command(_("rebuild all leads from messages, settings and people's decisions"), "leads_rebuild"),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands, and the end of `--help`."""
    add_commands(parser, commands(), dest="action")
    add_epilog(
        parser,
        "leadmasterd leads today",
        "leadmasterd leads list",
        "leadmasterd leads show 5",
        notes=_("ID is a lead's number, a phone, a chat id or a name. Each command takes --json."),
    )
