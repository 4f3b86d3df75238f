"""The mix of a storm: every fault, how it is played, how often it comes, and who ends it.

None of them may lose a message: the stand-in lets nothing expire. Not here: what halts until `leadmasterd resume`
(TOS_BLOCK), and clock jumps, since no test can move the clock.
"""

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from tests.chaos import faults
from tests.chaos.faults import Play


class Recovery(Enum):
    """Who ends a fault; the daemon must recover from all others by itself."""

    ITSELF = "nobody: the daemon recovers by itself"
    START = "the driver starts the daemon again, as systemd would"
    SCAN = "the driver scans a code, as a person would"


@dataclass(frozen=True, slots=True)
class Kind:
    """A fault of the mix."""

    play: Play
    recovery: Recovery = Recovery.ITSELF
    weight: int = 1
    """How often it comes in one deck."""
    crowd: int = 0
    """So many more messages come while it lasts, if the run has enough of them."""


def _state(state: str) -> Kind:
    return Kind(faults.played("state", state=state))


def _missing(module: str) -> Kind:
    return Kind(faults.loaded_with(("missing", {"modules": [module]}), ("missing", {"modules": []})))


MIX: Final[Mapping[str, Kind]] = {
    **{
        f"{number.name} {victim}": Kind(faults.signalled(victim, number))
        for number in (signal.SIGKILL, signal.SIGTERM)
        for victim in ("node", "browser", "renderer")
    },
    **{f"SIGSTOP {victim}": Kind(faults.frozen(victim)) for victim in ("node", "browser", "renderer")},
    "SIGKILL daemon": Kind(faults.daemon_killed, Recovery.START),
    "SIGTERM daemon": Kind(faults.daemon_stopped, Recovery.START),
    "SIGSTOP daemon": Kind(faults.daemon_frozen),
    "renderer crash": Kind(faults.renderer_crash),
    "reload": Kind(faults.played("reload")),
    "reload already synced": Kind(faults.played("reload", synced=True)),
    "hang": Kind(faults.hang),
    "deaf": Kind(faults.played("deaf")),
    "offline": Kind(faults.during(("offline", {}), ("online", {}))),
    "no server": Kind(faults.during(("offline", {"all": True}), ("online", {}))),
    "server slow": Kind(faults.during(("slow", {"ms": 300}), ("slow", {"ms": 0}))),
    "TIMEOUT and back": Kind(faults.during(("state", {"state": "TIMEOUT"}), ("state", {"state": "CONNECTED"}))),
    "CONFLICT": _state("CONFLICT"),
    "UNPAIRED_IDLE": _state("UNPAIRED_IDLE"),
    "DEPRECATED_VERSION": _state("DEPRECATED_VERSION"),
    "OPENING forever": Kind(faults.loaded_with(("hold", {"phase": "opening"}), ("release", {"phase": "opening"}))),
    "LOGOUT": Kind(faults.logout, Recovery.SCAN),
    "module missing": _missing("WAWebCallCollection"),
    "module missing that all need": _missing("WAWebCollections"),
    "throw": Kind(faults.played("throw")),
    "pushState": Kind(faults.played("navigate", kind="pushState")),
    "iframe": Kind(faults.played("navigate", kind="iframe")),
    "database locked": Kind(faults.locked),
    "disk full": Kind(faults.disk_full),
    "stale Singleton lock": Kind(faults.while_stopped(faults.lock_for_another_host), Recovery.START),
    "broken MANIFEST": Kind(faults.while_stopped(faults.break_manifests), Recovery.SCAN),
    "broken MANIFEST, with a snapshot": Kind(
        faults.while_stopped(faults.break_manifests_after_a_snapshot), Recovery.START
    ),
    "garbage on stdout": Kind(faults.garbage),
    "garbage in a line": Kind(faults.garbage_in_a_line),
    "acknowledgements lost": Kind(faults.acks_lost),
    "killed before acknowledging": Kind(faults.killed_holding("stored")),
    "killed before emitting": Kind(faults.killed_holding("acknowledged")),
    "reloads": Kind(faults.reloads),
    "replaced": Kind(faults.replaced(0)),
    "replaced again and again": Kind(faults.replaced(2)),
    "402": Kind(faults.refused(402)),
    "503": Kind(faults.refused(503)),
    "403": Kind(faults.expelled(403), Recovery.SCAN),
    "406": Kind(faults.expelled(406), Recovery.SCAN),
    "LOGOUT, history late": Kind(faults.logout_with_late_history, Recovery.SCAN),
    "LOGOUT, passkey": Kind(faults.logout_with_passkey, Recovery.SCAN),
    "passkey check": Kind(faults.during(("check_passkey", {"on": True}), ("check_passkey", {"on": False}))),
    "full screen": Kind(
        faults.during(("screen", {"name": "offline", "on": True}), ("screen", {"name": "offline", "on": False}))
    ),
    "disk of the browser full": Kind(faults.played("storage_dialog")),
    "loading fails": Kind(faults.unreadable("load_fails")),
    "loading finds no anchor": Kind(faults.unreadable("load_404")),
    "reading the disk fails": Kind(faults.unreadable("find_fails")),
    "nothing can be read back": Kind(faults.unreadable("load_fails", "find_fails")),
    "no end is marked": Kind(faults.unreadable("no_end")),
    "a listener throws": Kind(faults.during(("throwing_listener", {"on": True}), ("throwing_listener", {"on": False}))),
    "SIGTERM daemon, a thousand wait": Kind(faults.daemon_stopped, Recovery.START, crowd=1_050),
    "offline, a thousand wait": Kind(faults.during(("offline", {}), ("online", {})), crowd=1_050),
}
Value = str | int | bool | None
WAYS: Final[Mapping[str, tuple[Value, ...]]] = {
    "resume": ("by_count", "nonblocking", "blocking"),
    "reconnect_limit": (1000, None),
    "history": ("chunks", "at_once"),
    "sync_ms": (1500, 0),
    "wait_for_listener": (False, True),
    "modules": ("two_waves", "at_once"),
    "reconnect": ("opening", "timeout"),
    "second_page": ("replaced", "conflict"),
    "unlink": ("reload", "post_logout", "params"),
    "focus": ("document", True, False),
    "listeners": ("throw", "isolated"),
    "add_order": ("msg_first", "chat_first"),
    "edit_key": ("edit", "message"),
    "revoke_id": ("new", "same"),
    "decrypt": ("one_set", "two_sets"),
    "calls": ("native", "map"),
    "paging": ("page", "old"),
    "disk_order": ("arrival", "time"),
    "chats_in_memory": (100, None),
    "find_local": (True, False),
    "qr_refs": (6, None),
    "refresh_qr": ("launch_socket", "cmd"),
    "pairing_limits": (True, False),
}
"""What the stand-in's table of ways offers (node_listener/standin/ways.js): the page's own value first."""
OF_PAGE: Final = {name: values[0] for name, values in WAYS.items()}
DECK: Final = tuple(name for name, kind in MIX.items() for _ in range(kind.weight))
"""All of it is played before any of it comes again."""
