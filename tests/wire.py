"""Lines as the child writes them, for tests: complete and valid by default, with fields that a test can change."""

import json
from typing import Any

from leadmasterd.wire import decode
from leadmasterd.wire.events import Event

US = "5491155550100@c.us"
ANA = "5491155550001@c.us"
ANA_LID = "88001122334455@lid"
BETO = "5491155550002@c.us"
GROUP = "120363000000000001@g.us"
NOON = 1795435200
"""2026-11-23 12:00:00 UTC, in seconds."""


def line(type_: str, *, seq: int = 1, **fields: Any) -> dict[str, Any]:
    """A line of any type: the envelope and these fields."""
    return {"v": 1, "type": type_, "seq": seq, "at": NOON * 1000, **fields}


def key(stanza: str = "3EB0A1", *, chat: str = ANA, mine: bool = False, participant: str | None = None) -> Any:
    """A message's `id`."""
    return {"fromMe": mine, "remote": chat, "id": stanza, "participant": participant}


def contact(*, phone: str | None = None, lid: str | None = None, name: str | None = None) -> dict[str, Any]:
    """What the page's address book knows about the other party."""
    return {"saved_name": name, "business": False, "phone": phone, "lid": lid}


def message(
    stanza: str = "3EB0A1",
    *,
    chat: str = ANA,
    mine: bool = False,
    participant: str | None = None,
    t: Any = NOON,
    body: Any = "Hola, precio?",
    via: str = "live",
    seq: int = 1,
    **fields: Any,
) -> dict[str, Any]:
    """A readable message."""
    usual: dict[str, Any] = {
        "message_type": "chat",
        "from": US if mine else chat,
        "to": chat if mine else US,
        "author": None,
        "notify_name": "Ana",
        "media": None,
        "location": None,
        "contact_cards": [],
        "quoted": None,
        "order": None,
        "reply": None,
        "referral": None,
        "contact": contact(),
        "ephemeral_seconds": None,
        "forwarded": False,
        "data": None,
    }
    identity = key(stanza, chat=chat, mine=mine, participant=participant)
    return line("message", seq=seq, via=via, id=identity, t=t, body=body, **{**usual, **fields})


def ciphertext(stanza: str = "3EB0A1", *, chat: str = ANA, t: Any = NOON, seq: int = 1, **fields: Any) -> Any:
    """A message that cannot be read yet."""
    usual: dict[str, Any] = {
        "via": "live",
        "from": chat,
        "to": US,
        "author": None,
        "notify_name": None,
        "contact": contact(),
    }
    usual["subtype"] = None
    return line("ciphertext", seq=seq, id=key(stanza, chat=chat), t=t, **{**usual, **fields})


def ready(wid: str = US, *, seq: int = 1, fresh: bool = False) -> dict[str, Any]:
    """The line that names the account."""
    account = {"wid": wid, "lid": None, "push_name": "Tienda", "platform": "android"}
    return line("ready", seq=seq, account=account, fresh=fresh, web_version="2.3000.1")


def raw(obj: object) -> bytes:
    """The bytes of a line, without its newline."""
    return json.dumps(obj, ensure_ascii=False).encode("utf-8", "surrogatepass")


def decoded(obj: object) -> Event:
    """The event that this line is read as."""
    return decode.decode(json.dumps(obj).encode())
