"""The kind `sheets`: a Google Apps Script that adds each event to its spreadsheet. docs/feeds.md has such a script.

A script sees no headers of a request, so id, time and signature are in the body. Google answers 200 also when the
script failed, so only the script's own words are a success. What a script answers is not in the answer to the POST:
Google redirects once, to a place on another host from where it is fetched with GET. No other redirect is followed.

All of it is ASCII: the text that is signed is the same in whatever character set a script reads it.
"""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import aiohttp
from yarl import URL

from leadmasterd.feeds import envelope
from leadmasterd.feeds.kinds.client import FAILURES, drain, open_session, why
from leadmasterd.feeds.schedule import DELIVERED, Outcome, Result, of_status, seconds_of
from leadmasterd.outbox.reading import Event
from leadmasterd.settings.feeds import SheetsFeed
from leadmasterd.text import later

TIMEOUT: Final = 40.0
"""Seconds for one try: a script takes some, also to start, and waits for its lock for 15 at most."""
_ANSWERS: Final = "https://script.googleusercontent.com/"
_ACCOUNTS: Final = "https://accounts.google.com/"
_MOST_ANSWER: Final = 200
"""Bytes of an answer that are looked at."""


class Sheets:
    """Posts to one script. Made within the event loop."""

    concurrency = 1
    """The script takes them one by one, and so rows are in the order of the events."""

    def __init__(self, settings: SheetsFeed, keys: Sequence[bytes], *, timeout: float = TIMEOUT) -> None:
        """`timeout` is shorter in tests."""
        self._url = settings.url
        self._keys = keys
        self._timeout = timeout
        self._session = open_session(private_hosts=(), timeout=timeout, most_connections=2)

    async def deliver(self, event: Event, *, after_gap: bool) -> Outcome:
        """A POST, and a GET for what the script said."""
        told = _ascii(envelope.standard(event, after_gap=after_gap))
        event_id, now = envelope.id_of(event), int(time.time())
        body = _ascii(
            {
                "id": event_id,
                "timestamp": now,
                "signature": envelope.signature(self._keys, webhook_id=event_id, timestamp=now, body=told.encode()),
                "event": told,
            }
        )
        try:
            async with asyncio.timeout(self._timeout):
                return await self._posted(body.encode(), f"ok {event_id}")
        except FAILURES as error:
            return Outcome(Result.AGAIN, why(error))

    async def _posted(self, body: bytes, success: str) -> Outcome:
        headers = {"content-type": "application/json"}
        async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
            if response.status not in (302, 303):
                return await _judged(response, success)
            place = response.headers.get("location", "")
            await drain(response)
        if place.startswith(_ACCOUNTS):
            return Outcome(Result.AGAIN, later("Google asks for an account: deploy the script with access for anyone"))
        if not place.startswith(_ANSWERS):
            return Outcome(Result.AGAIN, later("a redirect to another place"))
        async with self._session.get(URL(place, encoded=True), allow_redirects=False) as response:
            return await _judged(response, success)

    def flush(self) -> None:
        """What was delivered is in the sheet."""

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()


async def _judged(response: aiohttp.ClientResponse, success: str) -> Outcome:
    """The outcome by the script's own words. No status is: 410 too is of Google's making here."""
    if response.status != 200:
        outcome = of_status(response.status, seconds_of(response.headers.get("retry-after"), time.time()))
        throttled = outcome.result is Result.THROTTLED
        await drain(response)
        return outcome if throttled else Outcome(Result.AGAIN, outcome.why)
    answer = b""
    while len(answer) < _MOST_ANSWER and (read := await response.content.read(_MOST_ANSWER)):
        answer += read
    await drain(response)
    if answer.strip() == success.encode():
        return DELIVERED
    if answer.strip() == b"refused":
        return Outcome(
            Result.AGAIN, later("the script refuses the signature: it has another secret, or a clock is wrong")
        )
    return Outcome(Result.AGAIN, later("the script did not say ok: its executions at Google say why"))


def _ascii(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))
