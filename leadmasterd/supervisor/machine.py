"""The supervisor's state machine, as a table: what each event means in each phase.

    paused ----------- resume ----------> starting --hello..qr--> waiting_for_scan
      ^                                     |  \\                        |
      | pause (from every phase)            |   `--authenticated--> syncing --ready--> ready <-> reconnecting
      |                                     v                           |               |            |
    stopping <----- every fault and every command ----------------------+---------------+------------+
      |  and then: backing_off (retry later) | halted (a person is needed) | paused | starting | stopped (the end)

    Not drawn: needs_passkey, in which WhatsApp waits for a person, so nothing here touches the browser.

`TABLE` and `STOPPING` at the end of this file are the whole design; docs/supervisor.md is drawn from them. A cell names
its outcome: the next phase, the effects and the reason's code, which `sentences` turns into words. Where one event can
lead to several outcomes, the cell lists them with the conditions that choose.

The machine is pure: time and chance come in with each event. A child that is still dying is remembered as "stopping,
and then ...", and nothing is spawned before its whole process tree is gone. There is one timer; every change of phase
sets or clears it, so a stale timer cannot fire.

Backoff is exponential with full jitter. Failures are forgiven after a calm period in `ready`, not on reaching it, and
only while WhatsApp's stream is connected.

Two things are remembered of each child's life, in every phase: whether it was `connected`, which only the page of a
linked account ever is, and whether it was `attached`, so that messages came live. If a code to scan is shown in a life
that was connected, the account was logged out; in a life that was not, the profile had no session.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, Literal

from leadmasterd.reasons import Reason
from leadmasterd.supervisor.timing import Timing


class Phase(StrEnum):
    """The listener's state; these names are stored and shown."""

    PAUSED = "paused"
    STARTING = "starting"
    WAITING_FOR_SCAN = "waiting_for_scan"
    SYNCING = "syncing"
    READY = "ready"
    RECONNECTING = "reconnecting"
    NEEDS_PASSKEY = "needs_passkey"
    STOPPING = "stopping"
    BACKING_OFF = "backing_off"
    HALTED = "halted"
    STOPPED = "stopped"


class Happened(StrEnum):
    """What can happen. `Event.values` carries the details that the reason quotes."""

    START = "start"
    HELLO = "hello"
    """The child's first line."""
    LAUNCHED = "launched"
    """The browser runs."""
    CODE_SHOWN = "code_shown"
    """WhatsApp asks for a scan."""
    SESSION_LOST = "session_lost"
    """WhatsApp asks for a scan, but this profile was linked, nobody logged it out, and a snapshot is worth a try."""
    AUTHENTICATED = "authenticated"
    """The page has a session."""
    READY = "ready"
    """The account is known, and messages come live."""
    CONNECTION_LOST = "connection_lost"
    """A socket state that WhatsApp Web recovers from by itself."""
    CONNECTED = "connected"
    """The socket is CONNECTED, and so is the stream behind it, if the page reports one."""
    SOCKET_OPEN = "socket_open"
    """The socket is CONNECTED, but the stream behind it not yet: the server has not answered."""
    STREAM_LIVE = "stream_live"
    """A heartbeat says that the socket is CONNECTED, and does not say that the stream is dead."""
    STREAM_DEAD = "stream_dead"
    """A heartbeat says that the stream is dead: the only sign that another session has replaced ours."""
    UNAVAILABLE = "unavailable"
    """WhatsApp's servers refuse the connection for now, and the page goes on trying."""
    CONFLICT = "conflict"
    """The same session was opened elsewhere."""
    NUMBER_AT_RISK = "number_at_risk"
    """A ban or block screen."""
    TEMPORARILY_BANNED = "temporarily_banned"
    """WhatsApp has banned the number for a time, and may have named the end."""
    PASSKEY_ASKED = "passkey_asked"
    """WhatsApp asks for a passkey after the scan."""
    PASSKEY_CHECK = "passkey_check"
    """WhatsApp asks an account that is linked already for its passkey."""
    PASSKEY_DONE = "passkey_done"
    PASSKEY_FAILED = "passkey_failed"
    """The passkey was refused, given up, or not answered in time."""
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
    """The time of `State.timer_at` has come."""
    PAUSE = "pause"
    RESUME = "resume"
    RESTART = "restart"
    QUIT = "quit"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision depends on besides the state and the event. The runner asks for these anew before each step."""

    restorable: bool = False
    """A snapshot of the browser profile exists, and none was restored since the session last worked."""
    unreachable: bool = False
    """The child's last words blame the network."""
    storage_broken: bool = False
    """The page reported that the profile's databases do not open."""
    ban_seconds: float | None = None
    """How long a temporary ban still lasts, by the wall clock: infinite without a known end. None: there is none."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at `now` (monotonic seconds).

    `chance`: a random number in [0, 1), the jitter of a wait. `values`: details, which the reason of a change quotes.
    """

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
    """A duration to which the timer can be set. The value is the name of its field in `Timing`."""

    HELLO = "hello_timeout"
    LAUNCH = "launch_timeout"
    START = "start_timeout"
    CODE = "code_timeout"
    SYNC = "sync_timeout"
    FIRST_SYNC = "first_sync_timeout"
    CALM = "calm_period"
    STREAM = "stream_timeout"
    STREAM_BACK = "stream_back_timeout"
    RECONNECT = "reconnect_timeout"
    UNAVAILABLE = "unavailable_timeout"

    def seconds(self, timing: Timing) -> float:
        """The duration in this timing profile."""
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
    stream_dead_since: float | None = None
    """In READY: when a heartbeat first said that the stream is dead. None: no heartbeat says so."""
    connected: bool = False
    """In this child's life the socket was CONNECTED: the page was that of a linked account."""
    attached: bool = False
    """In this child's life READY has happened."""
    timer_at: float | None = None
    """When TIMER is due (monotonic); None: no timer is set."""
    then: Phase = Phase.STOPPED
    """In STOPPING: the phase that follows when the child is gone."""
    chores: tuple[Effect, ...] = ()
    """In STOPPING: what to do with the profile when the child is gone, before that phase begins."""
    codes: int = 0
    """Codes shown in this child's life and not scanned."""
    unopened: int = 0
    """Starts in a row that make the profile suspect: they ended before the page said anything about the session."""


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
    stream: Literal["live", "dead"] | None = None
    """In READY: notes that the stream died, or that it is back and the calm period begins again."""
    until_ban_ends: bool = False
    """Sets the timer to the end of the temporary ban."""
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
    """For STOPPING: the phase that follows when the child is gone."""
    chores: tuple[Effect, ...] = ()
    """For STOPPING: what to do with the profile when the child is gone, before that phase begins."""
    suspects_profile: bool = False
    """Makes the profile suspect: the third such start in a row restores a snapshot."""
    values: tuple[tuple[str, object], ...] = ()
    """What the reason quotes besides the event's values, as names and values."""
    limit: Limit | None = None
    """Sets the timer to this instead of the phase's own limit."""
    until_ban_ends: bool = False
    """Sets the timer to the end of the temporary ban."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Then:
    """The phase remains STOPPING, but another phase is to follow it."""

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
    taken = _apply(outcome, state, event, timing)
    return replace(taken, state=_remember_life(taken, state, event))


def _apply(outcome: Outcome, state: State, event: Event, timing: Timing) -> Step:
    """Apply an outcome: the new state and the effects."""
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
    """The wait before the next start: a random part of a ceiling that doubles with each failure in a row."""
    doublings = min(failures - 1, 32)  # far beyond any ceiling; without this limit the power would overflow
    ceiling = min(timing.backoff_max, timing.backoff_first * 2.0**doublings)
    return ceiling * chance


def _choose(cell: FirstOf, state: State, event: Event) -> Outcome:
    for guard, outcome in cell.guarded:
        if guard.holds(state, event):
            return outcome
    return cell.otherwise


def _remember_life(taken: Step, before: State, event: Event) -> State:
    """The state after a step, with what is now known of the child's life, whatever the outcome was.

    A child that this step starts has shown nothing yet.
    """
    if Effect.SPAWN in taken.effects:
        return replace(taken.state, connected=False, attached=False)
    return replace(
        taken.state,
        connected=before.connected or event.happened in _LINKED,
        attached=before.attached or event.happened is Happened.READY,
    )


def _stay(state: State, stay: Stay, event: Event, timing: Timing) -> State:
    """The state in the same phase, with each field changed that `stay` names."""
    if stay.limit:
        state = replace(state, timer_at=event.now + stay.limit.seconds(timing))
    if stay.until_ban_ends:
        state = replace(state, timer_at=_ban_ends_at(event, timing))
    if stay.stream == "live":
        state = replace(state, stream_dead_since=None, ready_since=event.now)
    elif stay.stream == "dead":
        state = replace(state, stream_dead_since=event.now)
    if stay.forgive:
        state = replace(state, timer_at=None, failures=0)
    if stay.another_code:
        state = replace(state, codes=state.codes + 1)
    if stay.chores:
        state = replace(state, chores=stay.chores)
    return state


def _go(state: State, to: To, event: Event, timing: Timing) -> Step:
    """Enter a phase. Fields that `to` does not set depend on the phase that is left and the one that is entered.

    The chores of a stop are done as the first effects of the phase that follows it.
    """
    because = state.because if to.code is None else Reason(to.code, {**event.values, **dict(to.values)})
    limit = to.limit or LIMITS.get(to.phase)
    timer_at = event.now + limit.seconds(timing) if limit else None
    if to.until_ban_ends:
        timer_at = _ban_ends_at(event, timing)
    entered = State(
        phase=to.phase,
        because=because,
        failures=_failures_by(state, event, timing) + to.failed,
        ready_since=event.now if to.phase is Phase.READY else None,
        timer_at=timer_at,
        then=to.then or state.then,
        chores=to.chores,
        codes=1 if to.phase is Phase.WAITING_FOR_SCAN else 0,  # a code that was shown leads there
        unopened=_unopened(state, to),
    )
    if to.phase is Phase.BACKING_OFF:
        entered = _back_off(entered, event, timing)
    chores_of_the_stop = state.chores if state.phase is Phase.STOPPING else ()
    return Step(entered, (*chores_of_the_stop, *to.effects))


def _failures_by(state: State, event: Event, timing: Timing) -> int:
    """Failures in a row until now. After a calm period 0, even if its timer has not been processed yet."""
    if state.ready_since is None:
        return state.failures
    # Only the time with a live stream is calm.
    alive_until = event.now if state.stream_dead_since is None else state.stream_dead_since
    was_calm = alive_until - state.ready_since >= timing.calm_period
    return 0 if was_calm else state.failures


def _ban_ends_at(event: Event, timing: Timing) -> float | None:
    """When to try again after a ban (monotonic). None: there is no ban, or its end is not known."""
    seconds = event.facts.ban_seconds
    if seconds is None or math.isinf(seconds):
        return None
    return event.now + seconds + timing.ban_margin


def _unopened(state: State, to: To) -> int:
    """`State.unopened` after this outcome: one more if the outcome makes the profile suspect.

    It is 0 again when a start has reached a phase or a connection that needs a working profile, and when a snapshot
    replaces the profile.
    """
    if to.phase in _PROFILE_WORKS or Effect.RESTORE_PROFILE in to.chores:
        return 0
    if to.suspects_profile:
        return state.unopened + 1
    return 0 if state.connected else state.unopened


def _back_off(state: State, event: Event, timing: Timing) -> State:
    """Set the timer to the end of the wait, and add the wait and the failures to what the reason quotes."""
    wait = backoff_seconds(max(state.failures, 1), event.chance, timing)
    values = {**state.because.values, "failures": state.failures, "wait_seconds": round(wait, 1)}
    return replace(state, because=Reason(state.because.code, values), timer_at=event.now + wait)


# ---------------------------------------------------------------------- conditions


NO_BREAK_YET: Final = Guard(
    f"it is at most the {CODES_UNTIL_A_BREAK}th", lambda state, _event: state.codes < CODES_UNTIL_A_BREAK
)
NETWORK_DOWN: Final = Guard("the child's last words blame the network", lambda _state, event: event.facts.unreachable)
"""Then the profile is not to blame, and to restore an older one would be useless."""
STORAGE_OPENS: Final = Guard(
    "the page did not report broken storage", lambda _state, event: not event.facts.storage_broken
)
PROFILE_SUSPECTED: Final = Guard(
    f"it is the {STARTS_UNTIL_RESTORE}rd start in a row that got nowhere, and there is a snapshot to try",
    lambda state, event: state.unopened + 1 >= STARTS_UNTIL_RESTORE and event.facts.restorable,
)
"""One failed start is not enough to suspect it: a browser dies for many reasons, such as a full disk."""
WAS_CONNECTED: Final = Guard("this life was CONNECTED before", lambda state, _event: state.connected)
NOT_YET_CONNECTED: Final = Guard("it is the first time in this life", lambda state, _event: not state.connected)
AFTER_A_LOGOUT: Final = Guard("the last life was logged out", lambda state, _event: state.because.code == "logged_out")
WAS_ATTACHED: Final = Guard("this life was ready before", lambda state, _event: state.attached)
STREAM_IS_DEAD: Final = Guard(
    "heartbeats said that the stream is dead", lambda state, _event: state.stream_dead_since is not None
)
STREAM_LOST: Final = Guard("the stream was lost", lambda state, _event: state.because.code == "stream_lost")
ALREADY_UNAVAILABLE: Final = Guard(
    "503 is why it is not ready", lambda state, _event: state.because.code == "unavailable"
)
CHECKS_A_LINK: Final = Guard(
    "the account was linked already", lambda state, _event: state.because.code == "passkey_check"
)
HALTED_BY_BAN: Final = Guard("a temporary ban is why", lambda state, _event: state.because.code == "temporary_ban")
BANNED: Final = Guard("a temporary ban still lasts", lambda _state, event: event.facts.ban_seconds is not None)
STILL_BANNED: Final = Guard(
    "a temporary ban is why, and still lasts",
    lambda state, event: HALTED_BY_BAN.holds(state, event) and BANNED.holds(state, event),
)


# ---------------------------------------------------------------------- the words of the table

IGNORED: Final = Ignored()
_RESTORE: Final = (Effect.RESTORE_PROFILE,)
_QUARANTINE: Final = (Effect.QUARANTINE_PROFILE,)
_SNAPSHOT: Final = (Effect.TAKE_SNAPSHOT, Effect.TRIM_CACHES)
_PROFILE_WORKS: Final = frozenset({Phase.WAITING_FOR_SCAN, Phase.SYNCING, Phase.READY, Phase.NEEDS_PASSKEY})
"""Phases that are reached only with a profile that opens."""
_LINKED: Final = frozenset({Happened.CONNECTED, Happened.SOCKET_OPEN, Happened.STREAM_LIVE, Happened.READY})
"""Events that only the page of a linked account causes. Without an account the socket is UNPAIRED (WAWebCommsConfig,
2026-04-27)."""


def stops(
    then: Phase, code: str, chores: tuple[Effect, ...] = (), *, values: tuple[tuple[str, object], ...] = ()
) -> To:
    """Stop the child; `then` follows when its process tree is gone and the chores are done. This is no failure."""
    return To(phase=Phase.STOPPING, code=code, effects=(Effect.STOP_TREE,), then=then, chores=chores, values=values)


def fails(code: str, *, suspects_profile: bool = False, values: tuple[tuple[str, object], ...] = ()) -> To:
    """Stop the child, wait, and start again; it counts as a failure."""
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
    """Spawn a child. `code`: why, as a code; None keeps the reason before."""
    return To(phase=Phase.STARTING, code=code, effects=(Effect.SPAWN,))


def enters(phase: Phase, code: str | None, *, limit: Limit | None = None, until_ban_ends: bool = False) -> To:
    """Go to a phase without any effect. The arguments are fields of `To`."""
    return To(phase=phase, code=code, limit=limit, until_ban_ends=until_ban_ends)


def either(guard: Guard, outcome: Outcome, otherwise: Outcome) -> FirstOf:
    """One outcome where the condition holds, another where it does not."""
    return FirstOf(((guard, outcome),), otherwise=otherwise)


def leaves(code: str | None) -> To:
    """End the daemon. `code`: why, as a code; None keeps the reason before."""
    return To(phase=Phase.STOPPED, code=code, effects=(Effect.LEAVE,))


def _row(*parts: Row) -> Row:
    """A cell for every event, from these parts; a later part wins. Events that no part names are ignored."""
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
_RESTORES_THE_SESSION: Final = stops(Phase.STARTING, "session_lost", _RESTORE)
# The session is gone for good. The profile is set aside, and the next child begins with a new one and asks for a scan.
_LOGGED_OUT: Final = stops(Phase.STARTING, "logged_out", _QUARANTINE)
_LOGGED_OUT_BY_ITS_CODE: Final = stops(Phase.STARTING, "logged_out", _QUARANTINE, values=(("by", "code"),))
_SCANNED: Final = enters(Phase.SYNCING, "scanned", limit=Limit.FIRST_SYNC)

_ALIVE: Final[Row] = {
    Happened.CODE_SHOWN: either(
        WAS_CONNECTED, _LOGGED_OUT_BY_ITS_CODE, otherwise=enters(Phase.WAITING_FOR_SCAN, "scan_needed")
    ),
    Happened.SESSION_LOST: either(WAS_CONNECTED, _LOGGED_OUT_BY_ITS_CODE, otherwise=_RESTORES_THE_SESSION),
    Happened.AUTHENTICATED: enters(Phase.SYNCING, "syncing"),
    Happened.READY: enters(Phase.READY, "ready"),
    Happened.CONFLICT: fails("conflict"),
    Happened.NUMBER_AT_RISK: stops(Phase.HALTED, "number_at_risk"),
    Happened.TEMPORARILY_BANNED: stops(Phase.HALTED, "temporary_ban"),
    Happened.PASSKEY_ASKED: enters(Phase.NEEDS_PASSKEY, "passkey_asked"),
    Happened.PASSKEY_CHECK: enters(Phase.NEEDS_PASSKEY, "passkey_check"),
    Happened.LOGGED_OUT: _LOGGED_OUT,
    Happened.DISCONNECTED: fails("disconnected"),
    Happened.EXITED: fails("child_died"),
    Happened.PAUSE: stops(Phase.PAUSED, "paused"),
    Happened.RESTART: stops(Phase.STARTING, "restart_asked"),
    Happened.QUIT: stops(Phase.STOPPED, "asked_to_stop"),
}
"""What these events mean in every phase with a child, unless the phase's own row says otherwise."""
_LINKED_LIFE: Final[Row] = {
    Happened.CODE_SHOWN: _LOGGED_OUT_BY_ITS_CODE,
    Happened.SESSION_LOST: _LOGGED_OUT_BY_ITS_CODE,
    Happened.AUTHENTICATED: IGNORED,
    Happened.PASSKEY_ASKED: enters(Phase.NEEDS_PASSKEY, "passkey_check"),
}
"""What these events mean in READY and RECONNECTING, unless the phase's own row says otherwise. There the account is
linked, so a code to scan means a logout, and a passkey is asked to check the link."""

_AT_REST: Final[Row] = {
    Happened.RESUME: starts("resumed"),
    Happened.RESTART: starts("started"),
    Happened.PAUSE: enters(Phase.PAUSED, "paused"),
    Happened.QUIT: leaves("asked_to_stop"),
}
"""What commands mean in BACKING_OFF and HALTED, where no child lives."""

TABLE: Final[Mapping[Phase, Row]] = {
    Phase.PAUSED: _row(
        {
            # A ban that an earlier life of the daemon met may still last.
            Happened.START: either(
                BANNED,
                enters(Phase.HALTED, "temporary_ban", until_ban_ends=True),
                otherwise=starts("started"),
            ),
            Happened.RESUME: starts("resumed"),
            Happened.QUIT: leaves("asked_to_stop"),
        }
    ),
    Phase.STARTING: _row(
        _ALIVE,
        {
            Happened.HELLO: Stay(limit=Limit.LAUNCH),
            Happened.LAUNCHED: Stay(limit=Limit.START),
            Happened.CODE_SHOWN: FirstOf(
                (
                    (WAS_CONNECTED, _LOGGED_OUT_BY_ITS_CODE),
                    (AFTER_A_LOGOUT, enters(Phase.WAITING_FOR_SCAN, "unlinked_or_banned")),
                ),
                otherwise=enters(Phase.WAITING_FOR_SCAN, "scan_needed"),
            ),
            # Once connected, the page first receives what this device has missed: that may take as long as a sync.
            Happened.CONNECTED: either(NOT_YET_CONNECTED, Stay(limit=Limit.SYNC), otherwise=IGNORED),
            Happened.SOCKET_OPEN: either(NOT_YET_CONNECTED, Stay(limit=Limit.SYNC), otherwise=IGNORED),
            Happened.UNAVAILABLE: either(
                ALREADY_UNAVAILABLE,
                Stay(limit=Limit.UNAVAILABLE),
                otherwise=enters(Phase.STARTING, "unavailable", limit=Limit.UNAVAILABLE),
            ),
            Happened.CANNOT_SPAWN: To(phase=Phase.BACKING_OFF, code="cannot_spawn", failed=True),
            # The profile is suspect only if the network was not the cause and the page was never connected.
            Happened.EXITED: FirstOf(
                (
                    (NETWORK_DOWN, fails("child_died")),
                    (WAS_CONNECTED, fails("child_died")),
                    (PROFILE_SUSPECTED, _RESTORES_A_SNAPSHOT),
                ),
                otherwise=fails("child_died", suspects_profile=True),
            ),
            # A start that takes too long makes the profile suspect only if its databases did not open.
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
            # A person may take hours to scan. But a page that shows no next code in time is dead.
            Happened.CODE_SHOWN: FirstOf(
                ((NO_BREAK_YET, Stay(limit=Limit.CODE, another_code=True)),),
                otherwise=fails("not_scanned", values=(("codes", CODES_UNTIL_A_BREAK),)),
            ),
            Happened.SESSION_LOST: _RESTORES_THE_SESSION,
            # Scanned: the page says nothing more until the first history is there, or until it gives up by itself.
            Happened.CONNECTED: _SCANNED,
            Happened.SOCKET_OPEN: _SCANNED,
            Happened.UNAVAILABLE: Stay(limit=Limit.UNAVAILABLE),
            Happened.TIMER: fails("code_stopped"),
        },
    ),
    Phase.SYNCING: _row(
        _ALIVE,
        {
            Happened.AUTHENTICATED: IGNORED,
            Happened.UNAVAILABLE: Stay(limit=Limit.UNAVAILABLE),
            Happened.TIMER: fails("sync_took_too_long"),
        },
    ),
    Phase.READY: _row(
        _ALIVE,
        _LINKED_LIFE,
        {
            # READY again: the page was reloaded. The live path asks for a sweep by itself, and the phase stays.
            Happened.READY: either(STREAM_IS_DEAD, Stay(limit=Limit.CALM, stream="live"), otherwise=IGNORED),
            Happened.CONNECTED: either(STREAM_IS_DEAD, Stay(limit=Limit.CALM, stream="live"), otherwise=IGNORED),
            Happened.STREAM_LIVE: either(STREAM_IS_DEAD, Stay(limit=Limit.CALM, stream="live"), otherwise=IGNORED),
            Happened.STREAM_DEAD: either(STREAM_IS_DEAD, IGNORED, otherwise=Stay(limit=Limit.STREAM, stream="dead")),
            Happened.UNAVAILABLE: enters(Phase.RECONNECTING, "unavailable", limit=Limit.UNAVAILABLE),
            Happened.CONNECTION_LOST: enters(Phase.RECONNECTING, "connection_lost"),
            Happened.HEARTBEAT_LOST: fails("heartbeat_lost"),
            Happened.DELIVERY_STALLED: fails("deaf"),
            Happened.PLANNED_RESTART: stops(Phase.STARTING, "recycle", _SNAPSHOT),
            # The timer marks the end of the calm period, or of the time for which a stream may be dead.
            Happened.TIMER: either(
                STREAM_IS_DEAD,
                enters(Phase.RECONNECTING, "stream_lost", limit=Limit.STREAM_BACK),
                otherwise=Stay(forgive=True),
            ),
        },
    ),
    Phase.RECONNECTING: _row(
        _ALIVE,
        _LINKED_LIFE,
        {
            # Before each 503 the socket is CONNECTED for a moment, so then CONNECTED does not mean READY. STREAM_LIVE
            # does: a heartbeat hardly ever falls into such a moment.
            Happened.CONNECTED: either(ALREADY_UNAVAILABLE, IGNORED, otherwise=enters(Phase.READY, "reconnected")),
            Happened.STREAM_LIVE: enters(Phase.READY, "reconnected"),
            Happened.UNAVAILABLE: either(
                ALREADY_UNAVAILABLE,
                Stay(limit=Limit.UNAVAILABLE),
                otherwise=enters(Phase.RECONNECTING, "unavailable", limit=Limit.UNAVAILABLE),
            ),
            Happened.HEARTBEAT_LOST: fails("heartbeat_lost"),
            Happened.TIMER: either(STREAM_LOST, fails("session_elsewhere"), otherwise=fails("reconnect_took_too_long")),
        },
    ),
    # A person may take days, so there is no timer. When an account that was linked already is checked, the page may say
    # again that it is connected or ready; only PASSKEY_DONE then means that the check is over.
    Phase.NEEDS_PASSKEY: _row(
        _ALIVE,
        {
            Happened.CODE_SHOWN: either(WAS_CONNECTED, _LOGGED_OUT_BY_ITS_CODE, otherwise=IGNORED),
            Happened.SESSION_LOST: either(WAS_CONNECTED, _LOGGED_OUT_BY_ITS_CODE, otherwise=IGNORED),
            Happened.AUTHENTICATED: either(CHECKS_A_LINK, IGNORED, otherwise=_SCANNED),
            Happened.CONNECTED: either(CHECKS_A_LINK, IGNORED, otherwise=_SCANNED),
            Happened.SOCKET_OPEN: either(CHECKS_A_LINK, IGNORED, otherwise=_SCANNED),
            Happened.READY: either(CHECKS_A_LINK, IGNORED, otherwise=enters(Phase.READY, "ready")),
            Happened.PASSKEY_DONE: either(
                WAS_ATTACHED,
                enters(Phase.READY, "passkey_done"),
                otherwise=enters(Phase.SYNCING, "passkey_done", limit=Limit.FIRST_SYNC),
            ),
            Happened.PASSKEY_FAILED: FirstOf(
                ((WAS_CONNECTED, IGNORED), (CHECKS_A_LINK, IGNORED)),
                otherwise=enters(Phase.WAITING_FOR_SCAN, "passkey_failed"),
            ),
        },
    ),
    Phase.BACKING_OFF: _row(_AT_REST, {Happened.TIMER: starts("trying_again")}),
    Phase.HALTED: _row(
        _AT_REST,
        {
            # The end of a ban is a time of the wall clock. If that was set back meanwhile, the timer is set again.
            Happened.TIMER: FirstOf(
                ((STILL_BANNED, Stay(until_ban_ends=True)), (HALTED_BY_BAN, starts("ban_over"))), otherwise=IGNORED
            ),
            Happened.RESTART: either(STILL_BANNED, IGNORED, otherwise=starts("started")),
        },
    ),
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
    Happened.TEMPORARILY_BANNED: Then(phase=Phase.HALTED, code="temporary_ban"),
    Happened.LOGGED_OUT: Then(phase=Phase.STARTING, code="logged_out", chores=_QUARANTINE),
}
"""What these events mean while the child is stopped for a new start, at once or after a wait. The child's last lines
still count: they may be processed only after its exit, or after the command to stop."""
_LOGOUT_COUNTS: Final[Row] = {Happened.LOGGED_OUT: Stay(chores=_QUARANTINE)}
"""While the child is stopped without a new start, a logout only changes the chores: the profile is set aside."""

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
            Happened.RESTART: either(STILL_BANNED, IGNORED, otherwise=_THEN_RESTARTED),
            Happened.QUIT: _THEN_STOPPED,
            Happened.GONE: FirstOf(
                (
                    (STILL_BANNED, enters(Phase.HALTED, None, until_ban_ends=True)),
                    (HALTED_BY_BAN, starts("ban_over")),
                ),
                otherwise=enters(Phase.HALTED, None),
            ),
        },
    ),
    # No command takes back that the daemon is to end.
    Phase.STOPPED: _row(_LOGOUT_COUNTS, {Happened.GONE: leaves(None)}),
}
"""What each event means in STOPPING, while the child is dying: a row for each phase that can follow."""
