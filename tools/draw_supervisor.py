"""Write docs/supervisor.md anew from the supervisor's table: `python tools/draw_supervisor.py`.

A drawing made by hand dies; tests/test_supervisor_document.py fails when this one is not what the table says.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from leadmasterd import sentences  # noqa: E402
from leadmasterd.supervisor.machine import Event, Happened, Phase, State, Step, step  # noqa: E402
from leadmasterd.supervisor.timing import Timing  # noqa: E402

DOCUMENT: Final = ROOT / "docs" / "supervisor.md"

SAMPLES: Final[list[tuple[Happened, str, Mapping[str, object]]]] = [
    (Happened.START, "start", {}),
    (Happened.HELLO, "the child said hello", {}),
    (Happened.LAUNCHED, "the browser runs", {}),
    (Happened.CODE_SHOWN, "a code is shown", {}),
    (Happened.CODE_SHOWN, "a code is shown, though the session should be known", {"session_lost": True}),
    (Happened.AUTHENTICATED, "authenticated", {}),
    (Happened.READY, "ready", {"account": "5491155550100@c.us"}),
    (Happened.SOCKET_STATE, "state TIMEOUT, OPENING or PAIRING", {"state": "TIMEOUT"}),
    (Happened.SOCKET_STATE, "state CONNECTED", {"state": "CONNECTED"}),
    (Happened.SOCKET_STATE, "state CONFLICT", {"state": "CONFLICT"}),
    (Happened.SOCKET_STATE, "state TOS_BLOCK, SMB_TOS_BLOCK or PROXYBLOCK", {"state": "TOS_BLOCK"}),
    (Happened.DISCONNECTED, "disconnected: LOGOUT", {"reason": "LOGOUT"}),
    (Happened.DISCONNECTED, "disconnected: another state", {"reason": "DEPRECATED_VERSION"}),
    (Happened.HEARTBEAT_LOST, "two heartbeats missed", {"silent_seconds": 60}),
    (Happened.DEAF, "messages were not heard live", {"messages": 1}),
    (Happened.RECYCLE, "a planned restart is due", {"why": "nightly"}),
    (Happened.EXITED, "the child ended by itself", {}),
    (Happened.EXITED, "the child ended, the third time before it got anywhere", {"restorable": True}),
    (Happened.GONE, "the whole tree is gone", {}),
    (Happened.CANNOT_SPAWN, "the child cannot be spawned", {}),
    (Happened.TIMER, "the timer is due", {}),
    (Happened.PAUSE, "pause", {}),
    (Happened.RESUME, "resume", {}),
    (Happened.RESTART, "restart-listener", {}),
    (Happened.QUIT, "quit", {}),
]
"""Each event with the values that lead to different cells."""


def main() -> None:
    """Write the document."""
    DOCUMENT.write_text(render(), encoding="utf-8")


def render() -> str:
    """The whole document."""
    return "\n".join(
        [
            "# The supervisor's table",
            "",
            "Written by `python tools/draw_supervisor.py` from `leadmasterd/supervisor/machine.py`; what is not listed",
            "for a phase means nothing there. *stopping, then X*: everything of the child's tree is gone before X.",
            "",
            "```mermaid",
            "stateDiagram-v2",
            *sorted(set(_edges())),
            "```",
            "",
            *(line for phase in Phase for line in _section(phase)),
        ]
    )


def _beginning(phase: Phase) -> State:
    ready_since = 0.0 if phase is Phase.READY else None
    return State(phase=phase, then=Phase.BACKING_OFF, ready_since=ready_since, unopened=2, failures=1)


def _taken(phase: Phase) -> Iterator[tuple[str, Step]]:
    for happened, words, values in SAMPLES:
        taken = step(_beginning(phase), Event(happened, 1.0, 0.5, values), Timing())
        if taken.changed:
            yield words, taken


def _edges() -> Iterator[str]:
    for phase in Phase:
        for _words, taken in _taken(phase):
            to = taken.state.phase
            if to is not phase:
                yield f"    {phase.value} --> {to.value}: {taken.state.because.code}"
            if to is Phase.STOPPING:
                yield f"    stopping --> {taken.state.then.value}: {taken.state.because.code}"


def _section(phase: Phase) -> Iterator[str]:
    rows = [
        f"| {words} | {_next(taken.state)} | {_effects(taken)} | `{taken.state.because.code}`: {_reason(taken.state)} |"
        for words, taken in _taken(phase)
    ]
    yield f"## {sentences.phase(phase.value)} (`{phase.value}`)"
    yield ""
    if not rows:
        yield "The end."
    else:
        yield "| what happens | what follows | what is done | why, as people read it |"
        yield "|---|---|---|---|"
        yield from rows
    yield ""


def _next(state: State) -> str:
    return f"stopping, then {state.then.value}" if state.phase is Phase.STOPPING else state.phase.value


def _effects(taken: Step) -> str:
    after = [f"then {each.value}" for each in taken.state.chores]
    return ", ".join([each.value for each in taken.effects] + after) or "nothing"


def _reason(state: State) -> str:
    values = {name: value for name, value in state.because.values.items() if name != "wait_seconds"}
    return sentences.because(state.because.code, values).replace("|", "\\|")


if __name__ == "__main__":
    main()
