"""Pings a dead-man's switch while capture works: a service that raises the alarm when the pings stop.

That is the one alarm that also comes when this machine is off. It speaks as Healthchecks does: `URL/start` when it
starts, `URL` while messages are proven to be captured live, `URL/fail` with a code that says why while they are not.
Nothing else is sent.
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
"""Seconds between two pings."""
_TRY_SECONDS: Final = 10.0
"""How long one ping may take."""
_FRESH: Final = timedelta(seconds=180)
"""How old the last heartbeat may be. One comes every five seconds; `status.json` is written at least every minute."""
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")


def unproven(status: Mapping[str, Any] | None, now: datetime) -> str:
    """A code for why it is not proven that messages are captured as they come; empty if it is.

    `status`: the content of `status.json`, which another version may have written; None if it can't be read.
    """
    if status is None:
        return "no_status"
    try:
        if status["phase"] != "ready":
            return _code(status["code"])
        if status["trouble"]:
            return _code(status["trouble"]["code"])
        alive_at = datetime.fromisoformat(status["capture"]["alive_at"])
        is_fresh = abs(now - alive_at) <= _FRESH
    except (KeyError, TypeError, ValueError):  # of another version, or no heartbeat yet
        return "heartbeat_lost"
    return "" if is_fresh else "heartbeat_lost"


def _code(code: object) -> str:
    """The code from the file; `unknown` for anything but a code, so that no words are ever sent."""
    return code if isinstance(code, str) and _CODE.fullmatch(code) else "unknown"


class StillAlive:
    """Pings one switch. Pings that fail are logged, the first in a row only, and change nothing else."""

    def __init__(
        self,
        url: str,
        status: Callable[[], Mapping[str, Any] | None],
        *,
        fail_after: float = 300,
        divisor: float = 1,
    ) -> None:
        """`url`: of the switch; its host may have a private address only if it is written as one, or is `localhost`.

        `status`: reads `status.json`; it may raise OSError. `fail_after`: seconds for which capture may be unproven
        before `/fail` is sent, since most failures pass by themselves; until then nothing is sent. When a person is
        needed, it is sent at once. `divisor`: divides all times, for tests.
        """
        self._url = url
        self._status = status
        self._fail_after = fail_after / divisor
        self._every = _EVERY / divisor
        self._unproven_since: float | None = None
        """On the monotonic clock; None while capture is proven."""
        self._is_failing = False
        """Whether the last ping failed."""

    async def run(self) -> None:
        """Ping until it is cancelled."""
        host = (urlsplit(self._url).hostname or "").lower()
        resolver = PublicResolver({"localhost"})  # no private address, but for `localhost`
        connector = aiohttp.TCPConnector(resolver=resolver, ssl=ssl.create_default_context(), force_close=True)
        async with aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=_TRY_SECONDS),
            trust_env=False,
            headers={"user-agent": f"leadmasterd/{__version__}"},
        ) as session:
            log.info("telling %s that this works", host, extra={"action": "ping_started"})
            await self._send(session, "/start")
            while True:
                status = self._read()
                code = unproven(status, datetime.now(UTC))
                if not code:
                    self._unproven_since = None
                    await self._send(session, "")
                else:
                    if self._unproven_since is None:
                        self._unproven_since = time.monotonic()
                    if self._has_failed(status, self._unproven_since):
                        await self._send(session, "/fail", code=code)
                await asyncio.sleep(self._every)

    def _read(self) -> Mapping[str, Any] | None:
        """The content of `status.json`; None if there is none or it can't be read."""
        try:
            return self._status()
        except OSError:  # not readable, or no file descriptors left
            return None

    def _has_failed(self, status: Mapping[str, Any] | None, unproven_since: float) -> bool:
        """Whether to send `/fail`: a person is needed, or it has lasted. `unproven_since`: on the monotonic clock."""
        if status and status.get("phase") in sentences.NEEDS_A_PERSON:
            return True
        return time.monotonic() - unproven_since >= self._fail_after

    async def _send(self, session: aiohttp.ClientSession, ending: str, *, code: str = "") -> None:
        """Send one ping. `ending`: added to the URL's path; `code`: the body, if any.

        A failure is logged, but not again while pings go on failing. The URL is the switch's secret: it is not logged.
        """
        parts = urlsplit(self._url)
        path = parts.path.rstrip("/") + ending if ending else parts.path
        url = urlunsplit(parts._replace(path=path))
        method = "POST" if code else "GET"  # some switches take only GET as a sign of life
        try:
            async with session.request(method, url, data=code or None, allow_redirects=False) as answer:
                why = "" if 200 <= answer.status < 300 else f"HTTP {answer.status}"
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            why = f"{type(error).__name__}: {error}".replace(url, "…")
        if why and not self._is_failing:
            log.warning("the dead-man's switch was not reached: %s", why, extra={"action": "ping_failed"})
        self._is_failing = bool(why)
