"""Hosts and addresses of the internet: which are public, and which are WhatsApp's own."""

import ipaddress
from typing import Final

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_WHATSAPPS: Final = ("whatsapp.com", "whatsapp.net", "facebook.com", "fb.com", "meta.com", "wa.me")


def is_whatsapps(host: str) -> bool:
    """Whether it belongs to WhatsApp or Meta. The Cloud API takes its token in the URL, so a post there could send.

    A client connects to the ASCII form of a name, which wide letters and Chinese dots have too.
    """
    try:
        name = host.encode("idna").decode()
    except UnicodeError:  # it has no such form, or is an address
        name = host
    return any(f".{name.lower().rstrip('.')}".endswith(f".{each}") for each in _WHATSAPPS)


def is_address(host: str) -> bool:
    """Whether it is an address and no name."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, also behind the forms that carry an IPv4 address in IPv6."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            found = inner
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)
