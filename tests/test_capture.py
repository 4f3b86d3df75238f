"""What a message means: whose it is, when it was sent, and whether it is captured."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadmasterd import capture, identity, times
from leadmasterd.capture import CapturedMessage, CaptureFilter, CaptureRules, Skipped
from leadmasterd.identity import ChatKind
from leadmasterd.text import clean as cleaned
from leadmasterd.wire import decode
from leadmasterd.wire.events import Ciphertext, Message
from tests import wire

NOW = datetime.fromtimestamp(wire.NOON + 5, UTC)
NOW_ISO = times.iso(NOW)


def decided(obj: dict[str, Any], rules: CaptureRules = CaptureRules()) -> CapturedMessage | Skipped:  # noqa: B008
    """Decode and decide, as the daemon does."""
    event = wire.decoded(obj)
    assert isinstance(event, Message | Ciphertext), event
    return CaptureFilter(rules).decide(event, NOW)


def kept(obj: dict[str, Any], rules: CaptureRules = CaptureRules()) -> CapturedMessage:  # noqa: B008
    """The decision for a message that is kept."""
    captured = decided(obj, rules)
    assert isinstance(captured, CapturedMessage), captured
    return captured


CHATS: list[tuple[str, ChatKind]] = [
    ("5491155550001@c.us", "direct"),
    ("5491155550001@s.whatsapp.net", "direct"),
    ("88001122334455@lid", "direct"),
    ("120363000000000001@g.us", "group"),
    ("5491155550001-1600000000@g.us", "group"),
    ("status@broadcast", "status"),
    ("1600000000@broadcast", "broadcast"),
    ("120363000000000002@newsletter", "channel"),
    ("ana@bsuid.tomorrow", "direct"),
    ("no server at all", "direct"),
]


@pytest.mark.parametrize(("chat", "kind"), CHATS)
def test_a_chats_server_says_its_kind(chat: str, kind: ChatKind) -> None:
    """An unknown server counts as a direct chat, since keeping it is safer."""
    assert identity.chat_kind(chat) == kind


IDS = [
    ("5491155550001@c.us", "5491155550001@c.us"),
    ("5491155550001@s.whatsapp.net", "5491155550001@c.us"),
    ("5491155550001:12@s.whatsapp.net", "5491155550001@c.us"),
    ("5491155550001:12@c.us", "5491155550001@c.us"),
    ("88001122334455:3@lid", "88001122334455@lid"),
    ("88001122334455@lid", "88001122334455@lid"),
    ("120363000000000001@g.us", "120363000000000001@g.us"),
]


@pytest.mark.parametrize(("wid", "canonical"), IDS)
def test_one_person_has_one_canonical_id_per_kind(wid: str, canonical: str) -> None:
    """Device numbers and the other phone server do not make another person."""
    assert identity.canonical_id(wid) == canonical
    assert identity.canonical_id(canonical) == canonical


@pytest.mark.parametrize("chat", ["status@broadcast", "160@broadcast", "120@newsletter"])
@pytest.mark.parametrize("groups", [True, False])
def test_status_broadcasts_and_channels_are_never_kept(chat: str, groups: bool) -> None:
    """No setting changes that."""
    assert isinstance(decided(wire.message(chat=chat), CaptureRules(groups=groups)), Skipped)


def test_groups_are_kept_only_when_asked_for() -> None:
    """They are stored under the group's id, with the sender."""
    group = wire.message(chat=wire.GROUP, participant=wire.BETO, author=wire.BETO)
    assert decided(group) == Skipped("a group chat")
    captured = kept(group, CaptureRules(groups=True))
    assert (captured.chat, captured.group, captured.aliases) == (wire.GROUP, wire.GROUP, ())
    assert captured.sender == wire.BETO


IGNORED = [
    (["5491155550001"], "5491155550001@c.us", {}),
    (["+54 9 11 5555-0001"], "5491155550001@c.us", {}),
    (["(549) 11 5555 0001"], "5491155550001@s.whatsapp.net", {}),
    (["5491155550001@c.us"], "5491155550001@c.us", {}),
    (["5491155550001@s.whatsapp.net"], "5491155550001@c.us", {}),
    (["5491155550001"], "5491155550001:7@c.us", {}),
    (["88001122334455@lid"], "88001122334455@lid", {}),
    (["5491155550001"], "88001122334455@lid", {"phone": "5491155550001@c.us"}),
    (["88001122334455@lid"], "5491155550001@c.us", {"lid": "88001122334455@lid"}),
    (["120363000000000001@g.us"], "120363000000000001@g.us", {}),
    (["5491155550009", "5491155550001"], "5491155550001@c.us", {}),
    (["+54 11 5555-0001"], "5491155550001@c.us", {}),
    (["+54 9 11 5555-0001"], "541155550001@c.us", {}),
    (["5491155550001@c.us"], "541155550001@c.us", {}),
    (["+52 55 1234 5678"], "5215512345678@c.us", {}),
    (["+55 11 98765-4321"], "551187654321@c.us", {}),
]


@pytest.mark.parametrize(("entries", "chat", "contact"), IGNORED)
@pytest.mark.parametrize("make", [wire.message, wire.ciphertext])
def test_an_ignored_chat_is_known_in_every_form(make: Any, entries: list[str], chat: str, contact: Any) -> None:
    """The format of the entry and the id that WhatsApp uses make no difference."""
    rules = CaptureRules(groups=True, ignore=capture.ignore_list(entries))
    assert decided(make(chat=chat, contact=wire.contact(**contact)), rules) == Skipped("an ignored chat")


AT_HOME = [
    "11 5555-0001",
    "011 15 5555-0001",
    "(011) 15-5555-0001",
    "+54 11 15 5555-0001",
    "0054 9 11 5555 0001",
    "1155550001",
    "54 9 11 5555 0001",
    " 5491155550001 ",
    "5491155550001:12@s.whatsapp.net",
    "5491155550001@hosted",
]


@pytest.mark.parametrize("entry", AT_HOME)
@pytest.mark.parametrize("chat", ["5491155550001@c.us", "541155550001:7@s.whatsapp.net", "5491155550001@hosted"])
def test_a_number_is_ignored_as_it_is_dialled_at_home(entry: str, chat: str) -> None:
    """People list their families as they write them."""
    rules = CaptureRules(ignore=capture.ignore_list([entry], "AR"))
    assert decided(wire.message(chat=chat), rules) == Skipped("an ignored chat")
    kept(wire.message(chat="5493515550001@c.us"), rules)
    kept(wire.message(chat="5491155550011@c.us"), rules)


def test_a_lid_is_ignored_on_every_server() -> None:
    """Also with the number of a device."""
    rules = CaptureRules(ignore=capture.ignore_list(["88001122334455:3@hosted.lid"]))
    assert decided(wire.message(chat=wire.ANA_LID), rules) == Skipped("an ignored chat")


def test_a_number_of_another_country_is_its_own() -> None:
    """Dialled with its code, it is no number of the shop's country."""
    assert capture.ignore_list(["12025550123"], "AR") == {"12025550123"}


@pytest.mark.parametrize(
    ("entry", "country"),
    [
        ("Ana", "AR"),
        ("12345", "AR"),
        ("5555 0001", "AR"),
        ("15 5555 0001", "AR"),
        ("120363000000000001", "AR"),
        ("ana@c.us", "AR"),
        ("@lid", "AR"),
        ("5491155550001@", "AR"),
        ("", "AR"),
        ("011 15 5555-0001", ""),
        ("1155550001", ""),
    ],
)
def test_what_may_be_another_chat_than_meant_is_refused(entry: str, country: str) -> None:
    """Taken for something else it would not be ignored, and nobody would know."""
    with pytest.raises(ValueError, match="is neither") as refused:
        capture.ignore_list(["5491155550001", entry], country)
    assert repr(entry) in str(refused.value)


@pytest.mark.parametrize(
    "chat", ["5491155550002@c.us", "549115555000@c.us", "15491155550001@c.us", "88001122334455@lid"]
)
def test_other_chats_are_not_ignored(chat: str) -> None:
    """A number that shares only its beginning or end is another one."""
    rules = CaptureRules(ignore=capture.ignore_list(["+54 9 11 5555-0001"]))
    kept(wire.message(chat=chat), rules)


def test_an_ignored_chat_stays_ignored_under_an_id_that_only_an_earlier_message_named() -> None:
    """A reaction, edit or call may carry only the LID; an earlier message said whose it is."""
    chosen = CaptureFilter(CaptureRules(ignore=capture.ignore_list([wire.ANA])))
    alone, both = wire.message(chat=wire.ANA_LID), wire.contact(phone=wire.ANA)
    call = wire.line("call", call_id="C", chat=wire.ANA_LID, t=wire.NOON, outgoing=False, answered=False, video=False)
    changes: list[Any] = [
        wire.decoded(call),
        wire.decoded(wire.line("message_edit", id=wire.key(chat=wire.ANA_LID), t=wire.NOON, body="x")),
        wire.decoded(wire.line("message_revoke", id=wire.key(chat=wire.ANA_LID), t=wire.NOON)),
        wire.decoded(wire.line("reaction", id=wire.key(chat=wire.ANA_LID), from_me=False, emoji="x", t=wire.NOON)),
    ]
    first: list[Any] = [wire.decoded(wire.message(chat=wire.ANA_LID, contact=both)), wire.decoded(alone)]
    assert [chosen.refusal(each) for each in changes] == [None] * 4
    assert [chosen.decide(each, NOW) for each in first] == [Skipped("an ignored chat")] * 2
    assert [chosen.refusal(each) for each in changes] == [Skipped("an ignored chat")] * 4


def test_a_change_that_names_an_ignored_person_by_both_ids_is_ignored_at_once() -> None:
    """Nothing else has named the LID yet, and later nothing has to."""
    chosen = CaptureFilter(CaptureRules(ignore=capture.ignore_list([wire.ANA])))
    key, contact = wire.key(chat=wire.ANA_LID), {"phone": wire.ANA, "lid": wire.ANA_LID}
    edit: Any = wire.decoded(wire.line("message_edit", id=key, t=wire.NOON, body="x", contact=contact))
    told: Any = wire.decoded(wire.message(chat=wire.ANA_LID))
    assert chosen.refusal(edit) == Skipped("an ignored chat")
    assert chosen.decide(told, NOW) == Skipped("an ignored chat")


TIMES = [
    ("its own time", wire.NOON, "2026-11-23T12:00:00.000Z"),
    ("a little ahead of us", wire.NOON + 300, "2026-11-23T12:05:00.000Z"),
    ("the year 2099", 4_102_444_700, NOW_ISO),
    ("milliseconds by mistake", wire.NOON * 1000, NOW_ISO),
    ("beyond any calendar", (1 << 53) - 1, NOW_ISO),
    ("before WhatsApp", 0, NOW_ISO),
    ("negative", -wire.NOON, NOW_ISO),
    ("missing", None, NOW_ISO),
]


@pytest.mark.parametrize(("t", "sent_at"), [row[1:] for row in TIMES], ids=[row[0] for row in TIMES])
def test_an_absurd_time_becomes_the_time_of_capture(t: int | None, sent_at: str) -> None:
    """One message dated in the future would stop catch-up for years."""
    captured = kept(wire.message(t=t))
    assert captured.sent_at == sent_at
    assert captured.captured_at == NOW_ISO
    assert captured.t == t


@given(st.integers(round(times.EARLIEST.timestamp()), round(NOW.timestamp())))
def test_a_credible_time_is_filed_to_the_second(t: int) -> None:
    """As the calendar has it."""
    assert times.sent_at(t, NOW) == times.iso(datetime.fromtimestamp(t, UTC))


@given(st.none() | st.integers(min_value=-(1 << 53), max_value=1 << 53))
def test_no_time_is_filed_in_the_future_or_before_whatsapp(t: int | None) -> None:
    """Whatever the page sends, catch-up works."""
    at = datetime.fromisoformat(times.sent_at(t, NOW))
    assert times.EARLIEST <= at <= NOW + times.FUTURE_SLACK


def test_every_time_has_milliseconds_and_a_z() -> None:
    """So times sort correctly as text."""
    assert times.iso(datetime(2026, 1, 2, 3, 4, 5, 999_999, UTC)) == "2026-01-02T03:04:05.999Z"
    assert times.iso(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02T00:00:00.000Z"


@given(st.text(st.characters(codec=None)))
def test_any_text_becomes_storable_and_good_text_stays(text: str) -> None:
    """NUL and lone surrogates become U+FFFD, and nothing else changes."""
    clean = cleaned(text)
    assert clean is not None
    clean.encode()
    assert "\0" not in clean
    assert len(clean) <= len(text)
    if not any(char == "\0" or "\ud800" <= char <= "\udfff" for char in text):
        assert clean == text


def test_a_pair_of_surrogates_is_the_emoji_it_means() -> None:
    """Two separate halves are joined."""
    assert cleaned("\ud83d\udc4d") == "👍"
    assert cleaned("a\ud83d") == "a\ufffd"
    assert cleaned(None) is None


def test_names_are_cleaned_as_the_body_is() -> None:
    """Names come from strangers too."""
    dirty = wire.message(body="a\0", notify_name="b\ud800", contact=wire.contact(name="c\0"))
    captured = kept(dirty)
    assert (captured.body, captured.notify_name, captured.saved_name) == ("a\ufffd", "b\ufffd", "c\ufffd")


@pytest.mark.parametrize(("mine", "direction", "author"), [(True, "out", "operator"), (False, "in", "contact")])
def test_own_messages_are_the_operators(mine: bool, direction: str, author: str) -> None:
    """Every own message counts, whichever device wrote it."""
    captured = kept(wire.message(mine=mine))
    assert (captured.direction, captured.author, captured.chat) == (direction, author, wire.ANA)


def test_the_other_partys_ids_are_its_aliases_without_doubles() -> None:
    """The chat's id comes first, then WhatsApp's mapping."""
    both = wire.contact(phone="5491155550001:2@s.whatsapp.net", lid=wire.ANA_LID)
    assert kept(wire.message(chat=wire.ANA_LID, contact=both)).aliases == (wire.ANA_LID, wire.ANA)
    assert kept(wire.message(chat=wire.ANA, contact=both)).aliases == (wire.ANA, wire.ANA_LID)
    assert kept(wire.message()).aliases == (wire.ANA,)


def test_what_can_not_be_read_yet_is_a_row_that_says_so() -> None:
    """It has no body and is filled in later."""
    captured = kept(wire.ciphertext(subtype="view_once_unavailable_fanout"))
    assert (captured.type, captured.readable, captured.body) == ("ciphertext", False, None)
    assert json.loads(captured.details or "") == {"subtype": "view_once_unavailable_fanout"}


def test_details_hold_only_what_is_there() -> None:
    """Empty lists and nulls are dropped."""
    assert kept(wire.message()).details is None
    captured = kept(wire.message(contact_cards=["BEGIN:VCARD"], ephemeral_seconds=604800))
    assert json.loads(captured.details or "") == {"contact_cards": ["BEGIN:VCARD"], "ephemeral_seconds": 604800}


def deeper(frames: int, call: Callable[[], CapturedMessage | Skipped]) -> CapturedMessage | Skipped:
    """The same call with less stack left."""
    return deeper(frames - 1, call) if frames else call()


def test_what_json_can_not_say_is_left_out_and_the_message_kept() -> None:
    """A number beyond floats or the deepest readable nesting must not lose the message."""
    plain = kept(wire.message())
    line = wire.raw(wire.message(media={"size": 0}))
    for size in (b"1e999", *(b"[" * depth + b"]" * depth for depth in range(850, 1000, 2))):
        event = decode.decode(line.replace(b'"size": 0', b'"size": ' + size))
        if isinstance(event, Message):  # with more nesting it could not be read at all
            captured = deeper(30, partial(CaptureFilter(CaptureRules()).decide, event, NOW))
            assert isinstance(captured, CapturedMessage)
            assert captured._replace(media=None) == plain
