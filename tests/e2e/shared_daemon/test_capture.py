"""From a message in the page to a row, through the real library and the real browser."""

import json

import pytest

from leadmasterd.demo.standin import StandIn
from tests.depth import DEEP
from tests.e2e.daemon import OUR_PHONE, DaemonUnderTest, wait_long

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("shape", ["serialized", "dollar"], indirect=True)
def test_every_kind_of_message_becomes_one_row(daemon: DaemonUnderTest, standin: StandIn, ana: str) -> None:
    """Text, media, location, contact card, order, reply, ad, own message; in both shapes of message key."""
    kinds: list[tuple[str, dict[str, object]]] = [
        ("text", {"body": "Hola, precio?"}),
        (
            "image",
            {
                "type": "image",
                "caption": "este?",
                "body": "iVBORw0KGgo=",
                "mimetype": "image/jpeg",
                "directPath": "/v/x",
                "size": 1234,
                "width": 10,
                "height": 20,
            },
        ),
        ("location", {"type": "location", "lat": -34.6, "lng": -58.4, "loc": "Obelisco\nBuenos Aires"}),
        ("vcard", {"type": "vcard", "body": "BEGIN:VCARD\nFN:Beto\nEND:VCARD"}),
        (
            "order",
            {
                "type": "order",
                "orderId": "778899",
                "token": "t",
                "orderTitle": "Pedido",
                "itemCount": 2,
                "totalAmount1000": 14500000,
                "totalCurrencyCode": "ARS",
            },
        ),
        (
            "list",
            {
                "type": "list_response",
                "listResponse": {"title": "Combo 2", "singleSelectReply": {"selectedRowId": "c2"}},
            },
        ),
        ("ad", {"body": "Vi el aviso", "ctwaContext": {"sourceUrl": "https://example.com/a", "sourceId": "42"}}),
        ("quoted", {"body": "este", "quotedMsg": {"type": "chat", "body": "cuál?"}, "quotedStanzaID": "3EB0Q"}),
    ]
    for name, fields in kinds:
        standin.act("deliver", **{"from": ana, "notifyName": "Ana", "id": f"IN-{name}", **fields})
    standin.act("own", to=ana, body="14.500 con envío", id="OUT-1")
    daemon.await_messages(len(kinds) + 1)
    rows = {row["stanza_id"]: row for row in daemon.query("SELECT * FROM messages")}
    assert rows["IN-text"]["body"] == "Hola, precio?"
    assert rows["IN-text"]["direction"] == "in"
    assert rows["IN-text"]["captured_via"] == "live"
    assert rows["IN-text"]["notify_name"] == "Ana"
    image = rows["IN-image"]
    assert (image["type"], image["body"]) == ("image", "este?"), "the caption and not the thumbnail"
    assert json.loads(image["media"])["mimetype"] == "image/jpeg"
    assert json.loads(rows["IN-location"]["details"])["location"]["latitude"] == -34.6
    assert "FN:Beto" in json.loads(rows["IN-vcard"]["details"])["contact_cards"][0]
    assert json.loads(rows["IN-order"]["details"])["order"]["order_id"] == "778899"
    assert json.loads(rows["IN-list"]["details"])["reply"]["id"] == "c2"
    assert json.loads(rows["IN-ad"]["referral"])["source_id"] == "42"
    assert json.loads(rows["IN-quoted"]["quoted"])["body"] == "cuál?"
    assert (rows["OUT-1"]["direction"], rows["OUT-1"]["author"]) == ("out", "operator")
    assert len(daemon.query("SELECT * FROM conversations")) == 1
    raw = daemon.query("SELECT line FROM raw_events WHERE message_id = ?", rows["IN-text"]["message_id"])
    assert json.loads(raw[0]["line"])["id"]["id"] == "IN-text", "the raw event is kept"


@pytest.mark.parametrize("shape", ["serialized", "dollar"], indirect=True)
def test_what_happens_to_messages_later_is_kept(daemon: DaemonUnderTest, standin: StandIn, ana: str) -> None:
    """Edits, deletions, reactions, late decryption and calls, in both shapes of message key."""
    for stanza in ("EDITED", "REVOKED", "LIKED"):
        standin.act("deliver", **{"from": ana, "body": f"before {stanza}", "id": stanza})
    standin.act("ciphertext", **{"from": ana, "id": "SECRET"})
    daemon.await_messages(4)
    [secret] = daemon.query("SELECT * FROM messages WHERE stanza_id = 'SECRET'")
    assert (secret["type"], secret["body"], secret["readable_at"]) == ("ciphertext", None, None)
    standin.act("edit", id="EDITED", body="after")
    standin.act("revoke", id="REVOKED")
    standin.act("react", id="LIKED", emoji="👍", from_me=True)
    standin.act("decrypt", id="SECRET", body="ahora sí")
    standin.act("call", **{"from": ana, "log": False})

    def row(stanza: str) -> dict[str, object]:
        return daemon.query("SELECT * FROM messages WHERE stanza_id = ?", stanza)[0]

    wait_long(lambda: row("EDITED")["edited_at"], "the edit")
    assert row("EDITED")["body"] == "after"
    wait_long(lambda: row("REVOKED")["revoked_at"], "the deletion")
    assert row("REVOKED")["body"] == "before REVOKED", "the text of a deleted message is kept"
    wait_long(lambda: row("SECRET")["readable_at"], "the late decryption")
    assert (row("SECRET")["type"], row("SECRET")["body"]) == ("chat", "ahora sí")
    [reaction] = wait_long(lambda: daemon.query("SELECT * FROM reactions"), "the reaction")
    assert (reaction["stanza_id"], reaction["emoji"], reaction["from_me"]) == ("LIKED", "👍", 1)
    assert reaction["sender"] == f"{OUR_PHONE}@c.us"
    [call] = wait_long(lambda: daemon.query("SELECT * FROM calls"), "the call")
    assert (call["outgoing"], call["answered"]) == (0, 0)
    versions = daemon.query("SELECT change, body_before FROM message_versions ORDER BY change")
    assert [tuple(each.values()) for each in versions] == [("edit", "before EDITED"), ("revoke", "before REVOKED")]


def test_one_message_under_a_phone_and_a_lid_five_times_is_one_row(
    daemon: DaemonUnderTest, standin: StandIn, ana: str
) -> None:
    """A chat's id may change between the two; it stays one message and one conversation."""
    standin.act("deliver", **{"from": ana, "body": "una sola vez", "id": "TWICE"})
    daemon.await_messages(1)
    standin.act("contact", phone=ana, lid="777000777")
    standin.act("same", id="TWICE", times=4, lid="777000777")
    standin.act("deliver", **{"from": "777000777@lid", "body": "otra", "id": "OTHER"})
    wait_long(lambda: "otra" in daemon.bodies(), "the message under the lid")
    assert daemon.bodies() == ["otra", "una sola vez"]
    assert len(daemon.query("SELECT * FROM conversations")) == 1


def test_odd_messages_are_captured(daemon: DaemonUnderTest, standin: StandIn, ana: str) -> None:
    """A time in the future, NUL, half a surrogate pair, a megabyte, an unknown kind of chat: each is a row."""
    standin.act("deliver", **{"from": ana, "body": "del futuro", "t": 4070908800})
    standin.act("deliver", **{"from": ana, "body": "nul\0 y \ud83d suelto"})
    standin.act("deliver", **{"from": ana, "body": "ñ" * 1_000_000, "id": "LONG"})
    standin.act("deliver", **{"from": "5491155550009@interop", "body": "otro servidor"})
    standin.act("deliver", **{"from": ana, "body": "después"})
    daemon.await_messages(5)
    [future] = daemon.query("SELECT sent_at, captured_at, wire_t FROM messages WHERE body = 'del futuro'")
    assert future["sent_at"] == future["captured_at"]
    assert future["wire_t"] == 4070908800
    assert daemon.query("SELECT 1 FROM messages WHERE body LIKE 'nul%suelto'")
    [long] = daemon.query("SELECT length(body) AS n, truncated FROM messages WHERE stanza_id = 'LONG'")
    assert long["truncated"] == 1
    assert long["n"] > 400_000
    assert daemon.status["phase"] == "ready"


BURST = 5000 if DEEP else 2000


def test_thousands_of_messages_at_once_are_each_captured_once(
    daemon: DaemonUnderTest, standin: StandIn, ana: str
) -> None:
    """The page is not taken for hung, and the next message is captured live."""
    mark = daemon.last_event()
    standin.act("deliver", **{"from": ana, "body": "ráfaga {n}", "count": BURST, "spread": 20})
    daemon.await_messages(BURST)
    assert len(set(daemon.bodies())) == BURST
    standin.act("own", to=ana, body="respuesta", id="ANSWER")
    daemon.await_messages(BURST + 1)
    [answer] = daemon.query("SELECT captured_via FROM messages WHERE stanza_id = 'ANSWER'")
    assert answer["captured_via"] == "live"
    assert daemon.events(mark, phase="stopping") == []
    assert daemon.query("SELECT 1 FROM gaps WHERE closed_at IS NULL") == []
    assert standin.state()["sent"] == []


def test_nothing_is_sent_and_the_phone_keeps_its_notifications(
    daemon: DaemonUnderTest, standin: StandIn, ana: str
) -> None:
    """The page sends only its presence, `unavailable`."""
    standin.act("deliver", **{"from": ana, "body": "hola"})
    daemon.await_messages(1)
    state = wait_long(lambda: (now := standin.state())["presence"] and now, "the presence")
    assert state["sent"] == []
    assert "unavailable" in json.dumps(state["presence"]).lower()
