"""Tells a dead-man's switch that capture works: a service that raises the alarm when it no longer hears so.

That is the one alarm that also comes when this machine is off. As Healthchecks has it: `URL/start` when we start, `URL`
while the live path is proven, `URL/fail` with a reason's code while it is not. Nothing else is in it.
"""

import asyncio
import logging
import re
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from leadmasterd import __version__, sentences
from leadmasterd.resolver import PublicResolver

log = logging.getLogger(__name__)

_EVERY: Final = 60.0
_TRY_SECONDS: Final = 10.0
_FRESH: Final = timedelta(seconds=180)
"""`status.json` is written once a minute at least, and a heartbeat comes every five seconds."""
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")


def unproven(status: Mapping[str, Any] | None, now: datetime) -> str:
    """Why it is not proven that messages are captured as they come: a code; empty when it is. `status`: as on disk."""
    if status is None:
        return "no_status"
    try:
        if status["phase"] != "ready":
            return _code(status["code"])
        if status["trouble"]:
            return _code(status["trouble"]["code"])
        alive_at = datetime.fromisoformat(status["capture"]["alive_at"])
        return "heartbeat_lost" if abs(now - alive_at) > _FRESH else ""
    except (KeyError, TypeError, ValueError):  # of another version, or no heartbeat yet
        return "heartbeat_lost"


def _code(code: object) -> str:
    """Never words, whatever stands in the file."""
    return code if isinstance(code, str) and _CODE.fullmatch(code) else "unknown"


class StillAlive:
    """Pings one switch. A ping that fails is logged once and disturbs nothing."""

    def __init__(
        self,
        url: str,
        status: Callable[[], Mapping[str, Any] | None],
        *,
        fail_after: float = 300,
        divisor: float = 1,
    ) -> None:
        """`url` may be of a private address only if that is written out in it, or of `localhost`.

        `fail_after`: seconds for which the live path may be unproven, since it comes back from most by itself. Until
        then nothing is told, and after it, or at once when a person is needed, the failure.
        """
        self._url = url
        self._status = status
        self._fail_after = fail_after / divisor
        self._every = _EVERY / divisor
        self._unproven_since: float | None = None
        self._complained = False

    async def run(self) -> None:
        """Until it is cancelled."""
        host = (urlsplit(self._url).hostname or "").lower()
        connector = aiohttp.TCPConnector(
            resolver=PublicResolver({"localhost"}), ssl=ssl.create_default_context(), force_close=True
        )
        async with aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=_TRY_SECONDS),
            trust_env=False,
            headers={"user-agent": f"leadmasterd/{__version__}"},
        ) as session:
            log.info("telling %s that this works", host, extra={"action": "ping_started"})
            await self._tell(session, "/start", "")
            while True:
                status = self._read()
                code = unproven(status, datetime.now(UTC))
                if not code:
                    self._unproven_since = None
                    await self._tell(session, "", "")
                elif self._lasts(status):
                    await self._tell(session, "/fail", code)
                await asyncio.sleep(self._every)

    def _read(self) -> Mapping[str, Any] | None:
        try:
            return self._status()
        except OSError:  # not readable, or no file descriptors left
            return None

    def _lasts(self, status: Mapping[str, Any] | None) -> bool:
        """Whether it is time to tell the failure."""
        if self._unproven_since is None:
            self._unproven_since = time.monotonic()
        if status and status.get("phase") in sentences.NEEDS_A_PERSON:
            return True
        return time.monotonic() - self._unproven_since >= self._fail_after

    async def _tell(self, session: aiohttp.ClientSession, what: str, code: str) -> None:
        parts = urlsplit(self._url)
        url = urlunsplit(parts._replace(path=parts.path.rstrip("/") + what if what else parts.path))
        method = "POST" if code else "GET"  # some switches know no other than GET for the good news
        try:
            async with session.request(method, url, data=code or None, allow_redirects=False) as answer:
                why = "" if 200 <= answer.status < 300 else f"HTTP {answer.status}"
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            why = f"{type(error).__name__}: {error}".replace(url, "…")
        if why and not self._complained:  # the URL is the switch's secret
            log.warning("the dead-man's switch was not reached: %s", why, extra={"action": "ping_failed"})
        self._complained = bool(why)
