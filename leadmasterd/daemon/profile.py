"""The live browser profile: prepared before each start, and kept, restored or set aside while no child lives.

The supervisor asks for the latter, which are called chores. Each logs how it went; none stops the daemon.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from leadmasterd.errors import CannotUseSnapshot, CannotUseState
from leadmasterd.listener.profile import Auth
from leadmasterd.listener.programs import is_headless_shell
from leadmasterd.settings.paths import Paths
from leadmasterd.supervisor.machine import Effect

log = logging.getLogger(__name__)


class BrowserProfile:
    """The profile that holds the WhatsApp session, and its snapshots.

    `grace_seconds`: how long after a link no snapshot is taken, because WhatsApp may still be setting up the session.
    """

    def __init__(self, paths: Paths, *, grace_seconds: float) -> None:
        self._paths = paths
        self._grace = timedelta(seconds=grace_seconds)
        self._auth = Auth(paths)
        self._browser: str | None = None
        """The version with which the session last worked."""
        self._linked_to: str | None = None
        """The account whose session it is; None: none is linked."""
        self.linked_elsewhere_at: str | None = None
        """When an imported session was linked on another computer (ISO). None: it was not, or has worked here since."""
        self._closed_cleanly = False
        self._restore_tried = False
        self._has_snapshot = False

    @property
    def chores(self) -> Mapping[Effect, Callable[[], Awaitable[None]]]:
        """The chores, each by the effect with which the supervisor asks for it."""
        return {
            Effect.QUARANTINE_PROFILE: self._quarantine,
            Effect.RESTORE_PROFILE: self._restore,
            Effect.TAKE_SNAPSHOT: self._take_snapshot,
            Effect.TRIM_CACHES: self._trim_caches,
        }

    @property
    def restorable(self) -> bool:
        """Whether a snapshot exists, and none was restored since the session last worked."""
        return self._has_snapshot and not self._restore_tried

    @property
    def session_lost(self) -> bool:
        """Whether a code shown now means that the session is lost and a snapshot may bring it back."""
        return self.restorable and self._linked_to is not None

    def linked_for(self) -> timedelta:
        """How long ago the phone was linked (or the profile restored); zero if it is not."""
        return self._auth.linked_for(now=datetime.now(UTC))

    def take_over(self) -> None:
        """Finish the import of a session during which an earlier process ended. `before_spawn` does it too."""
        with contextlib.suppress(OSError):  # `before_spawn` will fail with it, and that is reported
            self._auth.finish_adoption()

    @property
    def used_by(self) -> str | None:
        """The version of the newest browser that has opened the session; None: not known, or no session is linked."""
        return self._auth.used_by()

    def before_spawn(self, browser: Path) -> None:
        """Prepare the profile for this browser, and note what is known of its session.

        Raises OSError when a live browser holds the profile, or the disk refuses.
        """
        self._closed_cleanly = False
        self._auth.finish_adoption()
        for folder in (self._paths.profile.parent, self._paths.profile):
            folder.mkdir(mode=0o700, exist_ok=True)
        if (pid := self._auth.browser_using_it()) is not None:
            raise OSError(f"another browser (pid {pid}) has {self._paths.profile} open; close it")
        if removed := self._auth.clear_stale_singletons():
            log.debug("removed stale locks of the browser profile: %s", ", ".join(removed))
        if is_headless_shell(browser):
            self._auth.keep_chromium_out()
        self._linked_to = self._auth.linked_account()
        self.linked_elsewhere_at = self._auth.linked_elsewhere_at()
        accounts_that_fit = (None, self._linked_to)  # None: a snapshot of an account that was not known
        self._has_snapshot = any(each.account in accounts_that_fit for each in self._auth.snapshots())

    def opened_by(self, version: str | None) -> None:
        """Note that a browser of this version has started on the profile. None: its version is not known."""
        with contextlib.suppress(OSError):  # a full disk is reported elsewhere; the next start notes it
            self._auth.note_browser(version)

    def session_works(self, account: str, *, browser: str | None, fresh: bool) -> None:
        """The session is ready: mark the profile as linked to this account. `fresh`: it has just been linked.

        `browser`: the version that it works with, for the next snapshot.
        """
        self._browser = browser
        self._restore_tried = False
        self.linked_elsewhere_at = None
        try:
            self._auth.mark_linked(account, just_linked=fresh)
        except OSError as error:
            log.warning("cannot mark the profile as linked: %s", error, extra={"action": "profile_unmarked"})
        else:
            self._linked_to = account

    def stopped(self, *, cleanly: bool) -> None:
        """The child's tree is gone. `cleanly`: the browser closed by itself, so that the profile on disk is whole."""
        self._closed_cleanly = cleanly
        self._auth.let_chromium_in()
        if self._linked_to is not None and self.linked_elsewhere_at is None:
            # An imported session has worked here, so where it was linked no longer matters. This is forgotten only now,
            # because now its account is in the database.
            with contextlib.suppress(OSError):
                self._auth.forget_link_elsewhere()

    async def _quarantine(self) -> None:
        """Set the profile aside instead of deleting it: it may be the only copy of something."""
        try:
            target = await asyncio.to_thread(self._auth.quarantine, now=datetime.now(UTC), why="logged out")
        except OSError as error:  # harmless: WhatsApp asks for a scan on the old profile too
            log.error("cannot set the old session's profile aside: %s", error)  # noqa: TRY400
        else:
            if target:
                log.warning("the old session's profile was set aside in %s", target, extra={"action": "quarantined"})

    async def _restore(self) -> None:
        """Replace the profile by its account's newest good snapshot. Until the session works, this is the only try."""
        self._restore_tried = True
        account = self._auth.linked_account()
        try:
            snapshot = await asyncio.to_thread(self._auth.newest_good, account=account)
            if snapshot is None:
                log.warning("no good snapshot to restore", extra={"action": "not_restored"})
                return
            why = "lost its session, or did not open"
            await asyncio.to_thread(self._auth.restore, snapshot, now=datetime.now(UTC), why=why)
        except (OSError, CannotUseSnapshot, CannotUseState) as error:
            log.error("cannot restore the session: %s", error)  # noqa: TRY400
        else:
            log.warning("restored the session of %s", snapshot.made_at, extra={"action": "restored"})

    async def _take_snapshot(self) -> None:
        """Copy the session, unless the profile may not be whole or the link is too young."""
        if not self._closed_cleanly:
            log.warning("no snapshot: the browser did not close cleanly", extra={"action": "no_snapshot"})
            return
        if self.linked_for() < self._grace:  # WhatsApp may still be setting it up
            log.info("no snapshot: the session is too young", extra={"action": "no_snapshot"})
            return
        try:
            snapshot = await asyncio.to_thread(
                self._auth.take_snapshot,
                account=self._auth.linked_account(),
                browser=self._browser,
                now=datetime.now(UTC),
            )
        except (OSError, CannotUseSnapshot) as error:
            log.warning("no snapshot: %s", error, extra={"action": "no_snapshot"})
        else:
            log.info("kept a snapshot of the session, %d MB", snapshot.size // 1_000_000, extra={"action": "snapshot"})

    async def _trim_caches(self) -> None:
        """Remove the live profile's caches, and profiles that were set aside too long ago."""
        try:
            freed = await asyncio.to_thread(self._auth.trim_caches)
            await asyncio.to_thread(self._auth.prune_quarantine, now=datetime.now(UTC))
        except OSError as error:
            log.warning("cannot drop browser caches: %s", error, extra={"action": "caches_kept"})
        else:
            log.info("dropped %d MB of browser caches", freed // 1_000_000, extra={"action": "caches_trimmed"})
