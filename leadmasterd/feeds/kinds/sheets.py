"""The kind `sheets`: a Google Apps Script that adds each event to its spreadsheet. docs/feeds.md has such a script.

A script can't see the headers of a request, so id, time and signature are in the body. Google answers 200 even when the
script failed, so only the script's own words count as a success. They are not in the answer to the POST: Google
redirects once to another host, from where they are fetched with GET. No other redirect is followed.

The body is ASCII only, so the signed text is the same in whatever character set the script reads it.
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
"""Seconds for one try: a script needs some to start and to run, and waits up to 15 for its lock."""
_ANSWERS: Final = "https://script.googleusercontent.com/"
"""Where Google redirects to the answer of a script."""
_ACCOUNTS: Final = "https://accounts.google.com/"
"""Where Google redirects if the script is not open to anyone."""
_MOST_ANSWER: Final = 200
"""Bytes of an answer that are looked at."""


class Sheets:
    """Posts to one script. Made within the event loop."""

    concurrency = 1
    """One at a time, so that the rows of the sheet are in the order of the events."""

    def __init__(self, settings: SheetsFeed, keys: Sequence[bytes], *, timeout: float = TIMEOUT) -> None:
        """`keys`: to sign with. `timeout`: seconds for one try; shorter in tests."""
        self._url = settings.url
        self._keys = keys
        self._timeout = timeout
        self._session = open_session(private_hosts=(), timeout=timeout, most_connections=2)

    async def deliver(self, event: Event, *, after_gap: bool) -> Outcome:
        """Try once: a POST of the event, and a GET of what the script answered."""
        signed = _ascii(envelope.standard(event, after_gap=after_gap))
        event_id = envelope.id_of(event)
        now = int(time.time())
        body = _ascii(
            {
                "id": event_id,
                "timestamp": now,
                "signature": envelope.signature(self._keys, webhook_id=event_id, timestamp=now, body=signed.encode()),
                "event": signed,
            }
        )
        try:
            async with asyncio.timeout(self._timeout):
                return await self._post(body.encode(), f"ok {event_id}")
        except FAILURES as error:
            return Outcome(Result.AGAIN, why(error))

    async def _post(self, body: bytes, success: str) -> Outcome:
        """Post the body and fetch the script's answer. `success`: the answer that means it was taken."""
        headers = {"content-type": "application/json"}
        async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
            if response.status not in (302, 303):
                return await _outcome_of(response, success)
            location = response.headers.get("location", "")
            await drain(response)
        if location.startswith(_ACCOUNTS):
            return Outcome(Result.AGAIN, later("Google asks for an account: deploy the script with access for anyone"))
        if not location.startswith(_ANSWERS):
            return Outcome(Result.AGAIN, later("a redirect to another place"))
        async with self._session.get(URL(location, encoded=True), allow_redirects=False) as response:
            return await _outcome_of(response, success)

    def flush(self) -> None:
        """Nothing to do: what was delivered is in the sheet."""

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()


async def _outcome_of(response: aiohttp.ClientResponse, success: str) -> Outcome:
    """Delivered only if the script's own answer is `success`; everything else is tried again.

    Other statuses than 200 come from Google and not from the script, so even 410 does not disable the feed.
    """
    if response.status != 200:
        outcome = of_status(response.status, seconds_of(response.headers.get("retry-after"), time.time()))
        await drain(response)
        throttled = outcome.result is Result.THROTTLED
        return outcome if throttled else Outcome(Result.AGAIN, outcome.why)
    answer = b""
    while len(answer) < _MOST_ANSWER:
        read = await response.content.read(_MOST_ANSWER)
        if not read:
            break
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
    """JSON without spaces; other characters than ASCII are escaped."""
    return json.dumps(value, separators=(",", ":"))
