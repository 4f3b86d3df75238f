"""The kind `webhook`: Standard Webhooks 1.0.0, with a CloudEvents envelope by choice.

TLS is verified, redirects are failures, no proxy of the environment is used, and only public addresses are connected to
unless the host is allowed by name. Success is a status 2xx, whatever body comes with it or does not.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from leadmasterd import __version__
from leadmasterd.feeds import envelope
from leadmasterd.feeds.addresses import PrivateAddress, PublicResolver
from leadmasterd.feeds.schedule import Outcome, Result, of_status, seconds_of
from leadmasterd.hosts import is_address, is_public
from leadmasterd.outbox.reading import Event
from leadmasterd.settings.feeds import WebhookFeed

TIMEOUT: Final = 20.0
"""Seconds for one try, from the connection to the answer's headers. Standard Webhooks recommends 15 to 30."""
CONNECT_TIMEOUT: Final = 10.0
CONCURRENCY: Final = 8
_KEPT_SECONDS: Final = 4.0
"""A connection is used again within this. Node's servers close theirs after five, and a post to one that is just being
closed would be a failed try."""
_DRAINED_BYTES: Final = 65_536
_DRAIN_SECONDS: Final = 1.0
"""What is read of an answer's body, so that the connection can be used again; beyond it the connection is closed."""


class Webhook:
    """Posts to one URL. Made within the event loop."""

    concurrency = CONCURRENCY

    def __init__(self, settings: WebhookFeed, keys: Sequence[bytes], *, timeout: float = TIMEOUT) -> None:
        """`timeout` is shorter in tests."""
        self._url = settings.url
        self._keys = keys
        self._template = settings.template
        self._cloudevents = settings.envelope == "cloudevents"
        private_hosts = {host.lower() for host in settings.private_hosts}
        host = urlsplit(settings.url).hostname or ""
        self._refused = is_address(host) and not is_public(host) and host not in private_hosts
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=PublicResolver(private_hosts),
                ssl=ssl.create_default_context(),
                limit=CONCURRENCY,
                keepalive_timeout=_KEPT_SECONDS,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=timeout, connect=min(CONNECT_TIMEOUT, timeout)),
            trust_env=False,
            auto_decompress=False,
            headers={
                "user-agent": f"leadmasterd/{__version__}",
                "accept-encoding": "identity",
                "content-type": "application/cloudevents+json" if self._cloudevents else "application/json",
            },
        )

    async def deliver(self, event: Event, *, after_gap: bool) -> Outcome:
        """One POST."""
        if self._template:
            value = envelope.by_template(self._template, event, after_gap=after_gap)
        else:
            value = (envelope.cloud_event if self._cloudevents else envelope.standard)(event, after_gap=after_gap)
        body = envelope.json_bytes(value)
        if len(body) >= envelope.MOST_BYTES:
            return Outcome(Result.IMPOSSIBLE, f"its {len(body)} bytes are more than a webhook may have")
        if self._refused:
            return Outcome(Result.AGAIN, "private address")
        now = time.time()
        webhook_id = envelope.id_of(event)
        headers = {
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(now)),
            "webhook-signature": envelope.signature(self._keys, webhook_id=webhook_id, timestamp=int(now), body=body),
        }
        try:
            async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
                outcome = of_status(response.status, seconds_of(response.headers.get("retry-after"), now))
                await _drain(response)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return Outcome(Result.AGAIN, _why(error))
        return outcome

    def flush(self) -> None:
        """What was delivered is the receiver's."""

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()


async def _drain(response: aiohttp.ClientResponse) -> None:
    """The status is known, so nothing that happens to the body matters any more."""
    left = _DRAINED_BYTES
    with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError, ValueError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            while left > 0:
                read = await response.content.read(left)
                if not read:
                    return
                left -= len(read)
    response.close()


def _why(error: Exception) -> str:
    """A short text in our own words: a library's may quote the URL, which can hold a secret."""
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case PrivateAddress():
                return "private address"
            case ssl.SSLCertVerificationError():
                return "the certificate is not valid"
            case ssl.SSLError():
                return "no TLS connection"
            case ConnectionRefusedError():
                return "connection refused"
            case _:
                pass
        cause = cause.__cause__ or getattr(cause, "os_error", None) or getattr(cause, "certificate_error", None)
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "the name can't be resolved"
        case TimeoutError():
            return "no answer in time"
        case aiohttp.ClientConnectorError():
            return "no connection"
        case aiohttp.ServerDisconnectedError() | ConnectionResetError():
            return "the connection was closed before an answer"
        case aiohttp.ClientResponseError() | ValueError():
            return "the answer is not HTTP"
        case _:
            return "the connection failed"
