"""`leadmasterd replay` on files from elsewhere, in any order and with wrong lines in them."""

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from leadmasterd.capture import CaptureRules, ignore_list
from leadmasterd.cli import main
from leadmasterd.wire import decode
from tests import wire
from tests.stories import Customer, edited, iso, reacted, revoked, seconds, tell

ANA = Customer()
PRICE = ANA.says("17 10:00", "price")


def replayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: bytes, *more: str
) -> tuple[int, dict[str, Any], list[str]]:
    """Exit code, the object on stdout, and the lines on stderr."""
    lines, settings = tmp_path / "lines.jsonl", tmp_path / "config.toml"
    lines.write_bytes(file)
    settings.write_text(f'state_dir = "{tmp_path / "state"}"\n')
    code = main(["--config", str(settings), "replay", str(lines), "--at", iso("17 12:00"), *more])
    said = capsys.readouterr()
    return code, json.loads(said.out), said.err.splitlines()


@pytest.mark.parametrize("wrong", [b"null", b"[1]", b"7", b'"text"', b"{half", b"\xff\xfe{}", b"[" * 100_000])
def test_a_line_that_is_no_object_is_told_and_the_others_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: bytes
) -> None:
    """The error gives the line's number, and the exit code is 1."""
    code, result, told = replayed(tmp_path, capsys, wrong + b"\n" + wire.raw(PRICE))
    assert code == 1
    assert len(result["leads"]) == 1
    assert [line.partition(":")[0] for line in told] == ["line 1"]


@pytest.mark.parametrize(("extra", "code"), [(0, 0), (1, 1)], ids=["the longest", "one byte more"])
def test_a_line_longer_than_the_wire_allows_is_refused(
    extra: int, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The daemon would refuse it too; the other lines count."""
    line = wire.raw({**PRICE, "data": ""})
    line = line.replace(b'"data": ""', b'"data": "%s"' % (b"x" * (decode.MAX_LINE - len(line) + extra)))
    found, result, told = replayed(
        tmp_path, capsys, line + b"\n" + wire.raw(Customer(wire.BETO).says("17 10:00", "price"))
    )
    assert (found, len(result["leads"])) == (code, 2 - extra)
    assert (
        told
        == [f"line 1: the line is {decode.MAX_LINE + 1} bytes long, more than {decode.MAX_LINE}; it was skipped"]
        * extra
    )


def test_a_file_from_windows_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It has a byte order mark and CRLF line ends."""
    code, result, told = replayed(tmp_path, capsys, b"\xef\xbb\xbf" + wire.raw(PRICE) + b"\r\n\r\n")
    assert (code, len(result["leads"]), told) == (0, 1, [])


def test_the_settings_may_be_named_after_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In `replay FILE --at TIME --config FILE` the last `--config` counts."""
    settings = tmp_path / "other.toml"
    settings.write_text(f'state_dir = "{tmp_path / "state"}"\n[capture]\nignore = ["{wire.ANA}"]\n')
    code, result, _ = replayed(tmp_path, capsys, wire.raw(PRICE), "--config", str(settings))
    assert (code, result["leads"]) == (0, [])


def test_two_edits_in_whatever_order_are_judged_by_the_later_one() -> None:
    """«Edits are judged by the current text», and the order of capture makes no difference."""
    lines = [
        PRICE,
        edited(PRICE, "17 10:05", "delivery"),
        edited(PRICE, "17 10:10", "order"),
        revoked(PRICE, "17 11:00"),
    ]
    for order in permutations(lines):
        assert tell(*order, as_of="17 12:00").lead["intent"] == "order"
        assert tell(*order, as_of="17 10:07").lead["intent"] == "delivery"


def test_an_edit_that_tells_only_its_own_time_is_found() -> None:
    """`t` of a `message_edit` is when it was edited."""
    change = edited(PRICE, "17 10:10", "delivery")
    change["t"] = change.pop("edited_t")
    for order in permutations((PRICE, change)):
        assert tell(*order, as_of="17 12:00").lead["intent"] == "delivery"
        assert tell(*order, as_of="17 10:05").lead["intent"] == "price"


def test_an_edit_that_does_not_tell_its_own_time_was_made_when_it_was_captured() -> None:
    """«Edits are judged by the current text»: an edit found by a sweep has its message's `t`, but may be newer than one
    that came live.
    """
    heard = edited(PRICE, "17 10:05", "delivery")
    found = {**edited(PRICE, "17 10:30", "order"), "edited_t": None}
    for order in permutations((PRICE, heard, found)):
        assert tell(*order, as_of="17 12:00").lead["intent"] == "order"
        assert tell(*order, as_of="17 10:10").lead["intent"] == "delivery"


def test_what_has_not_happened_by_then_is_not_seen_whatever_its_line_says_of_its_capture() -> None:
    """A file may be replayed as of several times although all its lines have the same `at`."""
    ana = Customer()
    story = [{**ana.says("17 10:00", "price"), "at": seconds("17 10:00") * 1000}]
    story += [{**ana.hears("17 10:40"), "at": seconds("17 10:00") * 1000}]
    before, after = tell(*story, as_of="17 10:30"), tell(*story, as_of="17 11:00")
    assert (before.lead["stage"], before.waits_since()) == ("new", iso("17 10:00"))
    assert (after.lead["stage"], after.lead["first_response_seconds"]) == ("contacted", 2400.0)


def test_a_wrong_date_far_ahead_is_filed_under_its_capture() -> None:
    """«Clamp timestamps first: one message dated in the future would stop catch-up for years.»"""
    told = tell({**Customer().says("12-20 10:00", "price"), "at": seconds("17 10:00") * 1000}, as_of="17 10:30")
    assert told.waits_since() == iso("17 10:00")


def test_what_a_sweep_finds_revoked_is_judged_by_what_it_said_last() -> None:
    """«Edits are judged by the current text» and «a revoked message still was written», in any order of capture."""
    said = ANA.says("17 10:00", "mmm")
    gone = {**said, "via": "sweep", "message_type": "revoked", "body": None, "at": (seconds("17 11:00") + 1) * 1000}
    for order in permutations((said, edited(said, "17 10:05", "price"), gone, revoked(said, "17 11:00"))):
        told = tell(*order, as_of="17 12:00")
        assert (told.stages, told.lead["intent"]) == (["new"], "price")


def test_a_reaction_and_its_taking_back_in_whatever_order_are_none() -> None:
    """The later time wins, not the later line."""
    for order in permutations((PRICE, reacted(PRICE, "17 10:05"), reacted(PRICE, "17 10:10", ""))):
        assert tell(*order, as_of="17 12:00").waits_since() == iso("17 10:00")
        assert tell(*order, as_of="17 10:07").waits_since() is None


def test_an_ignored_chat_is_ignored_under_its_other_id_too() -> None:
    """Like the daemon: a call carries only one of the ids."""
    ana = Customer(phone=wire.ANA, lid=wire.ANA_LID)
    call = {**ana.call("17 10:05"), "chat": wire.ANA_LID}
    told = tell(ana.says("17 10:00", "price"), call, rules=CaptureRules(ignore=ignore_list([wire.ANA])))
    assert told.result["conversations"] == []


@pytest.mark.parametrize(
    "chat",
    [
        "5491155550001", "+54 9 11 5555-0001", "5491155550001@s.whatsapp.net", "+54 11 5555-0001", "541155550001@c.us",
    ],
)  # fmt: skip
def test_a_decision_may_name_the_phone(chat: str) -> None:
    """It may have any format; «equality is by a match key (Argentina 54 9 = 54, …)»."""
    assert tell(PRICE, {**ANA.decided("17 11:00", "won"), "chat": chat}, as_of="17 12:00").stages == ["won"]


def test_a_decision_at_a_time_that_no_calendar_reaches_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other lines count."""
    decision = {"type": "decision", "at": "0001-01-01T00:00:00+10:00", "chat": wire.ANA, "stage": "won"}
    code, result, told = replayed(tmp_path, capsys, json.dumps(decision).encode() + b"\n" + wire.raw(PRICE))
    assert (code, len(result["leads"])) == (1, 1)
    assert "must be a time" in told[0]


@pytest.mark.parametrize(("day", "leads"), [("0001-01-01", 0), ("9999-12-31T23:59:59Z", 1)])
def test_as_of_the_first_and_the_last_day_of_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], day: str, leads: int
) -> None:
    """`dormant_days` before the first day there is no date."""
    code, result, _told = replayed(tmp_path, capsys, wire.raw(PRICE), "--at", day)
    assert (code, len(result["leads"])) == (0, leads)
    assert ["dormant_proposed"] * leads == [each["kind"] for each in result["alerts"] if each["kind"] != "waiting"]


@pytest.mark.parametrize(
    "broken",
    [
        wire.message("\ud800"),
        wire.message("B", chat="\ud800@c.us"),
        wire.message("C", contact=wire.contact(lid="\udfff@lid")),
        {**edited(PRICE, "17 10:01", "order"), "id": {**PRICE["id"], "remote": "\ud83d@c.us"}},
        ANA.call("17 10:02", call_id="\ud83d"),
    ],
    ids=["message id", "chat", "lid", "edit", "call"],
)
def test_half_a_character_in_an_id_is_told_with_its_line(
    broken: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other lines count."""
    file = f"{json.dumps(broken)}\n{json.dumps(PRICE)}\n".encode()
    code, told, said = replayed(tmp_path, capsys, file)
    assert (code, len(told["leads"])) == (1, 1)
    assert any("line 1" in each and "half a character, in an id" in each for each in said)


@pytest.mark.parametrize(
    "broken",
    [
        wire.message(chat="\ud83d@g.us", participant=wire.BETO, author=wire.BETO),
        wire.message(chat=wire.GROUP, participant="\ud83d@c.us", author=wire.BETO),
    ],
    ids=["group", "participant"],
)
def test_half_a_character_in_an_id_of_a_group_is_told_too(
    broken: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If groups are captured, their ids are stored as well."""
    monkeypatch.setenv("LEADMASTERD_CAPTURE__GROUPS", "true")
    code, told, said = replayed(tmp_path, capsys, f"{json.dumps(broken)}\n{json.dumps(PRICE)}\n".encode())
    assert (code, len(told["leads"])) == (1, 1)
    assert any("line 1" in each and "half a character, in an id" in each for each in said)


@pytest.mark.parametrize("chat", ["", None, 5, "\ud800@c.us", "\x1b[31m@c.us", "5491155550001@c.us\n"])
def test_a_decision_about_what_is_no_chat_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], chat: object
) -> None:
    """Control characters in it are removed."""
    decision = {"type": "decision", "at": "2026-11-23T14:00:00Z", "chat": chat, "stage": "won"}
    code, result, told = replayed(tmp_path, capsys, json.dumps(decision).encode() + b"\n" + wire.raw(PRICE))
    assert (code, len(result["leads"]), len(told)) == (1, 1, 1)
    assert f"chat {chat!r} must be a chat id" in told[0]


def test_a_decision_about_nobody_is_told() -> None:
    """Otherwise a wrong digit would silently lose the decision."""
    wrong = {**ANA.decided("17 11:00", "won"), "chat": "5491155559999@c.us"}
    told = tell(PRICE, wrong, ANA.decided("17 11:30", "quoted"), as_of="17 12:00")
    assert told.stages == ["quoted"]
    assert [(each.line, "5491155559999@c.us" in each.why) for each in told.refused] == [(2, True)]


def test_edits_are_of_the_account_whose_messages_they_came_with() -> None:
    """Each account has its own ids."""
    change = edited(PRICE, "17 10:10", "delivery")
    told = tell(wire.ready(), PRICE, change, wire.ready("5491155550999@c.us"), as_of="17 12:00")
    assert told.lead["intent"] == "delivery"


def test_a_revoke_without_its_scope_is_of_everyone() -> None:
    """Lines written by hand often omit it."""
    gone = revoked(PRICE, "17 10:10")
    del gone["scope"]
    told = tell(PRICE, gone, as_of="17 12:00")
    assert (told.refused, told.stages) == ([], ["new"])


def test_the_object_has_the_documented_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """«`replay` prints {"as_of","leads":[…],"conversations":[…],"alerts":[…]}»: exactly these, in this order."""
    _, result, _ = replayed(tmp_path, capsys, wire.raw(PRICE), "--json")
    assert list(result) == ["as_of", "leads", "conversations", "alerts"]
    assert result["as_of"] == iso("17 12:00")
    keys = {name: [list(each) for each in result[name]] for name in ("leads", "conversations", "alerts")}
    assert keys == {
        "leads": [
            [
                "lead_id", "conversation_id", "chat", "stage", "intent", "opened_at", "reopened", "previous_lead_id",
                "waiting_since", "first_response_seconds",
            ]
        ],
        "conversations": [["conversation_id", "chat", "category", "waiting_since", "overdue"]],
        "alerts": [["kind", "conversation_id", "due_at"]],
    }  # fmt: skip
