"""Who speaks: decided from a message's type and marks, by an allow-list."""

import pytest

from leadmasterd.authors import NOTICES, SENT_BY_PEOPLE, author_of
from leadmasterd.wire.events import Marks

NOT_ANSWERS: list[tuple[str, str, Marks, str]] = [
    ("our list", "chat", {"broadcast": "17@broadcast"}, "mailing"),
    ("our list, with a picture", "image", {"broadcast": True}, "mailing"),
    ("our list, not readable yet", "ciphertext", {"broadcast": True}, "mailing"),
    ("a campaign with buttons", "interactive", {"campaign": "C1", "native_flow": "cta_url"}, "mailing"),
    ("a business AI", "chat", {"bot": "biz_1p"}, "assistant"),
    ("somebody else's bot", "image", {"bot": "biz_3p"}, "assistant"),
    ("Meta AI within the chat", "chat", {"assistant": True}, "assistant"),
    ("an answer with parts", "rich_response", {}, "assistant"),
    ("a template", "chat", {"template": True}, "api"),
    ("a picture by a provider", "image", {"api": True}, "api"),
    ("a menu", "list", {}, "api"),
    ("buttons", "interactive", {}, "api"),
    ("a form", "interactive", {"native_flow": "galaxy_message"}, "api"),
    ("the greeting of an ad", "automated_greeting_message", {}, "system"),
    ("a type of next year", "holographic", {}, "system"),
    ("what this build can't show", "unknown", {}, "system"),
]


@pytest.mark.parametrize(
    ("type_", "marks", "author"), [row[1:] for row in NOT_ANSWERS], ids=[row[0] for row in NOT_ANSWERS]
)
def test_what_no_person_of_ours_sent(type_: str, marks: Marks, author: str) -> None:
    """However much there is to read."""
    assert author_of(from_me=True, message_type=type_, marks=marks, has_content=True) == author


@pytest.mark.parametrize("type_", sorted(NOTICES))
def test_nobody_wrote_a_notice(type_: str) -> None:
    """On either side, whatever text it carries."""
    for from_me in (True, False):
        assert author_of(from_me=from_me, message_type=type_, marks={}, has_content=True) == "system"


@pytest.mark.parametrize("type_", sorted(SENT_BY_PEOPLE))
def test_a_person_sent_it(type_: str) -> None:
    """With or without anything to read, and whoever the other party is."""
    for marks in ({}, {"hosted": True}, {"verified_name": "Muebles SRL"}):
        assert author_of(from_me=True, message_type=type_, marks=marks, has_content=False) == "operator"
        assert author_of(from_me=False, message_type=type_, marks=marks, has_content=False) == "contact"


def test_a_person_makes_some_interactive_messages_by_hand() -> None:
    """The business apps send an order or payment data that way."""
    for flow in ("order_details", "payment_info", "catalog_message"):
        assert author_of(from_me=True, message_type="interactive", marks={"native_flow": flow}, has_content=False) == (
            "operator"
        )


def test_of_theirs_an_unknown_type_counts_by_what_there_is_to_read() -> None:
    """What WhatsApp itself can't show was sent all the same."""
    for type_, has_content, author in (
        ("holographic", True, "contact"),
        ("holographic", False, "system"),
        ("unknown", False, "contact"),
        ("list", False, "contact"),
    ):
        assert author_of(from_me=False, message_type=type_, marks={}, has_content=has_content) == author


def test_a_companys_machine_is_the_other_party_and_a_bot_within_the_chat_is_nobody() -> None:
    """Their list, template or bot is still theirs; what it means is decided by the projection."""
    theirs: tuple[Marks, ...] = ({"broadcast": True}, {"bot": "biz_1p"}, {"template": True})
    for marks in theirs:
        assert author_of(from_me=False, message_type="chat", marks=marks, has_content=True) == "contact"
    assert author_of(from_me=False, message_type="chat", marks={"assistant": True}, has_content=True) == "assistant"
