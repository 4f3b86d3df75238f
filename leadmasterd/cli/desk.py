"""Where a person's word on leads is written: in a transaction of its own, kept first, judged at once, and told.

Two transactions on purpose. What the person said is kept whatever becomes of the judging (a broken rules file, say);
it stands in `unjudged` until it is judged, here or by the daemon, which notices by itself.
"""

import os
import pwd
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from leadmasterd import times
from leadmasterd.cli.times import Clock
from leadmasterd.errors import CannotUseModel, CannotUseRules, DatabaseBusy, Refused
from leadmasterd.projection.policy import classifier_of, policy_of
from leadmasterd.projection.projector import Projector, mark_dirty
from leadmasterd.queries import leads as lead_queries
from leadmasterd.queries.leads import Subject
from leadmasterd.sentences import stage_es
from leadmasterd.settings.model import Settings, load
from leadmasterd.settings.paths import Paths
from leadmasterd.store.database import cannot_use, open_for_writing
from leadmasterd.text import _, ngettext

_T = TypeVar("_T")

_PATIENCE: Final = 60
"""Seconds. While the daemon catches up with thousands of messages it holds the write lock most of the time."""
_ONE_TRY: Final = 0.05
"""Seconds of it that SQLite waits by itself, deaf to Ctrl-C and less eager the longer it waits."""
_SILENT: Final = 2.0
"""Seconds after which it is told that somebody is waited for."""


@dataclass(frozen=True, slots=True)
class Change:
    """What became of something: `what` is stage, intent, opened, withdrawn, waiting or follow_ups."""

    what: str
    lead_id: int | None
    before: object
    after: object

    def as_json(self) -> dict[str, object]:
        """As `--json` has it."""
        return {"what": self.what, "lead_id": self.lead_id, "before": self.before, "after": self.after}


@dataclass(frozen=True, slots=True)
class _Standing:
    """How things stand with some people."""

    leads: dict[int, tuple[str, str]]
    waiting: str | None
    follow_ups: int


class Desk:
    """One command's connection for writing."""

    def __init__(self, connection: sqlite3.Connection, settings: Settings, paths: Paths) -> None:
        self.connection = connection
        self.settings = settings
        self.actor = f"person:{_login()}"
        self.clock = Clock(datetime.now(UTC), ZoneInfo(settings.leads.timezone))
        self._path = paths.database
        self.classifier = cache(lambda: classifier_of(settings.leads, paths))
        self.projector = Projector(connection, self.classifier, policy_of(settings.leads))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """BEGIN IMMEDIATE, so that nobody writes between what we read and what we write. Raises CannotUseDatabase."""
        with transaction(self.connection, self._path):
            yield

    def find(self, text: str) -> Subject:
        """Whom a person means. Raises Refused."""
        subject = lead_queries.find(self.connection, text, self.settings.leads.country)
        if subject is None:
            raise Refused(nobody(text))
        return subject

    def moment_after(self, subject: Subject) -> str:
        """Now, but after all that was said and decided: a clock that is behind must not put a word before its cause."""
        numbers = ",".join(map(str, subject.conversations))
        [row] = lead_queries.ask(
            self.connection,
            f"SELECT max(at) AS at FROM (SELECT max(sent_at) AS at FROM messages WHERE conversation_id IN ({numbers}) "
            f"UNION ALL SELECT max(started_at) FROM calls WHERE conversation_id IN ({numbers}) "
            f"UNION ALL SELECT max(at) FROM decisions WHERE conversation_id IN ({numbers}))",
        )
        now = datetime.now(UTC)
        if row["at"]:
            now = max(now, datetime.fromisoformat(row["at"]) + timedelta(milliseconds=1))
        return times.iso(now)

    def say(self, subjects: Sequence[Subject], write: Callable[[], None]) -> list[Change]:
        """Write a person's word on these, judge at once, and tell what became of it."""
        contacts = [subject.contact_id for subject in subjects]
        conversations = sorted({each for subject in subjects for each in subject.conversations})
        with self.transaction():
            before = self._standing(contacts, conversations)
            write()
            mark_dirty(self.connection, conversations)
        try:
            with self.transaction():
                self.projector.project(conversations, datetime.now(UTC), self.actor)
                after = self._standing(contacts, conversations)
        except (CannotUseRules, CannotUseModel) as error:
            kept = _("Your word is kept and counts as soon as that is mended; there is no need to say it again.")
            raise type(error)(f"{error}\n{kept}") from error
        return _changes(before, after)

    def _standing(self, contacts: Iterable[int], conversations: Iterable[int]) -> _Standing:
        people, places = (",".join(map(str, each)) for each in (contacts, conversations))
        rows = lead_queries.ask(
            self.connection,
            f"SELECT lead_id, stage, intent FROM leads WHERE contact_id IN ({people}) "
            f"OR conversation_id IN ({places}) ORDER BY lead_id",
        )
        [other] = lead_queries.ask(
            self.connection,
            f"SELECT (SELECT min(waiting_since) FROM conversations WHERE conversation_id IN ({places})) AS waiting, "
            f"(SELECT count(*) FROM follow_ups WHERE conversation_id IN ({places}) AND state = 'planned') AS planned",
        )
        leads = {row["lead_id"]: (row["stage"], row["intent"]) for row in rows}
        return _Standing(leads, other["waiting"], other["planned"])


def _changes(before: _Standing, after: _Standing) -> list[Change]:
    found: list[Change] = []
    for lead in sorted(before.leads.keys() | after.leads.keys()):
        old, new = before.leads.get(lead), after.leads.get(lead)
        if old is None and new is not None:
            found.append(Change("opened", lead, None, new[0]))
        elif old is not None and new is None:
            found.append(Change("withdrawn", lead, old[0], None))
        elif old is not None and new is not None:
            if old[0] != new[0]:
                found.append(Change("stage", lead, old[0], new[0]))
            if old[1] != new[1]:
                found.append(Change("intent", lead, old[1], new[1]))
    if before.waiting != after.waiting:
        found.append(Change("waiting", None, before.waiting, after.waiting))
    if before.follow_ups != after.follow_ups:
        found.append(Change("follow_ups", None, before.follow_ups, after.follow_ups))
    return found


def told(change: Change, clock: Clock) -> str:
    """A change in words."""
    from leadmasterd.classify.reasons import intent_es

    def stage(name: Any) -> str:
        return f"{name} ({stage_es(name)})"

    before, after = change.before, change.after
    match change.what:
        case "opened":
            return _("Lead {lead} is opened as {stage}.").format(lead=change.lead_id, stage=stage(after))
        case "withdrawn":
            return _("Lead {lead} is withdrawn: it never was one.").format(lead=change.lead_id)
        case "stage":
            return _("Lead {lead}: {before} -> {after}.").format(
                lead=change.lead_id, before=stage(before), after=stage(after)
            )
        case "intent":
            return _("Lead {lead} is about {after}, not {before}.").format(
                lead=change.lead_id, before=before, after=f"{after} ({intent_es(str(after))})"
            )
        case "waiting":
            if after is None:
                return _("Nobody waits for an answer there any more.")
            return _("An answer is waited for since {at}.").format(at=clock.full(str(after)))
        case _:
            number = int(str(after))
            if not number:
                return _("No follow-up is planned any more.")
            return ngettext("{n} follow-up is planned.", "{n} follow-ups are planned.", number).format(n=number)


@contextmanager
def opened(explicit: str | None) -> Iterator[Desk]:
    """A desk. Raises Refused when nothing was captured yet: a command makes no database."""
    settings, paths = load(explicit)
    if not paths.database.exists():
        raise Refused(_("Nothing was captured here yet: there is no {path}.").format(path=paths.database))
    with closing(_patiently(lambda: open_for_writing(paths.database, patience=_ONE_TRY))) as connection:
        yield Desk(connection, settings, paths)


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """BEGIN IMMEDIATE to COMMIT, or all of it undone. Raises CannotUseDatabase for what SQLite could not do."""

    def begin() -> None:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise cannot_use(path, error) from error

    _patiently(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.OperationalError):
            raise cannot_use(path, error) from error
        raise


def _patiently(act: Callable[[], _T]) -> _T:
    """Once more and once more while somebody else is writing, and told so; Ctrl-C ends it."""
    began, told = time.monotonic(), False
    while True:
        try:
            return act()
        except DatabaseBusy as error:
            waited = time.monotonic() - began
            if error.code != "database_locked" or waited >= _PATIENCE:
                raise
            if waited >= _SILENT and not told:
                told = True
                text = _("somebody else is writing to the database; waiting for up to {n} s (Ctrl-C ends it)")
                print(text.format(n=_PATIENCE), file=sys.stderr, flush=True)


def nobody(text: str) -> str:
    """Why there is nothing under this id, and what to do."""
    if text.strip().endswith("@g.us"):
        return _("{chat} is a group, and groups make no leads").format(chat=text)
    return _(
        "cannot find {text}: there is no lead, phone or chat of that id; `leadmasterd leads list --all` shows them"
    ).format(text=repr(text))


def _login() -> str:
    """Whoever types, also through sudo."""
    with suppress(KeyError):
        if os.geteuid() == 0 and os.environ.get("SUDO_USER"):
            return os.environ["SUDO_USER"]
        return pwd.getpwuid(os.getuid()).pw_name
    return f"uid {os.getuid()}"
