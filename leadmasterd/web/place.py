"""`Place`: the address at which the page is served, and which proxies and host names are trusted."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from leadmasterd.errors import CannotUseSettings
from leadmasterd.text import _

_LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the page is served.

    `host`: an IP address or `localhost`. `port`: 0 for any that is free. `proxies`: addresses whose X-Forwarded headers
    are believed. `names`: host names by which browsers reach it, besides those of this machine.
    """

    host: str
    port: int
    proxies: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, host: str, port: int, *, proxies: Iterable[str], names: Iterable[str]) -> Self:
        """From the command line or the settings. Raises CannotUseSettings for a host that is not an IP address."""
        try:
            is_loopback(host)
        except ValueError as error:
            raise CannotUseSettings(
                _("cannot serve the page on {host}: it must be an IP address such as 127.0.0.1, or localhost").format(
                    host=repr(host)
                )
            ) from error
        return cls(host, port, tuple(proxies), tuple(names))

    def check(self) -> None:
        """Raise CannotUseSettings if cookies and customers' words would cross a network unencrypted.

        That is so where others than this machine reach the page and no proxy with TLS is named.
        """
        if not is_loopback(self.host) and not self.proxies:
            raise CannotUseSettings(
                _(
                    "cannot serve the page on {host} without TLS: serve it on 127.0.0.1 and reach it through an SSH "
                    "tunnel or Tailscale, or put a proxy with TLS in front of it and name its address in web.proxies"
                ).format(host=self.host)
            )

    def is_known(self, name: str) -> bool:
        """Whether `name`, from a Host header, is one of this server's. Another may be an attack (DNS rebinding)."""
        if name in _LOCAL_NAMES or name in self.names:
            return True
        return name == self.host and not is_any(self.host)

    def url(self) -> str:
        """The URL for people: of the proxy, if there is one and the settings name a host; else `own_url`."""
        return f"https://{self.names[0]}/" if self.proxies and self.names else self.own_url()

    def own_url(self) -> str:
        """The URL of this process itself, without a proxy."""
        host = self.host
        if is_any(host):
            host = "127.0.0.1"
        elif ":" in host:  # an IPv6 address
            host = f"[{host}]"
        return f"http://{host}:{self.port}/"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it. Raises ValueError for what is neither an IP address nor `localhost`."""
    return host == "localhost" or ipaddress.ip_address(host).is_loopback


def is_any(host: str) -> bool:
    """Whether this address stands for all addresses of the machine (0.0.0.0 or ::). Raises ValueError as above."""
    return host != "localhost" and ipaddress.ip_address(host).is_unspecified
