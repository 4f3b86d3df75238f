"""How feeds are doing and what they have given up, from their books (`feeds.db`) and the outbox.

The feeds process writes the books; nothing here does. Only that process knows that a receiver is down: while the daemon
runs, its status says so.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict, cast
from urllib.parse import urlsplit

from leadmasterd.errors import Refused
from leadmasterd.outbox.events import KINDS
from leadmasterd.queries.database import Connection, Row, open_companion, open_for_reading, rows
from leadmasterd.settings.paths import Paths
from leadmasterd.state.files import is_running, read_status
from leadmasterd.text import _, later, nearest, ngettext, translated

if TYPE_CHECKING:
    from leadmasterd.settings.feeds import FeedSettings
    from leadmasterd.settings.model import Settings

BOOKS_VERSION: Final = 2
"""As `leadmasterd.feeds.books` writes them."""

_IF_RECREATED: Final = later(
    "every feed then delivers again what is still there; pauses and what was given up are forgotten"
)
"""What is lost if the books have to be created again."""

FeedState = Literal["new", "active", "down", "paused", "disabled", "unusable"]


class GivenUp(TypedDict):
    """How many events were given up because they took too much disk, and when the first and last of them happened."""

    number: int
    first_at: str
    last_at: str


class Feed(TypedDict):
    """One feed.

    `behind`: how many events are not delivered yet; `oldest_at`: when the first of these happened; `retrying`: how many
    of these have failed and are tried again. `dead`: how many were given up and are kept as dead letters; `given_up`:
    those that are not kept. `why`: the reason for the state, or else for the next try; empty without one.
    """

    name: str
    kind: str
    state: FeedState
    why: str
    since: str | None
    behind: int
    oldest_at: str | None
    retrying: int
    next_try_at: str | None
    dead: int
    given_up: GivenUp | None


class FeedList(TypedDict):
    """`feeds list --json`."""

    feeds: list[Feed]


class OpenTry(TypedDict):
    """The first undelivered event of a conversation, which has failed and is tried again."""

    event_id: int
    conversation_id: int | None
    tries: int
    next_at: str
    why: str


class FeedDetail(Feed):
    """`feeds show --json`."""

    to: str
    events: list[str]
    full: bool
    tries: list[OpenTry]


class DeadLetter(TypedDict):
    """An event that was given up."""

    event_id: int
    kind: str
    conversation_id: int | None
    at: str
    died_at: str
    tries: int
    why: str
    replayed: bool
    data: dict[str, Any]


class DeadList(TypedDict):
    """`feeds dead --json`."""

    feed: str
    total: int
    dead: list[DeadLetter]


def books_of(paths: Paths) -> Path:
    """The path of the books."""
    return paths.state_dir / "feeds.db"


def feed_of(settings: "Settings", name: str) -> "FeedSettings":
    """The settings of the feed with this name. Raises Refused, with the names of all feeds, if there is none."""
    known = settings.feeds
    if name in known:
        return known[name]
    if not known:
        raise Refused(_("There is no feed {name}: none is configured. docs/feeds.md shows how.").format(name=name))
    similar = nearest(name, known)
    hint = " " + _("Did you mean {name}?").format(name=similar) if similar else ""
    text = ngettext(
        "There is no feed {name}; there is: {known}.", "There is no feed {name}; there are: {known}.", len(known)
    )
    raise Refused(text.format(name=name, known=", ".join(sorted(known))) + hint)


def wanted_kinds(feed: "FeedSettings") -> list[str]:
    """The kinds of events that the feed delivers, in the order of `KINDS`."""
    return [kind for kind in KINDS if feed.wants(kind)]


def feed_list(paths: Paths, settings: "Settings") -> FeedList:
    """All feeds of the settings, in their order."""
    with _sources(paths) as sources:
        return {"feeds": [_feed(name, each, sources) for name, each in settings.feeds.items()]}


def feed_detail(paths: Paths, settings: "Settings", name: str, *, limit: int) -> FeedDetail:
    """One feed in full, with at most `limit` of the events that are tried again, the next try first.

    Raises Refused if there is no such feed.
    """
    feed = feed_of(settings, name)
    with _sources(paths) as sources:
        return {
            **_feed(name, feed, sources),
            "to": _receiver(name, feed),
            "events": list(feed.events),
            "full": feed.full,
            "tries": _open_tries(name, sources.books, limit),
        }


def _open_tries(name: str, books: Connection | None, limit: int) -> list[OpenTry]:
    """The events of a feed that are tried again, the next try first; none while there are no books."""
    if books is None:
        return []
    found = rows(
        books,
        "SELECT event_id, nullif(stream, 0) AS conversation_id, tries, next_at, why FROM tries "
        "WHERE feed = ? ORDER BY next_at LIMIT ?",
        name,
        limit,
    )
    for row in found:
        row["why"] = translated(row["why"])
    return cast("list[OpenTry]", found)


def dead_letters(paths: Paths, settings: "Settings", name: str, *, limit: int) -> DeadList:
    """The first `limit` events that a feed has given up, the oldest first, and how many there are in `total`.

    Raises Refused if there is no such feed.
    """
    feed_of(settings, name)
    with open_books(paths, "ro") as books:
        if books is None:
            return {"feed": name, "total": 0, "dead": []}
        found = rows(
            books,
            "SELECT event_id, kind, nullif(stream, 0) AS conversation_id, at, died_at, tries, why, replayed, data "
            "FROM dead_letters WHERE feed = ? ORDER BY event_id LIMIT ?",
            name,
            limit,
        )
        [total] = rows(books, "SELECT count(*) AS n FROM dead_letters WHERE feed = ?", name)
    for row in found:
        row["why"] = translated(row["why"])
        row["replayed"] = bool(row["replayed"])
        row["data"] = json.loads(row["data"])
    return {"feed": name, "total": total["n"], "dead": cast("list[DeadLetter]", found)}


@contextmanager
def open_books(paths: Paths, mode: Literal["ro", "rw"]) -> Iterator[Connection | None]:
    """The feeds' books, in autocommit; None before any feed has run. `mode`: `rw` only for a person's commands.

    Raises CannotUseDatabase and CannotUseState.
    """
    with open_companion(books_of(paths), mode, version=BOOKS_VERSION, if_recreated=translated(_IF_RECREATED)) as books:
        yield books


@dataclass(frozen=True, slots=True)
class _Sources:
    """Where the state of feeds is read from. The files are None until they exist.

    `live`: by name, what the running daemon's status says of each feed; empty while it does not run.
    """

    books: Connection | None
    database: Connection | None
    live: Mapping[str, Mapping[str, Any]]


@contextmanager
def _sources(paths: Paths) -> Iterator[_Sources]:
    """All sources, opened for reading and closed at the end of the `with`. Raises as `open_books`."""
    status = read_status(paths) if is_running(paths) else None
    feeds = status.get("feeds") if status else None
    live = {each["name"]: each for each in feeds or ()}
    with open_books(paths, "ro") as books, ExitStack() as stack:
        try:
            database = stack.enter_context(closing(open_for_reading(paths)))
        except FileNotFoundError:
            database = None
        yield _Sources(books, database, live)


_NEW: Final[Row] = {
    "state": "new", "reason": "", "last_failure": "", "since": None, "dead": 0, "retrying": 0, "next_try_at": None,
}  # fmt: skip
"""What the books would say of a feed that they do not know yet."""


def _feed(name: str, feed: "FeedSettings", sources: _Sources) -> Feed:
    """How one feed is doing. If the books say that it is active, the daemon's status may still say that it is down."""
    known, given_up = _in_books(name, sources.books)
    row = known or _NEW
    state, why = row["state"], row["reason"] or row["last_failure"]
    live = sources.live.get(name, {})
    if state == "active" and live.get("state") in ("down", "unusable"):
        state, why = live["state"], live["why"]
    behind, oldest_at = _undelivered(name, feed, sources, known["floor"]) if known else (0, None)
    return {
        "name": name,
        "kind": feed.kind,
        "state": state,
        "why": translated(why),
        "since": row["since"],
        "behind": behind,
        "oldest_at": oldest_at,
        "retrying": row["retrying"],
        "next_try_at": row["next_try_at"],
        "dead": row["dead"],
        "given_up": given_up,
    }


def _in_books(name: str, books: Connection | None) -> tuple[Row | None, GivenUp | None]:
    """What the books say of a feed, and what it has given up for good; each None where they say nothing."""
    if books is None:
        return None, None
    found = rows(
        books,
        "SELECT state, reason, since, floor, (SELECT count(*) FROM dead_letters d WHERE d.feed = f.feed) AS dead, "
        "(SELECT count(*) FROM tries t WHERE t.feed = f.feed) AS retrying, "
        "(SELECT min(next_at) FROM tries t WHERE t.feed = f.feed) AS next_try_at, "
        "coalesce((SELECT why FROM tries t WHERE t.feed = f.feed ORDER BY next_at LIMIT 1), '') AS last_failure "
        "FROM feeds f WHERE feed = ?",
        name,
    )
    given_up = rows(books, "SELECT number, first_at, last_at FROM given_up WHERE feed = ?", name)
    return found[0] if found else None, cast("GivenUp", given_up[0]) if given_up else None


def _undelivered(name: str, feed: "FeedSettings", sources: _Sources, floor: int) -> tuple[int, str | None]:
    """How many events are not delivered yet, and when the first of them happened (None: there are none).

    An event is final (delivered or given up) if its id is at most `floor`, or at most its stream's cursor in the books.
    """
    if sources.database is None or sources.books is None:
        return 0, None
    cursors = rows(sources.books, "SELECT stream, event_id FROM cursors WHERE feed = ?", name)
    [found] = rows(
        sources.database,
        "WITH cursors AS MATERIALIZED (SELECT value ->> 'stream' AS stream, value ->> 'event_id' AS final "
        "FROM json_each(:cursors)) "
        "SELECT count(*) AS n, min(at) AS at FROM outbox o LEFT JOIN cursors c ON c.stream = o.stream "
        "WHERE event_id > :floor AND event_id > coalesce(final, 0) AND (feed IS NULL OR feed = :feed) "
        "AND kind IN (SELECT value FROM json_each(:kinds))",
        cursors=json.dumps(cursors),
        floor=floor,
        feed=name,
        kinds=json.dumps(wanted_kinds(feed)),
    )
    return found["n"], found["at"]


def _receiver(name: str, feed: "FeedSettings") -> str:
    """Where the feed delivers, for people: a host, a file or else its kind.

    A URL's path and query may be secret, so they are left out.
    """
    url = getattr(feed, "url", "")
    if url:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc}/…"
    if feed.kind == "jsonl":
        return getattr(feed, "path", "") or f"feeds/{name}.jsonl"
    return feed.kind
