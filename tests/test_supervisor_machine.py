"""The supervisor's table: every cell is filled, there is at most one child, and no order of events gets it stuck."""

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from leadmasterd import sentences
from leadmasterd.reasons import Reason
from leadmasterd.supervisor.machine import (
    CODES_UNTIL_A_BREAK,
    STOPPING,
    TABLE,
    Effect,
    Event,
    Facts,
    Happened,
    Phase,
    State,
    Step,
    backoff_seconds,
    step,
)
from leadmasterd.supervisor.timing import Timing
from tests.depth import examples

TIMING = Timing()
AT_REST = {Phase.PAUSED, Phase.BACKING_OFF, Phase.HALTED, Phase.STOPPED}
"""Phases without a child."""
WAITS_FOR_A_PERSON = {Phase.PAUSED, Phase.HALTED, Phase.STOPPED, Phase.NEEDS_PASSKEY}


Told = Happened | tuple[Happened, dict[str, Any]] | tuple[Happened, Facts]
"""An event, alone or with its values or facts."""


def event_of(told: Told, now: float, chance: float = 0.5) -> Event:
    """The event in the machine's form."""
    happened, more = told if isinstance(told, tuple) else (told, {})
    if isinstance(more, Facts):
        return Event(happened, now, chance, facts=more)
    return Event(happened, now, chance, more)


def happen(state: State, *events: Told, now: float = 100.0) -> Step:
    """Apply the events in order; returns the last step."""
    taken = Step(state)
    for event in events:
        taken = step(taken.state, event_of(event, now), TIMING)
    return taken


def after(*events: Told, now: float = 100.0) -> State:
    """The state after these events, from the initial state."""
    return happen(State(), *events, now=now).state


LOGOUT = (Happened.LOGGED_OUT, {"reason": "LOGOUT", "logout_reason": "0"})
BANNED = (Happened.NUMBER_AT_RISK, {"state": "TOS_BLOCK"})
LISTENING = (Happened.START, Happened.HELLO, Happened.AUTHENTICATED, Happened.READY)
OFFLINE = (Happened.CONNECTION_LOST, {"state": "TIMEOUT"})
TO: Mapping[Phase, State] = {
    Phase.PAUSED: State(),
    Phase.STARTING: after(Happened.START),
    Phase.WAITING_FOR_SCAN: after(Happened.START, Happened.HELLO, Happened.CODE_SHOWN),
    Phase.SYNCING: after(Happened.START, Happened.HELLO, Happened.AUTHENTICATED),
    Phase.READY: after(*LISTENING),
    Phase.RECONNECTING: after(*LISTENING, OFFLINE),
    Phase.NEEDS_PASSKEY: after(Happened.START, Happened.HELLO, Happened.CODE_SHOWN, Happened.PASSKEY_ASKED),
    Phase.STOPPING: after(*LISTENING, Happened.EXITED),
    Phase.BACKING_OFF: after(*LISTENING, Happened.EXITED, Happened.GONE),
    Phase.HALTED: after(*LISTENING, BANNED, Happened.GONE),
    Phase.STOPPED: after(Happened.QUIT),
}
ALIVE = [phase for phase in Phase if phase not in AT_REST and phase is not Phase.STOPPING]


def test_every_phase_can_be_reached() -> None:
    """Each state that other tests start from has the phase it is named by."""
    assert {phase: state.phase for phase, state in TO.items()} == {phase: phase for phase in Phase}


def test_every_cell_is_filled() -> None:
    """Each phase defines what each event means, even if nothing; STOPPING does so for each phase that may follow it."""
    assert {*TABLE, Phase.STOPPING} == set(Phase)
    assert set(STOPPING) == AT_REST | {Phase.STARTING}
    for phase, row in (*TABLE.items(), *STOPPING.items()):
        assert set(row) == set(Happened), phase


def test_every_cell_gives_a_step() -> None:
    """No event raises, and a step without a change has no effects."""
    for phase, happened in product(Phase, Happened):
        taken = happen(TO[phase], happened)
        if not taken.changed:
            assert (taken.effects, taken.state.phase) == ((), phase), happened


DIAGRAM: list[tuple[Phase, Any, Phase, tuple[Effect, ...]]] = [
    (Phase.PAUSED, Happened.START, Phase.STARTING, (Effect.SPAWN,)),
    (Phase.PAUSED, Happened.RESUME, Phase.STARTING, (Effect.SPAWN,)),
    (Phase.PAUSED, Happened.RESTART, Phase.PAUSED, ()),
    (Phase.STARTING, Happened.CODE_SHOWN, Phase.WAITING_FOR_SCAN, ()),
    (Phase.STARTING, Happened.AUTHENTICATED, Phase.SYNCING, ()),
    (Phase.STARTING, Happened.READY, Phase.READY, ()),
    (Phase.STARTING, Happened.TIMER, Phase.STOPPING, (Effect.STOP_TREE,)),
    (Phase.STARTING, Happened.CANNOT_SPAWN, Phase.BACKING_OFF, ()),
    (Phase.WAITING_FOR_SCAN, Happened.CODE_SHOWN, Phase.WAITING_FOR_SCAN, ()),
    (Phase.WAITING_FOR_SCAN, Happened.AUTHENTICATED, Phase.SYNCING, ()),
    (Phase.SYNCING, Happened.READY, Phase.READY, ()),
    (Phase.SYNCING, Happened.TIMER, Phase.STOPPING, (Effect.STOP_TREE,)),
    (Phase.READY, OFFLINE, Phase.RECONNECTING, ()),
    (Phase.READY, Happened.CONNECTED, Phase.READY, ()),
    (Phase.SYNCING, OFFLINE, Phase.SYNCING, ()),
    (Phase.READY, Happened.READY, Phase.READY, ()),
    (Phase.READY, Happened.TIMER, Phase.READY, ()),
    (Phase.READY, Happened.HEARTBEAT_LOST, Phase.STOPPING, (Effect.STOP_TREE,)),
    (Phase.READY, Happened.RESTART, Phase.STOPPING, (Effect.STOP_TREE,)),
    (Phase.READY, Happened.DELIVERY_STALLED, Phase.STOPPING, (Effect.STOP_TREE,)),
    (Phase.READY, Happened.PLANNED_RESTART, Phase.STOPPING, (Effect.STOP_TREE,)),
    (Phase.SYNCING, Happened.PLANNED_RESTART, Phase.SYNCING, ()),
    (Phase.WAITING_FOR_SCAN, Happened.PLANNED_RESTART, Phase.WAITING_FOR_SCAN, ()),
    (Phase.WAITING_FOR_SCAN, Happened.TIMER, Phase.STOPPING, (Effect.STOP_TREE,)),
    (Phase.WAITING_FOR_SCAN, Happened.CONNECTED, Phase.SYNCING, ()),
    (Phase.WAITING_FOR_SCAN, Happened.SOCKET_OPEN, Phase.SYNCING, ()),
    (Phase.STARTING, Happened.CONNECTED, Phase.STARTING, ()),
    (Phase.READY, Happened.STREAM_DEAD, Phase.READY, ()),
    (Phase.READY, Happened.STREAM_LIVE, Phase.READY, ()),
    (Phase.RECONNECTING, Happened.STREAM_LIVE, Phase.READY, ()),
    (Phase.READY, Happened.SOCKET_OPEN, Phase.READY, ()),
    (Phase.RECONNECTING, Happened.SOCKET_OPEN, Phase.RECONNECTING, ()),
    (Phase.RECONNECTING, Happened.STREAM_DEAD, Phase.RECONNECTING, ()),
    (Phase.READY, Happened.UNAVAILABLE, Phase.RECONNECTING, ()),
    (Phase.STARTING, Happened.UNAVAILABLE, Phase.STARTING, ()),
    (Phase.NEEDS_PASSKEY, Happened.CODE_SHOWN, Phase.NEEDS_PASSKEY, ()),
    (Phase.NEEDS_PASSKEY, Happened.PASSKEY_DONE, Phase.SYNCING, ()),
    (Phase.NEEDS_PASSKEY, Happened.PASSKEY_FAILED, Phase.WAITING_FOR_SCAN, ()),
    (Phase.NEEDS_PASSKEY, Happened.AUTHENTICATED, Phase.SYNCING, ()),
    (Phase.NEEDS_PASSKEY, Happened.READY, Phase.READY, ()),
    (Phase.RECONNECTING, Happened.CONNECTED, Phase.READY, ()),
    (Phase.RECONNECTING, OFFLINE, Phase.RECONNECTING, ()),
    (Phase.RECONNECTING, Happened.READY, Phase.READY, ()),
    (Phase.RECONNECTING, Happened.HEARTBEAT_LOST, Phase.STOPPING, (Effect.STOP_TREE,)),
    (Phase.RECONNECTING, Happened.TIMER, Phase.STOPPING, (Effect.STOP_TREE,)),
    (Phase.STOPPING, Happened.GONE, Phase.BACKING_OFF, ()),
    (Phase.STOPPING, Happened.EXITED, Phase.STOPPING, ()),
    (Phase.BACKING_OFF, Happened.TIMER, Phase.STARTING, (Effect.SPAWN,)),
    (Phase.BACKING_OFF, Happened.RESUME, Phase.STARTING, (Effect.SPAWN,)),
    (Phase.HALTED, Happened.TIMER, Phase.HALTED, ()),
    (Phase.HALTED, Happened.RESUME, Phase.STARTING, (Effect.SPAWN,)),
]


@pytest.mark.parametrize(("phase", "event", "to", "effects"), DIAGRAM)
def test_the_table_says(phase: Phase, event: Any, to: Phase, effects: tuple[Effect, ...]) -> None:
    """A walk through the table, cell by cell."""
    taken = happen(TO[phase], event)
    assert (taken.state.phase, taken.effects) == (to, effects)


@pytest.mark.parametrize("phase", ALIVE)
@pytest.mark.parametrize(
    ("event", "code"),
    [
        (Happened.EXITED, "child_died"),
        (Happened.CONFLICT, "conflict"),
        ((Happened.DISCONNECTED, {"reason": "TIMEOUT"}), "disconnected"),
    ],
)
def test_what_heals_by_itself_is_stopped_waited_for_and_tried_again(phase: Phase, event: Any, code: str) -> None:
    """This holds in every phase with a child, without a limit."""
    stopping = happen(TO[phase], event)
    assert stopping.effects == (Effect.STOP_TREE,)
    assert stopping.state.because.code == code
    waiting = happen(stopping.state, Happened.GONE)
    assert waiting.state.phase is Phase.BACKING_OFF
    assert waiting.effects == ()
    assert waiting.state.because.code == code
    assert waiting.state.because.values["failures"] == 1
    assert happen(waiting.state, Happened.TIMER).effects == (Effect.SPAWN,)


@pytest.mark.parametrize("phase", ALIVE)
def test_a_ban_screen_halts_and_nothing_is_retried(phase: Phase) -> None:
    """The number is at risk, so only a person can resume."""
    halted = happen(TO[phase], BANNED, Happened.GONE)
    assert (halted.state.phase, halted.effects, halted.state.timer_at) == (Phase.HALTED, (), None)
    assert halted.state.because == Reason("number_at_risk", {"state": "TOS_BLOCK"})
    assert happen(halted.state, Happened.RESUME).effects == (Effect.SPAWN,)


@pytest.mark.parametrize("phase", ALIVE)
def test_a_logout_sets_the_profile_aside_once_the_child_is_gone(phase: Phase) -> None:
    """It then waits for a scan with a new profile; a logout is no failure."""
    stopping = happen(TO[phase], LOGOUT)
    assert stopping.effects == (Effect.STOP_TREE,)
    again = happen(stopping.state, LOGOUT)
    assert again.effects == ()
    gone = happen(again.state, Happened.GONE)
    assert gone.effects == (Effect.QUARANTINE_PROFILE, Effect.SPAWN)
    assert gone.state.because.code == "logged_out"
    assert gone.state.failures == 0
    later = happen(gone.state, Happened.RESTART, Happened.GONE)
    assert later.effects == (Effect.SPAWN,), "once, and not again at the next stop"


@pytest.mark.parametrize(
    ("wish", "effects"),
    [
        (Happened.EXITED, (Effect.QUARANTINE_PROFILE, Effect.SPAWN)),
        (Happened.RESTART, (Effect.QUARANTINE_PROFILE, Effect.SPAWN)),
        (Happened.PAUSE, (Effect.QUARANTINE_PROFILE,)),
        (Happened.QUIT, (Effect.QUARANTINE_PROFILE, Effect.LEAVE)),
        (BANNED, (Effect.QUARANTINE_PROFILE,)),
    ],
)
@pytest.mark.parametrize("logout_first", [True, False])
def test_a_logout_counts_before_and_after_another_reason_to_stop(
    wish: Any, effects: tuple[Effect, ...], logout_first: bool
) -> None:
    """The child reports it and exits; either event may arrive first."""
    order = (LOGOUT, wish) if logout_first else (wish, LOGOUT)
    assert happen(TO[Phase.READY], *order, Happened.GONE).effects == effects


def test_a_ban_screen_seen_while_stopping_halts() -> None:
    """The child's last lines still count."""
    taken = happen(TO[Phase.STOPPING], BANNED, Happened.GONE)
    assert taken.state.phase is Phase.HALTED


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.STOPPED])
def test_pause_wins_in_every_phase_and_only_resume_leaves_it(phase: Phase) -> None:
    """Timers, restarts and the child's last lines do not end it."""
    paused = happen(TO[phase], Happened.PAUSE)
    if phase not in AT_REST:
        assert paused.state.phase is Phase.STOPPING
        paused = happen(paused.state, Happened.EXITED, Happened.RESTART, Happened.TIMER, Happened.READY, Happened.GONE)
        assert Effect.SPAWN not in paused.effects
    assert paused.state.phase is Phase.PAUSED
    for happened in Happened:
        if happened not in (Happened.RESUME, Happened.START, Happened.QUIT):
            assert happen(paused.state, happened).state.phase is Phase.PAUSED, happened
    assert happen(paused.state, Happened.RESUME).effects == (Effect.SPAWN,)


@pytest.mark.parametrize("phase", Phase)
def test_quit_always_ends_in_stopped(phase: Phase) -> None:
    """It ends at once without a child, otherwise after the child is gone, and no later event changes that."""
    quitting = happen(TO[phase], Happened.QUIT)
    if phase is Phase.STOPPED:
        return
    if phase in AT_REST:
        assert (quitting.state.phase, quitting.effects) == (Phase.STOPPED, (Effect.LEAVE,))
        return
    for happened in Happened:
        taken = happen(quitting.state, happened)
        if happened is not Happened.GONE:
            assert (taken.state.then, taken.effects) == (Phase.STOPPED, ()), happened
    assert happen(quitting.state, Happened.RESUME, Happened.RESTART, Happened.GONE).effects == (Effect.LEAVE,)


def test_resume_while_stopping_for_a_pause_starts_again() -> None:
    """The person resumed before the child was gone."""
    taken = happen(TO[Phase.READY], Happened.PAUSE, Happened.RESUME, Happened.GONE)
    assert (taken.state.phase, taken.effects) == (Phase.STARTING, (Effect.SPAWN,))


def test_hello_gives_the_browser_its_own_time() -> None:
    """Node, the browser and the page each have their own deadline."""
    started = happen(State(), Happened.START, now=10).state
    assert started.timer_at == 10 + TIMING.hello_timeout
    greeted = happen(started, Happened.HELLO, now=20).state
    assert greeted.timer_at == 20 + TIMING.launch_timeout
    assert happen(greeted, Happened.LAUNCHED, now=25).state.timer_at == 25 + TIMING.start_timeout


def test_a_planned_restart_is_no_failure_and_keeps_a_snapshot_when_all_is_gone() -> None:
    """First the snapshot, then the trimming, then the next child."""
    stopping = happen(replace(TO[Phase.READY], failures=3), (Happened.PLANNED_RESTART, {"why": "nightly"}))
    assert stopping.effects == (Effect.STOP_TREE,)
    gone = happen(stopping.state, Happened.GONE)
    assert gone.effects == (Effect.TAKE_SNAPSHOT, Effect.TRIM_CACHES, Effect.SPAWN)
    assert gone.state.failures == 3
    assert gone.state.because == Reason("recycle", {"why": "nightly"})


def test_a_logout_during_a_planned_restart_keeps_no_snapshot_of_it() -> None:
    """The child's last lines count, so the profile is quarantined instead."""
    gone = happen(TO[Phase.READY], (Happened.PLANNED_RESTART, {"why": "nightly"}), LOGOUT, Happened.GONE)
    assert gone.effects == (Effect.QUARANTINE_PROFILE, Effect.SPAWN)


# ---------------------------------------------------------------------- a dead stream under a live socket

STREAM_DEAD = (Happened.STREAM_DEAD, {"stream": "DISCONNECTED"})


def replaced(state: State, *, now: float) -> State:
    """Another listener takes the session at `now`: only heartbeats show it, every five seconds, and not the socket's
    state.
    """
    for seconds in range(0, 121, 5):
        due = state.timer_at
        if due is not None and due <= now + seconds and state.phase in (Phase.READY, Phase.RECONNECTING):
            state = happen(state, Happened.TIMER, now=due).state
        state = happen(state, STREAM_DEAD, now=now + seconds).state
    return state


def test_a_stream_that_stays_dead_under_ready_is_reconnecting_and_then_a_restart() -> None:
    """After 60 seconds it is reconnecting; 30 seconds later the tree is stopped, which counts as a failure."""
    state = after(*LISTENING, now=1000)
    for now in range(1100, 1160, 5):
        state = happen(state, STREAM_DEAD, now=now).state
        assert state.phase is Phase.READY
    assert state.timer_at == 1100 + TIMING.stream_timeout
    lost = happen(state, Happened.TIMER, now=1160)
    assert (lost.state.phase, lost.state.because.code) == (Phase.RECONNECTING, "stream_lost")
    assert lost.state.timer_at == 1160 + TIMING.stream_back_timeout
    assert happen(lost.state, STREAM_DEAD, now=1165).state == lost.state
    stopped = happen(lost.state, Happened.TIMER, now=1190)
    assert (stopped.state.because.code, stopped.effects) == ("session_elsewhere", (Effect.STOP_TREE,))
    assert stopped.state.failures == 1


def test_a_stream_that_comes_back_in_time_changes_nothing_but_the_calm() -> None:
    """The calm period restarts, since only unbroken time counts."""
    state = happen(replace(TO[Phase.BACKING_OFF], failures=4), Happened.TIMER, *LISTENING[1:], now=1000).state
    state = happen(state, STREAM_DEAD, now=1250).state
    state = happen(state, Happened.CONNECTED, now=1290).state
    assert (state.phase, state.stream_dead_since) == (Phase.READY, None)
    assert state.timer_at == 1290 + TIMING.calm_period
    assert fail(state, now=1310).failures == 5


@pytest.mark.parametrize("back", [Happened.CONNECTED, Happened.STREAM_LIVE, Happened.READY])
def test_a_stream_that_comes_back_later_is_ready_again(back: Happened) -> None:
    """The page may reconnect by itself or reload."""
    state = happen(TO[Phase.READY], STREAM_DEAD, Happened.TIMER).state
    assert happen(state, back).state.phase is Phase.READY


def test_a_session_that_goes_back_and_forth_is_taken_back_ever_more_slowly() -> None:
    """Every start reaches ready, but the pauses still grow: time under a dead stream is not calm."""
    state, now, ceilings = after(*LISTENING, now=0), 0.0, []
    for _ in range(6):
        taken_at = now + TIMING.calm_period - 10
        state = replaced(state, now=taken_at)
        assert state.because.code == "session_elsewhere"
        state = happen(state, Happened.GONE, now=taken_at + 100).state
        ceilings.append(backoff_seconds(state.failures, 1.0, TIMING))
        now = taken_at + 400
        state = happen(state, Happened.TIMER, *LISTENING[1:], now=now).state
    assert ceilings == [1, 2, 4, 8, 16, 32]


def test_a_failure_under_a_dead_stream_counts_the_calm_only_until_it_died() -> None:
    """The kind of failure makes no difference."""
    state = happen(replace(TO[Phase.BACKING_OFF], failures=4), Happened.TIMER, *LISTENING[1:], now=0).state
    state = happen(state, STREAM_DEAD, now=TIMING.calm_period - 1).state
    assert fail(state, now=TIMING.calm_period + 30).failures == 5


# ---------------------------------------------------------------------- scanned, logged out, lost


@pytest.mark.parametrize("scanned", [Happened.CONNECTED, Happened.SOCKET_OPEN])
def test_a_scan_is_a_first_sync_and_no_code_is_waited_for(scanned: Happened) -> None:
    """The page may be silent for 180 s before it unlinks itself, and our limit is longer."""
    state = happen(TO[Phase.WAITING_FOR_SCAN], OFFLINE, scanned, now=500).state
    assert (state.phase, state.because.code) == (Phase.SYNCING, "scanned")
    assert state.timer_at == 500 + TIMING.first_sync_timeout
    still = happen(state, Happened.AUTHENTICATED, scanned, now=700).state
    assert still.timer_at == state.timer_at
    assert happen(still, Happened.READY).state.phase is Phase.READY


def test_no_limit_is_shorter_than_the_pages_own_for_the_first_history() -> None:
    """The page waits 180 s (WAWebCompanionRegUtils, 2026-04-27); killing it earlier would lose the link."""
    pages_own = 180
    assert min(TIMING.sync_timeout, TIMING.first_sync_timeout) > pages_own


CODES_SHOWN = [Happened.CODE_SHOWN, Happened.SESSION_LOST]


@pytest.mark.parametrize("shown", CODES_SHOWN)
@pytest.mark.parametrize(
    "life",
    [
        (Happened.START, Happened.HELLO, Happened.CONNECTED),
        (Happened.START, Happened.HELLO, Happened.SOCKET_OPEN),
        (Happened.START, Happened.HELLO, Happened.CONNECTED, Happened.AUTHENTICATED),
        (Happened.START, Happened.HELLO, Happened.CODE_SHOWN, Happened.CONNECTED),
        LISTENING,
        (*LISTENING, OFFLINE),
        (*LISTENING, OFFLINE, Happened.CONNECTED, Happened.READY),
        (*LISTENING, Happened.PASSKEY_CHECK),
    ],
)
def test_a_life_that_was_connected_and_shows_a_code_was_logged_out(life: tuple[Told, ...], shown: Happened) -> None:
    """A reload counts too: an unlinked WhatsApp Web shows no other sign."""
    stopping = happen(State(), *life, shown)
    assert stopping.state.because == Reason("logged_out", {"by": "code"})
    gone = happen(stopping.state, Happened.GONE)
    assert gone.effects == (Effect.QUARANTINE_PROFILE, Effect.SPAWN)
    waiting = happen(gone.state, Happened.HELLO, Happened.CODE_SHOWN).state
    assert (waiting.phase, waiting.because.code) == (Phase.WAITING_FOR_SCAN, "unlinked_or_banned")


def test_what_the_last_life_was_says_nothing_of_the_next() -> None:
    """The browser of a connected session died and the next one shows a code: the session was lost on disk."""
    state = happen(TO[Phase.READY], Happened.EXITED, Happened.GONE, Happened.TIMER, Happened.HELLO).state
    assert (state.connected, state.attached) == (False, False)
    assert happen(state, Happened.SESSION_LOST).state.because.code == "session_lost"
    assert happen(state, Happened.CODE_SHOWN).state.because.code == "scan_needed"


def test_the_first_connection_of_a_start_gives_it_time_and_a_later_one_does_not() -> None:
    """Thousands of messages may be waiting at first; a page that keeps reconnecting is restarted."""
    state = happen(TO[Phase.STARTING], Happened.HELLO, Happened.CONNECTED, now=200).state
    assert state.timer_at == 200 + TIMING.sync_timeout
    assert happen(state, OFFLINE, Happened.CONNECTED, now=400).state.timer_at == state.timer_at


# ---------------------------------------------------------------------- temporary bans and unreachable servers

TEMPORARY_BAN = (Happened.TEMPORARILY_BANNED, {"ban": "101", "expires": 1795435200, "message": "Too many"})
HOURS = Facts(ban_seconds=7200.0)


def banned_until(facts: Facts, *, now: float = 100.0) -> State:
    """The state halted by a ban with these facts from the clock."""
    stopping = happen(TO[Phase.READY], TEMPORARY_BAN, now=now)
    assert stopping.effects == (Effect.STOP_TREE,)
    return happen(stopping.state, (Happened.GONE, facts), now=now).state


@pytest.mark.parametrize("phase", ALIVE)
def test_a_temporary_ban_halts_until_its_end_and_then_starts_by_itself(phase: Phase) -> None:
    """It starts a minute after the end, since WhatsApp's clock decides."""
    halted = happen(happen(TO[phase], TEMPORARY_BAN).state, (Happened.GONE, HOURS), now=100).state
    assert (halted.phase, halted.because.code) == (Phase.HALTED, "temporary_ban")
    assert halted.timer_at == 100 + 7200 + TIMING.ban_margin
    over = happen(halted, Happened.TIMER, now=halted.timer_at)
    assert (over.state.because.code, over.effects) == ("ban_over", (Effect.SPAWN,))


def test_a_clock_that_was_set_back_makes_no_try_too_early() -> None:
    """The wall clock is read again when the timer expires."""
    halted = banned_until(HOURS)
    again = happen(halted, (Happened.TIMER, Facts(ban_seconds=600.0)), now=8000)
    assert again.effects == ()
    assert again.state.timer_at == 8000 + 600 + TIMING.ban_margin


def test_a_ban_without_an_end_waits_for_a_person() -> None:
    """No end is guessed."""
    halted = banned_until(Facts(ban_seconds=math.inf))
    assert (halted.phase, halted.timer_at) == (Phase.HALTED, None)


def test_a_ban_that_ends_while_the_tree_dies_starts_again() -> None:
    """Otherwise nothing would start it."""
    stopping = happen(TO[Phase.READY], TEMPORARY_BAN).state
    assert happen(stopping, Happened.GONE).effects == (Effect.SPAWN,)


def test_in_a_ban_resume_tries_at_once_and_restart_does_not() -> None:
    """`resume` is meant for this, while `restart` may come from a script."""
    for state in (banned_until(HOURS), happen(TO[Phase.READY], TEMPORARY_BAN).state):
        restart = happen(state, (Happened.RESTART, HOURS))
        assert (restart.state, restart.effects) == (state, ())
    assert happen(banned_until(HOURS), (Happened.RESUME, HOURS)).effects == (Effect.SPAWN,)


def test_a_ban_outlives_the_daemon() -> None:
    """At its start the daemon checks the clock and starts no child."""
    started = happen(State(), (Happened.START, HOURS))
    assert (started.state.phase, started.state.because.code, started.effects) == (Phase.HALTED, "temporary_ban", ())
    assert started.state.timer_at == 100 + 7200 + TIMING.ban_margin


def test_a_ban_seen_while_stopping_halts_too() -> None:
    """The child's last lines count."""
    halted = happen(happen(TO[Phase.STOPPING], TEMPORARY_BAN).state, (Happened.GONE, HOURS)).state
    assert (halted.phase, halted.timer_at) == (Phase.HALTED, 100 + 7200 + TIMING.ban_margin)


def test_servers_that_are_away_are_no_failure_of_ours() -> None:
    """The page keeps retrying, and we wait longer than its longest pause."""
    for phase in (Phase.STARTING, Phase.READY, Phase.RECONNECTING):
        state = TO[phase]
        for now in range(1000, 5000, 900):
            state = happen(state, (Happened.UNAVAILABLE, {"status": 503}), now=now).state
            assert (state.because.code, state.failures) == ("unavailable", 0)
            assert state.timer_at == now + TIMING.unavailable_timeout
    assert TIMING.unavailable_timeout > 900


def test_the_moment_of_connection_before_each_refusal_is_not_ready() -> None:
    """The page says CONNECTED before the server answers; only a heartbeat confirms it."""
    away = happen(TO[Phase.READY], (Happened.UNAVAILABLE, {"status": 503})).state
    assert happen(away, OFFLINE, Happened.CONNECTED).state == away
    assert happen(away, Happened.STREAM_LIVE).state.phase is Phase.READY


# ---------------------------------------------------------------------- a passkey

ASKED = (Happened.PASSKEY_ASKED, {"step": "asked", "code": None, "by": "event"})
CHECK = (Happened.PASSKEY_CHECK, {"step": "asked", "code": None, "by": "level"})
UNTOUCHED: list[Told] = [
    Happened.TIMER,
    Happened.PLANNED_RESTART,
    Happened.HEARTBEAT_LOST,
    Happened.DELIVERY_STALLED,
    Happened.STREAM_DEAD,
    Happened.UNAVAILABLE,
    OFFLINE,
]


@pytest.mark.parametrize("asked", [ASKED, CHECK], ids=["linking", "check"])
@pytest.mark.parametrize("phase", ALIVE)
def test_while_a_passkey_is_asked_for_nothing_touches_the_browser(phase: Phase, asked: Told) -> None:
    """There is no timer and no restart, since a person may take days."""
    state = happen(TO[phase], asked).state
    assert (state.phase, state.timer_at) == (Phase.NEEDS_PASSKEY, None)
    for happened in UNTOUCHED:
        taken = happen(state, happened)
        assert (taken.state.phase, taken.effects, taken.state.timer_at) == (Phase.NEEDS_PASSKEY, (), None), happened


def test_codes_that_rotate_on_behind_a_passkey_mean_nothing() -> None:
    """Scanning one would end the passkey step; the profile is neither restored nor replaced."""
    for shown in CODES_SHOWN:
        assert happen(TO[Phase.NEEDS_PASSKEY], shown).effects == ()


def test_the_death_of_the_browser_behind_a_passkey_is_a_restart() -> None:
    """There is nothing left to wait for."""
    assert happen(TO[Phase.NEEDS_PASSKEY], Happened.EXITED).state.because.code == "child_died"


@pytest.mark.parametrize("linked", [Happened.CONNECTED, Happened.SOCKET_OPEN, Happened.AUTHENTICATED])
def test_a_link_that_goes_on_ends_the_passkey_step(linked: Happened) -> None:
    """The page may report the end of the step or not."""
    told = happen(TO[Phase.NEEDS_PASSKEY], Happened.PASSKEY_DONE, now=50).state
    assert (told.phase, told.timer_at) == (Phase.SYNCING, 50 + TIMING.first_sync_timeout)
    assert happen(TO[Phase.NEEDS_PASSKEY], linked).state.phase is Phase.SYNCING


def test_a_check_of_a_linked_account_ends_where_it_began() -> None:
    """The page does not report `ready` again; a check before ready remembers later events."""
    back = happen(TO[Phase.READY], CHECK, Happened.PASSKEY_DONE).state
    assert (back.phase, back.because.code) == (Phase.READY, "passkey_done")
    early = happen(TO[Phase.STARTING], CHECK, Happened.CONNECTED, Happened.AUTHENTICATED, Happened.READY).state
    assert early.phase is Phase.NEEDS_PASSKEY
    assert happen(early, Happened.PASSKEY_DONE).state.phase is Phase.READY
    assert happen(TO[Phase.STARTING], CHECK, Happened.PASSKEY_DONE).state.phase is Phase.SYNCING


def test_a_check_that_was_refused_still_needs_a_person() -> None:
    """The page asks again and cannot be closed."""
    for phase in (Phase.READY, Phase.STARTING):
        assert happen(TO[phase], CHECK, Happened.PASSKEY_FAILED).state.phase is Phase.NEEDS_PASSKEY


# ---------------------------------------------------------------------- the profile


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.WAITING_FOR_SCAN])
def test_a_session_that_was_lost_without_a_logout_is_restored(phase: Phase) -> None:
    """The profile was linked, but WhatsApp shows a code."""
    stopping = happen(TO[phase], Happened.SESSION_LOST)
    assert stopping.state.because.code == "session_lost"
    gone = happen(stopping.state, Happened.GONE)
    assert gone.effects == (Effect.RESTORE_PROFILE, Effect.SPAWN)
    assert happen(gone.state, Happened.HELLO, Happened.CODE_SHOWN).state.phase is Phase.WAITING_FOR_SCAN


@pytest.mark.parametrize(
    "failure",
    [
        (Happened.EXITED, Facts(restorable=True)),
        (Happened.TIMER, Facts(storage_broken=True, restorable=True)),
    ],
)
def test_a_profile_that_does_not_open_three_times_is_restored(failure: tuple[Happened, Facts]) -> None:
    """The first failures may have other causes, such as a full disk."""
    state = TO[Phase.STARTING]
    for _ in range(2):
        failed = happen(state, failure, Happened.GONE)
        assert Effect.RESTORE_PROFILE not in failed.effects
        state = happen(failed.state, Happened.TIMER).state
    third = happen(state, failure, Happened.GONE)
    assert third.effects == (Effect.RESTORE_PROFILE, Effect.SPAWN)
    assert third.state.because.code == "profile_broken"


@pytest.mark.parametrize(
    "failure",
    [
        (Happened.EXITED, Facts(restorable=True, unreachable=True)),
        (Happened.TIMER, Facts(restorable=True)),
        (Happened.TIMER, Facts(restorable=True, storage_broken=True, unreachable=True)),
    ],
)
def test_an_outage_is_no_fault_of_the_profile(failure: tuple[Happened, Facts]) -> None:
    """However often the server is missing or silent, the older snapshot does not replace the session."""
    state = TO[Phase.STARTING]
    for _ in range(6):
        failed = happen(state, failure, Happened.GONE)
        assert Effect.RESTORE_PROFILE not in failed.effects
        state = happen(failed.state, Happened.TIMER).state


def test_without_a_snapshot_it_is_tried_for_ever() -> None:
    """There is nothing to restore, so it backs off and retries."""
    state = TO[Phase.STARTING]
    for _ in range(6):
        failed = happen(state, Happened.EXITED, Happened.GONE)
        assert failed.state.phase is Phase.BACKING_OFF
        state = happen(failed.state, Happened.TIMER).state


def test_a_start_that_got_as_far_as_a_code_clears_the_profile_of_suspicion() -> None:
    """Only failed starts in a row count."""
    state = TO[Phase.STARTING]
    for _ in range(5):
        state = happen(state, Happened.HELLO, Happened.CODE_SHOWN).state
        assert state.unopened == 0
        failed = happen(state, (Happened.EXITED, Facts(restorable=True)), Happened.GONE)
        assert Effect.RESTORE_PROFILE not in failed.effects
        state = happen(failed.state, Happened.TIMER).state


def test_a_page_that_connected_clears_the_profile_of_suspicion() -> None:
    """Only the page of a linked account connects, so its profile opens, and an older snapshot would not help."""
    state = TO[Phase.STARTING]
    for happened in (None, None, Happened.CONNECTED, None, None, Happened.SOCKET_OPEN):
        if happened:
            state = happen(state, Happened.HELLO, happened).state
        failed = happen(state, (Happened.EXITED, Facts(restorable=True)), Happened.GONE)
        assert Effect.RESTORE_PROFILE not in failed.effects
        assert failed.state.unopened == 0 or not happened
        state = happen(failed.state, Happened.TIMER).state


def test_each_code_gives_the_page_time_for_the_next_and_nobody_is_hurried() -> None:
    """The phase stays while codes rotate; when they stop, the browser is restarted."""
    state = TO[Phase.WAITING_FOR_SCAN]
    for turn in range(1, 10):
        state = happen(state, Happened.CODE_SHOWN, now=100 + 20.0 * turn).state
        assert state.phase is Phase.WAITING_FOR_SCAN
        assert state.timer_at == 100 + 20.0 * turn + TIMING.code_timeout
    stuck = happen(state, Happened.TIMER)
    assert stuck.state.because.code == "code_stopped"


def test_codes_that_nobody_scans_slow_down_and_go_on_for_ever() -> None:
    """After thirty codes there is a pause, which grows each time."""
    state = TO[Phase.WAITING_FOR_SCAN]
    for rest in range(1, 5):
        for _ in range(CODES_UNTIL_A_BREAK - 1):
            state = happen(state, Happened.CODE_SHOWN).state
            assert state.phase is Phase.WAITING_FOR_SCAN
        state = happen(state, Happened.CODE_SHOWN, Happened.GONE).state
        assert (state.phase, state.because.code, state.failures) == (Phase.BACKING_OFF, "not_scanned", rest)
        state = happen(state, Happened.TIMER, Happened.HELLO, Happened.CODE_SHOWN).state


# ---------------------------------------------------------------------- backing off, and resetting the failures


@given(st.integers(0, 1000), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_within_bounds(failures: int, chance: float) -> None:
    """It uses full jitter below a capped exponential ceiling."""
    wait = backoff_seconds(failures, chance, TIMING)
    assert 0 <= wait <= TIMING.backoff_max
    assert wait <= TIMING.backoff_first * 2.0 ** max(failures - 1, 0)


def test_waits_double_up_to_the_longest() -> None:
    """The ceilings are 1, 2, 4 … 256, 300, 300 … seconds."""
    ceilings = [backoff_seconds(failures, 1.0, TIMING) for failures in (1, 2, 3, 8, 9, 10, 50, 5000)]
    assert ceilings == [1, 2, 4, 128, 256, 300, 300, 300]


def test_chance_spreads_the_whole_wait() -> None:
    """Many instances that fail together do not return together."""
    assert [backoff_seconds(4, chance, TIMING) for chance in (0, 0.25, 0.5)] == [0, 2, 4]


def fail(state: State, *, now: float) -> State:
    """The child dies and is gone."""
    return happen(state, Happened.EXITED, Happened.GONE, now=now).state


def test_failures_add_up_while_ready_is_short() -> None:
    """A crash each minute is a crash loop even if each start reached ready."""
    state, now = State(), 0.0
    for failures in range(1, 6):
        now += TIMING.calm_period - 1
        state = happen(state, *(LISTENING if failures == 1 else (Happened.TIMER, *LISTENING[1:])), now=now).state
        now += TIMING.calm_period - 1
        state = fail(state, now=now)
        assert state.failures == failures


@pytest.mark.parametrize("timer_heard", [True, False])
def test_a_calm_period_of_being_ready_forgives(timer_heard: bool) -> None:
    """The failure may arrive just before the timer."""
    state = replace(TO[Phase.BACKING_OFF], failures=7)
    state = happen(state, Happened.TIMER, *LISTENING[1:], now=1000).state
    assert state.failures == 7
    assert state.timer_at == 1000 + TIMING.calm_period
    if timer_heard:
        state = happen(state, Happened.TIMER, now=1000 + TIMING.calm_period).state
        assert (state.failures, state.timer_at) == (0, None)
    assert fail(state, now=1000 + TIMING.calm_period).failures == 1


def test_a_connection_that_comes_and_goes_is_not_calm() -> None:
    """Only unbroken time in ready resets the failures."""
    now = 1000.0
    state = happen(replace(TO[Phase.BACKING_OFF], failures=7), Happened.TIMER, *LISTENING[1:], now=now).state
    for _ in range(10):
        now += 100
        state = happen(state, OFFLINE, now=now).state
        now += 100
        state = happen(state, Happened.CONNECTED, now=now).state
    assert state.timer_at == now + TIMING.calm_period
    assert fail(state, now=now + 1).failures == 8


def test_waiting_for_the_connection_is_not_calm() -> None:
    """The length of the wait makes no difference."""
    state = happen(replace(TO[Phase.BACKING_OFF], failures=7), Happened.TIMER, *LISTENING[1:], now=0).state
    state = happen(state, OFFLINE, now=10).state
    assert fail(state, now=10 + 2 * TIMING.calm_period).failures == 8


def test_calm_before_a_broken_connection_counts() -> None:
    """The period was complete, even if its timer had not fired yet."""
    state = happen(replace(TO[Phase.BACKING_OFF], failures=7), Happened.TIMER, *LISTENING[1:], now=0).state
    state = happen(state, OFFLINE, now=TIMING.calm_period).state
    assert state.failures == 0


def test_cannot_spawn_backs_off_like_a_crash() -> None:
    """A missing program is retried forever, with growing pauses."""
    state = State()
    for failures in range(1, 12):
        state = happen(state, Happened.START if failures == 1 else Happened.TIMER, Happened.CANNOT_SPAWN).state
        assert (state.phase, state.failures) == (Phase.BACKING_OFF, failures)
        assert state.timer_at is not None
        assert state.timer_at - 100 <= TIMING.backoff_max


# ---------------------------------------------------------------------- any order of events


FACTS = [Facts(*known) for known in product((False, True), repeat=3)]
EVENTS = st.sampled_from(
    [
        *(each for each in Happened if each not in (Happened.LOGGED_OUT, Happened.NUMBER_AT_RISK)),
        LOGOUT,
        BANNED,
        OFFLINE,
        *((happened, facts) for happened in (Happened.EXITED, Happened.TIMER) for facts in FACTS),
        *((happened, HOURS) for happened in (Happened.GONE, Happened.TIMER, Happened.RESTART, Happened.START)),
    ]
)
PROVES_A_LINK = (Happened.CONNECTED, Happened.SOCKET_OPEN, Happened.STREAM_LIVE, Happened.READY)
CLOCKS = st.sampled_from([Facts(), HOURS, Facts(ban_seconds=math.inf)])
NEEDS_A_CHILD = set(Happened) - {
    Happened.START,
    Happened.GONE,
    Happened.CANNOT_SPAWN,
    Happened.TIMER,
    Happened.PAUSE,
    Happened.RESUME,
    Happened.RESTART,
    Happened.QUIT,
}


class AnyOrder(RuleBasedStateMachine):
    """The machine with a child, a clock, people and one timer, in any order of events."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State()
        self.now = 0.0
        self.child = False
        self.stopping = False
        self.connected = False
        self.logged_out = False
        self.left = False

    @initialize(clock=CLOCKS)
    def begin(self, clock: Facts) -> None:
        self._tell((Happened.START, clock))

    def _tell(self, told: Told, chance: float = 0.5) -> None:
        before = self.state
        taken = step(before, event_of(told, self.now, chance), TIMING)
        self.state = taken.state
        assert not self.left or not taken.effects, "nothing is done after the end"
        for effect in taken.effects:
            if effect is Effect.SPAWN:
                assert not self.child, "two children"
                assert not self.stopping, "a child while the last one's tree is still dying"
                assert not self.logged_out, "a logged-out profile was kept"
                self.child = True
                self.connected = False
            elif effect is Effect.STOP_TREE:
                assert not self.stopping, "stopped twice at once"
                self.stopping = True
            elif effect is Effect.QUARANTINE_PROFILE:
                assert not self.child, "the profile is in use"
                assert self.logged_out, "a good profile set aside"
                self.logged_out = False
            elif effect in (Effect.RESTORE_PROFILE, Effect.TAKE_SNAPSHOT, Effect.TRIM_CACHES):
                assert not self.child, "the profile is in use"
                assert not self.stopping, "something of the tree may still write"
                assert not self.logged_out, "a logged-out session is neither kept nor replaced by an old one"
            else:
                assert not self.child, "left a child behind"
                self.left = True

    @precondition(lambda self: self.child)
    @rule(event=EVENTS.filter(lambda event: (event[0] if isinstance(event, tuple) else event) in NEEDS_A_CHILD))
    def the_child_says(self, event: Told) -> None:
        shown = event in CODES_SHOWN and self.state.phase is not Phase.STOPPING
        if event == LOGOUT or (shown and self.connected):
            self.logged_out = True
        self._tell(event)
        self.connected = self.connected or event in PROVES_A_LINK

    @precondition(lambda self: self.child and self.state.phase is Phase.STARTING and not self.stopping)
    @rule(chance=st.floats(0, 1, exclude_max=True))
    def it_could_not_be_spawned(self, chance: float) -> None:
        self.child = False
        self._tell((Happened.CANNOT_SPAWN, {"detail": "no"}), chance)

    @precondition(lambda self: self.stopping)
    @rule(chance=st.floats(0, 1, exclude_max=True), clock=CLOCKS)
    def the_tree_is_gone(self, chance: float, clock: Facts) -> None:
        self.stopping = self.child = False
        self._tell((Happened.GONE, clock), chance=chance)
        assert not self.logged_out, "a logged-out profile was kept"

    @precondition(lambda self: not self.left)
    @rule(wish=st.sampled_from([Happened.PAUSE, Happened.RESUME, Happened.RESTART, Happened.QUIT]))
    def a_person_wishes(self, wish: Happened) -> None:
        was_quitting = self.state.phase is Phase.STOPPING and self.state.then is Phase.STOPPED
        self._tell(wish)
        if wish is Happened.PAUSE and not was_quitting:
            assert Phase.PAUSED in (self.state.phase, self.state.then)
        if wish is Happened.QUIT:
            assert self.left or self.state.then is Phase.STOPPED

    @precondition(lambda self: self.state.timer_at is not None)
    @rule(facts=st.sampled_from(FACTS) | CLOCKS)
    def the_timer_fires(self, facts: Facts) -> None:
        assert self.state.timer_at is not None
        self.now = max(self.now, self.state.timer_at)
        due = self.state.timer_at
        self._tell((Happened.TIMER, facts))
        assert self.state.timer_at is None or self.state.timer_at > due or self.state.timer_at >= self.now
        assert self.state.timer_at != due or self.state.phase is Phase.BACKING_OFF, "the same timer again"

    @rule(seconds=st.floats(0, 1000))
    def time_passes(self, seconds: float) -> None:
        limit = self.state.timer_at
        self.now = self.now + seconds if limit is None else max(self.now, min(self.now + seconds, limit))

    @invariant()
    def nothing_is_stuck(self) -> None:
        phase = self.state.phase
        if phase is Phase.STOPPING:
            assert self.stopping, "waits for a stop that is not under way"
            assert self.state.timer_at is None
        elif phase in (
            Phase.STARTING,
            Phase.WAITING_FOR_SCAN,  # for a person, but only as long as codes come
            Phase.SYNCING,
            Phase.RECONNECTING,
            Phase.BACKING_OFF,
        ):
            assert self.state.timer_at is not None, "waits without a deadline"
        elif phase is Phase.HALTED and self.state.because.code == "temporary_ban":
            pass  # until its end, if that is known
        elif phase is not Phase.READY:
            assert phase in WAITS_FOR_A_PERSON
            assert self.state.timer_at is None

    @invariant()
    def a_child_is_there_when_the_phase_says_so(self) -> None:
        if self.state.phase in AT_REST:
            assert not self.child
            assert not self.stopping
        elif self.state.phase is not Phase.STOPPING:
            assert self.child

    @invariant()
    def every_reason_is_a_sentence(self) -> None:
        because = self.state.because
        assert because.code in sentences.REASONS
        assert sentences.because(because.code, because.values)


AnyOrder.TestCase.settings = settings(max_examples=examples(25), stateful_step_count=40)
TestAnyOrder = AnyOrder.TestCase


@settings(max_examples=examples(50))
@given(st.lists(EVENTS, max_size=40))
def test_even_events_that_can_not_be_never_raise(events: list[Any]) -> None:
    """A bug elsewhere must not crash the machine, and it can still quit from any state."""
    state = happen(State(), *events).state
    gone = happen(state, Happened.QUIT, Happened.GONE).state
    assert gone.phase is Phase.STOPPED
