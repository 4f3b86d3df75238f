"""`leadmasterd.readable`: every kind of message has a line that a person can read."""

import json
from pathlib import Path
from typing import Any

import pytest

from leadmasterd.authors import NOTICES
from leadmasterd.classify.text import normalise
from leadmasterd.readable import KNOWN_TYPES, VOTE, Content, line, searched_text, written_words
from leadmasterd.text import speaking
from leadmasterd.wire.decode import EXTRAS

TYPES_OF_THE_PAGE = set(
    json.loads((Path(__file__).parent.parent / "node_listener" / "src" / "message" / "known-types.json").read_bytes())
)
"""`MSG_TYPE` of WAWebMsgType, build of 2026-04-27. Listener and canary tell of a type that is not among them."""
NOT_OF_THIS_BUILD = {"group_notification", "ciphertext_placeholder"}
"""Types of older builds, which no build of today gives."""


def test_every_type_of_the_page_has_a_line() -> None:
    """None is forgotten, none is made up."""
    assert TYPES_OF_THE_PAGE | {VOTE} == KNOWN_TYPES
    assert NOTICES - NOT_OF_THIS_BUILD <= TYPES_OF_THE_PAGE


@pytest.mark.parametrize("type_", sorted(KNOWN_TYPES - {"chat", "revoked"}))
def test_a_message_of_any_type_is_never_an_empty_line(type_: str) -> None:
    """Without any content, and with every field of a wrong type."""
    assert line(Content(type_)).startswith("[")
    wrong: dict[str, Any] = dict.fromkeys(EXTRAS, 7)
    assert line(Content(type_, details=wrong)).startswith("[")
    lists: dict[str, Any] = {name: [7, None, {}] for name in EXTRAS}
    assert "answer to our status" in line(Content(type_, media={"filename": 1, "pages": "x"}, details=lists))
    assert line(Content(type_, "words")).endswith("words") or type_ in {"ciphertext", "revoked"}


def test_numbers_are_written_as_the_language_does() -> None:
    """A search for the sum finds it in both."""
    sold = {"items": 3, "total": 12_345_500, "currency": "ARS"}
    told = Content("video", media={"size": 12_340_000}), Content("order", details={"order": sold})
    assert [line(each) for each in told] == ["[video: 12.3 MB]", "[order: 3 items, ARS 12345.50]"]
    with speaking("es"):
        assert [line(each) for each in told] == ["[video: 12,3 MB]", "[pedido: 3 artículos, ARS 12345,50]"]


PRODUCT = {"product_id": "88", "title": "Lámpara", "description": "bronce", "price": 45_000_000, "currency": "ARS"}
CARD = "BEGIN:VCARD\nVERSION:3.0\nN:Pérez;Ana;;;\nitem1.FN;CHARSET=UTF-8:Ana Pérez\nTEL:+54911\nEND:VCARD"

LINES: list[tuple[Content, str]] = [
    (Content("chat", "Hola"), "Hola"),
    (Content("image", "foto"), "[image] foto"),
    (Content("image", media={"view_once": True}), "[image: can be opened once, on the phone]"),
    (
        Content("document", "la factura", media={"filename": "f.pdf", "size": 240_100, "pages": 3}),
        "[document: f.pdf, 3 pages, 240 KB] la factura",
    ),
    (Content("video", media={"seconds": 3725, "size": 12_340_000}), "[video: 1:02:05, 12.3 MB]"),
    (Content("ptt", media={"seconds": 42, "size": 1}), "[voice message: 0:42, 1 KB]"),
    (Content("sticker"), "[sticker]"),
    (
        Content(
            "location", details={"location": {"name": "El local", "address": "Calle 1", "latitude": 1, "longitude": 2}}
        ),
        "[location: El local, Calle 1]",
    ),
    (
        Content("location", "voy", details={"location": {"latitude": -34.6, "longitude": -58.4, "live": True}}),
        "[live location: -34.60000, -58.40000] voy",
    ),
    (Content("vcard", details={"contact_cards": [CARD]}), "[contact: Ana Pérez]"),
    (
        Content("multi_vcard", details={"contact_cards": [CARD, "BEGIN:VCARD\nN:;Beto;;;", "x"]}),
        "[3 contacts: Ana Pérez / Beto / without a name]",
    ),
    (Content("product", details={"product": PRODUCT}), "[product: Lámpara, ARS 45000, bronce]"),
    (
        Content("product", details={"product": PRODUCT | {"sale_price": 40_500_500}}),
        "[product: Lámpara, ARS 40500.50, bronce]",
    ),
    (Content("product", details={"product": {"product_id": "88", "title": None}}), "[product: number 88]"),
    (Content("chat", "y esta?", quoted={"product": PRODUCT}), "[about a product: Lámpara, ARS 45000] y esta?"),
    (
        Content(
            "order", "gracias", details={"order": {"title": "Carrito", "items": 3, "total": 90_000, "currency": "ARS"}}
        ),
        "[order: Carrito, 3 items, ARS 90] gracias",
    ),
    (
        Content(
            "payment",
            "seña",
            details={"payment": {"kind": "send", "amount": 45_000, "currency": "BRL", "note": "seña"}},
        ),
        "[payment received: BRL 45] seña",
    ),
    (Content("payment", outgoing=True, details={"payment": {"kind": "send"}}), "[payment sent]"),
    (
        Content("payment", details={"payment": {"kind": "request", "amount": 0, "status": "expired"}}),
        "[payment asked of us: 0, expired]",
    ),
    (Content("unknown", details={"payment": {"kind": "request_cancelled"}}), "[payment request taken back]"),
    (
        Content("groups_v4_invite", "Sumate", details={"invitation": {"kind": "group", "name": "Ferias"}}),
        "[invitation to a group: Ferias] Sumate",
    ),
    (
        Content("newsletter_admin_invite", details={"invitation": {"kind": "channel_admin", "name": "Ofertas"}}),
        "[invitation to run a channel: Ofertas]",
    ),
    (
        Content(
            "event_creation",
            "Visita",
            details={"event": {"starts": 1_795_700_000, "place": "El local", "description": "paso"}},
        ),
        "[event: at 2026-11-26T13:33:20.000Z, El local] Visita: paso",
    ),
    (
        Content("event_creation", "Charla", details={"event": {"call": True, "cancelled": True, "starts": 1e30}}),
        "[scheduled call: cancelled] Charla",
    ),
    (
        Content("poll_creation", "¿Color?", details={"poll": {"options": [{"name": "Rojo"}, {"name": "Azul"}]}}),
        "[poll: Rojo / Azul] ¿Color?",
    ),
    (
        Content("poll_result_snapshot", "¿Color?", details={"poll": {"options": [{"name": "Rojo", "votes": 3}]}}),
        "[results of a poll: Rojo 3] ¿Color?",
    ),
    (
        Content(
            "poll_vote", "Rojo", details={"poll_vote": {"question": "¿Color?", "options": ["Rojo"], "selected": [0]}}
        ),
        "[vote: ¿Color?] Rojo",
    ),
    (
        Content("poll_vote", details={"poll_vote": {"question": "¿Color?", "selected": []}}),
        "[vote taken back: ¿Color?]",
    ),
    (Content("poll_vote", details={"poll_vote": {"selected": [4]}}), "[vote] an option that is not known"),
    (
        Content("chat", "precio?", quoted={"body": "Llegó la lana"}, details={"status_reply": {"author": None}}),
        "[answer to our status: Llegó la lana] precio?",
    ),
    (Content("chat", "qué lindo", outgoing=True, details={"status_reply": {}}), "[answer to their status] qué lindo"),
    (
        Content("list", "Elegí", details={"menu": {"kind": "list", "title": "Turnos", "options": ["Corte", "Color"]}}),
        "[list: Turnos, Corte / Color] Elegí",
    ),
    (
        Content("chat", "¿Va?", details={"menu": {"kind": "buttons", "options": ["Sí", "No"]}}),
        "[buttons: Sí / No] ¿Va?",
    ),
    (
        Content("interactive", details={"menu": {"kind": "flow", "name": "catalog_message", "footer": "Todo"}}),
        "[catalogue] Todo",
    ),
    (
        Content("list_response", "Corte", details={"reply": {"kind": "list", "text": "Corte"}}),
        "[chosen from a list] Corte",
    ),
    (
        Content("interactive_response", "Listo", details={"reply": {"kind": "flow", "answers": ["Ana", "2"]}}),
        "[form filled in: Ana / 2] Listo",
    ),
    (Content("template_button_reply", details={"reply": {"kind": "button", "text": "Sí"}}), "[button tapped] Sí"),
    (Content("hsm", "Tu pedido salió"), "[template] Tu pedido salió"),
    (Content("call_log", details={"call": {"answered": True, "seconds": 130}}), "[call: 2:10]"),
    (Content("call_log", details={"call": {"answered": False, "video": True}}), "[missed video call]"),
    (Content("call_log", outgoing=True), "[call, not answered]"),
    (Content("ciphertext"), "[not readable yet]"),
    (Content("ciphertext", details={"subtype": "view_once_unavailable_fanout"}), "[can be opened once, on the phone]"),
    (Content("unknown", details={"unknown": {"subtype": "phone_only_feature"}}), "[only on the phone]"),
    (
        Content("unknown", details={"unknown": {"future_type": "poll_creation"}}),
        "[a message of type poll_creation that this version of WhatsApp Web does not know]",
    ),
    (Content("hologram"), "[a message of type hologram that this version does not know]"),
    (Content("hologram", "Hola"), "[a message of type hologram that this version does not know] Hola"),
]


@pytest.mark.parametrize(("content", "expected"), LINES, ids=[expected[:40] for _, expected in LINES])
def test_a_message_reads_as_a_person_would_tell_it(content: Content, expected: str) -> None:
    """Kind and facts in brackets, then the words."""
    assert line(content, lambda at: f"at {at}") == expected


def test_all_options_of_a_poll_are_told_and_absurdly_long_names_are_cut() -> None:
    """Twelve options find room; a search finds each of them whole."""
    options = [{"name": f"{number} {'x' * 300} end{number}"} for number in range(12)]
    poll = Content("poll_creation", "¿Talle?", details={"poll": {"options": options}})
    told = line(poll)
    assert all(f"{number} xx" in told for number in range(12))
    assert len(told) < 320
    assert "end11" in searched_text(poll)
    named = Content("groups_v4_invite", details={"invitation": {"name": "y" * 100_000}})
    assert len(line(named)) < 200


def test_a_search_looks_into_what_people_wrote_and_not_into_our_own_words() -> None:
    """`product` finds no product, `lámpara` does."""
    asked = Content("chat", "y esta?", quoted={"product": PRODUCT}, details={"status_reply": {}})
    assert "Lámpara" in searched_text(asked)
    assert "y esta?" in searched_text(asked)
    assert not {"product", "status", "answer"} & set(searched_text(asked).split())


def test_what_is_classified_are_the_words_of_the_sender() -> None:
    """An event's description is asked in words, an order's title is all there is."""
    event = {"event": {"description": "paso a ver la lámpara"}}
    assert written_words("Visita", event) == "Visita\npaso a ver la lámpara"
    assert written_words(None, {"reply": {"text": "Corte"}, "order": {"title": 3}}) == "Corte"
    assert written_words("Hola", {"order": {"title": "Carrito"}}) == "Hola"
    assert normalise([written_words(None, {})]).empty
