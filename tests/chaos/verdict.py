"""Compares the delivered messages with the database. Pure: it gets rows and returns a verdict."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from tests.chaos.plan import Plan

SHOWN: Final = 8
"""How many of each kind are named in the report; all are counted."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a run: rows of the database, and what only the driver knows."""

    messages: Sequence[Row]
    gaps: Sequence[Row]
    events: Sequence[Row]
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
        for name in ("lost", "doubled", "strangers", "not_edited", "not_revoked", "not_filled", "garbled", "split"):
            lines += [f"{name}: {each}" for each in getattr(self, name)[:SHOWN]]
        return [*lines, "", "everything held" if self.good else "NOT everything held"]


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


def judge(plan: Plan, found: Found) -> Verdict:
    """Compare the plan with what was found."""
    by_id: dict[str, list[Row]] = defaultdict(list)
    for row in found.messages:
        by_id[row["stanza_id"]].append(row)
    bodies = Counter(row["body"] for row in found.messages)
    wrong: dict[str, list[str]] = defaultdict(list)
    for wanted in plan.expected:
        rows = by_id.pop(wanted.stanza_id, [])
        name = f"{wanted.stanza_id} ({wanted.kind}{', own' if wanted.own else ''}; {plan.where(wanted.slot)}"
        name += f"; {found.moments.get(wanted.slot, 'never delivered')})"
        if not rows:
            wrong["lost"].append(name)
            continue
        if len(rows) > 1 or bodies[wanted.body] > 1:
            wrong["doubled"].append(name)
        row = rows[0]
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
    return Verdict(
        seed=plan.seed,
        messages=len(plan.expected),
        live=via["live"],
        sweep=via["sweep"],
        lost=tuple(wrong["lost"]),
        doubled=tuple(wrong["doubled"]),
        strangers=tuple(by_id),
        not_edited=tuple(wrong["not_edited"]),
        not_revoked=tuple(wrong["not_revoked"]),
        not_filled=tuple(wrong["not_filled"]),
        garbled=tuple(wrong["garbled"]),
        split=tuple(_split(plan, found.messages)),
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


def _split(plan: Plan, messages: Sequence[Row]) -> Iterator[str]:
    """Customers with several known ids whose messages are not all in one conversation."""
    conversation = {row["stanza_id"]: row["conversation_id"] for row in messages}
    of: dict[str, set[int]] = defaultdict(set)
    for wanted in plan.expected:
        if wanted.stanza_id in conversation:
            of[wanted.customer].add(conversation[wanted.stanza_id])
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
