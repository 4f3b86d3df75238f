"""The schedule depends on the seed alone, and the verdict finds every failure."""

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.mix import DECK, OF_PAGE, WAYS
from tests.chaos.plan import (
    AGO,
    DAY,
    EVENING,
    FIRST_CUSTOMER,
    SECRET,
    SIDES,
    Act,
    Expected,
    Plan,
    customer_of,
    ids_of,
    make_plan,
)
from tests.chaos.verdict import Found, beside, judge
from tests.e2e.daemon import OUR_PHONE, ROOT

WAYS_FILE = ROOT / "node_listener" / "standin" / "ways.js"


def test_the_same_seed_makes_the_same_schedule() -> None:
    """Another seed makes a different one."""
    assert make_plan(7, 500, 20) == make_plan(7, 500, 20)
    assert make_plan(7, 500, 20) != make_plan(8, 500, 20)


def test_a_plan_has_as_many_messages_and_faults_as_asked_for() -> None:
    """Each message has its own id and text, every kind occurs, and a deck of faults is used up before the next."""
    plan = make_plan(3, 5000, len(DECK))
    assert len(plan.expected) == 5000
    assert len({(each.stanza_id, each.customer) for each in plan.expected}) == 5000
    assert len({(each.body, each.customer) for each in plan.expected}) == 5000
    messages, lists = (
        [each for each in plan.expected if (each.kind == "our list") is those] for those in (False, True)
    )
    assert len({each.body for each in messages}) == len(messages)
    assert {count > 1 for count in Counter(each.body for each in lists).values()} == {True}
    kinds = {each.kind for each in plan.expected}
    ordinary = {"plain", "burst", "edited", "revoked", "ciphertext", "again", "both ids"}
    assert kinds == ordinary | {"our list", "their list", "waiter"}
    assert Counter(each.fault for each in plan.rounds) == Counter(DECK)


def test_some_write_from_a_provider_and_some_edits_are_sealed() -> None:
    """Both come in either form, so that the two meet."""
    acts = acts_of(make_plan(3, 5000, 20))
    servers = {chat_of(act).partition("@")[2] for act in acts if act.action in ("deliver", "own")}
    assert {"c.us", "lid", "hosted", "hosted.lid"} <= servers
    assert {act.body["sealed"] for act in acts if "sealed" in act.body} == {True, False}


def chat_of(act: Act) -> str:
    """The chat that the stand-in puts a message into."""
    if "lid" in act.body and act.body.get("addressing") != "pn":
        return f"{act.body['lid']}@lid"
    party: str = act.body.get("from") or act.body["to"]
    return party if "@" in party else f"{party}@c.us"


def acts_of(plan: Plan) -> list[Act]:
    """All that the stand-in is asked for, in order."""
    return [act for each in plan.rounds for act in (*each.calm, *each.during)]


def test_what_happens_to_a_message_happens_after_it() -> None:
    """An edit, a decryption or a repetition never comes before its message, and names its chat."""
    known = set()
    for act in acts_of(make_plan(5, 3000, 30)):
        if act.action in ("deliver", "own", "ciphertext"):
            known.add((act.body["id"], chat_of(act)))
        elif act.action not in ("call", "contact"):
            assert (act.body["id"], act.body["chat"]) in known


def test_phones_choose_ids_that_others_have_chosen() -> None:
    """Some right after each other and some of any other time, in both directions, and never twice in one chat."""
    plan = make_plan(270476, 600, 16)
    by_id: dict[str, list[Expected]] = {}
    for each in plan.expected:
        if each.kind != "our list":
            by_id.setdefault(each.stanza_id, []).append(each)
    equal = [those for those in by_id.values() if len(those) > 1]
    assert len(equal) > 10
    assert all(len({each.customer for each in those}) == len(those) for those in equal)
    assert {len({each.slot for each in those}) > 1 for those in equal} == {True, False}
    assert {each.own for those in equal for each in those} == {True, False}
    assert {act.body.get("ago", 0) for act in acts_of(plan)} == {*AGO}


def test_lists_are_sent_to_many_and_by_customers() -> None:
    """Those who ask get copies of our lists and nothing else; those who send by a list send nothing else."""
    plan = make_plan(270476, 600, 16)
    ours = [act for act in acts_of(plan) if "recipients" in act.body]
    copies = Counter(each.stanza_id for each in plan.expected if each.kind == "our list")
    assert {act.body["id"]: len(act.body["recipients"]) for act in ours} == copies
    assert {each.partition("@")[2] for act in ours for each in act.body["recipients"]} == {"c.us", "lid"}
    kinds: dict[str, set[str]] = {}
    for each in plan.expected:
        kinds.setdefault(each.customer, set()).add(each.kind)
    assert {"waiter", "our list"} in kinds.values()
    for those in kinds.values():
        assert not {"waiter", "their list"} & those or len(those - {"our list"}) == 1


def test_some_come_in_chats_that_are_never_captured() -> None:
    """Nobody else says what they say, and half of them have the id of a customer's message."""
    plan = make_plan(3, 5000, 20)
    secrets = [act for act in acts_of(plan) if act.action in ("deliver", "own") and act.body["body"] in plan.secrets]
    assert len(secrets) == len(plan.secrets) > 50
    chats = {chat_of(act) for act in secrets}
    assert {chat.partition("@")[2] for chat in chats} == {"bot", "c.us", "broadcast", "newsletter", "g.us"}
    assert f"{OUR_PHONE}@c.us" in chats
    assert not any(customer_of(chat) for chat in chats)
    assert not any(SECRET in each.body for each in plan.expected)
    ids = {each.stanza_id for each in plan.expected}
    assert 0.3 < sum(act.body["id"] in ids for act in secrets) / len(secrets) < 0.7


def test_the_page_learns_whose_two_ids_they_are_at_any_time() -> None:
    """Before the message, between its two arrivals or after both; never told, two rows would be right.

    The seed is that of the small storm, which must have all three.
    """
    plan = make_plan(270476, 600, 16)
    acts = acts_of(plan)
    times = set()
    for wanted in plan.expected:
        if wanted.kind != "both ids":
            continue
        assert wanted.mapped
        whose = [(at, act) for at, act in enumerate(acts) if act.body.get("id") == wanted.stanza_id]
        [first] = [at for at, act in whose if act.body.get("from") == wanted.customer]
        [second] = [at for at, act in whose if act.action == "same" and act.body["chat"] == f"{wanted.customer}@c.us"]
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
        "direction": "out" if wanted.own else "in",
        "author": wanted.author,
        "marks": '{"broadcast": "17@broadcast"}' if wanted.kind == "their list" else None,
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
    return Found(
        messages=[row_of(each) for each in plan.expected],
        chats={int(phone): frozenset({f"{phone}@c.us"}) for phone in sorted({each.customer for each in plan.expected})},
        waiting=frozenset(int(each.customer) for each in plan.expected if each.kind == "waiter"),
        kept_lines=[],
        gaps=[gap],
        events=[],
        told=None,
        open_waits=frozenset(),
        stages={},
        sent=0,
        faults={},
        unasked_ends=[],
        helped=[],
        relinked=[],
        moments={},
        seconds=1.0,
        stuck=None,
    )


PLAN = make_plan(1, 400, 5)
LID_ALONE = 1
"""A conversation that none of the customers has in a good run."""


def with_rows(change: Callable[[list[dict[str, Any]]], object]) -> Found:
    """A good run with other rows."""
    rows = [row_of(each) for each in PLAN.expected]
    change(rows)
    return replace(found(PLAN), messages=rows)


def first(kind: str) -> int:
    """The place of the first message of this kind in the plan, and of its row in a good run."""
    return next(number for number, each in enumerate(PLAN.expected) if each.kind == kind)


def spoil(kind: str, **values: object) -> Found:
    """A good run in which the row of one message of this kind has these values."""
    return with_rows(lambda rows: rows[first(kind)].update(values))


def apart() -> Found:
    """A good run in which one customer's LID is in another conversation."""
    customers = Counter(each.customer for each in PLAN.expected)
    number, twice = next(
        (number, each)
        for number, each in enumerate(PLAN.expected)
        if each.mapped and customers[each.customer] > 1 and len(ids_of(int(each.customer) - FIRST_CUSTOMER)) > 1
    )
    there = with_rows(lambda rows: rows[number].update(conversation_id=LID_ALONE))
    lid = ids_of(int(twice.customer) - FIRST_CUSTOMER)[1]
    return replace(there, chats={**there.chats, LID_ALONE: frozenset({lid})})


def joined() -> Found:
    """A good run, but for one conversation that is said to be of two customers."""
    one, other = list(found(PLAN).chats)[:2]
    return replace(found(PLAN), chats={**found(PLAN).chats, one: frozenset({f"{one}@c.us", f"{other}@c.us"})})


def of_equal_ids(change: Callable[[list[dict[str, Any]]], object]) -> Found:
    """A good run in which this became of the rows of one id that two customers' phones have chosen."""
    ids = Counter(each.stanza_id for each in PLAN.expected if each.kind != "our list")
    equal = next(stanza_id for stanza_id, count in ids.items() if count > 1)
    rows = [row_of(each) for each in PLAN.expected]
    those = [row for row in rows if row["stanza_id"] == equal]
    others = [row for row in rows if row["stanza_id"] != equal]
    change(those)
    return replace(found(PLAN), messages=[*others, *those])


def put_into_the_first_ones_chat(rows: list[dict[str, Any]]) -> None:
    """As if the id alone said whose a message is."""
    rows[1]["conversation_id"] = rows[0]["conversation_id"]


def awake(kind: str, *, waits: bool) -> Found:
    """A good run in which only those who sent a message of this kind wait, or do not."""
    those = {int(each.customer) for each in PLAN.expected if each.kind == kind}
    waiting = found(PLAN).waiting
    return replace(found(PLAN), waiting=waiting | those if waits else waiting - those)


def of_a_bot(**values: object) -> Found:
    """A good run in which a chat with a bot is in the database, with this row."""
    row = {**row_of(PLAN.expected[0]), "conversation_id": LID_ALONE, **values}
    run = with_rows(lambda rows: rows.append(row))
    return replace(run, chats={**run.chats, LID_ALONE: frozenset({"867051314767696@bot"})})


def event(number: int, kind: str, **data: Any) -> dict[str, Any]:
    """A line of the feed."""
    return {"id": f"evt_{number}_abc", "type": kind, "data": {"conversation_id": 7, **data}}


TOLD = [
    event(1, "message.stored", message_id=1),
    event(2, "lead.opened", lead_id=3, after="new"),
    event(3, "waiting.began", cycle_id=4),
]


def fed(*told: dict[str, Any], **more: Any) -> Found:
    """A run with a feed, of one message."""
    [one] = [{**row_of(PLAN.expected[0]), "message_id": 1, "conversation_id": 7}]
    values = {"messages": [one], "open_waits": frozenset({4}), "stages": {3: "new"}, "told": told, **more}
    return replace(found(PLAN), **values)


def told_wrongly(run: Found) -> tuple[tuple[str, ...], tuple[str, ...]]:
    verdict = judge(PLAN, run)
    return verdict.untold, verdict.disordered


def test_what_a_feed_did_not_tell_is_found() -> None:
    """A message, a wait, a stage; an event that was given up; and another order than that of the commits."""
    message, lead, wait = TOLD
    assert told_wrongly(fed(*TOLD)) == ((), ())
    assert told_wrongly(fed(*TOLD, lead)) == ((), ()), "an event may come twice, as after a crash"
    assert told_wrongly(fed(lead, wait)) == (("message 1: told None, stored 7",), ())
    assert told_wrongly(fed(message, lead)) == (("wait 4: told None, stored True",), ())
    assert told_wrongly(fed(*TOLD, stages={3: "won"})) == (("stage of lead 3: told new, stored won",), ())
    assert told_wrongly(fed(message, lead, {**wait, "after_gap": True})) == (
        ("an event before evt_3_abc was given up",),
        (),
    )
    assert told_wrongly(fed(message, wait, lead)) == ((), ("conversation 7: 2 after 3",))
    assert not replace(judge(PLAN, found(PLAN)), untold=("message 1",)).good
    assert not replace(judge(PLAN, found(PLAN)), disordered=("conversation 7",)).good


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
        (joined(), "joined: ['549"),
        (of_equal_ids(lambda rows: rows.pop()), "lost: CHAOS"),
        (of_equal_ids(put_into_the_first_ones_chat), "lost: CHAOS"),
        (of_equal_ids(lambda rows: rows.append(rows[1])), "doubled: CHAOS"),
        (spoil("our list", author="operator"), "is taken for operator's"),
        (with_rows(lambda rows: rows.pop(first("our list"))), "(our list, own;"),
        (with_rows(lambda rows: rows.append(rows[first("our list")])), "(our list, own;"),
        (spoil("their list", marks=None), "is taken for contact's"),
        (spoil("plain", author="system"), "is taken for system's"),
        (awake("waiter", waits=False), "asked, and does not wait"),
        (awake("their list", waits=True), "waits, and only the list wrote"),
        (of_a_bot(body=PLAN.secrets[0]), f"secret: the message {PLAN.secrets[0]}"),
        (of_a_bot(), "secret: the chat ['867051314767696@bot']"),
        (replace(found(PLAN), kept_lines=['{"body":"secreto 1"}']), "secret: the line"),
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
