"""Resolves names for HTTP: to public addresses only, unless a private host is allowed by name.

A name is resolved once for each connection, the answers are checked, and aiohttp connects to what was checked. So a
name that resolves to a private address the second time is refused the second time. Hosts of WhatsApp are refused here
again, by the name that is connected to: the settings were checked by the name as it was written.
"""

import asyncio
import socket
from collections.abc import Collection

from aiohttp.abc import AbstractResolver, ResolveResult

from leadmasterd.hosts import is_public, is_whatsapps


class PrivateAddress(OSError):
    """The host has no address that may be connected to."""


class WhatsappsHost(OSError):
    """The host belongs to WhatsApp or Meta, and nothing here sends."""


class PublicResolver(AbstractResolver):
    """Resolves as the system does, and hands out public addresses only."""

    def __init__(self, private_hosts: Collection[str]) -> None:
        """`private_hosts`: names that may have any address, in lower case."""
        self._private_hosts = private_hosts

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises OSError, PrivateAddress and WhatsappsHost among them."""
        if is_whatsapps(host):
            raise WhatsappsHost(f"{host} belongs to WhatsApp or Meta")
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        allowed = host.lower() in self._private_hosts
        results = [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=each_family,
                proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for each_family, _type, proto, _name, address in found
            if allowed or is_public(str(address[0]))
        ]
        if not results:
            raise PrivateAddress(f"{host} has no public address")
        return results

    async def close(self) -> None:
        """Does nothing: there is nothing to release."""
