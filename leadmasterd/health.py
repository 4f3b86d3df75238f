"""Every warning that leadmasterd can give: its code, how bad it is, what it says, and what to do about it.

Pure. Which of them are active is in `daemon/warnings.py`; `status.json` stores codes with a detail, and the words are
made here when a person reads. docs/json.md lists the codes, and a test compares them.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from leadmasterd.text import _, printable, translated


class Severity(StrEnum):
    """What a warning asks of people."""

    LOW = "low"
    """Passes by itself."""
    MEDIUM = "medium"
    """A person should look at it soon."""
    HIGH = "high"
    """Capture stands still, wholly or in part, until a person acts; `status` exits with 4."""


class Warnable(NamedTuple):
    """A condition that people are warned of. `sentence` takes the detail that is stored with the code."""

    code: str
    severity: Severity
    sentence: Callable[[str], str]
    what_to_do: Callable[[], str]
    of_the_store: bool = False
    """The database cannot be written. At most one of these is active; `status.json` has it as `trouble`."""
    measured: bool = False
    """The detail is a figure that keeps changing: a new figure alone is not a change of the warning."""

    def text(self, detail: str) -> str:
        """Sentence and advice, safe for a terminal."""
        return printable(f"{self.sentence(detail)}; {self.what_to_do()}")


COSTS: Final[Mapping[str, Callable[[], str]]] = {
    "qr": lambda: _("linking by a QR code"),
    "pairing_code": lambda: _("linking by a code"),
    "passkey": lambda: _("noticing at once that a passkey is asked for"),
    "live": lambda: _("messages as they arrive"),
    "stream": lambda: _("noticing that another session has taken over"),
    "sweep": lambda: _("the backfill"),
    "history": lambda: _("knowing when the page has all of its history"),
    "contacts": lambda: _("saved names"),
    "edits": lambda: _("edits and revocations as they happen"),
    "reactions": lambda: _("reactions"),
    "votes": lambda: _("votes on polls"),
    "calls": lambda: _("calls as they ring"),
    "account": lambda: _("hearing of a logout, a ban or an outage at once"),
    "presence": lambda: _("setting own presence to unavailable"),
    "guard": lambda: _("guarding a function that sends"),
}
"""What is lost where a build of WhatsApp Web lacks a capability, by the capability's code (docs/protocol.md)."""


def cost(code: str) -> str:
    """A capability in words. An unknown code (from a newer child) is shown as it is."""
    return COSTS.get(code, lambda: code)()


_FEEDS: Final = r"\(((?:[0-9]+ h, )?)([^()]*)\)"
"""A feed's reason in the stored detail, such as `crm (3 h, no answer in time), sheet (HTTP 410)`."""


def feeds(detail: str) -> str:
    """The stored detail about feeds, with each feed's reason translated."""
    return re.sub(_FEEDS, lambda found: f"({found[1]}{translated(found[2])})", detail)


def _lost(detail: str) -> str:
    """The detail of `contract`, such as `calls, qr (names)`, with the codes of capabilities in words."""
    codes, bracket, names = detail.partition(" (")
    return ", ".join(cost(code) for code in codes.split(", ")) + bracket + names


CONTRACT: Final = Warnable(
    "contract",
    Severity.MEDIUM,
    lambda detail: _("WhatsApp Web changed; no longer possible: {what}").format(what=_lost(detail)),
    lambda: _("look for a newer leadmasterd"),
)
DIALOG: Final = Warnable(
    "dialog",
    Severity.MEDIUM,
    lambda detail: _("WhatsApp Web shows a dialog: {text}").format(text=detail),
    lambda: _("check WhatsApp on the phone"),
)
SCREEN: Final = Warnable(
    "screen",
    Severity.MEDIUM,
    lambda detail: _("WhatsApp Web shows a full screen instead of the chats: {text}").format(text=detail),
    lambda: _("check WhatsApp on the phone"),
)
BROWSER_STORAGE: Final = Warnable(
    "browser_storage",
    Severity.MEDIUM,
    lambda detail: _("WhatsApp Web has no room left on the disk: {text}").format(text=detail),
    lambda: _("free some space and run `leadmasterd restart-listener`: on that screen the page can only log out"),
)
SEND_REFUSED: Final = Warnable(
    "send_refused",
    Severity.MEDIUM,
    lambda detail: _("something tried to send: {function}").format(function=detail),
    lambda: _("see `refused.jsonl` in the state directory, and docs/boundary.md for what to look at"),
)
SESSION_ELSEWHERE: Final = Warnable(
    "session_elsewhere",
    Severity.MEDIUM,
    lambda _detail: _(
        "WhatsApp stopped delivering here without a word, as it does when another program uses this session"
    ),
    lambda: _("stop any other listener that runs on a copy of this profile; each takes the session from the other"),
)
DISK_LOW: Final = Warnable(
    "disk_low",
    Severity.MEDIUM,
    lambda detail: _("only {n} MB of disk are free").format(n=detail),
    lambda: _("free some space: a full disk stops capture and can cost the link"),
    measured=True,
)
MEMORY_HIGH: Final = Warnable(
    "memory_high",
    Severity.LOW,
    lambda detail: _("the browser and its processes use {n} MB").format(n=detail),
    lambda: _("a restart is planned"),
    measured=True,
)
PHONE_SILENT: Final = Warnable(
    "phone_silent",
    Severity.MEDIUM,
    lambda detail: _("nothing was written from the phone for {n} days").format(n=detail),
    lambda: _("open WhatsApp there: it unlinks its devices after 14 days"),
    measured=True,
)
RULES: Final = Warnable(
    "rules",
    Severity.MEDIUM,
    lambda detail: _("the rules file has an error: {what}").format(what=translated(detail)),
    lambda: _("the previous rules stay in force until it is fixed"),
)
TRAINING: Final = Warnable(
    "training",
    Severity.LOW,
    lambda detail: _("nothing was learned from corrections last night: {what}").format(what=translated(detail)),
    lambda: _("the model in force stays, and the next night tries again"),
)
HOURS_CHANGED: Final = Warnable(
    "hours_changed",
    Severity.LOW,
    lambda _detail: _("the opening hours or the SLA target in the settings have changed since the daemon started"),
    lambda: _("restart it to use the new ones (`systemctl restart leadmasterd`); commands use them already"),
)
DATABASE_UPDATE: Final = Warnable(
    "database_update",
    Severity.LOW,
    lambda detail: _("the database is updated to this version ({what})").format(what=translated(detail)),
    lambda: _("nothing is captured until that is done; the backfill fetches it then"),
)
FEEDS_DOWN: Final = Warnable(
    "feeds_down",
    Severity.MEDIUM,
    lambda detail: _("nothing is delivered to other programs or told to people ({detail})").format(
        detail=translated(detail)
    ),
    lambda: _("retrying, and nothing is lost meanwhile; if it lasts, `leadmasterd feeds list` or the journal says why"),
)
FEED_DOWN: Final = Warnable(
    "feed_down",
    Severity.MEDIUM,
    lambda detail: _("these feeds could deliver nothing for an hour or longer: {feeds}").format(feeds=feeds(detail)),
    lambda: _("fix the receiver; events are kept for it, and `leadmasterd feeds test NAME` tries it at once"),
    measured=True,
)
FEED_DISABLED: Final = Warnable(
    "feed_disabled",
    Severity.MEDIUM,
    lambda detail: _("these feeds deliver nothing: {feeds}").format(feeds=feeds(detail)),
    lambda: _(
        "fix the receiver, then `leadmasterd feeds resume NAME`; after a change of the settings restart the daemon"
    ),
)
FEED_DEAD: Final = Warnable(
    "feed_dead",
    Severity.MEDIUM,
    lambda detail: _("events were given up: {feeds}").format(feeds=detail),
    lambda: _("`leadmasterd feeds dead NAME` says why; `leadmasterd feeds retry NAME` delivers them again"),
)
FEED_OVERFLOW: Final = Warnable(
    "feed_overflow",
    Severity.MEDIUM,
    lambda detail: _("undelivered events took too much disk, and the oldest were given up: {feeds}").format(
        feeds=detail
    ),
    lambda: _("fix the receiver; `leadmasterd feeds show NAME` says how to have them delivered again"),
)
ALERTS_UNDELIVERED: Final = Warnable(
    "alerts_undelivered",
    Severity.MEDIUM,
    lambda detail: _("alerts do not reach everybody: {detail}").format(detail=detail),
    lambda: _("they are kept and tried again; `leadmasterd alerts test` tries each address at once"),
)
DISK_FULL: Final = Warnable(
    "disk_full",
    Severity.HIGH,
    lambda _detail: _("the disk is full, so nothing can be stored"),
    lambda: _("free some space; nothing is lost meanwhile"),
    of_the_store=True,
)
DATABASE_LOCKED: Final = Warnable(
    "database_locked",
    Severity.LOW,
    lambda _detail: _("another program holds the database locked"),
    lambda: _("retrying until it is free; nothing is lost meanwhile"),
    of_the_store=True,
)
DATABASE_ERROR: Final = Warnable(
    "database_error",
    Severity.MEDIUM,
    lambda detail: _("the database cannot be written ({detail})").format(detail=detail),
    lambda: _("retrying; if it lasts, run `leadmasterd doctor`"),
    of_the_store=True,
)
DATABASE_DAMAGED: Final = Warnable(
    "database_damaged",
    Severity.HIGH,
    lambda detail: _("the database is damaged ({detail})").format(detail=detail),
    lambda: _(
        "what does not touch the damaged part is still stored, the rest is kept as raw lines or tried again; stop the "
        "daemon, keep a copy of the file, and restore a backup"
    ),
    of_the_store=True,
)
DATABASE_UNUSABLE: Final = Warnable(
    "database_unusable",
    Severity.HIGH,
    translated,
    lambda: _("the file is left as it is and tried again; nothing is captured meanwhile"),
    of_the_store=True,
)

WARNINGS: Final[Mapping[str, Warnable]] = {
    each.code: each
    for each in (
        CONTRACT,
        DIALOG,
        SCREEN,
        BROWSER_STORAGE,
        SEND_REFUSED,
        SESSION_ELSEWHERE,
        DISK_LOW,
        MEMORY_HIGH,
        PHONE_SILENT,
        RULES,
        TRAINING,
        HOURS_CHANGED,
        DATABASE_UPDATE,
        FEEDS_DOWN,
        FEED_DOWN,
        FEED_DISABLED,
        FEED_DEAD,
        FEED_OVERFLOW,
        ALERTS_UNDELIVERED,
        DISK_FULL,
        DATABASE_LOCKED,
        DATABASE_ERROR,
        DATABASE_DAMAGED,
        DATABASE_UNUSABLE,
    )
}


def text(code: str, detail: str) -> str:
    """A stored warning in words. An unknown code (from a newer version) is shown as it is."""
    warning = WARNINGS.get(code)
    return warning.text(detail) if warning else printable(f"{code}: {detail}")


def needs_a_person(code: str | None) -> bool:
    """Whether capture stands still, wholly or in part, until a person acts."""
    warning = WARNINGS.get(code) if code else None
    return warning is not None and warning.severity is Severity.HIGH


def sentence(code: str, detail: str) -> str:
    """What is wrong, without the advice. An unknown code (from a newer version) is shown as it is."""
    warning = WARNINGS.get(code)
    return printable(warning.sentence(detail) if warning else f"{code}: {detail}")


def what_to_do(code: str) -> str:
    """The advice alone; for an unknown code, to update this command."""
    warning = WARNINGS.get(code)
    return warning.what_to_do() if warning else _("update this command: the daemon is newer")
