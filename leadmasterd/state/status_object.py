"""The types of the object in `status.json`; docs/json.md explains each key. `status --json` adds `running` to it.

Times are ISO text in UTC.
"""

from collections.abc import Mapping
from typing import Any, Literal, NotRequired, TypedDict


class Session(TypedDict):
    """The supervisor's phase, when that began, and why."""

    phase: str
    since: str
    because: str
    """The reason as a sentence in English."""
    code: str
    """The reason as a code; `values` are what its sentence fills in."""
    values: Mapping[str, Any]


class Account(TypedDict):
    """The listening number."""

    wid: str
    push_name: str | None


class Capture(TypedDict):
    """What was captured since the first link, and what may be missing."""

    live: int
    """Messages that came as events."""
    sweep: int
    """Messages that a backfill found."""
    open_gaps: int
    """Stretches without live delivery that no backfill has covered yet."""
    last_message_at: str | None
    alive_at: str | None
    """When it was last proved that messages would arrive: by a heartbeat, with WhatsApp's stream connected."""


class Waiting(TypedDict):
    """Who waits for an answer."""

    conversations: int
    overdue: int
    """How many of them have waited longer than the target."""
    oldest_since: str | None


class Trouble(TypedDict):
    """What prevents the store from writing."""

    code: str
    detail: str


class Scan(TypedDict):
    """The code to scan (`qr`) or to type (`pairing_code`): one of the two."""

    qr: NotRequired[str]
    pairing_code: NotRequired[str]
    valid_until: str


class Job(TypedDict):
    """A planned job of the daemon, such as the nightly restart."""

    job: str
    at: str


class PageMember(TypedDict):
    """A member of the page that capture relies on. `costs`: what is lost without it, a code."""

    module: str
    function: str
    costs: str


class Page(TypedDict):
    """What the child last reported of the page (`wire.events.Page`)."""

    web_version: str | None
    at: str
    """When that was."""
    ab: Mapping[str, str | int | float | bool | None]
    """WhatsApp's A/B switches by name; None: the page does not tell."""
    required: int
    """How many members were looked up."""
    missing: list[PageMember]
    late: list[PageMember]
    """Members of modules that the page had not loaded yet."""
    new_types: list[str]
    """Types of messages that this version can't put into words."""


class FeedStatus(TypedDict):
    """How one feed is doing."""

    name: str
    kind: str
    state: str
    """active, down (its receiver is), paused, disabled, unusable."""
    why: str
    behind: int
    """Events that are not delivered yet."""
    retrying: int
    """Conversations whose next event has failed and is tried again."""
    dead: int
    """Events that were given up after all their tries."""
    given_up: int
    """Events that were given up because undelivered ones took too much disk."""
    outage_hours: int
    """For how many whole hours nothing could be delivered, although it was tried."""


class FeedReport(TypedDict):
    """What the feeds process reports to the daemon, as a line on its stdout."""

    low_water: int
    """Every feed is done with the events up to this one."""
    crowded: int
    """Events up to this one take too much disk; 0: none."""
    trouble: str | None
    """Why the feeds' books can't be written."""
    feeds: list[FeedStatus]
    alerts: str
    """Why alerts can't be delivered; empty while all is well."""


class Status(Session):
    """The whole object. The phase and its reason come from `Session`."""

    v: Literal[1]
    """The version of this format."""
    pid: int
    """Of the daemon."""
    account: Account | None
    capture: Capture
    waiting: Waiting
    trouble: Trouble | None
    concerns: Mapping[str, str]
    """Warnings: code -> detail."""
    scan: Scan | None
    counters: Mapping[str, int]
    resources: Mapping[str, int]
    next_jobs: list[Job]
    versions: Mapping[str, str | None]
    page: Page | None
    feeds: list[FeedStatus] | None
