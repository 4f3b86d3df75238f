"""Compares the delivered messages with the database. Pure: it gets rows and returns a verdict."""

import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from tests.chaos.plan import SECRET, Expected, Plan, customer_of
from tests.hearer import Hearer

SHOWN: Final = 8
"""How many of each kind are named in the report; all are counted."""

_LINE: Final = 200
"""How much of a line is shown."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a run: rows of the database, and what only the driver knows."""

    messages: Sequence[Row]
    chats: Mapping[int, frozenset[str]]
    """The ids of whose conversation it is, by the number of each."""
    waiting: frozenset[int]
    """Conversations in which somebody waits for an answer."""
    kept_lines: Sequence[str]
    """Lines from the listener, of those that are kept, with a text that must be nowhere."""
    gaps: Sequence[Row]
    events: Sequence[Row]
    told: Sequence[Row] | None
    """The lines of a feed in the order of delivery; None: no feed was on."""
    open_waits: frozenset[int]
    stages: Mapping[int, str]
    """Of each lead."""
    sent: int
    """Attempts to send that reached WhatsApp's side."""
    faults: Mapping[str, int]
    """How often each kind of fault was really played."""
    unasked_ends: Sequence[str]
    """Times the daemon exited without being asked, or failed when it was."""
    helped: Sequence[str]
    """Times the driver restarted a daemon that did not come back by itself."""
    relinked: Sequence[str]
    """Times the browser lost the session without a snapshot, so that a scan was needed; no message is lost by that."""
    moments: Mapping[int, str]
    """When each slot's messages were delivered, and the daemon's phase at that time."""
    seconds: float
    stuck: str | None
    """What the driver waited for in vain at the end."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a run. The promise is: all of these are empty or zero."""

    seed: int
    messages: int
    live: int
    sweep: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    strangers: tuple[str, ...]
    """In the database, but never delivered."""
    not_edited: tuple[str, ...]
    not_revoked: tuple[str, ...]
    not_filled: tuple[str, ...]
    garbled: tuple[str, ...]
    split: tuple[str, ...]
    """Customers in more than one conversation, though WhatsApp said that their ids are one."""
    joined: tuple[str, ...]
    """Conversations of several customers."""
    secret: tuple[str, ...]
    """What is never captured: messages, lines of them, and the chats themselves."""
    authors: tuple[str, ...]
    """Messages that count as somebody else's: a copy of a broadcast list as the answer of a person, for one."""
    waiting: tuple[str, ...]
    """Customers who asked and do not wait, though nobody answered; and who do, though only their list wrote."""
    untold: tuple[str, ...]
    """What a program that hears only the feed would not know, or have wrong."""
    disordered: tuple[str, ...]
    """Conversations whose events were delivered in another order than they were committed in."""
    sent: int
    gaps: int
    open_gaps: int
    recovery_median: float
    recovery_max: float
    faults: Mapping[str, int]
    restarts: Mapping[str, int]
    unasked_ends: tuple[str, ...]
    helped: tuple[str, ...]
    relinked: tuple[str, ...]
    stuck: str | None
    seconds: float

    @property
    def good(self) -> bool:
        """Whether every promise held."""
        return not any(
            (
                self.lost,
                self.doubled,
                self.strangers,
                self.not_edited,
                self.not_revoked,
                self.not_filled,
                self.garbled,
                self.split,
                self.joined,
                self.secret,
                self.authors,
                self.waiting,
                self.untold,
                self.disordered,
                self.sent,
                self.open_gaps,
                self.unasked_ends,
                self.helped,
                self.stuck,
            )
        )

    def as_json(self) -> dict[str, Any]:
        """The verdict as one JSON object."""
        return {"good": self.good, **asdict(self)}

    def figures(self) -> dict[str, int]:
        """Counts about the messages and the daemon, by their names in tables."""
        return {
            "lost": len(self.lost),
            "doubled": len(self.doubled),
            "never delivered": len(self.strangers),
            "edits missing": len(self.not_edited),
            "revokes missing": len(self.not_revoked),
            "still unreadable": len(self.not_filled),
            "other text": len(self.garbled),
            "customers split": len(self.split),
            "customers joined": len(self.joined),
            "never to capture": len(self.secret),
            "wrong author": len(self.authors),
            "wrong waiting": len(self.waiting),
            "untold by a feed": len(self.untold),
            "told in disorder": len(self.disordered),
            "sent": self.sent,
            "gaps open": self.open_gaps,
            "unasked ends": len(self.unasked_ends),
            "helped": len(self.helped),
            "scanned again": len(self.relinked),
        }

    def table(self) -> list[str]:
        """The verdict as lines for people."""
        lines = [
            _line("seed", self.seed),
            _line("messages", self.messages, f"{self.live} live, {self.sweep} by sweep"),
            _line("faults", sum(self.faults.values()), f"in {self.seconds:.0f} s"),
            *(f"  {number:>6}  {kind}" for kind, number in sorted(self.faults.items())),
            _line("restarts", sum(self.restarts.values())),
            *(f"  {number:>6}  {why}" for why, number in sorted(self.restarts.items(), key=lambda each: -each[1])),
            _line(
                "gaps",
                self.gaps,
                f"recovered in {self.recovery_median:.1f} s (median), {self.recovery_max:.1f} s (max)",
            ),
            "",
            *(_line(name, value) for name, value in self.figures().items()),
            *(f"unasked end: {each}" for each in self.unasked_ends),
            *(f"restarted by the driver: {each}" for each in self.helped),
            *(f"scanned again: {each}" for each in self.relinked),
        ]
        if self.stuck:
            lines.append(f"waited in vain for {self.stuck}")
        for name in _NAMED:
            lines += [f"{name}: {each}" for each in getattr(self, name)[:SHOWN]]
        return [*lines, "", "everything held" if self.good else "NOT everything held"]


_NAMED: Final = (
    "lost",
    "doubled",
    "strangers",
    "not_edited",
    "not_revoked",
    "not_filled",
    "garbled",
    "split",
    "joined",
    "secret",
    "authors",
    "waiting",
    "untold",
    "disordered",
)


def beside(verdicts: Mapping[str, Verdict]) -> list[str]:
    """Results of several products in the same storm, one column each."""
    width = max(len(name) for name in verdicts) + 2
    rows: dict[str, list[object]] = {"": [*verdicts]}
    for each in verdicts.values():
        rows.setdefault("messages", []).append(each.messages)
        rows.setdefault("captured live", []).append(each.live)
        rows.setdefault("captured by sweep", []).append(each.sweep)
        for name, value in each.figures().items():
            rows.setdefault(name, []).append(value)
        rows.setdefault("restarts", []).append(sum(each.restarts.values()))
        rows.setdefault("seconds", []).append(f"{each.seconds:.0f}")
        rows.setdefault("everything held", []).append("yes" if each.good else "no")
    return [f"{name:<18}" + "".join(f"{value!s:>{width}}" for value in row) for name, row in rows.items()]


def _line(name: str, value: object, more: str = "") -> str:
    return f"{name:<18}{value!s:>8}  {more}".rstrip()


_Key = tuple[str, str | None, bool]
"""A message's id, its customer, and whether it is ours: senders choose the ids."""


def judge(plan: Plan, found: Found) -> Verdict:
    """Compare the plan with what was found."""
    owners = {number: sorted(filter(None, {customer_of(chat) for chat in ids})) for number, ids in found.chats.items()}
    customers = {number: those[0] if those else None for number, those in owners.items()}
    by_key: dict[_Key, list[Row]] = defaultdict(list)
    for row in found.messages:
        by_key[row["stanza_id"], customers.get(row["conversation_id"]), row["direction"] == "out"].append(row)
    rows_of = {_key(wanted): by_key.pop(_key(wanted), []) for wanted in plan.expected}
    bodies = Counter((row["body"], customers.get(row["conversation_id"])) for row in found.messages)
    wrong: dict[str, list[str]] = defaultdict(list)
    for wanted in plan.expected:
        rows = rows_of[_key(wanted)]
        name = f"{wanted.stanza_id} ({wanted.kind}{', own' if wanted.own else ''}; {plan.where(wanted.slot)}"
        name += f"; {found.moments.get(wanted.slot, 'never delivered')})"
        if not rows:
            wrong["lost"].append(name)
            continue
        if len(rows) > 1 or bodies[wanted.body, wanted.customer] > 1:
            wrong["doubled"].append(name)
        row = rows[0]
        if row["author"] != wanted.author or (wanted.kind == "their list" and _lacks_its_list(row)):
            wrong["authors"].append(f"{name} is taken for {row['author']}'s")
        if wanted.kind == "revoked":
            # One that was revoked before it was read has no text.
            if row["revoked_at"] is None:
                wrong["not_revoked"].append(name)
            elif row["body"] not in (None, "", wanted.body):
                wrong["garbled"].append(name)
        elif row["readable_at"] is None:
            wrong["not_filled"].append(name)
        elif row["body"] != wanted.body:
            wrong["not_edited" if wanted.kind == "edited" else "garbled"].append(name)
    via = Counter(row["captured_via"] for row in found.messages)
    recovery = [_seconds(gap["from_at"], gap["to_at"]) for gap in found.gaps if gap["to_at"]] or [0.0]
    strangers = [row for rows in by_key.values() for row in rows]
    secret = {row["body"] for row in found.messages if _is_secret(row)}
    return Verdict(
        seed=plan.seed,
        messages=len(plan.expected),
        live=via["live"],
        sweep=via["sweep"],
        lost=tuple(wrong["lost"]),
        doubled=tuple(wrong["doubled"]),
        strangers=tuple(f"{row['stanza_id']} ({row['body']})" for row in strangers if not _is_secret(row)),
        not_edited=tuple(wrong["not_edited"]),
        not_revoked=tuple(wrong["not_revoked"]),
        not_filled=tuple(wrong["not_filled"]),
        garbled=tuple(wrong["garbled"]),
        split=tuple(_split(plan, rows_of)),
        joined=tuple(f"{those} in conversation {number}" for number, those in owners.items() if len(those) > 1),
        secret=(
            *(f"the message {body}" for body in sorted(secret)),
            *(f"the line {line[:_LINE]}…" for line in found.kept_lines),
            *(f"the chat {sorted(found.chats[number])}" for number, those in owners.items() if not those),
        ),
        authors=tuple(wrong["authors"]),
        waiting=tuple(_wrongly_waiting(plan, found, rows_of)),
        untold=tuple(_untold(found)),
        disordered=tuple(_disordered(found.told or ())),
        sent=found.sent,
        gaps=len(found.gaps),
        open_gaps=sum(gap["closed_at"] is None for gap in found.gaps),
        recovery_median=statistics.median(recovery),
        recovery_max=max(recovery),
        faults=dict(found.faults),
        restarts=dict(Counter(_restarts(found.events))),
        unasked_ends=tuple(found.unasked_ends),
        helped=tuple(found.helped),
        relinked=tuple(found.relinked),
        stuck=found.stuck,
        seconds=found.seconds,
    )


def _key(wanted: Expected) -> _Key:
    return wanted.stanza_id, wanted.customer, wanted.own


def _is_secret(row: Row) -> bool:
    return str(row["body"]).startswith(SECRET)


def _lacks_its_list(row: Row) -> bool:
    """What came live names its list; a history, which only sweeps read, does not."""
    return row["captured_via"] == "live" and not _names_a_list(row)


def _names_a_list(row: Row) -> bool:
    return "broadcast" in json.loads(row.get("marks") or "{}")


def _wrongly_waiting(plan: Plan, found: Found, rows_of: Mapping[_Key, Sequence[Row]]) -> Iterator[str]:
    """Those who asked and were only sent copies of lists must wait, and those whose list wrote must not."""
    of_kind: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for wanted in plan.expected:
        if wanted.kind in ("waiter", "their list"):
            of_kind[wanted.kind, wanted.customer] += rows_of[_key(wanted)]
    for (kind, customer), rows in of_kind.items():
        waits = any(row["conversation_id"] in found.waiting for row in rows)
        if kind == "waiter" and rows and not waits:
            yield f"{customer} asked, and does not wait"
        if kind == "their list" and waits and all(map(_names_a_list, rows)):
            yield f"{customer} waits, and only the list wrote"


def _untold(found: Found) -> Iterator[str]:
    """What the tables hold against what a program believes that hears each event once."""
    if found.told is None:
        return
    hearer, heard = Hearer(), set[str]()
    for event in found.told:
        if event["id"] not in heard:
            heard.add(event["id"])
            hearer.hear(event["type"], event["data"])
        if event.get("after_gap"):
            yield f"an event before {event['id']} was given up"
    messages = {row["message_id"]: row["conversation_id"] for row in found.messages}
    for what, said, held in (
        ("message", hearer.messages, messages),
        ("wait", dict.fromkeys(hearer.waiting, True), dict.fromkeys(found.open_waits, True)),
        ("stage of lead", hearer.stages, found.stages),
    ):
        for number in sorted({*said, *held}):
            if said.get(number) != held.get(number):
                yield f"{what} {number}: told {said.get(number)}, stored {held.get(number)}"


def _disordered(told: Sequence[Row]) -> Iterator[str]:
    """By the number in each event's id; one that came again, as after a crash, counts where it came first."""
    last: dict[int, int] = {}
    heard: set[str] = set()
    for event in told:
        conversation, number = event["data"].get("conversation_id") or 0, int(event["id"].split("_")[1])
        if event["id"] not in heard and number < last.get(conversation, 0):
            yield f"conversation {conversation}: {number} after {last[conversation]}"
        heard.add(event["id"])
        last[conversation] = max(number, last.get(conversation, 0))


def _split(plan: Plan, rows_of: Mapping[_Key, Sequence[Row]]) -> Iterator[str]:
    """Customers with several known ids whose messages are not all in one conversation."""
    of: dict[str, set[int]] = defaultdict(set)
    for wanted in plan.expected:
        of[wanted.customer].update(row["conversation_id"] for row in rows_of[_key(wanted)])
    for customer in sorted({wanted.customer for wanted in plan.expected if wanted.mapped}):
        if len(of[customer]) > 1:
            yield f"{customer} in conversations {sorted(of[customer])}"


def _restarts(events: Sequence[Row]) -> Iterator[str]:
    """The cause of each restart of the listener."""
    before: str | None = None
    for event in events:
        if event["phase"] == "starting" and before is not None:
            yield "daemon_began_anew" if event["code"] == "started" else before
        if event["phase"] != "starting":
            before = str(event["code"])


def _seconds(since: str, until: str) -> float:
    return (datetime.fromisoformat(until) - datetime.fromisoformat(since)).total_seconds()
