"""`[web]`: where the operator's page is served, and which proxies and host names lead to it."""

import ipaddress
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from leadmasterd.settings.section import Section
from leadmasterd.text import _

DEFAULT_PORT: Final = 8480


def _address(text: str) -> str:
    """The IP address in its usual form, or `localhost`. Raises ValueError."""
    if text == "localhost":
        return text
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(_("an IP address, such as {example}, or localhost").format(example="127.0.0.1")) from None


def _name(text: str) -> str:
    """The host name in lower case. Raises ValueError for a URL, a host with a port, and the like."""
    if not text or any(char in "/:@? " for char in text):
        raise ValueError(
            _("host names without scheme and port, such as {example} ({text!r} is none)").format(
                example="page.example", text=text
            )
        )
    return text.lower()


Address = Annotated[str, AfterValidator(_address)]
HostName = Annotated[str, AfterValidator(_name)]


class WebSettings(Section):
    """The operator's page."""

    host: Address = Field(
        "127.0.0.1",
        description=(
            "Address of this machine on which the page is served. Any but a loopback address needs a proxy with TLS in "
            "front of it, named in proxies."
        ),
    )
    port: int = Field(DEFAULT_PORT, ge=0, le=65535, description="Its port. 0: any that is free.")
    proxies: tuple[Address, ...] = Field(
        (),
        description=(
            "Addresses of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed: "
            '["127.0.0.1"] for Caddy or Tailscale on this machine.'
        ),
    )
    names: tuple[HostName, ...] = Field(
        (),
        description='Host names by which browsers reach it, besides localhost: ["leads.example"]. Others are refused.',
    )
