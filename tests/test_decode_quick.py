"""The quick way to read a plain message says exactly what the other one says, or nothing."""

import json
import random
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadmasterd.wire import decode
from leadmasterd.wire.events import Malformed, Message
from leadmasterd.wire.quick import LEFT_OUT, plain_message
from tests import wire
from tests.depth import examples
from tests.test_decode import child_lines

HOSTILE: Final = (
    "null", "true", "false", "0", "-0", "1", "1.0", "1e2", "0.5", "-1", '""', '"x"', '"\\ud83d\\udc4d"', '"\\ud800"',
    '"\\udc00\\ud800"', '"\\u0000"', '"\x01"', '"\\x"', '"\\u12"', '"\u2028"', '"ñ"', "[]", "[1,]", "{}", '{"a":1,}',
    '{"a":1,"a":2}', '{"a":{"b":[null,true,1.5,"x"]}}', "NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1", "1e",
    "1e999", "-1e999", "2.5e-400", "9007199254740991", "9007199254740992", "-9007199254740992", "9223372036854775807",
    "9223372036854775808", "18446744073709551615", "18446744073709551616", "18446744073709551617", "1" * 400,
    "1" * 4300, "1" * 4301, "1" * 5000, '"%s"' % ("1" * 5000), "[" * 400 + "]" * 400, "[" * 990 + "]" * 990,
    "[" * 996 + "]" * 996, "[" * 5000 + "]" * 5000, '{"a":' * 996 + "1" + "}" * 996, "tru", "'x'", "", "1 2", "\ufeff1",
)  # fmt: skip
"""Values as they stand in a line, most of them of a kind that no page can send."""
PLACES: Final = (
    "v", "type", "seq", "at", "via", "id", "t", "message_type", "from", "to", "author", "notify_name", "body",
    "truncated", "contact", "forwarded", "ephemeral_seconds", "media", "quoted", "referral", "marks", "data", "another",
    *decode.EXTRAS,
)  # fmt: skip
WITHIN: Final = {
    "id": ("fromMe", "remote", "id", "participant", "another"),
    "contact": ("saved_name", "business", "phone", "lid", "another"),
    "media": ("size", "filename"),
}


def told(raw: bytes) -> str:
    """What the other way says. As text, in which True is not 1, nor 1 the same as 1.0."""
    return repr(decode.read(raw.decode(), raw))


def agree(raw: bytes) -> None:
    """Both ways say the same, and nobody else can tell which was taken."""
    quick = plain_message(raw)
    assert quick is None or repr(quick) == told(raw)
    assert repr(decode.decode_line(raw)) == repr((decode.read(raw.decode(), raw), raw))


def line(value: object) -> bytes:
    """A line without its newline."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def with_values(replaced: dict[tuple[str, str | None], str]) -> bytes:
    """A plain message with other values in some places."""
    message: dict[str, Any] = wire.message(media={"size": 1}, contact=wire.contact(phone=wire.ANA))
    marks = {}
    for number, ((name, inner), value) in enumerate(replaced.items()):
        mark = f"@@{number}@@"
        marks[f'"{mark}"'] = value
        within = message.get(name)
        if inner is None or not isinstance(within, dict):
            message[name] = mark
        else:
            message[name] = {**within, inner: mark}
    text = line(message).decode()
    for mark, value in marks.items():
        text = text.replace(mark, value)
    return text.encode("utf-8", "surrogatepass")


def places() -> Iterator[tuple[str, str | None]]:
    """Each place of a value in a message."""
    for name in PLACES:
        yield name, None
        for inner in WITHIN.get(name, ()):
            yield name, inner


@pytest.mark.parametrize("place", list(places()), ids=lambda place: ".".join(filter(None, place)))
def test_any_value_in_any_place_is_read_alike_by_both(place: tuple[str, str | None]) -> None:
    """The value alone, twice the same name with another value first, and the name left out."""
    name, inner = place
    for value in HOSTILE:
        raw = with_values({place: value})
        agree(raw)
        for other in ("null", '"x"', "1", "{}", "true"):
            again = f'"{inner or name}":{other},"{inner or name}":'.encode()
            agree(raw.replace(f'"{inner or name}":'.encode(), again))
    message = wire.message(contact=wire.contact(), media={"size": 1})
    holder = message if inner is None else message[name]
    holder.pop(inner or name, None)
    agree(line(message))


@settings(max_examples=examples(100))
@given(st.dictionaries(st.sampled_from(list(places())), st.sampled_from(HOSTILE), max_size=6))
def test_any_values_in_several_places_are_read_alike_by_both(replaced: dict[tuple[str, str | None], str]) -> None:
    """One that is refused hides no other."""
    agree(with_values(replaced))


@settings(max_examples=examples(100))
@given(st.integers(0, 1 << 30), st.integers(1, 8))
def test_a_damaged_line_is_read_alike_by_both(seed: int, times: int) -> None:
    """Characters are changed, lost or doubled anywhere."""
    draw = random.Random(seed)
    text = wire.message(body='ñ 👍 \\ " \n', quoted={"body": "x", "n": 1e3}, contact=wire.contact(name="Ana"))
    damaged = list(line(text).decode())
    for _ in range(times):
        at = draw.randrange(len(damaged))
        damaged[at] = draw.choice(["", damaged[at] * 2, draw.choice('{}[]":,0123456789eE+-.\\/utn \t\x00ñ')])
    agree("".join(damaged).encode())


@settings(max_examples=examples(80))
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    ),
    st.sampled_from(["media", "quoted", "referral", "data", "body", "t", "id", "contact", "marks", "location"]),
)
def test_whatever_a_field_holds_is_read_alike_by_both(value: Any, name: str) -> None:
    """Any JSON, and what Python writes beside it (NaN, lone surrogates)."""
    agree(json.dumps({**wire.message(), name: value}, ensure_ascii=True).encode())


def test_the_lines_of_the_transcripts_are_read_alike_by_both() -> None:
    """Whatever the child writes."""
    for text in child_lines():
        agree(text.encode())


def test_a_plain_message_takes_the_quick_way() -> None:
    """Else nothing here would prove anything, and capture would be slow."""
    plain = wire.message(contact=wire.contact(phone=wire.ANA, name="Ana"), quoted={"id": "x"}, data={"type": "chat"})
    assert isinstance(plain_message(line(plain)), Message)
    assert plain_message(line(wire.message(marks={"api": True}))) is None
    assert isinstance(decode.decode(json.dumps(wire.message(body="\ud800")).encode()), Message)


def test_what_only_some_messages_hold_is_left_to_the_other_way() -> None:
    """A field that is added there must be added here."""
    assert (*decode.EXTRAS, "marks") == LEFT_OUT


def test_a_line_that_is_refused_is_kept_with_its_reason() -> None:
    """Neither way loses it."""
    event, text = decode.decode_line(line(wire.message(via="post")))
    assert isinstance(event, Malformed)
    assert text is not None
    assert event.why == "is a message with 'post' in via, which is live or sweep"
