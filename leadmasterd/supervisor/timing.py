"""Every duration that the daemon waits for, in one place.

All in seconds. The settings replace some of them (`Settings.timing`); tests run the whole program with all of them
divided (`supervisor.time_divisor`). The reason for each number stands next to it.
"""

from dataclasses import dataclass, fields
from typing import Final, Self

_PROCESS_TIMES: Final = ("hello_timeout", "launch_timeout", "stop_ask", "stop_term", "stop_kill", "store_stop")
"""Times that real processes and the disk need: in tests they are divided less."""
_LARGEST_DIVISOR: Final = 4.0
"""By how much these times are divided at most."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The durations, with their defaults."""

    backoff_first: float = 1.0
    """The longest wait after a first failure; it doubles with each further failure in a row."""
    backoff_max: float = 300.0
    """What it doubles up to."""
    calm_period: float = 300.0
    """Uptime since ready after which earlier failures are forgiven."""

    hello_timeout: float = 60.0
    """From spawn to the child's first line: Node's start and the browser's --version."""
    launch_timeout: float = 90.0
    """From hello to a running browser: one that is killed while it starts reports nothing."""
    start_timeout: float = 240.0
    """From a running browser to a QR code, a stored session, or an end. The library's own limit for the page is 120."""
    sync_timeout: float = 300.0
    """From a stored session to ready: a sync may take minutes without a sign of life."""
    first_sync_timeout: float = 600.0
    """From a scan to ready. The page itself waits 180 for the first history, in silence, and unlinks itself if none
    comes (WAWebCompanionRegUtils, 2026-04-27). To end it before that costs the link."""
    code_timeout: float = 150.0
    """From one QR code to the next, or the page is stuck. The first code is valid for 60, and the page may reload."""
    reconnect_timeout: float = 180.0
    """How long WhatsApp Web may take to recover by itself, from TIMEOUT or OPENING. Then we restart it."""
    stream_timeout: float = 60.0
    """How long a stream may be dead under a socket that says CONNECTED: a reconnection takes less."""
    stream_back_timeout: float = 30.0
    """How long the stream may then take to come back. If another session has replaced ours, it never comes back."""
    unavailable_timeout: float = 1200.0
    """How long to wait for the page's next try after WhatsApp's servers refused the connection. Its pauses grow to 900
    (WAWebCommsConfig, 2026-04-27)."""
    ban_margin: float = 60.0
    """How long after the end of a temporary ban we try again: WhatsApp's clock decides, and ours may be ahead of it."""

    heartbeat_every: float = 5.0
    """How often the child sends one."""
    heartbeat_timeout: float = 15.0
    """Without a heartbeat: the first miss is logged, the second, this much later, ends the child."""

    modules_late: float = 300.0
    """From ready until a module of the page that is not there yet counts as missing. The page loads modules in waves,
    those of calls last."""

    stop_ask: float = 10.0
    """After `stop` on stdin: the browser closes gracefully, so that localStorage survives."""
    stop_term: float = 4.0
    """After SIGTERM, for a child that did not end when it was asked."""
    stop_kill: float = 4.0
    """After SIGKILL."""
    store_stop: float = 4.0
    """For the writer to write what is queued. The four together stay below the 25 seconds in which all must be gone."""

    settle_after_pairing: float = 600.0
    """After a new link, without any sweep: the phone unlinks companions that misbehave."""
    history_timeout: float = 1800.0
    """How long after a new link no watermark is set, unless the page says earlier that its recent history is complete.
    Older messages come in chunks, long after the first sync, and a sweep does not look for messages from before the
    watermark. WhatsApp Web pauses after 120 s without a chunk and gives up 1200 s later (build of 2026-04-27)."""
    sweep_interval: float = 60.0
    """From the end of one sweep to the next."""
    sweep_timeout: float = 300.0
    """From asking for a sweep to its last line; then it counts as failed."""
    sweep_settle: float = 2.0
    """From ready to the first sweep of a session that was paired before."""
    look_back_every: float = 86400.0
    """How often a sweep also looks for revocations of the last two days."""

    reopen_every: float = 5.0
    """Between two tries to open a database that can't be used, until a person has mended it."""

    status_every: float = 60.0
    """How often resources are measured. Then the status file is rewritten, as it is after each change."""

    def divided_by(self, divisor: float) -> Self:
        """The same profile, with all durations divided: those of real processes at most by `_LARGEST_DIVISOR`."""
        for_processes = min(divisor, _LARGEST_DIVISOR)
        return type(self)(
            **{
                each.name: getattr(self, each.name) / (for_processes if each.name in _PROCESS_TIMES else divisor)
                for each in fields(self)
            }
        )
