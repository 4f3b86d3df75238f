"""Decoding the wire: every documented line is understood, and no line makes the decoder raise."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadmasterd.wire import decode as decoding
from leadmasterd.wire import events
from leadmasterd.wire.decode import decode, decode_line
from leadmasterd.wire.events import (
    Ciphertext,
    Malformed,
    Message,
    MessageEdit,
    MessageRevoke,
    Reaction,
    SweepDone,
    Unknown,
)
from tests import wire

CHECKOUT = Path(__file__).parent.parent
TRANSCRIPTS = sorted((CHECKOUT / "tests" / "transcripts").glob("*.jsonl"))


def child_lines() -> list[str]:
    """Every line in the transcripts that a child writes (commands carry no version)."""
    lines = [line for file in TRANSCRIPTS for line in file.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line.startswith("{") and '"seq"' in line]


def test_there_are_transcripts() -> None:
    """Without them the next test would prove nothing."""
    assert len(child_lines()) >= 20


def test_every_line_of_the_transcripts_is_understood() -> None:
    """The Node side is tested to write these lines, so none may be malformed or unknown here."""
    events = [decode(line.encode()) for line in child_lines()]
    assert [event for event in events if isinstance(event, Malformed | Unknown)] == []


@pytest.mark.parametrize("line", [line for line in child_lines() if '"type":"message' in line])
def test_what_few_lines_have_is_read(line: str) -> None:
    """Marks, what a message holds besides text, and both ids of the other party."""
    told, event = json.loads(line), decode(line.encode())
    if isinstance(event, Message):
        assert event.marks == told.get("marks", {})
        assert event.extras == {name: told[name] for name in decoding.EXTRAS if told.get(name)}
    else:
        assert isinstance(event, MessageEdit | MessageRevoke)
        assert event.contact == events.Contact(**told.get("contact", {}))


def test_the_transcripts_show_every_type() -> None:
    """So both sides are tested with every type."""
    assert {json.loads(line)["type"] for line in child_lines()} >= set(decoding.EVENT_TYPES)


def test_a_message_keeps_every_field() -> None:
    """No field of the wire is lost."""
    event = wire.decoded(
        wire.message(
            "ID",
            chat=wire.GROUP,
            participant=wire.BETO,
            author=wire.BETO,
            via="sweep",
            body="combo",
            truncated=True,
            forwarded=True,
            ephemeral_seconds=86400,
            media={"mimetype": "image/jpeg"},
            quoted={"id": "Q"},
            referral={"source_id": "ad"},
            location={"latitude": -34.6},
            contact_cards=["BEGIN:VCARD"],
            order={"order_id": "1"},
            reply={"kind": "list"},
            call={"answered": True},
            contact={"saved_name": "Beto", "business": True, "phone": wire.BETO, "lid": "7@lid"},
        )
    )
    assert isinstance(event, Message)
    assert (event.via, event.t, event.body) == ("sweep", wire.NOON, "combo")
    assert (event.sender, event.to, event.author) == (wire.GROUP, wire.US, wire.BETO)
    assert (event.truncated, event.forwarded, event.ephemeral_seconds) == (True, True, 86400)
    assert (event.key.from_me, event.key.remote, event.key.stanza_id, event.key.participant) == (
        False,
        wire.GROUP,
        "ID",
        wire.BETO,
    )
    assert event.contact == events.Contact("Beto", True, wire.BETO, "7@lid")
    assert (event.media, event.quoted, event.referral) == (
        {"mimetype": "image/jpeg"},
        {"id": "Q"},
        {"source_id": "ad"},
    )
    assert set(event.extras) == {"location", "contact_cards", "order", "reply", "call"}


def test_marks_are_what_the_record_shows() -> None:
    """Of messages that can't be read too. What says nothing, and what a newer child knows, is left out."""
    marks = {"broadcast": "17@broadcast", "campaign": True, "bot": "biz_1p", "template": True, "verified_name": "SRL"}
    silent = {"api": False, "assistant": None, "native_flow": "", "of_next_year": [1]}
    for line in (wire.message(marks=marks | silent), wire.ciphertext(marks=marks | silent)):
        event = wire.decoded(line)
        assert isinstance(event, events.Message | events.Ciphertext)
        assert event.marks == marks
    for line in (wire.message(), wire.message(marks=None), wire.message(marks={}), wire.ciphertext()):
        event = wire.decoded(line)
        assert isinstance(event, events.Message | events.Ciphertext)
        assert event.marks == {}


@pytest.mark.parametrize(
    "marks",
    [[], "bot", True, {"bot": True}, {"template": "yes"}, {"broadcast": 1}, {"broadcast": {}}, {"verified_name": 5}],
)
def test_a_mark_of_another_type_is_refused(marks: object) -> None:
    """It might decide who speaks, so nothing is guessed; the line is kept with the reason."""
    refused = wire.decoded(wire.message(marks=marks))
    assert isinstance(refused, Malformed)
    assert refused.why.startswith("is a message with ")


def test_versions_are_text_or_unknown() -> None:
    """Other values are dropped, so that they do not invalidate the child's first line."""
    line = wire.line("hello", pid=7, versions={"node": "20.20.2", "browser": None, "odd": 5})
    assert wire.decoded(line) == events.Hello(1, 7, {"node": "20.20.2", "browser": None})


def test_a_contract_says_what_is_missing_and_what_it_costs() -> None:
    """Unknown capabilities of a newer child are kept; an empty list means that nothing is missing."""
    head = b'{"v":1,"type":"contract","seq":3,"at":1,"web_version":"2.3000.1","missing":'
    found = decode(head + b'[{"module":"WAWebCallCollection","function":"on","costs":"calls"}]}')
    assert found == events.Contract(3, "2.3000.1", (events.Missing("WAWebCallCollection", "on", "calls"),))
    assert decode(head + b"[]}") == events.Contract(3, "2.3000.1", ())
    late = decode(head + b'[],"late":[{"module":"WAWebCallCollection","function":"on","costs":"calls"}]}')
    assert late == events.Contract(3, "2.3000.1", (), (events.Missing("WAWebCallCollection", "on", "calls"),))
    for wrong in (b"null}", b"{}}", b"[1]}", b'[{"module":"M","function":"f"}]}', b'[],"late":{}}'):
        assert isinstance(decode(head + wrong), Malformed)


def test_a_page_has_switches_of_plain_values_and_counts_what_was_looked_up() -> None:
    """A switch with any other value is dropped and the answer kept."""
    member = {"module": "WAWebSocketModel", "function": "Socket.on", "costs": "live"}
    line: dict[str, Any] = {
        "web_version": None,
        "ab": {"a": 1, "b": None, "c": False, "d": [1]},
        "required": [member, member],
    }
    found = wire.decoded(wire.line("page", **line, missing=[member], late=[], check=7, error="not ready"))
    missing = (events.Missing("WAWebSocketModel", "Socket.on", "live"),)
    assert found == events.Page(1, None, {"a": 1, "b": None, "c": False}, 2, missing, (), 7, "not ready")
    new = wire.decoded(wire.line("page", **line, missing=[], late=[], new_types=["fax", 7]))
    assert isinstance(new, events.Page)
    assert new.new_types == ("fax",)
    assert isinstance(wire.decoded(wire.line("page", **line, missing=[member])), Malformed)


def test_a_dialog_that_was_left_alone_has_no_button() -> None:
    """Only a dialog that was clicked has one."""
    left = decode(b'{"v":1,"type":"dialog","seq":4,"at":1,"text":"Log out?","button":null,"dismissed":false}')
    assert left == events.Dialog(4, "Log out?", None, dismissed=False)


def test_the_page_tells_of_the_session_what_the_state_does_not() -> None:
    """Streams, bans, passkeys and screens arrive with every field as sent."""
    assert wire.decoded(wire.line("state", state="CONNECTED", stream="DISCONNECTED")) == events.SocketState(
        1, "CONNECTED", "DISCONNECTED"
    )
    assert wire.decoded(
        wire.line("disconnected", reason="LOGOUT", logout_reason=None, by="event")
    ) == events.Disconnected(1, "LOGOUT", None, "event")
    assert wire.decoded(wire.line("banned", code="104", expires=wire.NOON, message=None)) == events.Banned(
        1, "104", wire.NOON, None
    )
    assert wire.decoded(wire.line("unavailable", code=503)) == events.Unavailable(1, 503)
    assert wire.decoded(wire.line("passkey", where="linking", step="code", code="AB-12", by="level")) == events.Passkey(
        seq=1, where="linking", step="code", code="AB-12", by="level"
    )
    assert wire.decoded(wire.line("screen", name="locked", text="App lock is on", shown=True)) == events.Screen(
        1, "locked", "App lock is on", shown=True
    )
    beat = wire.line("heartbeat", socket_state="CONNECTED", has_synced=True, added=1, emitted=1, dropped=0)
    told = wire.decoded({**beat, "stream": "CONNECTED", "mode": "MAIN", "history": "incoming"})
    assert isinstance(told, events.Heartbeat)
    assert (told.stream, told.mode, told.history) == ("CONNECTED", "MAIN", "incoming")


def test_a_child_that_does_not_know_the_new_fields_is_understood() -> None:
    """A field missing from an older child's line is read as unknown."""
    beat = wire.decoded(
        wire.line("heartbeat", socket_state="CONNECTED", has_synced=True, added=1, emitted=1, dropped=0)
    )
    assert beat == events.Heartbeat(1, "CONNECTED", has_synced=True, added=1, emitted=1, dropped=0)
    assert wire.decoded(wire.line("state", state="CONNECTED")) == events.SocketState(1, "CONNECTED", None)
    assert wire.decoded(wire.line("disconnected", reason="LOGOUT", logout_reason="0")) == events.Disconnected(
        1, "LOGOUT", "0", None
    )
    for told_nothing in ("banned", "unavailable"):
        assert not isinstance(wire.decoded(wire.line(told_nothing)), Malformed | Unknown)
    assert isinstance(wire.decoded(wire.line("passkey", where="linking")), Malformed)
    assert isinstance(wire.decoded(wire.line("screen", text="x", shown=True)), Malformed)


def test_a_browser_may_be_started_without_a_known_process() -> None:
    """Its pid may be None, but not text."""
    line = '{"v":1,"type":"browser_started","seq":2,"at":1,"pid":%s,"version":"Chrome/156.0"}'
    assert decode((line % "null").encode()) == events.BrowserStarted(2, None, "Chrome/156.0")
    assert isinstance(decode((line % '"7"').encode()), Malformed)


REFUSED: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "not JSON"),
    ("a word of a library", b"DevTools listening on ws://127.0.0.1", "not JSON"),
    ("half a line", b'{"v":1,"type":"mess', "not JSON"),
    ("two objects", b"{}{}", "not JSON"),
    ("a byte order mark", "\ufeff{}".encode(), "not JSON"),
    ("not UTF-8", b'{"v":1,"body":"\xff\xfe"}', "not UTF-8"),
    ("a surrogate as bytes", b'{"v":1,"body":"\xed\xa0\x80"}', "not UTF-8"),
    ("a NUL", b'{"v":1,"body":"\x00"}', "not JSON"),
    ("a list", b"[1]", "not a JSON object"),
    ("a number", b"7", "not a JSON object"),
    ("null", b"null", "not a JSON object"),
    ("nested beyond measure", b"[" * 200_000, "not JSON"),
    ("objects nested beyond measure", b'{"a":' * 200_000, "not JSON"),
    ("an integer of 5000 digits", b'{"v":1,"type":"hello","seq":1,"pid":' + b"9" * 5000 + b"}", "not JSON"),
    ("NaN", b'{"v":1,"type":"hello","seq":1,"pid":NaN}', "not JSON"),
    ("Infinity", b'{"v":1,"type":"hello","seq":-Infinity}', "not JSON"),
    ("no version", b'{"type":"hello","seq":1,"pid":1}', "version None"),
    ("another version", b'{"v":2,"type":"hello","seq":1,"pid":1}', "version 2"),
    ("a version as text", b'{"v":"1","type":"hello","seq":1,"pid":1}', "version '1'"),
    ("no seq", b'{"v":1,"type":"hello","pid":1}', "seq"),
    ("a seq that is true", b'{"v":1,"type":"hello","seq":true,"pid":1}', "seq"),
    ("a seq with a fraction", b'{"v":1,"type":"hello","seq":1.5,"pid":1}', "seq"),
    ("a seq that would hide every hole", b'{"v":1,"type":"hello","seq":1' + b"0" * 30 + b',"pid":1}', "seq"),
    ("a seq of zero", b'{"v":1,"type":"hello","seq":0,"pid":1}', "seq"),
    ("a number too big for any column", b'{"v":1,"type":"hello","seq":1,"pid":1' + b"0" * 30 + b"}", "number in pid"),
]


@pytest.mark.parametrize(("raw", "why"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_line_that_is_not_ours_comes_back_with_its_reason(raw: bytes, why: str) -> None:
    """It is refused with a reason, its beginning and its length, and nothing is raised."""
    event = decode(raw)
    assert isinstance(event, Malformed)
    assert why in event.why
    assert event.length == len(raw)
    assert len(event.head) <= 800
    event.head.encode()


FIELDS: list[tuple[str, dict[str, Any], str]] = [
    ("no id", {"id": None}, "without an id"),
    ("an id that is text", {"id": "false_5491155550001@c.us_3EB0"}, "without an id"),
    ("an id without fromMe", {"id": {"remote": wire.ANA, "id": "X"}}, "id.fromMe"),
    ("fromMe as a number", {"id": {**wire.key(), "fromMe": 1}}, "id.fromMe"),
    ("a stanza id that is a number", {"id": {**wire.key(), "id": 5}}, "id.id"),
    ("an empty stanza id", {"id": {**wire.key(), "id": ""}}, "id.id"),
    ("no remote", {"id": {**wire.key(), "remote": None}}, "id.remote"),
    ("a remote that is an object", {"id": {**wire.key(), "remote": {"user": "5"}}}, "id.remote"),
    ("a participant that is an object", {"id": {**wire.key(), "participant": {}}}, "id.participant"),
    ("a body that is a list", {"body": ["x"]}, "body"),
    ("no type", {"message_type": None}, "message_type"),
    ("a strange via", {"via": "pigeon"}, "via"),
    ("media that is text", {"media": "x"}, "media"),
    ("a contact that is a list", {"contact": []}, "contact"),
    ("a phone that is a number", {"contact": {"phone": 5491155550001}}, "phone"),
]


@pytest.mark.parametrize(("changed", "why"), [row[1:] for row in FIELDS], ids=[row[0] for row in FIELDS])
def test_a_message_with_a_wrong_field_is_refused_by_its_name(changed: dict[str, Any], why: str) -> None:
    """The reason names the field that the Node side has to fix."""
    event = wire.decoded({**wire.message(), **changed})
    assert isinstance(event, Malformed)
    assert "is a message" in event.why
    assert why in event.why


def test_a_reason_never_repeats_a_strangers_words() -> None:
    """Reasons are logged, and logs carry no message text."""
    for field in ("body", "notify_name", "media", "quoted", "contact", "id"):
        for wrong in ({"secreto": "secreto"}, ["secreto"], "secreto"):
            event = wire.decoded({**wire.message(), field: wrong})
            if isinstance(event, Malformed):
                assert "secreto" not in event.why


@pytest.mark.parametrize("t", [None, "1795400000", 1.5, True, [], 1 << 60, float("1e300")])
def test_a_message_with_an_absurd_time_still_counts(t: object) -> None:
    """Here it only has no time; `ingest` then files it under the time of its capture."""
    event = wire.decoded(wire.message(t=t))
    assert isinstance(event, Message)
    assert event.t is None


@pytest.mark.parametrize("t", [1795400000.0, -5, 0, 4102444800])
def test_a_whole_number_of_seconds_is_a_time(t: float) -> None:
    """Some builds send a float without a fraction."""
    event = wire.decoded(wire.message(t=t))
    assert isinstance(event, Message)
    assert event.t == int(t)


def test_lone_surrogates_and_nul_escaped_in_a_body_are_a_message() -> None:
    """JSON can carry them, so the message is kept; `ingest` makes the text storable."""
    event = wire.decoded(wire.message(body="a\ud800b\0c"))
    assert isinstance(event, Message)
    assert event.body == "a\ud800b\0c"


def test_a_type_of_tomorrow_is_unknown_and_not_an_error() -> None:
    """A newer child may send it, and the flow goes on."""
    assert decode(wire.raw(wire.line("sparkle", seq=9))) == Unknown("'sparkle'", 9)
    assert isinstance(decode(wire.raw({"v": 1, "type": ["message"], "seq": 1})), Unknown)
    assert isinstance(decode(wire.raw({"v": 1, "seq": 1})), Unknown)


def test_fields_of_tomorrow_are_passed_over() -> None:
    """An unknown field changes nothing."""
    assert wire.decoded({**wire.message(), "sparkle": {"a": [1]}}) == wire.decoded(wire.message())


def test_an_empty_emoji_means_taken_back_and_null_the_same() -> None:
    """The page uses both."""
    for emoji in ("", None):
        event = wire.decoded(
            wire.line("reaction", id=wire.key(), from_me=False, sender=wire.ANA, emoji=emoji, t=wire.NOON)
        )
        assert isinstance(event, Reaction)
        assert event.emoji == ""


def test_the_exact_line_comes_back_with_the_event() -> None:
    """The exact line is stored with the row."""
    line = json.dumps(wire.message(body="ñandú 👍"), ensure_ascii=False, indent=None).encode()
    assert decode_line(line)[1] == line
    assert decode_line(b"\xff")[1] is None


def test_a_sweep_without_messages_has_no_times() -> None:
    """Null is allowed there."""
    event = wire.decoded(
        wire.line(
            "sweep_done",
            sweep=1,
            started_at=1,
            chats=0,
            looked_at=0,
            messages=0,
            failed=0,
            oldest=None,
            newest=None,
            error=None,
        )
    )
    assert isinstance(event, SweepDone)
    assert (event.oldest, event.newest) == (None, None)


def test_a_command_is_one_ascii_line() -> None:
    """The child reads commands line by line, so values must not contain line breaks."""
    sent = decoding.command("sweep", chats={"a\nb@c.us": 1}, ignore=["ñ"])
    assert sent.endswith(b"\n")
    assert sent.count(b"\n") == 1
    assert sent.isascii()
    assert json.loads(sent) == {"type": "sweep", "chats": {"a\nb@c.us": 1}, "ignore": ["ñ"]}


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_raise(raw: bytes) -> None:
    """Any bytes from the pipe become an event."""
    decode(raw)


@given(
    st.sampled_from(sorted(decoding.EVENT_TYPES)),
    st.dictionaries(
        st.sampled_from(sorted({*wire.message(), *wire.ciphertext(), "n", "account", "sweep", "chat", "pid", "emoji"})),
        ANY_JSON,
        max_size=6,
    ),
)
def test_no_json_makes_the_reader_raise(type_: str, fields: dict[str, Any]) -> None:
    """A line of any type with any values in its fields becomes an event."""
    usual = wire.ciphertext() if type_ == "ciphertext" else wire.message()
    event = wire.decoded({**usual, **fields, "v": 1, "type": type_, "seq": 1})
    assert isinstance(event, Malformed) or event.seq == 1


@given(st.sampled_from(["message", "ciphertext"]), st.text(st.characters(codec=None), min_size=1))
def test_any_text_is_a_body_and_an_id(type_: str, text: str) -> None:
    """Ids and bodies may be any text, and none makes a message unreadable."""
    event = wire.decoded({**wire.message(text, body=text), "type": type_, "subtype": None})
    assert isinstance(event, Message | Ciphertext)
    assert event.key.stanza_id == text
