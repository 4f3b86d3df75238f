"""What the supervisor does next: a pure table of phase x event.

Each cell says the next phase, the effects to carry out and the reason, as a stable code with values that
`sentences` turns into words. Nothing here knows a clock, a process or a file: time and chance come in with the events.

    paused ----------- resume ----------> starting --hello..qr--> waiting_for_scan
      ^                                     |  \\                        |
      | pause (from every phase)            |   `--authenticated--> syncing --ready--> ready <-> reconnecting
      |                                     v                           |               |            |
    stopping <----- whatever goes wrong, or is asked for ---------------+---------------+------------+
      |  and then: backing_off (again later) | halted (a person is needed) | paused | starting | stopped (the end)

A child that is still dying is remembered as `stopping, and then ...`; nothing is spawned before it is gone. There is
one timer only, set anew or cleared by every change of phase, so a stale one can't fire.

Backoff is exponential with full jitter; failures are forgiven only after a calm period of being ready, not at the
first ready.
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
    """What can happen to it. `Event.values` carries the details."""

    START = "start"
    HELLO = "hello"
    LAUNCHED = "launched"
    """The browser runs."""
    CODE_SHOWN = "code_shown"
    AUTHENTICATED = "authenticated"
    READY = "ready"
    SOCKET_STATE = "socket_state"
    DISCONNECTED = "disconnected"
    HEARTBEAT_LOST = "heartbeat_lost"
    DEAF = "deaf"
    """A sweep found messages that the live path should have brought, though the state says connected."""
    RECYCLE = "recycle"
    """A planned restart: memory, a new browser, a snapshot. Only a live session is recycled."""
    EXITED = "exited"
    """The child ended by itself; what it left behind may still live."""
    GONE = "gone"
    """Stopping is done: nothing of the tree is left."""
    CANNOT_SPAWN = "cannot_spawn"
    TIMER = "timer"
    PAUSE = "pause"
    RESUME = "resume"
    RESTART = "restart"
    QUIT = "quit"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, at `now` (monotonic seconds). `chance` in [0, 1) is a wait's jitter."""

    happened: Happened
    now: float
    chance: float = 0.0
    values: Mapping[str, object] = field(default_factory=dict)


class Effect(StrEnum):
    """What the runner must do."""

    SPAWN = "spawn"
    STOP_TREE = "stop_tree"
    """Ask, insist, kill, verify; then tell the machine GONE."""
    QUARANTINE_PROFILE = "quarantine_profile"
    """Set the browser profile aside; only ever when the child is gone, as the next three."""
    RESTORE_PROFILE = "restore_profile"
    """Put the newest good snapshot in its place."""
    TAKE_SNAPSHOT = "take_snapshot"
    TRIM_CACHES = "trim_caches"
    LEAVE = "leave"
    """The daemon's own end."""


@dataclass(frozen=True, slots=True)
class State:
    """Everything the supervisor remembers."""

    phase: Phase = Phase.PAUSED
    because: Reason = field(default=Reason("not_started"))
    failures: int = 0
    ready_since: float | None = None
    timer_at: float | None = None
    """When TIMER is due (monotonic); None: no timer is set."""
    then: Phase = Phase.STOPPED
    """In STOPPING: what follows when the child is gone."""
    chores: tuple[Effect, ...] = ()
    """In STOPPING: what to do with the profile when the child is gone, before anything follows."""
    codes: int = 0
    """Codes shown in this child's life and not scanned."""
    unopened: int = 0
    """Children in a row that ended before the page said anything of the session."""


@dataclass(frozen=True, slots=True)
class Step:
    """The next state and what to do. `changed` is false when the event meant nothing here."""

    state: State
    effects: tuple[Effect, ...] = ()
    changed: bool = True


Cell = Callable[[State, Event, Timing], Step]

HEALS_BY_ITSELF: Final = frozenset({"OPENING", "TIMEOUT", "PAIRING"})
CODES_UNTIL_A_BREAK: Final = 30
"""About ten minutes of codes that nobody scans; then the browser rests, longer each time."""
STARTS_UNTIL_RESTORE: Final = 3
NUMBER_AT_RISK: Final = frozenset({"TOS_BLOCK", "SMB_TOS_BLOCK", "PROXYBLOCK"})


def step(state: State, event: Event, timing: Timing) -> Step:
    """The table, asked."""
    return TABLE[state.phase][event.happened](state, event, timing)


def backoff_seconds(failures: int, chance: float, timing: Timing) -> float:
    """The wait before the next start after so many failures in a row: full jitter under an exponential ceiling."""
    ceiling = min(timing.backoff_max, timing.backoff_first * 2.0 ** min(failures - 1, 32))
    return ceiling * chance


# ---------------------------------------------------------------------- cells


def _nothing(state: State, _event: Event, _timing: Timing) -> Step:
    return Step(state, changed=False)


def _to(state: State, phase: Phase, because: Reason, *, timer_at: float | None = None) -> State:
    return replace(
        state,
        phase=phase,
        because=because,
        timer_at=timer_at,
        ready_since=state.ready_since if phase is Phase.READY else None,
        chores=(),
        codes=state.codes if phase is Phase.WAITING_FOR_SCAN else 0,
    )


def _start(state: State, event: Event, timing: Timing) -> Step:
    code = {Happened.RESUME: "resumed", Happened.TIMER: "trying_again"}.get(event.happened, "started")
    return _spawn(state, Reason(code, event.values), event, timing)


def _spawn(state: State, because: Reason, event: Event, timing: Timing) -> Step:
    return Step(_to(state, Phase.STARTING, because, timer_at=event.now + timing.hello_timeout), (Effect.SPAWN,))


def _hello(state: State, event: Event, timing: Timing) -> Step:
    return Step(replace(state, timer_at=event.now + timing.launch_timeout), changed=False)


def _launched(state: State, event: Event, timing: Timing) -> Step:
    return Step(replace(state, timer_at=event.now + timing.start_timeout), changed=False)


def _code_shown(state: State, event: Event, timing: Timing) -> Step:
    """WhatsApp asks for a scan. `session_lost`: it should have known us, and there is a snapshot to try, once."""
    if event.values.get("session_lost"):
        return _restore(state, "session_lost")
    codes = state.codes + 1
    if codes > CODES_UNTIL_A_BREAK:
        return _fail(state, Reason("not_scanned", {"codes": state.codes}), event, timing)
    # A person may take as long as it takes; the page may not: without a next code this one is dead.
    timer_at = event.now + timing.code_patience
    if state.phase is Phase.WAITING_FOR_SCAN:
        return Step(replace(state, codes=codes, timer_at=timer_at), changed=False)
    waiting = _to(state, Phase.WAITING_FOR_SCAN, Reason("scan_needed"), timer_at=timer_at)
    return Step(replace(waiting, codes=codes, unopened=0))


def _restore(state: State, code: str) -> Step:
    """The newest good snapshot takes the profile's place, and the listener starts on it."""
    stopping = _stop(replace(state, unopened=0), Phase.STARTING, Reason(code))
    return replace(stopping, state=replace(stopping.state, chores=(Effect.RESTORE_PROFILE,)))


def _authenticated(state: State, event: Event, timing: Timing) -> Step:
    if state.phase is Phase.SYNCING:
        return Step(state, changed=False)
    syncing = _to(state, Phase.SYNCING, Reason("syncing"), timer_at=event.now + timing.sync_timeout)
    return Step(replace(syncing, unopened=0))


def _ready(state: State, event: Event, timing: Timing) -> Step:
    return _live(state, Reason("ready", event.values), event, timing)


def _live(state: State, because: Reason, event: Event, timing: Timing) -> Step:
    """Ready from now on; the calm period that forgives failures begins."""
    next_state = _to(state, Phase.READY, because, timer_at=event.now + timing.calm_period)
    return Step(replace(next_state, ready_since=event.now, unopened=0))


def _ready_again(state: State, _event: Event, _timing: Timing) -> Step:
    return Step(state, changed=False)  # after a page reload: the runner sweeps, the phase stays


def _calm(state: State, _event: Event, _timing: Timing) -> Step:
    return Step(replace(state, failures=0, timer_at=None), changed=False)


def _socket_state(state: State, event: Event, timing: Timing) -> Step:
    socket = str(event.values.get("state", ""))
    if socket in NUMBER_AT_RISK:
        return _stop(state, Phase.HALTED, Reason("number_at_risk", event.values))
    if socket == "CONFLICT":
        return _fail(state, Reason("conflict"), event, timing)
    if state.phase is Phase.READY and socket in HEALS_BY_ITSELF:
        patience = event.now + timing.reconnect_patience
        waiting = _to(state, Phase.RECONNECTING, Reason("connection_lost", event.values), timer_at=patience)
        return Step(replace(waiting, failures=_failures_at(state, event, timing)))
    if state.phase is Phase.RECONNECTING and socket == "CONNECTED":
        return _live(state, Reason("reconnected"), event, timing)
    return Step(state, changed=False)


def _disconnected(state: State, event: Event, timing: Timing) -> Step:
    reason = str(event.values.get("reason", ""))
    if reason == "LOGOUT":
        # The session is gone for good; its profile is kept aside and a fresh one waits for a scan. Not a failure.
        stopping = _stop(state, Phase.STARTING, Reason("logged_out", event.values))
        return replace(stopping, state=replace(stopping.state, chores=(Effect.QUARANTINE_PROFILE,)))
    if reason in NUMBER_AT_RISK:
        return _stop(state, Phase.HALTED, Reason("number_at_risk", {"state": reason}))
    code = "conflict" if reason == "CONFLICT" else "disconnected"
    return _fail(state, Reason(code, event.values), event, timing)


def _stop(state: State, then: Phase, because: Reason) -> Step:
    return Step(replace(_to(state, Phase.STOPPING, because), then=then), (Effect.STOP_TREE,))


def _fail(state: State, because: Reason, event: Event, timing: Timing) -> Step:
    """Something went wrong while the child lives: stop it, then wait and start again."""
    return _stop(replace(state, failures=_failures_at(state, event, timing) + 1), Phase.BACKING_OFF, because)


def _failures_at(state: State, event: Event, timing: Timing) -> int:
    """Failures in a row by now; none after a calm period, even when its timer has not been heard yet."""
    calm = state.ready_since is not None and event.now - state.ready_since >= timing.calm_period
    return 0 if calm else state.failures


def _took_too_long(state: State, event: Event, timing: Timing) -> Step:
    code = {
        Phase.STARTING: "start_took_too_long",
        Phase.WAITING_FOR_SCAN: "code_stopped",
        Phase.SYNCING: "sync_took_too_long",
        Phase.RECONNECTING: "reconnect_took_too_long",
    }[state.phase]
    if state.phase is Phase.STARTING and event.values.get("storage_broken"):
        return _failed_to_open(state, Reason(code), event, timing)
    return _fail(state, Reason(code), event, timing)


def _failed_to_open(state: State, because: Reason, event: Event, timing: Timing) -> Step:
    """The child ended before the page said anything of the session, or the page said that its storage does not open.

    Three in a row, and the profile is suspected. Not when the network is the reason, nor when nothing came at all: an
    outage must not take the session back in time.
    """
    if event.values.get("unreachable"):
        return _fail(state, because, event, timing)
    unopened = state.unopened + 1
    if unopened >= STARTS_UNTIL_RESTORE and event.values.get("restorable"):
        return _restore(state, "profile_broken")
    return _fail(replace(state, unopened=unopened), because, event, timing)


def _deaf(state: State, event: Event, timing: Timing) -> Step:
    return _fail(state, Reason("deaf", event.values), event, timing)


def _recycle(state: State, event: Event, _timing: Timing) -> Step:
    """Planned, so no failure: stop in good order, keep a snapshot, drop caches, start again."""
    stopping = _stop(state, Phase.STARTING, Reason("recycle", event.values))
    return replace(stopping, state=replace(stopping.state, chores=(Effect.TAKE_SNAPSHOT, Effect.TRIM_CACHES)))


def _heartbeat_lost(state: State, event: Event, timing: Timing) -> Step:
    return _fail(state, Reason("heartbeat_lost", event.values), event, timing)


def _died(state: State, event: Event, timing: Timing) -> Step:
    """The child ended by itself. What is left of its tree is stopped all the same."""
    if state.phase is Phase.STARTING:
        return _failed_to_open(state, Reason("child_died", event.values), event, timing)
    return _fail(state, Reason("child_died", event.values), event, timing)


def _gone(state: State, event: Event, timing: Timing) -> Step:
    """The tree is stopped: what was remembered follows."""
    effects = state.chores
    match state.then:
        case Phase.STARTING:
            spawned = _spawn(state, state.because, event, timing)
            return replace(spawned, effects=(*effects, *spawned.effects))
        case Phase.STOPPED:
            return Step(_to(state, Phase.STOPPED, state.because), (*effects, Effect.LEAVE))
        case Phase.BACKING_OFF:
            return replace(_back_off(state, state.because, event, timing), effects=effects)
        case Phase.PAUSED | Phase.HALTED as then:
            return Step(_to(state, then, state.because), effects)
        case other:
            raise AssertionError(f"nothing stops in order to become {other}")


def _back_off(state: State, because: Reason, event: Event, timing: Timing) -> Step:
    wait = backoff_seconds(max(state.failures, 1), event.chance, timing)
    values = {**because.values, "failures": state.failures, "wait_seconds": round(wait, 1)}
    return Step(_to(state, Phase.BACKING_OFF, Reason(because.code, values), timer_at=event.now + wait))


def _cannot_spawn(state: State, event: Event, timing: Timing) -> Step:
    counted = replace(state, failures=state.failures + 1)
    return _back_off(counted, Reason("cannot_spawn", event.values), event, timing)


def _pause(state: State, _event: Event, _timing: Timing) -> Step:
    return _stop(state, Phase.PAUSED, Reason("paused"))


def _pause_at_rest(state: State, _event: Event, _timing: Timing) -> Step:
    return Step(_to(state, Phase.PAUSED, Reason("paused")))


def _quit(state: State, _event: Event, _timing: Timing) -> Step:
    return _stop(state, Phase.STOPPED, Reason("asked_to_stop"))


def _quit_at_rest(state: State, _event: Event, _timing: Timing) -> Step:
    return Step(_to(state, Phase.STOPPED, Reason("asked_to_stop")), (Effect.LEAVE,))


def _restart(state: State, _event: Event, _timing: Timing) -> Step:
    return _stop(state, Phase.STARTING, Reason("restart_asked"))


def _and_then(then: Phase, code: str) -> Cell:
    """In STOPPING: a later wish replaces what was to follow; quitting is never taken back."""

    def cell(state: State, _event: Event, _timing: Timing) -> Step:
        if state.then is Phase.STOPPED:
            return Step(state, changed=False)
        return Step(replace(state, then=then, because=Reason(code)))

    return cell


def _restart_while_stopping(state: State, event: Event, timing: Timing) -> Step:
    if state.then is Phase.PAUSED:
        return Step(state, changed=False)  # as in PAUSED itself: only `resume` leaves it
    return _and_then(Phase.STARTING, "restart_asked")(state, event, timing)


def _disconnected_while_stopping(state: State, event: Event, _timing: Timing) -> Step:
    """The child's last words. Its exit, or another wish, may be heard before them, and they still count."""
    reason = str(event.values.get("reason", ""))
    going_on = state.then in (Phase.BACKING_OFF, Phase.STARTING)
    if reason == "LOGOUT":
        follows = replace(state, then=Phase.STARTING, because=Reason("logged_out", event.values)) if going_on else state
        return Step(replace(follows, chores=(Effect.QUARANTINE_PROFILE,)), changed=going_on)
    if reason in NUMBER_AT_RISK and going_on:
        return Step(replace(state, then=Phase.HALTED, because=Reason("number_at_risk", {"state": reason})))
    return Step(state, changed=False)


def _socket_state_while_stopping(state: State, event: Event, timing: Timing) -> Step:
    reason = event.values.get("state")
    if reason not in NUMBER_AT_RISK:
        return Step(state, changed=False)
    return _disconnected_while_stopping(state, replace(event, values={"reason": reason}), timing)


def _resume_while_stopping(state: State, event: Event, timing: Timing) -> Step:
    if state.then in (Phase.PAUSED, Phase.HALTED):
        return _and_then(Phase.STARTING, "resumed")(state, event, timing)
    return Step(state, changed=False)


def _row(**cells: Cell) -> Mapping[Happened, Cell]:
    """A phase's row: every event it names, and for the others that it means nothing here."""
    named = {Happened(name): cell for name, cell in cells.items()}
    return {happened: named.get(happened, _nothing) for happened in Happened}


_ALIVE: Final[Mapping[str, Cell]] = {
    "exited": _died,
    "code_shown": _code_shown,
    "authenticated": _authenticated,
    "ready": _ready,
    "socket_state": _socket_state,
    "disconnected": _disconnected,
    "pause": _pause,
    "restart": _restart,
    "quit": _quit,
}

TABLE: Final[Mapping[Phase, Mapping[Happened, Cell]]] = {
    Phase.PAUSED: _row(start=_start, resume=_start, quit=_quit_at_rest),
    Phase.STARTING: _row(
        **{**_ALIVE, "hello": _hello, "launched": _launched, "timer": _took_too_long, "cannot_spawn": _cannot_spawn}
    ),
    Phase.WAITING_FOR_SCAN: _row(**{**_ALIVE, "timer": _took_too_long}),
    Phase.SYNCING: _row(**{**_ALIVE, "timer": _took_too_long}),
    Phase.READY: _row(
        **{
            **_ALIVE,
            "ready": _ready_again,
            "authenticated": _nothing,
            "heartbeat_lost": _heartbeat_lost,
            "deaf": _deaf,
            "recycle": _recycle,
            "timer": _calm,
        }
    ),
    Phase.RECONNECTING: _row(
        **{**_ALIVE, "authenticated": _nothing, "heartbeat_lost": _heartbeat_lost, "timer": _took_too_long}
    ),
    Phase.STOPPING: _row(
        gone=_gone,
        pause=_and_then(Phase.PAUSED, "paused"),
        quit=_and_then(Phase.STOPPED, "asked_to_stop"),
        restart=_restart_while_stopping,
        resume=_resume_while_stopping,
        disconnected=_disconnected_while_stopping,
        socket_state=_socket_state_while_stopping,
    ),
    Phase.BACKING_OFF: _row(timer=_start, resume=_start, restart=_start, pause=_pause_at_rest, quit=_quit_at_rest),
    Phase.HALTED: _row(resume=_start, restart=_start, pause=_pause_at_rest, quit=_quit_at_rest),
    Phase.STOPPED: _row(),
}
