"""The child's lines on their way in: in order, for the right account, and nothing from an ignored chat."""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from leadmasterd import capture
from leadmasterd.capture import CaptureRules
from leadmasterd.daemon import intake
from leadmasterd.daemon.intake import Intake
from leadmasterd.wire import decode
from leadmasterd.wire.events import Lifecycle, Qr, Ready
from tests import wire
from tests.captures import Store, at, opened, reading
from tests.test_store import call, edit, reaction, revoke

OTHER = "5491155550200@c.us"


class Line:
    """An intake on a real store, and everything it reported."""

    def __init__(self, store: Store, rules: CaptureRules) -> None:
        self.store = store
        self.lifecycle: list[Lifecycle] = []
        self.missing: list[int] = []
        self.pressure: list[bool] = []
        self.elsewhere: str | None = None
        self.hear: Callable[[Lifecycle], None] = self.lifecycle.append
        self.hear_missing: Callable[[int], None] = self.missing.append
        self.intake = Intake(
            rules,
            store.writer,
            on_lifecycle=lambda event: self.hear(event),
            on_missing=lambda number: self.hear_missing(number),
            on_pressure=self.pressure.append,
            linked_elsewhere_at=lambda: self.elsewhere,
            clock=lambda: datetime.fromtimestamp(wire.NOON + 5, UTC),
        )
        self._seq = 0

    def read(self, *objects: dict[str, Any] | bytes) -> None:
        """Read these lines at once, numbered as the child would."""
        lines = []
        for each in objects:
            self._seq += 1
            lines.append(each if isinstance(each, bytes) else wire.raw({**each, "seq": self._seq}))
        self.intake.lines(lines)
        self.store.settle()

    def new_child(self) -> None:
        """Start another child, whose numbers begin at 1 again."""
        self._seq = 0
        self.intake.child_started()

    def ids(self) -> list[Any]:
        """The ids of the stored messages, in order."""
        return [row[0] for row in self.store.rows("SELECT stanza_id FROM messages ORDER BY message_id")]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path / "leadmaster.db") as fresh:
        yield fresh


@pytest.fixture
def line(store: Store) -> Line:
    return Line(store, CaptureRules())


def ignoring(store: Store, *entries: str) -> Line:
    """An intake with an ignore list."""
    return Line(store, CaptureRules(ignore=capture.ignore_list(list(entries))))


def everything(store: Store) -> str:
    """Every value of every table as text."""
    names = [row[0] for row in store.rows("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    return repr([store.rows(f"SELECT * FROM {name}") for name in names])


def test_messages_are_stored_in_the_order_they_came(line: Line) -> None:
    """Their exact lines are stored too."""
    line.read(wire.ready(), wire.message("1"), wire.message("2"))
    line.read(wire.message("3", body="ñandú"))
    assert line.ids() == ["1", "2", "3"]
    assert "ñandú" in line.store.rows("SELECT line FROM raw_events ORDER BY raw_id")[-1][0]


@pytest.mark.parametrize("together", [True, False], ids=["in one read", "in several"])
def test_messages_before_ready_wait_for_the_account_that_it_names(line: Line, together: bool) -> None:
    """After a scan with another number, the old account must not get them."""
    lines = [wire.message("1"), wire.message("2"), wire.ready(OTHER), wire.message("3")]
    if together:
        line.read(*lines)
    else:
        for each in lines:
            line.read(each)
    assert line.store.rows(
        "SELECT stanza_id, wid FROM messages JOIN accounts USING (account_id) ORDER BY message_id"
    ) == [("1", OTHER), ("2", OTHER), ("3", OTHER)]


def test_messages_that_never_get_an_account_are_left_to_the_sweep(line: Line) -> None:
    """The child died before ready, so their account is unknown."""
    line.read(wire.message("1"))
    line.new_child()
    line.read(wire.ready(OTHER), wire.message("2"))
    assert line.ids() == ["2"]


def test_too_many_waiting_messages_are_a_hole(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded; a sweep fetches them."""
    monkeypatch.setattr(intake, "MAX_HELD", 3)
    line.read(*(wire.message(f"{n}") for n in range(4)))
    assert line.missing == [4]
    line.read(wire.ready())
    assert line.ids() == []


def test_a_fresh_link_is_dated_by_its_authentication(line: Line) -> None:
    """So messages between scan and ready count as after the link."""
    line.read(wire.line("authenticated"), wire.ready(OTHER, fresh=True))
    assert line.store.one("SELECT first_linked_at FROM accounts WHERE wid = ?", OTHER) == at(wire.NOON + 5)


def test_a_link_that_was_made_elsewhere_is_dated_by_that(line: Line) -> None:
    """So messages from before the import count as after the link."""
    line.elsewhere = at(wire.NOON - 3600)
    line.read(wire.ready(OTHER))
    assert line.store.one("SELECT first_linked_at FROM accounts WHERE wid = ?", OTHER) == at(wire.NOON - 3600)


def test_reading_stops_while_too_much_waits_and_goes_on_once_it_is_written(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child keeps what it can't write meanwhile."""
    monkeypatch.setattr(intake, "HIGH_WATER", 2)
    monkeypatch.setattr(intake, "LOW_WATER", 1)
    line.read(wire.ready())
    with reading(line.store.path) as other:
        other.execute("BEGIN IMMEDIATE")
        line.intake.lines([wire.raw(wire.message(name, seq=seq)) for seq, name in enumerate("ABC", 2)])
        line.intake.batch_written()
        assert line.pressure == [True]
    line.store.settle()
    line.intake.batch_written()
    assert line.pressure == [True, False]


def test_a_hole_in_seq_is_told_with_its_size(line: Line) -> None:
    """Each sequence gap is reported once, also across reads; an old number is no gap."""
    numbers = [1, 2, 5, 6, 4, 9]
    for number in numbers:
        line.intake.lines([wire.raw(wire.line("state", seq=number, state="CONNECTED"))])
    assert line.missing == [2, 2]


@pytest.mark.parametrize("together", [True, False], ids=["in one read", "in several"])
def test_a_hole_is_told_before_the_line_after_it_is_stored(line: Line, together: bool) -> None:
    """So a sweep of which a message is missing does not count its chat as read."""

    def draw_no_line(_: int) -> None:
        line.store.writer.call(lambda _, rows: rows.hold_watermarks(1, "lines_missing"))

    line.hear_missing = draw_no_line
    swept = wire.line("sweep_chat", sweep=1, chat=wire.ANA, found=2, through=wire.NOON, error=None)
    lines: list[dict[str, Any] | bytes] = [
        wire.ready(),
        wire.message("1", via="sweep"),
        b'{"v":1,{"v":1,"type":"message"}',
        swept,
    ]
    if together:
        line.read(*lines)
    else:
        for each in lines:
            line.read(each)
    assert line.store.rows("SELECT swept_through_at FROM conversations") == [(None,)]


def test_a_line_that_is_refused_and_kept_is_not_missing(line: Line) -> None:
    """A sweep would only bring it again."""
    line.read(wire.ready(), {**wire.message("1"), "id": None}, wire.message("2"))
    assert line.missing == []
    assert line.ids() == ["2"]
    assert line.store.one("SELECT count(*) FROM raw_events WHERE problem IS NOT NULL") == 1


def test_a_refused_line_that_a_sweep_brings_again_is_kept_once(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quiet account's last message comes with every sweep, and must leave room for others."""
    monkeypatch.setattr(intake, "MAX_REJECTED_PER_CHILD", 2)
    bad = {**wire.message("1", via="sweep"), "id": None}
    line.read(wire.ready(), *[bad] * 5, {**wire.message("2", via="sweep", body="otra"), "id": None})
    assert line.missing == []
    kept = line.store.rows("SELECT line LIKE '%otra%' FROM raw_events WHERE problem IS NOT NULL ORDER BY raw_id")
    assert kept == [(False,), (True,)]


def test_a_line_that_is_refused_and_not_kept_is_missing(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """No sweep that brought it may count its chat as read."""
    monkeypatch.setattr(intake, "MAX_REJECTED_PER_CHILD", 1)
    kept, beyond = ({**wire.message(body=body), "id": None} for body in ("una", "otra"))
    line.read(wire.ready(), kept, beyond, wire.message("2"))
    assert line.missing == [1]
    assert line.ids() == ["2"]


def test_the_first_line_missing_is_a_hole(line: Line) -> None:
    """Numbers start at 1."""
    line.intake.lines([wire.raw(wire.line("state", seq=3, state="CONNECTED"))])
    assert line.missing == [2]


def test_a_new_child_begins_anew(line: Line) -> None:
    """Its first number is no step back."""
    line.read(wire.ready(), wire.message("1"))
    line.new_child()
    line.read(wire.ready(), wire.message("2"))
    assert line.missing == []
    assert line.ids() == ["1", "2"]


def test_garbage_between_messages_is_kept_and_costs_nothing(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged and stops nothing; the number it may have carried counts as missing."""
    line.read(wire.ready(), wire.message("1"), b"garbage \xff", wire.message("2"), wire.line("sparkle"))
    assert line.ids() == ["1", "2"]
    assert [record.__dict__["action"] for record in caplog.records] == ["bad_line", "unknown_line"]
    assert line.missing == [1]
    assert line.store.rows("SELECT problem FROM raw_events WHERE problem IS NOT NULL") == [
        ("the line is not UTF-8 (byte 8)",)
    ]


def test_oversized_and_cut_lines_are_kept_too(line: Line) -> None:
    """They are kept even before ready, without an account."""
    line.intake.oversize(b'{"v":1,"type":"mes\xff', 3_000_000)
    line.intake.cut_short(b'{"v":1,"ty')
    line.store.settle()
    assert line.store.rows("SELECT problem, line FROM raw_events") == [
        (f"the line is 3000000 bytes long, more than {decode.MAX_LINE}", '{"v":1,"type":"mes\\xff'),
        ("the line was cut short by the child's end", '{"v":1,"ty'),
    ]


def test_a_broken_child_does_not_fill_the_disk(
    line: Line, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Every bad line is logged, but only some are kept; the limit starts again with the next child."""
    monkeypatch.setattr(intake, "MAX_REJECTED_PER_CHILD", 3)
    line.read(*[b"garbage"] * 10)
    assert len(caplog.records) == 10
    assert line.store.one("SELECT count(*) FROM raw_events") == 3
    line.new_child()
    line.read(b"garbage")
    assert line.store.one("SELECT count(*) FROM raw_events") == 4


def test_a_log_line_never_has_a_message_in_it(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    """Logs hold ids and lengths, never text."""
    with caplog.at_level(logging.DEBUG):
        line.read(
            wire.ready(),
            wire.message(body="secreto"),
            {**wire.message(body="secreto"), "media": "secreto"},
            {**wire.message(), "body": ["secreto"]},
            b'{"body":"secreto"',
        )
        line.intake.oversize(b"secreto", 2_000_000)
        line.intake.cut_short(b"secreto")
    assert caplog.records
    assert "secreto" not in caplog.text


def test_lifecycle_events_are_passed_on_in_order(line: Line) -> None:
    """Everything except data is passed on."""
    line.read(wire.line("qr", qr="2@x", valid_seconds=20), wire.ready(), wire.message())
    assert [type(event) for event in line.lifecycle] == [Qr, Ready]


def test_a_listener_that_fails_does_not_take_messages_along(line: Line) -> None:
    """Messages from earlier in the same read are stored."""

    def fail(_event: Lifecycle) -> None:
        raise OSError("the terminal is gone")

    line.read(wire.ready())
    line.hear = fail
    with pytest.raises(OSError, match="the terminal is gone"):
        line.read(wire.message("1"), wire.line("qr", qr="2@x", valid_seconds=20))
    line.store.settle()
    assert line.ids() == ["1"]


IGNORED = wire.ANA
THEIRS = [
    wire.message(body="privado"),
    wire.message(body="privado", mine=True),
    wire.message("s", body="privado", via="sweep"),
    wire.ciphertext(),
    edit("privado"),
    revoke(),
    reaction("🔒"),
    call(),
    {**wire.message(body="privado"), "media": "wrong"},
    wire.line("sweep_chat", sweep=1, chat=IGNORED, found=1, through=wire.NOON, error=None),
]


@pytest.mark.parametrize("entry", ["+54 9 11 5555-0001", "5491155550001@c.us"])
def test_nothing_of_an_ignored_chat_reaches_the_disk(store: Store, entry: str) -> None:
    """This covers messages, edits, reactions, calls and lines that could not be decoded."""
    line = ignoring(store, entry)
    before = everything(store)
    line.read(wire.ready())
    line.read(*THEIRS)
    line.intake.oversize(wire.raw(wire.message(body="privado")), 2_000_000)
    line.intake.cut_short(wire.raw(wire.message(body="privado"))[:-10])
    store.settle()
    after = everything(store)
    assert "privado" not in after
    assert "5491155550001" not in after
    assert after != before, "that there were unreadable lines is known"


@pytest.mark.parametrize("chat", ["867051314767696@bot", "13135550002@c.us", "0@c.us", wire.US, wire.GROUP])
def test_nothing_of_a_chat_that_is_never_captured_is_kept_of_a_spoiled_line(store: Store, chat: str) -> None:
    """Bots, WhatsApp itself, oneself, and groups that are not wanted. A spoiled line of anybody else is kept."""
    line = Line(store, CaptureRules())
    line.read(wire.ready())
    for whose, text in ((chat, "privado"), (wire.ANA, "de Ana")):
        line.read({**wire.message("1", chat=whose, body=text), "media": "wrong"})
        line.intake.oversize(wire.raw(wire.message("2", chat=whose, body=text)), 2_000_000)
        line.intake.cut_short(wire.raw(wire.message("3", chat=whose, body=text))[:-10])
    store.settle()
    assert "privado" not in everything(store)
    assert everything(store).count("de Ana") == 3


def test_nothing_of_an_ignored_chat_comes_in_under_its_other_name(store: Store) -> None:
    """Calls and reactions carry one id; earlier messages revealed the other."""
    line = ignoring(store, "+54 9 11 5555-0001")
    line.read(
        wire.ready(),
        wire.message(chat=wire.ANA_LID, contact=wire.contact(phone=wire.ANA)),
        call(wire.ANA_LID),
        {**reaction("🔒"), "id": wire.key(chat=wire.ANA_LID)},
    )
    assert wire.ANA_LID not in everything(store)


def test_groups_status_and_channels_leave_no_trace(store: Store) -> None:
    """They are dropped before anything is written."""
    line = Line(store, CaptureRules())
    line.read(wire.ready())
    before = everything(store)
    for chat in (wire.GROUP, "status@broadcast", "1@broadcast", "2@newsletter"):
        line.read(wire.message(chat=chat), call(chat), {**edit("x"), "id": wire.key(chat=chat)})
    assert everything(store) == before
