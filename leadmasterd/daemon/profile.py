"""What the daemon does with the browser profile while no child lives: each chore tells, and none stops the daemon."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

from leadmasterd.errors import CannotUseSnapshot
from leadmasterd.listener.profile import Auth
from leadmasterd.settings.paths import Paths
from leadmasterd.supervisor.machine import Effect

log = logging.getLogger(__name__)


class ProfileKeeper:
    """Keeps the session: before each start, at its loss, and by snapshots."""

    def __init__(self, places: Paths, *, settle_seconds: float) -> None:
        self._places = places
        self._settle = timedelta(seconds=settle_seconds)
        self._auth = Auth(places)
        self._browser: str | None = None
        self._whole = False
        self._tried = False
        self._has_snapshot = False

    @property
    def chores(self) -> Mapping[Effect, Callable[[], Awaitable[None]]]:
        """What the supervisor may ask for."""
        return {
            Effect.QUARANTINE_PROFILE: self._quarantine,
            Effect.RESTORE_PROFILE: self._restore,
            Effect.TAKE_SNAPSHOT: self._take_snapshot,
            Effect.TRIM_CACHES: self._trim_caches,
        }

    @property
    def restorable(self) -> bool:
        """There is a snapshot to try, and it was not tried since the session last worked."""
        return self._has_snapshot and not self._tried

    def session_lost(self) -> bool:
        """Asked when a code is shown: this profile was linked, nobody logged it out, and a snapshot may help."""
        return self.restorable and self._auth.linked_account() is not None

    def before_spawn(self) -> None:
        """Make the folders, clear what a dead browser left. Raises OSError when a live one holds the profile."""
        self._whole = False
        for folder in (self._places.profile.parent, self._places.profile):
            folder.mkdir(mode=0o700, exist_ok=True)
        if (pid := self._auth.browser_using_it()) is not None:
            raise OSError(f"another browser (pid {pid}) has {self._places.profile} open; close it")
        if removed := self._auth.clear_stale_singletons():
            log.debug("removed stale locks of the browser profile: %s", ", ".join(removed))
        account = self._auth.linked_account()
        self._has_snapshot = any(each.account in (None, account) for each in self._auth.snapshots())

    def ready(self, account: str, *, browser: str | None) -> None:
        """The session works."""
        self._browser = browser
        self._tried = False
        try:
            self._auth.mark_linked(account)
        except OSError as error:
            log.warning("cannot mark the profile as linked: %s", error, extra={"action": "profile_unmarked"})

    def stopped(self, *, well: bool) -> None:
        """The child's tree is gone; `well`: in good order, so that the profile on disk is whole."""
        self._whole = well

    async def _quarantine(self) -> None:
        """Set it aside instead of deleting it: it may be the only copy of something."""
        try:
            target = await asyncio.to_thread(self._auth.quarantine, now=datetime.now(UTC), why="logged out")
        except OSError as error:  # WhatsApp asks for a scan on the old one as well
            log.error("cannot set the old session's profile aside: %s", error)  # noqa: TRY400
        else:
            if target:
                log.warning("the old session's profile was set aside in %s", target, extra={"action": "quarantined"})

    async def _restore(self) -> None:
        self._tried = True
        account = self._auth.linked_account()
        try:
            snapshot = await asyncio.to_thread(self._auth.newest_good, account=account)
            if snapshot is None:
                log.warning("no good snapshot to restore", extra={"action": "not_restored"})
                return
            why = "lost its session, or would not open"
            await asyncio.to_thread(self._auth.restore, snapshot, now=datetime.now(UTC), why=why)
        except (OSError, CannotUseSnapshot) as error:
            log.error("cannot restore the session: %s", error)  # noqa: TRY400
        else:
            log.warning("restored the session of %s", snapshot.made_at, extra={"action": "restored"})

    async def _take_snapshot(self) -> None:
        if not self._whole:
            log.warning("no snapshot: the browser did not close in good order", extra={"action": "no_snapshot"})
            return
        if self._auth.linked_for(now=datetime.now(UTC)) < self._settle:  # WhatsApp may still be setting it up
            log.info("no snapshot: the session is too young", extra={"action": "no_snapshot"})
            return
        try:
            snapshot = await asyncio.to_thread(
                self._auth.take, account=self._auth.linked_account(), browser=self._browser, now=datetime.now(UTC)
            )
        except (OSError, CannotUseSnapshot) as error:
            log.warning("no snapshot: %s", error, extra={"action": "no_snapshot"})
        else:
            log.info("kept a snapshot of the session, %d MB", snapshot.size // 1_000_000, extra={"action": "snapshot"})

    async def _trim_caches(self) -> None:
        freed = await asyncio.to_thread(self._auth.trim_caches)
        log.info("dropped %d MB of browser caches", freed // 1_000_000, extra={"action": "caches_trimmed"})
