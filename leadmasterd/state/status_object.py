"""The object in `status.json`, as docs/json.md documents it. `leadmasterd status --json` adds `running`."""

from collections.abc import Mapping
from typing import Any, Literal, NotRequired, TypedDict


class Session(TypedDict):
    """Where the supervisor stands, since when and why."""

    phase: str
    since: str
    because: str
    """The reason as a sentence."""
    code: str
    values: Mapping[str, Any]


class Account(TypedDict):
    """The listening number."""

    wid: str
    push_name: str | None


class Capture(TypedDict):
    """How complete capture was, since the first link."""

    live: int
    sweep: int
    open_gaps: int
    last_message_at: str | None
    alive_at: str | None
    """When a heartbeat last came by the path of messages, with WhatsApp's stream alive."""


class Waiting(TypedDict):
    """Who waits for an answer."""

    conversations: int
    overdue: int
    oldest_since: str | None


class Trouble(TypedDict):
    """What keeps the store from writing."""

    code: str
    detail: str


class Scan(TypedDict):
    """The code to scan (`qr`) or to type (`pairing_code`): one of the two."""

    qr: NotRequired[str]
    pairing_code: NotRequired[str]
    valid_until: str


class Job(TypedDict):
    """A planned job."""

    job: str
    at: str


class PageMember(TypedDict):
    """A member of the page that capture relies on. `costs`: what is lost without it, a code."""

    module: str
    function: str
    costs: str


class Page(TypedDict):
    """What the page was when it was looked at last."""

    web_version: str | None
    at: str
    ab: Mapping[str, str | int | float | bool | None]
    required: int
    """How many members were looked up."""
    missing: list[PageMember]
    late: list[PageMember]
    new_types: list[str]
    """Of messages, which this version can't put into words."""


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
    """What the feeds process writes on its stdout."""

    low_water: int
    """Every feed is done with the events up to this one."""
    crowded: int
    """Events up to this one take too much disk; 0: none."""
    trouble: str | None
    """Why the feeds' books can't be written."""
    feeds: list[FeedStatus]
    alerts: str
    """Why somebody can't be told of an alert; empty while all is well."""


class Status(Session):
    """The whole object."""

    v: Literal[1]
    pid: int
    account: Account | None
    capture: Capture
    waiting: Waiting
    trouble: Trouble | None
    concerns: Mapping[str, str]
    scan: Scan | None
    counters: Mapping[str, int]
    resources: Mapping[str, int]
    next_jobs: list[Job]
    versions: Mapping[str, str | None]
    page: Page | None
    feeds: list[FeedStatus] | None
