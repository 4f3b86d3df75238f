"""Where the page is served, and which proxies and names are believed."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from leadmasterd.errors import CannotUseSettings
from leadmasterd.text import _

_LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Place:
    """`host`: an address or `localhost`; `port` 0: any that is free; `names`: host names beside this machine's."""

    host: str
    port: int
    proxies: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, host: str, port: int, *, proxies: Iterable[str], names: Iterable[str]) -> Self:
        """As typed or set. Raises CannotUseSettings for a host that is no address."""
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
        """Refuse what would send cookies and customers' words over a network in the clear. Raises CannotUseSettings."""
        if not is_loopback(self.host) and not self.proxies:
            raise CannotUseSettings(
                _(
                    "cannot serve the page on {host} without TLS: serve it on 127.0.0.1 and reach it through an SSH "
                    "tunnel or Tailscale, or put a proxy with TLS in front of it and name its address in web.proxies"
                ).format(host=self.host)
            )

    def is_known(self, name: str) -> bool:
        """Whether a browser may call this server so. Any other name may be a trick (DNS rebinding)."""
        return name in _LOCAL_NAMES or name in self.names or (name == self.host and not is_any(self.host))

    def url(self) -> str:
        """By which a person reaches it: through the proxy if there is one with a name."""
        return f"https://{self.names[0]}/" if self.proxies and self.names else self.own_url()

    def own_url(self) -> str:
        """Where it is served itself."""
        host = "127.0.0.1" if is_any(self.host) else f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    return host == "localhost" or ipaddress.ip_address(host).is_loopback


def is_any(host: str) -> bool:
    """Whether it stands for all addresses of this machine."""
    return host != "localhost" and ipaddress.ip_address(host).is_unspecified
