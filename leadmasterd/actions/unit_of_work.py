"""The lead editor: writes what a person decided, projects the contacts concerned at once, and returns what changed.

Two transactions on purpose. The decision is kept even if the projection fails (a broken rules file, say): its
conversations stay dirty until the daemon, which notices by itself, or a later command projects them.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final, Generic, Literal, TypedDict, TypeVar

from leadmasterd import times
from leadmasterd.errors import CannotUseModel, CannotUseRules, DatabaseBusy, Refused
from leadmasterd.projection.policy import classifier_of, policy_of
from leadmasterd.projection.projector import Projector
from leadmasterd.queries.database import id_list, open_for_reading, rows
from leadmasterd.queries.people import Subject, find_or_refuse, of_conversation
from leadmasterd.settings.paths import Paths
from leadmasterd.settings.plain import PlainSettings
from leadmasterd.store.database import cannot_use, is_damage, open_for_writing
from leadmasterd.store.dirty import dirty_among, mark_dirty
from leadmasterd.text import _

_T = TypeVar("_T")
_U = TypeVar("_U")

LOCK_TIMEOUT: Final = 60
"""Seconds that a command waits for the write lock: a daemon that catches up on thousands of messages often holds it."""
_ONE_TRY: Final = 0.05
"""Seconds that SQLite waits for the lock in one try: it ignores Ctrl-C meanwhile, and checks ever less often."""
_QUIET: Final = 2.0
"""Seconds of waiting before `on_wait` is called."""

Who = str | int
"""Whom a decision is about: an id or a name as a person types it, or the number of a conversation."""

OnWait = Callable[[int], None]
"""Called once when the lock takes long, with the seconds we wait at most."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds to wait for the write lock, and whom to tell when that takes long."""

    seconds: int
    on_wait: OnWait = lambda _seconds: None


What = Literal["opened", "withdrawn", "stage", "intent", "waiting", "follow_ups"]


class ChangeRecord(TypedDict):
    """`A change` of docs/json.md."""

    what: What
    lead_id: int | None
    before: str | int | None
    after: str | int | None


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a decision changed. `before` and `after`: a stage, an intent, a time, or a number of follow-ups.

    Which of these it is depends on `what`. `lead_id`: None for `waiting` and `follow_ups`, which concern all the chats.
    """

    what: What
    lead_id: int | None
    before: str | int | None
    after: str | int | None

    def as_json(self) -> ChangeRecord:
        """The object that docs/json.md documents as `A change`."""
        return {"what": self.what, "lead_id": self.lead_id, "before": self.before, "after": self.after}


@dataclass(frozen=True, slots=True)
class Applied(Generic[_T, _U]):
    """The result of `LeadEditor.apply`: what `write` and `then` returned, and what changed."""

    written: _T
    then: _U
    changes: list[Change]


@dataclass(frozen=True, slots=True)
class _LeadState:
    stage: str
    intent: str


@dataclass(frozen=True, slots=True)
class _State:
    """What is compared before and after a decision, of all the people concerned. `leads`: by lead id."""

    leads: dict[int, _LeadState]
    waiting: str | None
    """Since when the first of them waits for an answer; None if nobody does."""
    follow_ups: int
    """How many are planned."""


class LeadEditor:
    """One connection for writing, on behalf of `actor` (`person:LOGIN`)."""

    def __init__(
        self, connection: sqlite3.Connection, settings: PlainSettings, paths: Paths, *, actor: str, patience: Patience
    ) -> None:
        """`patience`: how long every transaction waits for the write lock."""
        self.connection = connection
        self.settings = settings
        self.paths = paths
        self.actor = actor
        self._patience = patience
        self.classifier = cache(lambda: classifier_of(settings.leads.rules, paths))  # slow: read once, when needed
        self.projector = Projector(connection, self.classifier, policy_of(settings.leads))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction that holds the write lock from its beginning: nobody writes between our reads and our writes.

        Waits for the lock as long as the editor's patience lasts. Raises CannotUseDatabase.
        """
        with _transaction(self.connection, self.paths.database, self._patience):
            yield

    def find(self, who: Who) -> Subject:
        """The person of this conversation number, or with this id or name. Raises Refused for none or several."""
        if isinstance(who, int):
            return of_conversation(self.connection, who)
        return find_or_refuse(self.connection, who, self.settings.leads.country)

    def time_after(self, subject: Subject) -> str:
        """The time for a new decision on this person (ISO, UTC): now.

        If our clock is behind, just after their latest message, call or decision, so that causes come first.
        """
        [row] = rows(
            self.connection,
            "WITH chats AS (SELECT value FROM json_each(:chats)) SELECT max(at) AS at FROM ("
            "SELECT max(sent_at) AS at FROM messages WHERE conversation_id IN chats "
            "UNION ALL SELECT max(started_at) FROM calls WHERE conversation_id IN chats "
            "UNION ALL SELECT max(at) FROM decisions WHERE conversation_id IN chats)",
            chats=id_list(subject.conversations),
        )
        now = datetime.now(UTC)
        if row["at"]:
            now = max(now, datetime.fromisoformat(row["at"]) + timedelta(milliseconds=1))
        return times.iso(now)

    def apply(
        self,
        subjects: Sequence[Subject],
        write: Callable[[], _T],
        then: Callable[[_T], _U],
        *,
        since: Callable[[_T], str | None],
    ) -> Applied[_T, _U]:
        """Run `write` in one transaction; in the next, derive these people's leads again and run `then`.

        `then` and `since` get what `write` returned. `since` returns the time from which on the people's history has
        changed; None: from its beginning. The leads are derived again from there. Raises CannotUseRules or
        CannotUseModel if that must wait until a file is mended: what was written is kept.
        """
        contacts = [subject.contact_id for subject in subjects]
        conversations = sorted({each for subject in subjects for each in subject.conversations})
        with self.transaction():
            before = self._state(contacts, conversations)
            already_dirty = dirty_among(self.connection, conversations)
            written = write()
            mark_dirty(self.connection, dict.fromkeys(conversations, since(written)))
        try:
            if already_dirty:  # there may be bursts to classify: read rules and model, which is slow, without the lock
                self.classifier()
            with self.transaction():
                self.projector.project(conversations, datetime.now(UTC), self.actor)
                after = self._state(contacts, conversations)
                last = then(written)
        except (CannotUseRules, CannotUseModel) as error:
            saved = _("Your change is saved and applies once the file is fixed; there is no need to repeat it.")
            raise type(error)(f"{error}\n{saved}") from error
        return Applied(written, last, _changes(before, after))

    def _state(self, contacts: Iterable[int], conversations: Iterable[int]) -> _State:
        """What these contacts and conversations have now, taken together."""
        people = id_list(contacts)
        chats = id_list(conversations)
        leads = rows(
            self.connection,
            "SELECT lead_id, stage, intent FROM leads WHERE contact_id IN (SELECT value FROM json_each(:people)) "
            "OR conversation_id IN (SELECT value FROM json_each(:chats)) ORDER BY lead_id",
            people=people,
            chats=chats,
        )
        [other] = rows(
            self.connection,
            "WITH chats AS (SELECT value FROM json_each(:chats)) SELECT "
            "(SELECT min(waiting_since) FROM conversations WHERE conversation_id IN chats) AS waiting, "
            "(SELECT count(*) FROM follow_ups WHERE conversation_id IN chats AND state = 'planned') AS planned",
            chats=chats,
        )
        return _State(
            leads={row["lead_id"]: _LeadState(row["stage"], row["intent"]) for row in leads},
            waiting=other["waiting"],
            follow_ups=other["planned"],
        )


def nothing_more(_written: object) -> None:
    """For `then` of `LeadEditor.apply`: there is nothing left to do after the projection."""


def _changes(before: _State, after: _State) -> list[Change]:
    """How two states differ: first lead by lead, then the waiting and the follow-ups."""
    found: list[Change] = []
    for lead in sorted(before.leads.keys() | after.leads.keys()):
        old, new = before.leads.get(lead), after.leads.get(lead)
        if old is None and new is not None:
            found.append(Change("opened", lead, None, new.stage))
        elif old is not None and new is None:
            found.append(Change("withdrawn", lead, old.stage, None))
        elif old is not None and new is not None:
            if old.stage != new.stage:
                found.append(Change("stage", lead, old.stage, new.stage))
            if old.intent != new.intent:
                found.append(Change("intent", lead, old.intent, new.intent))
    if before.waiting != after.waiting:
        found.append(Change("waiting", None, before.waiting, after.waiting))
    if before.follow_ups != after.follow_ups:
        found.append(Change("follow_ups", None, before.follow_ups, after.follow_ups))
    return found


# ---------------------------------------------------------------------- opening, and waiting for the lock


@contextmanager
def open_editor(settings: PlainSettings, paths: Paths, *, actor: str, patience: Patience) -> Iterator[LeadEditor]:
    """An editor of this database, closed at the end. `actor`: `person:LOGIN`, on whose behalf it writes.

    Raises Refused if nothing has been captured yet, because a decision creates no database. Raises CannotUseDatabase,
    also for a database of an earlier version: it is not updated here, as its daemon may still be running.
    """
    if not paths.database.exists():
        raise Refused(_("Nothing has been captured here yet: there is no {path}.").format(path=paths.database))
    open_for_reading(paths).close()  # refuses other versions
    connection = _retrying(lambda: open_for_writing(paths.database, timeout=_ONE_TRY), patience)
    with closing(connection):
        yield LeadEditor(connection, settings, paths, actor=actor, patience=patience)


@contextmanager
def _transaction(connection: sqlite3.Connection, path: Path, patience: Patience) -> Iterator[None]:
    """As `LeadEditor.transaction`. It is rolled back when its body raises.

    Errors of SQLite about the lock, the disk or a damaged file become CannotUseDatabase.
    """

    def begin() -> None:
        """One try to get the write lock."""
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise cannot_use(path, error) from error

    _retrying(begin, patience)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if isinstance(error, Exception) and (isinstance(error, sqlite3.OperationalError) or is_damage(error)):
            raise cannot_use(path, error) from error
        raise


def _retrying(attempt: Callable[[], _T], patience: Patience) -> _T:
    """Run `attempt` until no other program holds the write lock, as long as `patience` lasts; Ctrl-C ends it.

    Each attempt waits for a moment by itself (`_ONE_TRY`), so there is no pause here. Raises what `attempt` raises.
    """
    began = time.monotonic()
    announced = False
    while True:
        try:
            return attempt()
        except DatabaseBusy as error:
            waited = time.monotonic() - began
            if error.code != "database_locked" or waited >= patience.seconds:
                raise
            if waited >= _QUIET and not announced:
                announced = True
                patience.on_wait(patience.seconds)
