"""Write docs/supervisor.md from the supervisor's table: `python tools/draw_supervisor.py`.

Everything drawn is read from `machine.TABLE` and `machine.STOPPING`; only the words of events and the values that the
example sentences quote are written here. tests/test_supervisor_document.py fails when the document is stale.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from leadmasterd import sentences  # noqa: E402
from leadmasterd.supervisor.machine import (  # noqa: E402
    LIMITS,
    STOPPING,
    TABLE,
    Cell,
    FirstOf,
    Guard,
    Happened,
    Ignored,
    Limit,
    Outcome,
    Phase,
    Row,
    Stay,
    Then,
    To,
)
from leadmasterd.supervisor.timing import Timing  # noqa: E402

DOCUMENT: Final = ROOT / "docs" / "supervisor.md"
TIMING: Final = Timing()
ALIVE: Final = (
    Phase.STARTING,
    Phase.WAITING_FOR_SCAN,
    Phase.SYNCING,
    Phase.READY,
    Phase.RECONNECTING,
    Phase.NEEDS_PASSKEY,
)

WORDS: Final[Mapping[Happened, str]] = {
    Happened.START: "the daemon starts",
    Happened.HELLO: "the child said hello",
    Happened.LAUNCHED: "the browser runs",
    Happened.CODE_SHOWN: "a code to scan is shown",
    Happened.SESSION_LOST: "a code to scan is shown, though the profile is linked and a snapshot can be tried",
    Happened.AUTHENTICATED: "authenticated",
    Happened.READY: "ready",
    Happened.CONNECTION_LOST: "socket state OPENING, TIMEOUT or PAIRING",
    Happened.CONNECTED: "socket state CONNECTED, its stream too if the page tells of it",
    Happened.SOCKET_OPEN: "socket state CONNECTED, but its stream not yet",
    Happened.STREAM_LIVE: "a heartbeat with a socket that is CONNECTED, and its stream too if the page tells of it",
    Happened.STREAM_DEAD: "a heartbeat with a stream that is not connected",
    Happened.UNAVAILABLE: "503: WhatsApp's servers are not available",
    Happened.CONFLICT: "CONFLICT: the session is open elsewhere",
    Happened.NUMBER_AT_RISK: "TOS_BLOCK, SMB_TOS_BLOCK or PROXYBLOCK: the number is at risk",
    Happened.TEMPORARILY_BANNED: "402: a temporary ban of the number",
    Happened.PASSKEY_ASKED: "WhatsApp asks for a passkey after the scan",
    Happened.PASSKEY_CHECK: "WhatsApp asks a linked account for its passkey",
    Happened.PASSKEY_DONE: "the passkey was answered",
    Happened.PASSKEY_FAILED: "the passkey was refused, given up, or not answered in time",
    Happened.LOGGED_OUT: "LOGOUT",
    Happened.DISCONNECTED: "disconnected for another reason",
    Happened.HEARTBEAT_LOST: "two heartbeats missed",
    Happened.DELIVERY_STALLED: "a sweep found messages that were not delivered live",
    Happened.PLANNED_RESTART: "a planned restart is due",
    Happened.EXITED: "the child ended by itself",
    Happened.GONE: "the whole process tree is gone",
    Happened.CANNOT_SPAWN: "the child cannot be spawned",
    Happened.TIMER: "the timer is due",
    Happened.PAUSE: "`pause`",
    Happened.RESUME: "`resume`",
    Happened.RESTART: "`restart-listener`",
    Happened.QUIT: "the daemon is asked to stop",
}
QUOTED: Final[Mapping[str, object]] = {
    "account": "5491155550100@c.us",
    "reason": "DEPRECATED_VERSION",
    "state": "TOS_BLOCK",
    "silent_seconds": 30,
    "expires": 1795435200,
    "status": 503,
    "why": "nightly",
}
"""What the reasons quote in the examples."""


class Line(NamedTuple):
    """One outcome of a cell; without a guard it is the only one, or what remains."""

    happened: Happened
    guard: Guard | None
    outcome: Outcome


def lines(row: Row) -> Iterator[Line]:
    """All that a row says, but for what means nothing whatever else holds."""
    for happened, cell in row.items():
        for guard, outcome in outcomes(cell):
            if guard or not isinstance(outcome, Ignored):
                yield Line(happened, guard, outcome)


def outcomes(cell: Cell) -> Sequence[tuple[Guard | None, Outcome]]:
    """All that a cell can lead to."""
    if isinstance(cell, FirstOf):
        return (*cell.guarded, (None, cell.otherwise))
    return ((None, cell),)


def shared_row() -> Row:
    """What all phases with a child have in common."""
    first, *others = (TABLE[phase] for phase in ALIVE)
    return {happened: cell for happened, cell in first.items() if all(row[happened] == cell for row in others)}


def own_row(phase: Phase) -> Row:
    """A phase's row without what it shares with the others that have a child."""
    shared = shared_row() if phase in ALIVE else {}
    return {happened: cell for happened, cell in TABLE[phase].items() if happened not in shared}


# ---------------------------------------------------------------------- the document


def main() -> None:
    """Write the document."""
    DOCUMENT.write_text(render(), encoding="utf-8")


def render() -> str:
    """The whole document."""
    return "\n".join(
        [
            "# The supervisor's table",
            "",
            "Drawn by `python tools/draw_supervisor.py` from `leadmasterd/supervisor/machine.py`. An event that is not",
            "listed for a phase means nothing there; conditions are tried from top to bottom. *Stopping, then X*: the",
            "child's whole process tree is gone, and the profile's chores are done, before X begins. *Backing off*",
            "follows a failure: the wait is random, below a ceiling that doubles with each failure in a row, from",
            f"{_seconds(TIMING.backoff_first)} to {_seconds(TIMING.backoff_max)}.",
            "",
            "```mermaid",
            "stateDiagram-v2",
            *_diagram(),
            "```",
            "",
            "## Every phase with a child",
            "",
            f"These are {', '.join(f'`{phase.value}`' for phase in ALIVE)}.",
            "",
            *_table(shared_row()),
            "",
            *(line for phase in Phase for line in _section(phase)),
        ]
    )


def _diagram() -> Iterator[str]:
    """Every phase; those with a child share one exit."""
    yield "    state alive {"
    yield from (f"        {edge}" for phase in ALIVE for edge in _edges(phase, ALIVE))
    yield "    }"
    at_rest = [phase for phase in Phase if phase not in ALIVE]
    yield from (f"    {edge}" for phase in ALIVE for edge in _edges(phase, [Phase.BACKING_OFF]))
    yield "    alive --> stopping: a fault or a command"
    yield from (f"    stopping --> {then.value}: all is gone" for then in STOPPING)
    yield from (f"    {edge}" for phase in at_rest if phase in TABLE for edge in _edges(phase, list(Phase)))


def _edges(phase: Phase, to: Sequence[Phase]) -> Iterator[str]:
    for next_phase in to:
        codes = {
            line.outcome.code: None
            for line in lines(TABLE[phase])
            if isinstance(line.outcome, To) and line.outcome.phase is next_phase is not phase
        }
        if codes:
            yield f"{phase.value} --> {next_phase.value}: {', '.join(map(str, codes))}"


def _section(phase: Phase) -> Iterator[str]:
    name = sentences.phase(phase.value)
    yield f"## `{phase.value}`" if name == phase.value else f"## `{phase.value}`: {name}"
    yield ""
    if phase in LIMITS:
        limit = LIMITS[phase]
        yield f"On entering, the timer is set to {_limit(limit)}."
        yield ""
    if phase is Phase.STOPPING:
        yield from _stopping()
    elif rows := list(_table(own_row(phase))):
        yield from rows
    else:
        yield "The end."
    yield ""


def _table(row: Row) -> Iterator[str]:
    rows = [
        f"| {_words(row, line)} | {_next(line.outcome)} | {_done(line.outcome)} | {_why(line.outcome)} |"
        for line in lines(row)
    ]
    if rows:
        yield "| what happens | what follows | what is done | why, as people read it |"
        yield "|---|---|---|---|"
        yield from rows


def _words(row: Row, line: Line) -> str:
    words = WORDS[line.happened]
    if line.guard:
        return f"{words}, and {line.guard.words}"
    return f"{words} (otherwise)" if isinstance(row[line.happened], FirstOf) else words


def _next(outcome: Outcome) -> str:
    match outcome:
        case To(phase=Phase.STOPPING, then=then):
            return f"stopping, then {then}"
        case To(phase=phase):
            return phase.value
        case Then(phase=phase):
            return f"stopping, then {phase}"
        case Stay() | Ignored():
            return "it stays"


def _done(outcome: Outcome) -> str:
    """Effects now, chores when the child is gone, and what is counted."""
    match outcome:
        case To():
            now = [each.value for each in outcome.effects]
            later = [f"then {each.value}" for each in outcome.chores]
            counted = ["counts against the profile"] if outcome.suspects_profile else []
            return ", ".join([*now, *later, *_timer(outcome), *counted]) or "nothing"
        case Then():
            return ", ".join(f"then {each.value}" for each in outcome.chores or ()) or "nothing"
        case Stay():
            forgiven = ["earlier failures are forgiven"] if outcome.forgive else []
            calm = ["the calm period begins anew"] if outcome.stream == "live" else []
            later = [f"then {each.value}" for each in outcome.chores]
            return ", ".join([*_timer(outcome), *forgiven, *calm, *later])
        case Ignored():
            return "nothing"


def _timer(outcome: To | Stay) -> list[str]:
    if outcome.until_ban_ends:
        return [f"timer: the end of the ban, and {_seconds(TIMING.ban_margin)}"]
    return [f"timer: {_limit(outcome.limit)}"] if outcome.limit else []


def _why(outcome: Outcome) -> str:
    match outcome:
        case To(code=str(code), values=values):
            return _reason(code, dict(values))
        case Then(code=code):
            return _reason(code, {})
        case To() | Stay() | Ignored():
            return "as before"


def _reason(code: str, values: Mapping[str, object]) -> str:
    sentence = sentences.because(code, {**QUOTED, **values})
    return f"`{code}`: {sentence}".replace("|", "\\|")


def _stopping() -> Iterator[str]:
    """One column for each phase that can follow."""
    yield "What an event means depends on what is to follow. *only X*: X replaces the chores that were planned."
    yield ""
    yield f"| what happens | {' | '.join(f'then {then.value}' for then in STOPPING)} |"
    yield f"|---|{'---|' * len(STOPPING)}"
    for happened in Happened:
        cells = [_while_stopping(row[happened]) for row in STOPPING.values()]
        if any(cells):
            yield f"| {WORDS[happened]} | {' | '.join(cells)} |"


def _while_stopping(cell: Cell) -> str:
    texts = []
    for guard, outcome in outcomes(cell):
        match outcome:
            case To(phase=phase, effects=effects):
                text = ", ".join([f"**{phase.value}**", *(each.value for each in effects), *_timer(outcome)])
            case Then(phase=phase, code=code, chores=chores):
                text = ", ".join([f"then {phase.value}: `{code}`", *(f"only {each.value}" for each in chores or ())])
            case Stay(chores=chores):
                text = ", ".join(f"only {each.value}" for each in chores)
            case Ignored():
                text = "nothing" if guard else ""
        otherwise = "otherwise " if guard is None and isinstance(cell, FirstOf) else ""
        texts.append(f"if {guard.words}: {text}" if guard else text and otherwise + text)
    return "; ".join(filter(None, texts))


def _limit(limit: Limit) -> str:
    return f"`{limit.value}` ({_seconds(limit.seconds(TIMING))})"


def _seconds(seconds: float) -> str:
    return f"{seconds:g} s"


if __name__ == "__main__":
    main()
