"""`Observer` finds all conditions that hold now, from the daemon's status, the database and the files beside it.

What can't be read now is taken to be as it was at the last look, so that no condition seems to have ended.
"""

import logging
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from leadmasterd import health
from leadmasterd.alerts import words
from leadmasterd.alerts.day import DailyAlerts
from leadmasterd.alerts.kinds import TRAITS, Condition, Kind, Text
from leadmasterd.alerts.people import NEW_FOR, People
from leadmasterd.alerts.reader import Reader
from leadmasterd.alerts.refused import RefusedFile
from leadmasterd.alerts.session import SESSION, Context, Session
from leadmasterd.alerts.words import Status
from leadmasterd.clock import Clock
from leadmasterd.queries.alerts import Snapshot, snapshot
from leadmasterd.queries.history import Gap, reliability
from leadmasterd.settings.model import Settings
from leadmasterd.settings.paths import Paths
from leadmasterd.state.files import read_status

log = logging.getLogger(__name__)

KIND_OF: Final[Mapping[str, Kind]] = {
    health.SCREEN.code: Kind.SCREEN,
    health.DIALOG.code: Kind.SCREEN,
    health.DISK_LOW.code: Kind.DISK,
    health.DISK_FULL.code: Kind.DISK,
    health.BROWSER_STORAGE.code: Kind.DISK,
    health.PHONE_SILENT.code: Kind.PHONE_SILENT,
    health.SESSION_ELSEWHERE.code: Kind.DOWN,
    health.FEEDS_DOWN.code: Kind.FEEDS,
    health.FEED_DOWN.code: Kind.FEEDS,
    health.FEED_DISABLED.code: Kind.FEEDS,
    health.FEED_DEAD.code: Kind.FEEDS,
    health.FEED_OVERFLOW.code: Kind.FEEDS,
    health.CONTRACT.code: Kind.TROUBLE,
    health.RULES.code: Kind.TROUBLE,
    health.DATABASE_ERROR.code: Kind.TROUBLE,
    health.DATABASE_DAMAGED.code: Kind.TROUBLE,
    health.DATABASE_UNUSABLE.code: Kind.TROUBLE,
}
"""By the code of a warning of the daemon: the kind of its alert. Other warnings are not told.

Two of those matter: attempts to send are found by `refused`, and that alerts fail could not be told by an alert."""

_STORE: Final = "store"
"""The subject of an alert that the database can't be used, whatever the reason."""
_MEGABYTE: Final = 1_000_000


class Observer:
    """Finds the conditions. Keeps what each part found, in case it fails at the next look. For one thread at a time."""

    def __init__(self, settings: Settings, paths: Paths) -> None:
        alerts, divisor = settings.alerts, settings.supervisor.time_divisor
        self._paths = paths
        self._kinds = frozenset(map(Kind, alerts.kinds))
        self._disk_floor = settings.supervisor.disk_floor_mb * _MEGABYTE
        self._reader = Reader(paths, divisor=divisor)
        self._session = Session(down_after=timedelta(seconds=alerts.down_after), divisor=divisor)
        self._refused = RefusedFile(paths.state_dir)
        self._people = People(
            self._reader,
            kinds=self._kinds,
            about_to_miss=timedelta(minutes=alerts.about_to_miss),
            bodies=alerts.bodies,
        )
        self._daily = DailyAlerts(self._reader, kinds=self._kinds, morning=alerts.morning, evening=alerts.evening)
        self._snapshot = Snapshot()
        """What the database held when it was last read."""
        self._status: Status | None = None
        """What the running daemon last wrote to `status.json`; None while it has written nothing since it started."""
        self._daemon_since = datetime.now(UTC)
        self._warned: dict[tuple[Kind, str], datetime] = {}
        """The warnings that hold, each by kind and subject, and since when."""
        self._titles: dict[tuple[Kind, str], str] = {}
        """The titles of all warnings so far, by kind and subject: the text of an end names what is over."""
        self._found_before: dict[str, list[Condition]] = {}
        """What each part of a look found last."""
        self._failing: set[str] = set()
        """The parts that failed at the last look."""

    def look(self, now: datetime) -> list[Condition]:
        """Everything that holds now, of the kinds in the settings. Never raises."""
        parts: Mapping[str, Callable[[Clock], list[Condition]]] = {
            "session": self._look_at_session,
            "warnings": self._look_at_warnings,
            "refused": self._refused.look,
            "people": lambda clock: self._people.look(self._snapshot, clock),
            "day": lambda clock: self._daily.look(self._snapshot, self._status, clock),
        }
        self._part("database", lambda _clock: self._read(now), now)  # first: the others use what it reads
        found: list[Condition] = []
        for name, part in parts.items():
            found += self._part(name, part, now)
        return [each for each in found if each.kind in self._kinds]

    def came_back(self, kind: Kind, subject: str, since: datetime, now: datetime) -> Text | None:
        """What to tell of a condition that has ended. `since`: when it had begun.

        None if there is nothing to tell: ends of its kind are never told, the condition holds again, or the session
        needs something else now (a needed scan became a ban).
        """
        if kind in SESSION and not subject:  # with a subject it is a warning, which may be of the kind DOWN too
            return self._listening_again(since, now) if self._session.came_back else None
        if (kind, subject) in self._warned or not TRAITS[kind].end_is_told:
            return None
        return words.over(self._titles.get((kind, subject), ""), since, self._clock(now))

    def _listening_again(self, since: datetime, now: datetime) -> Text:
        """What to tell when the session is back: that it is, with the outages since `since` if they can be read now."""
        nothing: tuple[Gap, ...] = ()
        gaps = self._reader.ask(
            lambda connection: reliability(connection, since=since, now=now).gaps, now, nothing=nothing
        )
        ended = [gap for gap in gaps or () if gap.to_at]  # an outage that still lasts began after the session was back
        account = ((self._status or {}).get("account") or {}).get("wid")
        return words.listening_again(ended, self._clock(now), account=account)

    # ------------------------------------------------------------------ parts of a look

    def _part(self, name: str, look: Callable[[Clock], list[Condition]], now: datetime) -> list[Condition]:
        """What a part of the look finds; if it fails, what it found before. The first failure in a row is logged."""
        try:
            self._found_before[name] = look(self._clock(now))
            self._failing.discard(name)
        except Exception:
            if name not in self._failing:
                log.exception("looking at %s for alerts failed", name, extra={"action": "alerts_defect"})
            self._failing.add(name)
        return self._found_before.get(name, [])

    def _clock(self, now: datetime) -> Clock:
        return Clock(now, self._reader.settings.zone())

    def _read(self, now: datetime) -> list[Condition]:
        """Read the status, and the database if that is due, for the other parts. Finds no conditions itself."""
        self._read_status()
        if self._reader.begin_if_due(now):
            leads_since = now - NEW_FOR if Kind.NEW_LEAD in self._kinds else None  # None: no leads are read
            found = self._reader.ask(
                lambda connection: snapshot(connection, leads_since=leads_since), now, nothing=Snapshot()
            )
            if found is not None:
                self._snapshot = found
        return []

    def _read_status(self) -> None:
        """Update `_status`, and when the daemon started (the time of its lock file). Unreadable files change nothing.

        A status file that is older than the daemon was written by an earlier daemon, and counts as none.
        """
        try:
            daemon_since = self._paths.lock_file.stat().st_mtime
            is_its_own = self._paths.status_file.stat().st_mtime >= daemon_since
            status = read_status(self._paths)
        except OSError:
            return
        self._daemon_since = datetime.fromtimestamp(daemon_since, UTC)
        if not is_its_own:
            self._status = None
        elif status:  # else the file is not whole
            self._status = status

    def _look_at_session(self, clock: Clock) -> list[Condition]:
        """The one condition of the WhatsApp session, if any holds."""
        context = Context(self._daemon_since, self._snapshot.open_gaps, self._snapshot.settled)
        found = self._session.look(self._status, context, clock)
        return [found] if found else []

    def _look_at_warnings(self, clock: Clock) -> list[Condition]:
        """A condition for each warning that holds. Its `since` is when this observer first saw the warning."""
        texts = self._warnings(clock.now)
        self._warned = {key: self._warned.get(key, clock.now) for key in texts}
        self._titles |= {key: text.title for key, text in texts.items()}
        return [Condition(kind, subject, self._warned[kind, subject], text) for (kind, subject), text in texts.items()]

    def _warnings(self, now: datetime) -> dict[tuple[Kind, str], Text]:
        """The texts of the warnings that hold, by kind and subject.

        They come from three places:
        - the warnings in the daemon's status;
        - the free space on the disk, since the daemon can't write its status to a full disk;
        - whether the database can be used: by the daemon's status, or else by what happened when alerts read it.
        """
        status: Status = self._status or {}
        details: dict[str, str] = {**(status.get("concerns") or {})}
        free = shutil.disk_usage(self._paths.state_dir).free
        if free < self._disk_floor:
            details[health.DISK_LOW.code] = str(free // _MEGABYTE)
        found: dict[tuple[Kind, str], Text] = {}
        for code, detail in details.items():
            kind = KIND_OF.get(code)
            if kind:
                found[kind, code] = words.of_warning(code, detail)
        trouble = status.get("trouble") or {}
        trouble_kind = KIND_OF.get(str(trouble.get("code")))
        cannot_read = self._reader.trouble(now)
        if trouble_kind:
            found[trouble_kind, _STORE] = words.of_warning(trouble["code"], trouble["detail"])
        elif cannot_read:
            found[Kind.TROUBLE, _STORE] = words.trouble(cannot_read)
        return found
