"""docs/supervisor.md is the whole table, and every line of it can happen."""

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest

from leadmasterd.supervisor.machine import (
    STARTS_UNTIL_RESTORE,
    STOPPING,
    TABLE,
    Event,
    Facts,
    Happened,
    Phase,
    State,
    To,
    step,
)
from leadmasterd.supervisor.timing import Timing

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import draw_supervisor as drawing  # type: ignore[import-not-found]  # noqa: E402

DOCUMENT = (ROOT / "docs" / "supervisor.md").read_text()
FACTS = [Facts(*known) for known in product((False, True), repeat=3)]
CLOCKS = [Facts(), Facts(ban_seconds=60.0)]
ASK_THE_CLOCK = {Happened.START, Happened.GONE, Happened.RESTART}
TIMING = Timing()
CHILD_SAYS = set(Happened) - {
    Happened.START,
    Happened.CANNOT_SPAWN,
    Happened.GONE,
    Happened.TIMER,
    Happened.PAUSE,
    Happened.RESUME,
    Happened.RESTART,
    Happened.QUIT,
}


class Taken(NamedTuple):
    """A step that the machine took from a reachable state."""

    state: State
    event: Event
    after: State


def possible(state: State) -> Iterator[Happened]:
    """The events that can happen in this state."""
    yield from (Happened.PAUSE, Happened.RESUME, Happened.RESTART, Happened.QUIT)
    if state == State():
        yield Happened.START
    if state.timer_at is not None:
        yield Happened.TIMER
    if state.phase is Phase.STARTING:
        yield Happened.CANNOT_SPAWN
    if state.phase in (*drawing.ALIVE, Phase.STOPPING):
        yield from CHILD_SAYS
    if state.phase is Phase.STOPPING:
        yield Happened.GONE


def facts_of(happened: Happened) -> list[Facts]:
    """The facts that may accompany an event that asks for them."""
    if happened is Happened.TIMER:
        return FACTS + CLOCKS[1:]
    if happened is Happened.EXITED:
        return FACTS
    return CLOCKS if happened in ASK_THE_CLOCK else CLOCKS[:1]


@cache
def everything_that_can_happen() -> list[Taken]:
    """All steps from the start by every event. The clock and higher counts change no later step."""
    found, seen, pending = [], set(), [State()]
    while pending:
        state = pending.pop()
        for happened in possible(state):
            for facts in facts_of(happened):
                event = Event(happened, 0.0, 0.5, facts=facts)
                after = step(state, event, TIMING).state
                found.append(Taken(state, event, after))
                after = replace(
                    after, failures=min(after.failures, 1), unopened=min(after.unopened, STARTS_UNTIL_RESTORE)
                )
                life = (after.connected, after.attached, after.stream_dead_since is None, after.timer_at is None)
                key = (after.phase, after.then, after.chores, after.codes, after.unopened, after.because.code, life)
                if key not in seen:
                    seen.add(key)
                    pending.append(after)
    return found


def test_the_document_is_up_to_date() -> None:
    """Run `python tools/draw_supervisor.py` after changing the table."""
    assert drawing.render() == DOCUMENT


def test_every_phase_and_every_event_is_in_the_document() -> None:
    """A new event needs a description and an effect in some phase."""
    assert all(f"## `{phase.value}`" in DOCUMENT for phase in Phase)
    assert set(drawing.WORDS) == set(Happened)
    assert all(f"| {words}" in DOCUMENT for words in drawing.WORDS.values())


@pytest.mark.parametrize("rule", ["not_scanned", "last words blame the network", "did not report broken storage"])
def test_what_depends_on_a_condition_is_in_the_document(rule: str) -> None:
    """An example event would not show these rules."""
    assert rule in DOCUMENT


def test_every_code_in_the_document_happens_and_every_code_that_happens_is_in_it() -> None:
    """Every event is tried in every reachable state."""
    codes = set(re.findall(r"\| `(\w+)`: ", DOCUMENT)) | set(re.findall(r"then \w+: `(\w+)`", DOCUMENT))
    happened = {taken.after.because.code for taken in everything_that_can_happen()}
    assert codes == happened - {"not_started"}


def test_every_line_of_the_document_happens() -> None:
    """This includes outcomes behind a condition."""
    rows: list[tuple[Phase, Phase | None, drawing.Row]] = [(phase, None, row) for phase, row in TABLE.items()]
    rows += [(Phase.STOPPING, then, row) for then, row in STOPPING.items()]
    for phase, then, row in rows:
        for line in drawing.lines(row):
            steps = [
                taken
                for taken in everything_that_can_happen()
                if taken.state.phase is phase
                and (then is None or taken.state.then is then)
                and taken.event.happened is line.happened
                and follows(line, row, taken)
            ]
            assert steps, f"{phase.value} (then {then}): {line}"
            if isinstance(line.outcome, To):
                assert {taken.after.phase for taken in steps} == {line.outcome.phase}


def follows(line: drawing.Line, row: drawing.Row, taken: Taken) -> bool:
    """Whether this line decided the step."""
    guards = [guard for guard, _outcome in drawing.outcomes(row[line.happened]) if guard]
    holding = next((guard for guard in guards if guard.holds(taken.state, taken.event)), None)
    return holding is line.guard


def test_every_change_of_phase_is_an_edge_of_the_diagram() -> None:
    """Edges shared by all phases with a child are drawn once."""
    edges = set(re.findall(r"^ +(\w+) --> (\w+):", DOCUMENT, re.MULTILINE))
    alive = {phase.value for phase in drawing.ALIVE}
    moved = {(taken.state.phase.value, taken.after.phase.value) for taken in everything_that_can_happen()}
    expected = {("alive" if (a in alive and b == "stopping") else a, b) for a, b in moved if a != b}
    assert edges == expected


def test_no_example_sentence_lacks_a_value() -> None:
    """A reason with a new value needs an example."""
    assert "None" not in DOCUMENT
    assert " ?" not in DOCUMENT
