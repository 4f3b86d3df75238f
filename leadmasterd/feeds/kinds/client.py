"""The HTTP client of feeds: TLS is verified, no proxy of the environment is used, nothing is redirected by itself, and
only public addresses are connected to unless a host is allowed by name.
"""

import contextlib
import ssl
from asyncio import timeout as at_most
from collections.abc import Collection
from typing import Final

import aiohttp

from leadmasterd import __version__
from leadmasterd.resolver import PrivateAddress, PublicResolver, WhatsappsHost
from leadmasterd.text import later

CONNECT_TIMEOUT: Final = 10.0
_KEPT_SECONDS: Final = 4.0
"""A connection is used again within this. Node's servers close theirs after five, and a post to one that is just being
closed would be a failed try."""
_DRAINED_BYTES: Final = 65_536
_DRAIN_SECONDS: Final = 1.0
"""What is read of an answer's body, so that the connection can be used again; beyond it the connection is closed."""

FAILURES: Final = (aiohttp.ClientError, OSError, TimeoutError, ValueError)
"""What a try can end with; `why` has the words."""


def open_session(*, private_hosts: Collection[str], timeout: float, most_connections: int) -> aiohttp.ClientSession:
    """`timeout`: seconds for one request. Called within the event loop."""
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
    """The status is known, so nothing that happens to the body matters any more."""
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
    """A short text in our own words: a library's may quote the URL, which can hold a secret."""
    cause: BaseException | None = error
    while cause is not None:
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
        cause = cause.__cause__ or getattr(cause, "os_error", None) or getattr(cause, "certificate_error", None)
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
