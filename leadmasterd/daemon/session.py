"""The supervisor's phase as people see it: in the history, in the journal, in `status`, and the pause that survives."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from leadmasterd import sentences, times
from leadmasterd.reasons import Reason
from leadmasterd.state.status_object import Session
from leadmasterd.store.records import GapEnded, GapOpened, Item, SessionEvent
from leadmasterd.store.writer import Writer
from leadmasterd.supervisor.machine import Phase, State
from leadmasterd.wire.events import Bye

log = logging.getLogger(__name__)

_ALARMING: Final = frozenset(
    {"logged_out", "number_at_risk", "temporary_ban", "passkey_asked", "passkey_check", "session_elsewhere"}
)
"""Reasons that a person should hear of at once."""


class SessionLog:
    """Records every change of phase. `phase` is the current one."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.phase = Phase.STARTING
        self._since = ""
        self._because = Reason("not_started")

    @property
    def sentence(self) -> str:
        """Phase and reason in words."""
        return f"{sentences.phase(self.phase.value)}: {sentences.because(self._because.code, self._because.values)}"

    @property
    def trying_again(self) -> bool:
        """Whether a start is under way after one that failed."""
        return self.phase is Phase.STARTING and self._because.code == "trying_again"

    @property
    def banned(self) -> bool:
        """Whether a temporary ban is why nothing runs."""
        return self.phase is Phase.HALTED and self._because.code == "temporary_ban"

    def change(self, state: State, at: str, *, bye: Bye | None, gaps: Sequence[GapOpened | GapEnded]) -> None:
        """The machine changed to this state. `bye` are the child's last words; `gaps` begin or end with it."""
        values = dict(state.because.values)
        if bye and state.because.code == "child_died":
            values |= {"bye": bye.reason, "detail": bye.detail}
        self.phase, self._since, self._because = state.phase, at, Reason(state.because.code, values)
        event = SessionEvent(state.phase.value, state.because.code, values)
        self._writer.put([Item(record, None, at) for record in (event, *gaps)])
        # One line for a failed start: the wait says why it failed, and when the next one is.
        if not self.trying_again and not (state.phase is Phase.STOPPING and state.then is Phase.BACKING_OFF):
            level = logging.ERROR if self._because.code in _ALARMING else logging.INFO
            log.log(level, "%s", self.sentence, extra={"action": "phase_changed"})

    def note(self, code: str, values: dict[str, object]) -> None:
        """A line in the history that changes no phase."""
        event = SessionEvent(self.phase.value, code, values)
        self._writer.put([Item(event, None, times.iso(datetime.now(UTC)))])

    def section(self) -> Session:
        """For `status`."""
        because = sentences.because(self._because.code, self._because.values)
        return Session(
            phase=self.phase.value,
            since=self._since,
            because=because,
            code=self._because.code,
            values=self._because.values,
        )


class PauseFile:
    """A pause outlives the daemon: the operator's stop wins over every restart."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "paused"

    def exists(self) -> bool:
        """Whether the listener was paused when the daemon last ran."""
        return self._path.exists()

    def follow(self, phase: Phase) -> None:
        """Write or remove the file as the phase demands."""
        try:
            if phase is Phase.PAUSED:
                self._path.touch(mode=0o600)
            elif phase is Phase.STARTING:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("cannot remember the pause: %s", error, extra={"action": "pause_unwritten"})
