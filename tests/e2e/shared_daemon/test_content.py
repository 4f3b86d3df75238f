"""What people share, from the page through the real library to the line that `messages` prints."""

import json
from typing import Any

import pytest

from leadmasterd.demo.standin import StandIn
from tests.e2e.daemon import DaemonUnderTest

pytestmark = pytest.mark.e2e

PRODUCT = {"title": "Lámpara", "currencyCode": "ARS", "priceAmount1000": 45_000_000, "body": "/9j/4AAQ"}
KINDS: list[tuple[dict[str, Any], str]] = [
    (
        {"type": "product", "productId": "88", "description": "bronce", **PRODUCT},
        "[product: Lámpara, ARS 45000, bronce]",
    ),
    ({"type": "product", "productId": "89"}, "[product: number 89]"),
    (
        {"body": "y esta?", "quotedStanzaID": "product_inquiry:88", "quotedMsg": {"type": "product", **PRODUCT}},
        "[about a product: Lámpara, ARS 45000] y esta?",
    ),
    (
        {
            "type": "payment",
            "subtype": "send",
            "paymentCurrency": "BRL",
            "paymentAmount1000": 45_000,
            "paymentNoteMsg": {"type": "chat", "body": "pela lâmpada"},
        },
        "[payment received: BRL 45] pela lâmpada",
    ),
    ({"type": "payment", "subtype": "request"}, "[payment asked of us]"),
    (
        {"type": "groups_v4_invite", "inviteGrpName": "Ferias", "comment": "Sumate"},
        "[invitation to a group: Ferias] Sumate",
    ),
    (
        {
            "type": "newsletter_follower_invite",
            "newsletterFollowerInviteInfo": {"newsletterName": "Ofertas", "inviteMessage": "Seguinos"},
        },
        "[invitation to a channel: Ofertas] Seguinos",
    ),
    (
        {
            "type": "event_creation",
            "body": "",
            "eventName": "Visita",
            "eventStartTime": 1_795_700_000,
            "eventLocation": {"name": "El local"},
        },
        "[event: 2026-11-26T13:33:20.000Z, El local] Visita",
    ),
    (
        {
            "body": "precio?",
            "quotedStanzaID": "S1",
            "quotedRemoteJid": "status@broadcast",
            "quotedMsg": {"type": "chat", "body": "Llegó"},
        },
        "[answer to our status: Llegó] precio?",
    ),
    (
        {
            "type": "list",
            "list": {"title": "Turnos", "description": "Elegí", "sections": [{"rows": [{"title": "Corte"}]}]},
        },
        "[list: Turnos, Corte] Elegí",
    ),
    (
        {"type": "interactive_response", "body": "Listo", "interactivePayload": {"buttonParamsJson": '{"name":"Ana"}'}},
        "[form filled in: Ana] Listo",
    ),
    (
        {"type": "document", "mimetype": "application/pdf", "filename": "f.pdf", "size": 240_000, "directPath": "/x"},
        "[document: f.pdf, 240 KB]",
    ),
    ({"type": "ptt", "mimetype": "audio/ogg", "duration": "42", "directPath": "/x"}, "[voice message: 0:42]"),
    ({"type": "sticker", "mimetype": "image/webp", "directPath": "/x"}, "[sticker]"),
    ({"type": "location", "lat": -34.6, "lng": -58.4, "isLive": True}, "[live location: -34.60000, -58.40000]"),
    ({"type": "unknown", "subtype": "phone_only_feature"}, "[only on the phone]"),
    ({"type": "hologram", "body": "Hola"}, "[a message of type hologram that this version does not know] Hola"),
    ({"type": "hologram"}, "[a message of type hologram that this version does not know]"),
]


def lines(daemon: DaemonUnderTest, phone: str, *more: str) -> dict[int, str]:
    """The captured messages of a chat as people read them, by their ids."""
    done = daemon.command("messages", "--json", "--chat", phone, "--limit", "100", *more)
    found = json.loads(done.stdout)["messages"]
    return {message["message_id"]: message["text"] for message in found}


def test_every_kind_that_people_share_is_read_as_a_line(daemon: DaemonUnderTest, standin: StandIn, ana: str) -> None:
    """And found by its words."""
    for number, (fields, _) in enumerate(KINDS):
        standin.act("deliver", **{"from": ana, "id": f"{ana}-{number}", **fields})
    daemon.await_messages(len(KINDS))
    rows = daemon.query("SELECT message_id, stanza_id FROM messages")
    told = lines(daemon, ana)
    by_stanza = {row["stanza_id"]: told[row["message_id"]] for row in rows}
    assert [by_stanza[f"{ana}-{number}"] for number in range(len(KINDS))] == [expected for _, expected in KINDS]
    assert len(lines(daemon, ana, "--search", "lampara")) == 2


def test_votes_of_a_customer_are_captured_live_and_change(daemon: DaemonUnderTest, standin: StandIn, ana: str) -> None:
    """Each vote is a line; a poll of twelve options has all of them."""
    options = [{"name": f"Día {number}", "localId": number} for number in range(12)]
    poll = {"type": "poll_creation", "pollName": "¿Qué día?", "pollOptions": options}
    [sent] = standin.act("own", to=ana, **poll)["ids"]
    standin.act("vote", **{"id": sent, "from": f"{ana}@c.us", "options": [11]})
    daemon.await_messages(2)
    standin.act("vote", **{"id": sent, "from": f"{ana}@c.us", "options": []})
    daemon.await_messages(3)
    told = list(lines(daemon, ana).values())
    assert told[0].startswith("[poll: Día 0 / Día 1 / ")
    assert told[0].endswith("/ Día 11] ¿Qué día?")
    assert told[1:] == ["[vote: ¿Qué día?] Día 11", "[vote taken back: ¿Qué día?]"]
    votes = daemon.query("SELECT captured_via FROM messages WHERE type = 'poll_vote'")
    assert {row["captured_via"] for row in votes} == {"live"}
