"""Shared by the commands that change leads: opening the lead editor for the terminal's user, and printing changes."""

import os
import pwd
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from leadmasterd.actions.unit_of_work import LOCK_TIMEOUT, Change, LeadEditor, Patience, open_editor
from leadmasterd.cli.tables import folded
from leadmasterd.clock import Clock
from leadmasterd.sentences import stage_name
from leadmasterd.settings.model import load
from leadmasterd.text import _, ngettext


@contextmanager
def lead_editor(config: str | None) -> Iterator[LeadEditor]:
    """An editor that records its changes as the terminal user's. Raises Refused if nothing has been captured yet."""
    settings, paths = load(config)
    patience = Patience(LOCK_TIMEOUT, _say_that_we_wait)
    with open_editor(settings.plain(), paths, actor=f"person:{_login()}", patience=patience) as editor:
        yield editor


def _login() -> str:
    """The login of the person at the terminal, even through sudo; `uid N` for a user without a name."""
    with suppress(KeyError):  # no such user in the password database
        if os.geteuid() == 0 and os.environ.get("SUDO_USER"):
            return os.environ["SUDO_USER"]
        return pwd.getpwuid(os.getuid()).pw_name
    return f"uid {os.getuid()}"


def _say_that_we_wait(seconds: int) -> None:
    text = _("another program is writing to the database; waiting for up to {n} s (Ctrl-C to stop)")
    print(text.format(n=seconds), file=sys.stderr, flush=True)


def clock_of(editor: LeadEditor) -> Clock:
    """A clock for the time zone of the editor's settings."""
    return Clock(datetime.now(UTC), ZoneInfo(editor.settings.leads.timezone))


def print_changes(lines: Sequence[str], changes: Sequence[Change], clock: Clock) -> None:
    """Print what was decided (`lines`), and then a sentence for each change that followed from it."""
    sentences = [change_sentence(change, clock) for change in changes]
    for line in (*lines, *sentences):
        print(folded(line, 2))


def change_sentence(change: Change, clock: Clock) -> str:
    """A change in words, such as `Lead 5: new -> won.` What `before` and `after` are depends on `change.what`."""
    before, after = change.before, change.after
    match change.what:
        case "opened":
            return _("Lead {lead} was opened as {stage}.").format(lead=change.lead_id, stage=stage_name(str(after)))
        case "withdrawn":
            return _("Lead {lead} was withdrawn: this was not a lead.").format(lead=change.lead_id)
        case "stage":
            return _("Lead {lead}: {before} -> {after}.").format(
                lead=change.lead_id, before=stage_name(str(before)), after=stage_name(str(after))
            )
        case "intent":
            from leadmasterd.classify.reasons import intent_name

            return _("Lead {lead} is about {after}, not {before}.").format(
                lead=change.lead_id, before=intent_name(str(before)), after=intent_name(str(after))
            )
        case "waiting":
            if after is None:
                return _("Nobody is waiting for an answer there any more.")
            return _("Waiting for an answer since {at}.").format(at=clock.full(str(after)) + clock.where())
        case "follow_ups":
            if not after:
                return _("No follow-up is planned any more.")
            return ngettext("{n} follow-up is planned.", "{n} follow-ups are planned.", int(after)).format(n=after)
