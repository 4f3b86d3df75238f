"""The supervisor's phase as people see it: in the history, the journal and `status`; and the file of a pause."""

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
        """Phase and reason in words: `waiting for a scan: WhatsApp asks for a scan`."""
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
        """Record that the machine changed to this state `at` (ISO), and log it.

        `bye`: the child's last words, which the reason quotes if it died. `gaps`: those that begin or end
        with this change.
        """
        values = dict(state.because.values)
        if bye and state.because.code == "child_died":
            values |= {"bye": bye.reason, "detail": bye.detail}
        self.phase = state.phase
        self._since = at
        self._because = Reason(state.because.code, values)
        event = SessionEvent(state.phase.value, state.because.code, values)
        self._writer.put([Item(record, None, at) for record in (event, *gaps)])
        # After a failure only the wait is logged, with its reason: not the stop before it, nor the next start.
        stops_after_failure = state.phase is Phase.STOPPING and state.then is Phase.BACKING_OFF
        if not self.trying_again and not stops_after_failure:
            level = logging.ERROR if self._because.code in _ALARMING else logging.INFO
            log.log(level, "%s", self.sentence, extra={"action": "phase_changed"})

    def note(self, code: str, values: dict[str, object]) -> None:
        """Write an event into the history that changes no phase."""
        event = SessionEvent(self.phase.value, code, values)
        self._writer.put([Item(event, None, times.iso(datetime.now(UTC)))])

    def section(self) -> Session:
        """Phase and reason, for `status`."""
        because = sentences.because(self._because.code, self._because.values)
        return Session(
            phase=self.phase.value,
            since=self._since,
            because=because,
            code=self._because.code,
            values=self._because.values,
        )


class PauseFile:
    """`paused` in the state directory: a pause outlives the daemon, so that no restart undoes what the operator did."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "paused"

    def exists(self) -> bool:
        """Whether the listener was paused when the daemon last ran."""
        return self._path.exists()

    def follow(self, phase: Phase) -> None:
        """Create the file when the listener is paused, and remove it when it starts; other phases change nothing."""
        try:
            if phase is Phase.PAUSED:
                self._path.touch(mode=0o600)
            elif phase is Phase.STARTING:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("cannot remember the pause: %s", error, extra={"action": "pause_unwritten"})
