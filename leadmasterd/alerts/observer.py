"""Looks for everything that may be told: the daemon's status, the database, and what else lies in the state directory.

What can't be read now is taken to be as it was, so that nothing seems to have ended.
"""

import logging
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from leadmasterd import health
from leadmasterd.alerts import words
from leadmasterd.alerts.day import DailyAlerts
from leadmasterd.alerts.kinds import FACTS, Condition, Kind, Text
from leadmasterd.alerts.people import NEW_FOR, People
from leadmasterd.alerts.reader import Reader
from leadmasterd.alerts.refused import RefusedFile
from leadmasterd.alerts.session import SESSION, Facts, Session
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
"""Warnings of the daemon that a person is told. Attempts to send are in a file; alerts can't tell that they fail."""

_STORE: Final = "store"
"""The subject of whatever keeps the database from being used."""
_MEGABYTE: Final = 1_000_000


class Observer:
    """For one thread at a time."""

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
        self._seen = Snapshot()
        self._status: Status | None = None
        self._daemon_since = datetime.now(UTC)
        self._warned: dict[tuple[Kind, str], datetime] = {}
        """Since when each warning holds."""
        self._titles: dict[tuple[Kind, str], str] = {}
        """Of all warnings there were, for telling their end."""
        self._last: dict[str, list[Condition]] = {}
        self._defects: set[str] = set()

    def look(self, now: datetime) -> list[Condition]:
        """Everything that holds now, of the kinds in the settings. Never raises."""
        parts: Mapping[str, Callable[[Clock], list[Condition]]] = {
            "session": self._look_at_session,
            "warnings": self._look_at_warnings,
            "refused": self._refused.look,
            "people": lambda clock: self._people.look(self._seen, clock),
            "day": lambda clock: self._daily.look(self._seen, self._status, clock),
        }
        self._part("database", lambda _clock: self._read(now), now)
        found: list[Condition] = []
        for name, part in parts.items():
            found += self._part(name, part, now)
        return [each for each in found if each.kind in self._kinds]

    def came_back(self, kind: Kind, subject: str, since: datetime, now: datetime) -> Text | None:
        """What to say of a condition that has ended; None if it goes on in another way, or there is nothing to say."""
        clock = self._clock(now)
        if kind in SESSION and not subject:
            if not self._session.came_back:
                return None
            nothing: tuple[Gap, ...] = ()
            gaps = self._reader.ask(
                lambda connection: reliability(connection, since=since, now=now).gaps, now, nothing=nothing
            )
            account = ((self._status or {}).get("account") or {}).get("wid")
            over = [gap for gap in gaps or () if gap.to_at]  # one that lasts has begun since
            return words.listening_again(over, clock, account=account)
        if (kind, subject) in self._warned or not FACTS[kind].end_is_told:
            return None
        return words.over(self._titles.get((kind, subject), ""), since, clock)

    # ------------------------------------------------------------------ parts of a look

    def _part(self, name: str, look: Callable[[Clock], list[Condition]], now: datetime) -> list[Condition]:
        """What a part finds; where it fails, what it found before."""
        try:
            self._last[name] = look(self._clock(now))
            self._defects.discard(name)
        except Exception:
            if name not in self._defects:
                log.exception("looking at %s for alerts failed", name, extra={"action": "alerts_defect"})
            self._defects.add(name)
        return self._last.get(name, [])

    def _clock(self, now: datetime) -> Clock:
        return Clock(now, self._reader.settings.zone())

    def _read(self, now: datetime) -> list[Condition]:
        """The status at every look, the database when it is due."""
        self._read_status()
        if self._reader.is_due(now):
            since = now - NEW_FOR if Kind.NEW_LEAD in self._kinds else None
            found = self._reader.ask(
                lambda connection: snapshot(connection, leads_since=since), now, nothing=Snapshot()
            )
            self._seen = found or self._seen
        return []

    def _read_status(self) -> None:
        """The status of the running daemon; None while it has not written one since it started."""
        try:
            daemon_since = self._paths.lock_file.stat().st_mtime
            is_its_own = self._paths.status_file.stat().st_mtime >= daemon_since
            status = read_status(self._paths)
        except OSError:
            return
        self._daemon_since = datetime.fromtimestamp(daemon_since, UTC)
        self._status = (status or self._status) if is_its_own else None

    def _look_at_session(self, clock: Clock) -> list[Condition]:
        facts = Facts(self._daemon_since, self._seen.open_gaps, self._seen.settled)
        found = self._session.look(self._status, facts, clock)
        return [found] if found else []

    def _look_at_warnings(self, clock: Clock) -> list[Condition]:
        told = self._warnings(clock.now)
        self._warned = {key: self._warned.get(key, clock.now) for key in told}
        self._titles |= {key: text.title for key, text in told.items()}
        return [Condition(*key, self._warned[key], text) for key, text in told.items()]

    def _warnings(self, now: datetime) -> dict[tuple[Kind, str], Text]:
        status: Status = self._status or {}
        details: dict[str, str] = {**(status.get("concerns") or {})}
        free = shutil.disk_usage(self._paths.state_dir).free
        if free < self._disk_floor:  # a status that can't be written does not tell it
            details[health.DISK_LOW.code] = str(free // _MEGABYTE)
        found = {
            (kind, code): words.of_warning(code, detail)
            for code, detail in details.items()
            if (kind := KIND_OF.get(code))
        }
        trouble = status.get("trouble") or {}
        if kind := KIND_OF.get(str(trouble.get("code"))):
            found[kind, _STORE] = words.of_warning(trouble["code"], trouble["detail"])
        elif ours := self._reader.trouble(now):
            found[Kind.TROUBLE, _STORE] = words.trouble(ours)
        return found
