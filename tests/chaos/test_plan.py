"""The schedule depends on the seed alone, and the verdict finds every failure."""

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.mix import DECK, OF_PAGE, WAYS
from tests.chaos.plan import DAY, EVENING, SIDES, Expected, Plan, make_plan
from tests.chaos.verdict import Found, beside, judge
from tests.e2e.daemon import ROOT

WAYS_FILE = ROOT / "node_listener" / "standin" / "ways.js"


def test_the_same_seed_makes_the_same_schedule() -> None:
    """Another seed makes a different one."""
    assert make_plan(7, 500, 20) == make_plan(7, 500, 20)
    assert make_plan(7, 500, 20) != make_plan(8, 500, 20)


def test_a_plan_has_as_many_messages_and_faults_as_asked_for() -> None:
    """Each message has its own id and text, every kind occurs, and a deck of faults is used up before the next."""
    plan = make_plan(3, 5000, len(DECK))
    assert len(plan.expected) == 5000
    assert len({each.stanza_id for each in plan.expected}) == 5000
    assert len({each.body for each in plan.expected}) == 5000
    kinds = {each.kind for each in plan.expected}
    assert kinds == {"plain", "burst", "edited", "revoked", "ciphertext", "again", "both ids"}
    assert Counter(each.fault for each in plan.rounds) == Counter(DECK)


def test_some_write_from_a_provider_and_some_edits_are_sealed() -> None:
    """Both come in either form, so that the two meet."""
    acts = [act for each in make_plan(3, 5000, 20).rounds for act in (*each.calm, *each.during)]
    parties = [act.body.get("from") or act.body["to"] for act in acts if act.action in ("deliver", "own")]
    assert {party.partition("@")[2] for party in parties} == {"", "hosted", "hosted.lid"}
    assert {act.body["sealed"] for act in acts if act.action == "edit"} == {True, False}


def test_what_happens_to_a_message_happens_after_it() -> None:
    """An edit, a decryption or a repetition never comes before its message."""
    known = set()
    for each in make_plan(5, 3000, 30).rounds:
        for act in (*each.calm, *each.during):
            if act.action in ("deliver", "own", "ciphertext"):
                known.add(act.body["id"])
            elif act.action not in ("call", "contact"):
                assert act.body["id"] in known


def test_the_page_learns_whose_two_ids_they_are_at_any_time() -> None:
    """Before the message, between its two arrivals or after both; never told, two rows would be right.

    The seed is that of the small storm, which must have all three.
    """
    plan = make_plan(270476, 600, 16)
    acts = [act for each in plan.rounds for act in (*each.calm, *each.during)]
    times = set()
    for wanted in plan.expected:
        if wanted.kind != "both ids":
            continue
        assert wanted.mapped
        first, second = (at for at, act in enumerate(acts) if act.body.get("id") == wanted.stanza_id)
        mapping = {"phone": wanted.customer, "lid": acts[second].body["lid"]}
        told = next(at for at, act in enumerate(acts) if act.action == "contact" and act.body == mapping)
        times.add((told > first) + (told > second))
    assert times == {0, 1, 2}


def test_the_ways_are_those_of_the_stand_in() -> None:
    """They are complete, begin with the page's own value, and have no value that it would refuse."""
    script = f"const w = await import('file://{WAYS_FILE}'); console.log(JSON.stringify(w.WAYS))"
    said = subprocess.run(
        ["node", "--input-type=module", "-e", script], capture_output=True, check=True, text=True
    ).stdout
    table = {
        name: (way["page"], {way["old"], *way.get("also", ())}, way.get("number", False))
        for name, way in json.loads(said).items()
    }
    assert WAYS.keys() == table.keys()
    for name, (of_page, *others) in WAYS.items():
        page, also, number = table[name]
        assert of_page == page, name
        assert also <= {*others}, name
        assert number or also == {*others}, name


def test_a_side_decides_the_ways_and_nothing_else() -> None:
    """So the same storm can be played with either kind of page."""
    mixed, page, old = (make_plan(3, 500, 40, side=side) for side in SIDES)
    assert mixed.expected == page.expected == old.expected
    assert [each.fault for each in mixed.rounds] == [each.fault for each in page.rounds]
    assert all(each.ways == OF_PAGE for each in page.rounds)
    assert all(each.ways == {name: values[1] for name, values in WAYS.items()} for each in old.rounds)
    for name, values in WAYS.items():
        assert {each.ways[name] for each in mixed.rounds} == {*values}, name
    assert not any(each.ways["paging"] == "page" and not each.ways["find_local"] for each in mixed.rounds)


def test_a_large_run_begins_with_a_day_away() -> None:
    """More than a thousand messages of chats with several each; a small run has none."""
    plan = make_plan(4, 4000, 10)
    assert sum(each.slot < 0 for each in plan.expected) == DAY + EVENING
    assert sum(act.body["count"] for act in plan.day) == DAY + EVENING
    assert plan.where(-1) == "the day away"
    assert not make_plan(4, 3000, 10).day


def row_of(wanted: Expected) -> dict[str, Any]:
    """A message's row after a good run."""
    return {
        "stanza_id": wanted.stanza_id,
        "conversation_id": int(wanted.customer),
        "body": wanted.body,
        "captured_via": "live",
        "revoked_at": "2026-01-01T00:00:00.000Z" if wanted.kind == "revoked" else None,
        "readable_at": "2026-01-01T00:00:00.000Z",
    }


def found(plan: Plan) -> Found:
    """A run without any failure."""
    gap = {
        "from_at": "2026-01-01T00:00:00.000Z",
        "to_at": "2026-01-01T00:00:02.000Z",
        "closed_at": "2026-01-01T00:00:03.000Z",
    }
    return Found([row_of(each) for each in plan.expected], [gap], [], 0, {}, [], [], [], {}, 1.0, None)


def of_kind(kind: str) -> Callable[[dict[str, Any]], bool]:
    """Whether a row is a message of this kind in the plan below."""
    ids = {each.stanza_id for each in PLAN.expected if each.kind == kind}
    return lambda row: row["stanza_id"] in ids


PLAN = make_plan(1, 400, 5)


def with_rows(change: Callable[[list[dict[str, Any]]], object]) -> Found:
    """A good run with other rows."""
    rows = [row_of(each) for each in PLAN.expected]
    change(rows)
    return replace(found(PLAN), messages=rows)


def spoil(kind: str, **values: object) -> Found:
    """A good run in which the row of one message of this kind has these values."""
    return with_rows(lambda rows: next(filter(of_kind(kind), rows)).update(values))


def apart() -> Found:
    """A good run in which one customer's LID is in another conversation."""
    customers = Counter(each.customer for each in PLAN.expected)
    twice = next(each for each in PLAN.expected if each.mapped and customers[each.customer] > 1)
    return with_rows(
        lambda rows: next(row for row in rows if row["stanza_id"] == twice.stanza_id).update(conversation_id=1)
    )


def test_a_run_in_which_everything_held_is_good() -> None:
    """The table shows it too."""
    verdict = judge(PLAN, found(PLAN))
    assert verdict.good
    assert verdict.recovery_max == 2.0
    assert verdict.table()[-1] == "everything held"


OPEN_GAP = {"from_at": "2026-01-01T00:00:00.000Z", "to_at": None, "closed_at": None}


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (with_rows(lambda rows: rows.pop()), "lost: CHAOS"),
        (with_rows(lambda rows: rows.append(rows[0])), "doubled: CHAOS"),
        (with_rows(lambda rows: rows.append({**rows[0], "stanza_id": "OTHER"})), "strangers: OTHER"),
        (spoil("edited", body="as it was"), "not_edited: CHAOS"),
        (spoil("revoked", revoked_at=None), "not_revoked: CHAOS"),
        (spoil("ciphertext", readable_at=None), "not_filled: CHAOS"),
        (spoil("plain", body="something else"), "garbled: CHAOS"),
        (apart(), "in conversations [1, 549"),
        (replace(found(PLAN), sent=1), "sent                     1"),
        (replace(found(PLAN), gaps=[OPEN_GAP]), "gaps open                1"),
        (replace(found(PLAN), unasked_ends=["round 3: exit code 70"]), "round 3: exit code 70"),
        (
            replace(found(PLAN), helped=["round 4: waited for ready"]),
            "restarted by the driver: round 4: waited for ready",
        ),
        (replace(found(PLAN), stuck="ready"), "waited in vain for ready"),
    ],
)
def test_each_failure_fails_the_run_and_is_named(bad: Found, said: str) -> None:
    """One failure of each kind."""
    verdict = judge(PLAN, bad)
    assert not verdict.good
    assert any(said in line for line in verdict.table())


def test_two_products_stand_side_by_side() -> None:
    """Each has a column with its losses."""
    good = judge(PLAN, found(PLAN))
    worse = judge(PLAN, with_rows(lambda rows: [rows.pop() for _ in range(3)]))
    table = [line.split() for line in beside({"before": worse, "now": good})]
    assert table[0] == ["before", "now"]
    assert ["lost", "3", "0"] in table
    assert ["everything", "held", "no", "yes"] in table
