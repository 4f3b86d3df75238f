"""The supervisor's state machine, as a table: what each event means in each phase.

    paused ----------- resume ----------> starting --hello..qr--> waiting_for_scan
      ^                                     |  \\                        |
      | pause (from every phase)            |   `--authenticated--> syncing --ready--> ready <-> reconnecting
      |                                     v                           |               |            |
    stopping <----- every fault and every command ----------------------+---------------+------------+
      |  and then: backing_off (retry later) | halted (a person is needed) | paused | starting | stopped (the end)

`TABLE` and `STOPPING` at the end of this file are the whole design; docs/supervisor.md is drawn from them. A cell names
its outcome: the next phase, the effects and the reason's code, which `sentences` turns into words. Where one event can
lead to several outcomes, the cell lists them with the conditions that choose.

The machine is pure: time and chance come in with each event. A child that is still dying is remembered as "stopping,
and then ...", and nothing is spawned before its whole process tree is gone. There is one timer; every change of phase
sets or clears it, so a stale timer cannot fire.

Backoff is exponential with full jitter. Failures are forgiven after a calm period in `ready`, not on reaching it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from leadmasterd.reasons import Reason
from leadmasterd.supervisor.timing import Timing


class Phase(StrEnum):
    """Where the listener stands."""

    PAUSED = "paused"
    STARTING = "starting"
    WAITING_FOR_SCAN = "waiting_for_scan"
    SYNCING = "syncing"
    READY = "ready"
    RECONNECTING = "reconnecting"
    STOPPING = "stopping"
    BACKING_OFF = "backing_off"
    HALTED = "halted"
    STOPPED = "stopped"


class Happened(StrEnum):
    """What can happen. `Event.values` carries the details that the reason quotes."""

    START = "start"
    HELLO = "hello"
    LAUNCHED = "launched"
    """The browser runs."""
    CODE_SHOWN = "code_shown"
    """WhatsApp asks for a scan."""
    SESSION_LOST = "session_lost"
    """WhatsApp asks for a scan, but this profile was linked, nobody logged it out, and a snapshot is worth a try."""
    AUTHENTICATED = "authenticated"
    READY = "ready"
    CONNECTION_LOST = "connection_lost"
    """A socket state that WhatsApp Web recovers from by itself."""
    CONNECTED = "connected"
    CONFLICT = "conflict"
    """The same session was opened elsewhere."""
    NUMBER_AT_RISK = "number_at_risk"
    """A ban or block screen."""
    LOGGED_OUT = "logged_out"
    DISCONNECTED = "disconnected"
    """WhatsApp ended the connection for any other reason."""
    HEARTBEAT_LOST = "heartbeat_lost"
    DELIVERY_STALLED = "delivery_stalled"
    """A sweep found messages that the live path should have delivered, though the socket says CONNECTED."""
    PLANNED_RESTART = "planned_restart"
    """Due for memory, a new browser, a snapshot or the nightly restart."""
    EXITED = "exited"
    """The child ended by itself; the rest of its process tree may still live."""
    GONE = "gone"
    """The stop is complete: nothing of the process tree is left."""
    CANNOT_SPAWN = "cannot_spawn"
    TIMER = "timer"
    PAUSE = "pause"
    RESUME = "resume"
    RESTART = "restart"
    QUIT = "quit"


@dataclass(frozen=True, slots=True)
class Facts:
    """What else is known when an event is decided on. All three are about the browser profile."""

    restorable: bool = False
    """A snapshot exists and was not tried since the session last worked."""
    unreachable: bool = False
    """The child's last words blame the network."""
    storage_broken: bool = False
    """The page reported that the profile's databases do not open."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at `now` (monotonic seconds). `chance` in [0, 1) is the jitter of a wait."""

    happened: Happened
    now: float
    chance: float = 0.0
    values: Mapping[str, object] = field(default_factory=dict)
    facts: Facts = Facts()


class Effect(StrEnum):
    """What the runner must do."""

    SPAWN = "spawn"
    STOP_TREE = "stop_tree"
    """Ask, insist, kill, verify; then report GONE."""
    QUARANTINE_PROFILE = "quarantine_profile"
    """Set the browser profile aside. This one and the next three only run while no child lives."""
    RESTORE_PROFILE = "restore_profile"
    """Replace the profile by the newest good snapshot."""
    TAKE_SNAPSHOT = "take_snapshot"
    TRIM_CACHES = "trim_caches"
    LEAVE = "leave"
    """End the daemon."""


class Limit(StrEnum):
    """What sets the timer, by the name of its field in `Timing`."""

    HELLO = "hello_timeout"
    LAUNCH = "launch_timeout"
    START = "start_timeout"
    CODE = "code_timeout"
    SYNC = "sync_timeout"
    CALM = "calm_period"
    RECONNECT = "reconnect_timeout"

    def seconds(self, timing: Timing) -> float:
        """Its value in this profile."""
        seconds: float = getattr(timing, self.value)
        return seconds


@dataclass(frozen=True, slots=True)
class State:
    """Everything the supervisor remembers."""

    phase: Phase = Phase.PAUSED
    because: Reason = field(default_factory=lambda: Reason("not_started"))
    failures: int = 0
    """Failures in a row."""
    ready_since: float | None = None
    timer_at: float | None = None
    """When TIMER is due (monotonic); None: no timer is set."""
    then: Phase = Phase.STOPPED
    """In STOPPING: the phase that follows when the child is gone."""
    chores: tuple[Effect, ...] = ()
    """In STOPPING: what to do with the profile when the child is gone, before anything follows."""
    codes: int = 0
    """Codes shown in this child's life and not scanned."""
    unopened: int = 0
    """Starts in a row that ended before the page said anything about the session."""


@dataclass(frozen=True, slots=True)
class Step:
    """The next state and what to do. `changed` is false when phase and reason stay as they were."""

    state: State
    effects: tuple[Effect, ...] = ()
    changed: bool = True


CODES_UNTIL_A_BREAK: Final = 30
"""About ten minutes of codes that nobody scans; then the browser rests, longer each time."""
STARTS_UNTIL_RESTORE: Final = 3


# ---------------------------------------------------------------------- what a cell can say


@dataclass(frozen=True, slots=True)
class Ignored:
    """The event means nothing here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """The phase and its reason stay."""

    limit: Limit | None = None
    """Sets the timer again."""
    another_code: bool = False
    """One more code was shown."""
    forgive: bool = False
    """Forgets earlier failures, and clears the timer."""
    chores: tuple[Effect, ...] = ()
    """In STOPPING: replaces the chores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class To:
    """The phase changes."""

    phase: Phase
    code: str | None
    """The reason's code; its values are the event's and `values`. None keeps the reason."""
    effects: tuple[Effect, ...] = ()
    failed: bool = False
    """Counts as a failure."""
    then: Phase | None = None
    """Of a stop: what follows when the child is gone."""
    chores: tuple[Effect, ...] = ()
    suspects_profile: bool = False
    """Counts against the profile: three in a row restore a snapshot."""
    values: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Then:
    """In STOPPING: something else is to follow."""

    phase: Phase
    code: str
    chores: tuple[Effect, ...] | None = None
    """Replaces the chores; None keeps them."""


Outcome = Ignored | Stay | To | Then


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition, and the same in words for the drawn table."""

    words: str
    holds: Callable[[State, Event], bool]


@dataclass(frozen=True, slots=True)
class FirstOf:
    """The first outcome whose guard holds, or `otherwise`."""

    guarded: tuple[tuple[Guard, Outcome], ...]
    otherwise: Outcome


Cell = Outcome | FirstOf
Row = Mapping[Happened, Cell]


# ---------------------------------------------------------------------- the one way to take a step


def step(state: State, event: Event, timing: Timing) -> Step:
    """Look the event up in the table and apply what its cell says."""
    row = STOPPING[state.then] if state.phase is Phase.STOPPING else TABLE[state.phase]
    cell = row[event.happened]
    outcome = _choose(cell, state, event) if isinstance(cell, FirstOf) else cell
    match outcome:
        case Ignored():
            return Step(state, changed=False)
        case Stay():
            return Step(_stay(state, outcome, event, timing), changed=False)
        case Then(phase=phase, code=code, chores=chores):
            kept = state.chores if chores is None else chores
            return Step(replace(state, then=phase, because=Reason(code, event.values), chores=kept))
        case To():
            return _go(state, outcome, event, timing)


def backoff_seconds(failures: int, chance: float, timing: Timing) -> float:
    """The wait before the next start: full jitter under a ceiling that doubles with each failure in a row."""
    ceiling = min(timing.backoff_max, timing.backoff_first * 2.0 ** min(failures - 1, 32))
    return ceiling * chance


def _choose(cell: FirstOf, state: State, event: Event) -> Outcome:
    return next((outcome for guard, outcome in cell.guarded if guard.holds(state, event)), cell.otherwise)


def _stay(state: State, stay: Stay, event: Event, timing: Timing) -> State:
    timer_at = event.now + stay.limit.seconds(timing) if stay.limit else state.timer_at
    return replace(
        state,
        timer_at=None if stay.forgive else timer_at,
        failures=0 if stay.forgive else state.failures,
        codes=state.codes + stay.another_code,
        chores=stay.chores or state.chores,
    )


def _go(state: State, to: To, event: Event, timing: Timing) -> Step:
    """Enter a phase. What `To` does not name follows from the phases left and entered."""
    because = state.because if to.code is None else Reason(to.code, {**event.values, **dict(to.values)})
    limit = LIMITS.get(to.phase)
    entered = State(
        phase=to.phase,
        because=because,
        failures=_failures_by(state, event, timing) + to.failed,
        ready_since=event.now if to.phase is Phase.READY else None,
        timer_at=event.now + limit.seconds(timing) if limit else None,
        then=to.then or state.then,
        chores=to.chores,
        codes=1 if to.phase is Phase.WAITING_FOR_SCAN else 0,
        unopened=_unopened(state, to),
    )
    if to.phase is Phase.BACKING_OFF:
        entered = _back_off(entered, event, timing)
    done_when_gone = state.chores if state.phase is Phase.STOPPING else ()
    return Step(entered, (*done_when_gone, *to.effects))


def _failures_by(state: State, event: Event, timing: Timing) -> int:
    """Failures in a row until now; none after a calm period, even if its timer has not been processed yet."""
    calm = state.ready_since is not None and event.now - state.ready_since >= timing.calm_period
    return 0 if calm else state.failures


def _unopened(state: State, to: To) -> int:
    """A phase that only a working profile reaches clears it of suspicion, and so does a restored one."""
    if to.phase in _PROFILE_WORKS or Effect.RESTORE_PROFILE in to.chores:
        return 0
    return state.unopened + to.suspects_profile


def _back_off(state: State, event: Event, timing: Timing) -> State:
    wait = backoff_seconds(max(state.failures, 1), event.chance, timing)
    values = {**state.because.values, "failures": state.failures, "wait_seconds": round(wait, 1)}
    return replace(state, because=Reason(state.because.code, values), timer_at=event.now + wait)


# ---------------------------------------------------------------------- conditions


NO_BREAK_YET: Final = Guard(
    f"it is at most the {CODES_UNTIL_A_BREAK}th", lambda state, _event: state.codes < CODES_UNTIL_A_BREAK
)
NETWORK_DOWN: Final = Guard("the child's last words blame the network", lambda _state, event: event.facts.unreachable)
"""An outage is no fault of the profile: a restore would take the session back in time for nothing."""
STORAGE_OPENS: Final = Guard(
    "the page did not report broken storage", lambda _state, event: not event.facts.storage_broken
)
PROFILE_SUSPECTED: Final = Guard(
    f"it is the {STARTS_UNTIL_RESTORE}rd start in a row that got nowhere, and there is a snapshot to try",
    lambda state, event: state.unopened + 1 >= STARTS_UNTIL_RESTORE and event.facts.restorable,
)
"""Not the first time: a browser dies for many reasons, and a disk may be full for a while."""


# ---------------------------------------------------------------------- the words of the table

IGNORED: Final = Ignored()
_RESTORE: Final = (Effect.RESTORE_PROFILE,)
_QUARANTINE: Final = (Effect.QUARANTINE_PROFILE,)
_SNAPSHOT: Final = (Effect.TAKE_SNAPSHOT, Effect.TRIM_CACHES)
_PROFILE_WORKS: Final = frozenset({Phase.WAITING_FOR_SCAN, Phase.SYNCING, Phase.READY})


def stops(then: Phase, code: str, chores: tuple[Effect, ...] = ()) -> To:
    """Stop the child; `then` follows when its tree is gone and the chores are done. No failure."""
    return To(phase=Phase.STOPPING, code=code, effects=(Effect.STOP_TREE,), then=then, chores=chores)


def fails(code: str, *, suspects_profile: bool = False, values: tuple[tuple[str, object], ...] = ()) -> To:
    """Stop the child, wait, start again: a failure."""
    return To(
        phase=Phase.STOPPING,
        code=code,
        effects=(Effect.STOP_TREE,),
        then=Phase.BACKING_OFF,
        failed=True,
        suspects_profile=suspects_profile,
        values=values,
    )


def starts(code: str | None) -> To:
    """Spawn a child."""
    return To(phase=Phase.STARTING, code=code, effects=(Effect.SPAWN,))


def enters(phase: Phase, code: str | None) -> To:
    """Go there; nothing has to be done."""
    return To(phase=phase, code=code)


def leaves(code: str | None) -> To:
    """The end."""
    return To(phase=Phase.STOPPED, code=code, effects=(Effect.LEAVE,))


def _row(*parts: Row) -> Row:
    """Every event; those that no part names mean nothing. A later part wins."""
    named = {happened: cell for part in parts for happened, cell in part.items()}
    return {happened: named.get(happened, IGNORED) for happened in Happened}


# ---------------------------------------------------------------------- the table

LIMITS: Final[Mapping[Phase, Limit]] = {
    Phase.STARTING: Limit.HELLO,
    Phase.WAITING_FOR_SCAN: Limit.CODE,
    Phase.SYNCING: Limit.SYNC,
    Phase.READY: Limit.CALM,
    Phase.RECONNECTING: Limit.RECONNECT,
}
"""What the timer is set to on entering a phase. In BACKING_OFF it is the backoff; elsewhere there is none."""

_RESTORES_A_SNAPSHOT: Final = stops(Phase.STARTING, "profile_broken", _RESTORE)

_ALIVE: Final[Row] = {
    Happened.CODE_SHOWN: enters(Phase.WAITING_FOR_SCAN, "scan_needed"),
    Happened.SESSION_LOST: stops(Phase.STARTING, "session_lost", _RESTORE),
    Happened.AUTHENTICATED: enters(Phase.SYNCING, "syncing"),
    Happened.READY: enters(Phase.READY, "ready"),
    Happened.CONFLICT: fails("conflict"),
    Happened.NUMBER_AT_RISK: stops(Phase.HALTED, "number_at_risk"),
    # The session is gone for good. Its profile is kept aside, and a fresh one waits for a scan. Not a failure.
    Happened.LOGGED_OUT: stops(Phase.STARTING, "logged_out", _QUARANTINE),
    Happened.DISCONNECTED: fails("disconnected"),
    Happened.EXITED: fails("child_died"),
    Happened.PAUSE: stops(Phase.PAUSED, "paused"),
    Happened.RESTART: stops(Phase.STARTING, "restart_asked"),
    Happened.QUIT: stops(Phase.STOPPED, "asked_to_stop"),
}
"""The phases with a child have these in common."""

_AT_REST: Final[Row] = {
    Happened.RESUME: starts("resumed"),
    Happened.RESTART: starts("started"),
    Happened.PAUSE: enters(Phase.PAUSED, "paused"),
    Happened.QUIT: leaves("asked_to_stop"),
}

TABLE: Final[Mapping[Phase, Row]] = {
    Phase.PAUSED: _row(
        {
            Happened.START: starts("started"),
            Happened.RESUME: starts("resumed"),
            Happened.QUIT: leaves("asked_to_stop"),
        }
    ),
    Phase.STARTING: _row(
        _ALIVE,
        {
            Happened.HELLO: Stay(limit=Limit.LAUNCH),
            Happened.LAUNCHED: Stay(limit=Limit.START),
            Happened.CANNOT_SPAWN: To(phase=Phase.BACKING_OFF, code="cannot_spawn", failed=True),
            Happened.EXITED: FirstOf(
                ((NETWORK_DOWN, fails("child_died")), (PROFILE_SUSPECTED, _RESTORES_A_SNAPSHOT)),
                otherwise=fails("child_died", suspects_profile=True),
            ),
            Happened.TIMER: FirstOf(
                (
                    (STORAGE_OPENS, fails("start_took_too_long")),
                    (NETWORK_DOWN, fails("start_took_too_long")),
                    (PROFILE_SUSPECTED, _RESTORES_A_SNAPSHOT),
                ),
                otherwise=fails("start_took_too_long", suspects_profile=True),
            ),
        },
    ),
    Phase.WAITING_FOR_SCAN: _row(
        _ALIVE,
        {
            # A person may take as long as they like; the page may not: without a next code it is dead.
            Happened.CODE_SHOWN: FirstOf(
                ((NO_BREAK_YET, Stay(limit=Limit.CODE, another_code=True)),),
                otherwise=fails("not_scanned", values=(("codes", CODES_UNTIL_A_BREAK),)),
            ),
            Happened.TIMER: fails("code_stopped"),
        },
    ),
    Phase.SYNCING: _row(_ALIVE, {Happened.AUTHENTICATED: IGNORED, Happened.TIMER: fails("sync_took_too_long")}),
    Phase.READY: _row(
        _ALIVE,
        {
            Happened.AUTHENTICATED: IGNORED,
            Happened.READY: IGNORED,  # after a page reload: the live path sweeps, the phase stays
            Happened.CONNECTION_LOST: enters(Phase.RECONNECTING, "connection_lost"),
            Happened.HEARTBEAT_LOST: fails("heartbeat_lost"),
            Happened.DELIVERY_STALLED: fails("deaf"),
            Happened.PLANNED_RESTART: stops(Phase.STARTING, "recycle", _SNAPSHOT),
            Happened.TIMER: Stay(forgive=True),
        },
    ),
    Phase.RECONNECTING: _row(
        _ALIVE,
        {
            Happened.AUTHENTICATED: IGNORED,
            Happened.CONNECTED: enters(Phase.READY, "reconnected"),
            Happened.HEARTBEAT_LOST: fails("heartbeat_lost"),
            Happened.TIMER: fails("reconnect_took_too_long"),
        },
    ),
    Phase.BACKING_OFF: _row(_AT_REST, {Happened.TIMER: starts("trying_again")}),
    Phase.HALTED: _row(_AT_REST),
    Phase.STOPPED: _row(),
}
"""Every phase but STOPPING, which has a row for each phase that can follow it."""

_THEN_PAUSED: Final = Then(phase=Phase.PAUSED, code="paused")
_THEN_RESTARTED: Final = Then(phase=Phase.STARTING, code="restart_asked")
_THEN_STOPPED: Final = Then(phase=Phase.STOPPED, code="asked_to_stop")
_THEN_RESUMED: Final = Then(phase=Phase.STARTING, code="resumed")

_GOING_ON: Final[Row] = {
    Happened.PAUSE: _THEN_PAUSED,
    Happened.RESTART: _THEN_RESTARTED,
    Happened.QUIT: _THEN_STOPPED,
    Happened.NUMBER_AT_RISK: Then(phase=Phase.HALTED, code="number_at_risk"),
    Happened.LOGGED_OUT: Then(phase=Phase.STARTING, code="logged_out", chores=_QUARANTINE),
}
"""The child's last words still count: its exit, or a command, may be processed before them."""
_LOGOUT_COUNTS: Final[Row] = {Happened.LOGGED_OUT: Stay(chores=_QUARANTINE)}

STOPPING: Final[Mapping[Phase, Row]] = {
    Phase.BACKING_OFF: _row(_GOING_ON, {Happened.GONE: enters(Phase.BACKING_OFF, None)}),
    Phase.STARTING: _row(_GOING_ON, {Happened.GONE: starts(None)}),
    # As in PAUSED itself, `restart` does not end a pause.
    Phase.PAUSED: _row(
        _LOGOUT_COUNTS,
        {
            Happened.PAUSE: _THEN_PAUSED,
            Happened.RESUME: _THEN_RESUMED,
            Happened.QUIT: _THEN_STOPPED,
            Happened.GONE: enters(Phase.PAUSED, None),
        },
    ),
    Phase.HALTED: _row(
        _LOGOUT_COUNTS,
        {
            Happened.PAUSE: _THEN_PAUSED,
            Happened.RESUME: _THEN_RESUMED,
            Happened.RESTART: _THEN_RESTARTED,
            Happened.QUIT: _THEN_STOPPED,
            Happened.GONE: enters(Phase.HALTED, None),
        },
    ),
    # Quitting is never taken back.
    Phase.STOPPED: _row(_LOGOUT_COUNTS, {Happened.GONE: leaves(None)}),
}
"""While the child is dying: what each event means, for each phase that can follow."""
