"""Hosts and addresses of the internet: which are public, and which are WhatsApp's own."""

import ipaddress
from typing import Final

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_WHATSAPPS: Final = ("whatsapp.com", "whatsapp.net", "facebook.com", "fb.com", "meta.com", "wa.me")


def is_whatsapps(host: str) -> bool:
    """Whether a host name belongs to WhatsApp or Meta. A POST to the Cloud API could send, so feeds may not go there.

    Compared in its ASCII (IDNA) form, to which a client connects: full-width letters and ideographic dots map to it.
    """
    try:
        name = host.encode("idna").decode()
    except UnicodeError:  # it has no ASCII form, or is an IP address
        name = host
    return any(f".{name.lower().rstrip('.')}".endswith(f".{each}") for each in _WHATSAPPS)


def is_address(host: str) -> bool:
    """Whether `host` is an IP address rather than a name."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet. IPv6 forms of an IPv4 address count as that one."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            found = inner
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)
