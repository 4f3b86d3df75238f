"""The HTTP client of the feeds that post to a URL, and what its errors mean in our own words.

TLS is verified, no proxy of the environment is used, and it connects to public addresses only, unless a host is allowed
by name.
"""

import contextlib
import ssl
from asyncio import timeout as at_most
from collections.abc import Collection, Iterator
from typing import Final

import aiohttp

from leadmasterd import __version__
from leadmasterd.resolver import PrivateAddress, PublicResolver, WhatsappsHost
from leadmasterd.text import later

CONNECT_TIMEOUT: Final = 10.0
_KEPT_SECONDS: Final = 4.0
"""For how long an idle connection is used again. Node's servers close theirs after five seconds, and a post to one that
is just being closed would be a failed try."""
_DRAINED_BYTES: Final = 65_536
_DRAIN_SECONDS: Final = 1.0
"""How much of an answer's body is read at most, so that its connection can be used again."""

FAILURES: Final = (aiohttp.ClientError, OSError, TimeoutError, ValueError)
"""The exceptions that a request can raise; `why` puts them into words."""


def open_session(*, private_hosts: Collection[str], timeout: float, most_connections: int) -> aiohttp.ClientSession:
    """A client session that keeps the rules above. Called within the event loop.

    `private_hosts`: names that may have private addresses. `timeout`: seconds for one request.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            resolver=PublicResolver(private_hosts),
            ssl=ssl.create_default_context(),
            limit=most_connections,
            keepalive_timeout=_KEPT_SECONDS,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=timeout, connect=min(CONNECT_TIMEOUT, timeout)),
        trust_env=False,
        auto_decompress=False,
        headers={"user-agent": f"leadmasterd/{__version__}", "accept-encoding": "identity"},
    )


async def drain(response: aiohttp.ClientResponse) -> None:
    """Read the rest of the answer's body, so that the connection can be used again; close it if that is too much.

    Only the status counts, so errors are ignored here.
    """
    left = _DRAINED_BYTES
    with contextlib.suppress(*FAILURES):
        async with at_most(_DRAIN_SECONDS):
            while left > 0:
                read = await response.content.read(left)
                if not read:
                    return
                left -= len(read)
    response.close()


def why(error: Exception) -> str:
    """What went wrong, as a short text in our own words: a library's may quote the URL, which can hold a secret.

    The causes of the error are looked at first, as they say more.
    """
    for cause in _chain(error):
        match cause:
            case PrivateAddress():
                return later("private address")
            case WhatsappsHost():
                return later("a host of WhatsApp or Meta")
            case ssl.SSLCertVerificationError():
                return later("the certificate is not valid")
            case ssl.SSLError():
                return later("no TLS connection")
            case ConnectionRefusedError():
                return later("connection refused")
            case _:
                pass
    match error:
        case aiohttp.ClientConnectorDNSError():
            return later("the name can't be resolved")
        case TimeoutError():
            return later("no answer in time")
        case aiohttp.ClientConnectorError():
            return later("no connection")
        case aiohttp.ServerDisconnectedError() | ConnectionResetError():
            return later("the connection was closed before an answer")
        case aiohttp.ClientResponseError() | ValueError():
            return later("the answer is not HTTP")
        case _:
            return later("the connection failed")


def _chain(error: Exception) -> Iterator[BaseException]:
    """The error, what caused it, what caused that, and so on; aiohttp keeps some causes in attributes of its own."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or getattr(cause, "os_error", None) or getattr(cause, "certificate_error", None)
