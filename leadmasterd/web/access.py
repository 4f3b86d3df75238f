"""Who gets in: links that work once, and the sessions that they open.

Both are kept in `web.json` beside the database. The page and the `web` commands write it, under a lock of its own. Of
links and cookies it holds only the hashes: each secret has 256 random bits, so no salt and no slow hash is needed.
"""

import fcntl
import hmac
import json
import os
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeVar

from leadmasterd import causes, times
from leadmasterd.errors import CannotUseState
from leadmasterd.settings.paths import Paths
from leadmasterd.state.files import give_away, write_private
from leadmasterd.text import _

COOKIE: Final = "leadmasterd"
LINK_MINUTES: Final = 10
SESSION_DAYS: Final = 30
_SEEN_EVERY: Final = timedelta(minutes=1)
"""How old `seen_at` may get. If it were exact, each request would write the file."""


@dataclass(frozen=True, slots=True)
class Link:
    """A login link that was not used yet. `name`: what its session will be called. `until`: ISO, UTC."""

    hash: str
    name: str
    until: str


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that was let in. `hash`: of its cookie. Times are ISO, UTC."""

    id: int
    hash: str
    name: str
    since: str
    seen_at: str
    until: str


@dataclass(frozen=True, slots=True)
class _Book:
    """The content of `web.json`. `next_id`: of the next session; ids are never used again."""

    next_id: int = 1
    links: tuple[Link, ...] = ()
    sessions: tuple[Session, ...] = ()


@dataclass(slots=True)
class Access:
    """Makes links, and lets browsers in and out. Every method raises CannotUseState for a damaged file, and OSError."""

    paths: Paths
    _cached: tuple[tuple[int, int, int] | None, _Book] = field(default=(None, _Book()), init=False)
    """The time, inode and size of the file that was read last, and what it held. One value, since threads share it."""

    @property
    def file(self) -> Path:
        """`web.json`."""
        return self.paths.state_dir / "web.json"

    def make_link(self, name: str) -> str:
        """Make a link, and return its secret. It works once, within LINK_MINUTES. `name`: who will be let in by it."""
        token = secrets.token_urlsafe(32)
        until = times.iso(datetime.now(UTC) + timedelta(minutes=LINK_MINUTES))
        with self._changing() as book:
            self._write(replace(book, links=(*book.links, Link(_hash(token), name, until))))
        return token

    def enter(self, token: str) -> str | None:
        """Use a link up and begin a session. Returns the session's secret, for its cookie.

        None if the link does not exist, was used before or has expired.
        """
        cookie = secrets.token_urlsafe(32)
        now = datetime.now(UTC)
        with self._changing() as book:
            used = _by_secret(book.links, token)
            if used is None:
                return None
            until = times.iso(now + timedelta(days=SESSION_DAYS))
            session = Session(
                id=book.next_id,
                hash=_hash(cookie),
                name=used.name,
                since=times.iso(now),
                seen_at=times.iso(now),
                until=until,
            )
            unused = tuple(link for link in book.links if link is not used)
            self._write(_Book(book.next_id + 1, unused, (*book.sessions, session)))
        return cookie

    def admit(self, cookie: str) -> Session | None:
        """The session of this cookie; None if there is none, or it has ended.

        Updates the session's `seen_at`, unless the file can't be written or another process is writing it just now.
        """
        found = _by_secret(self._read().sessions, cookie)
        now = datetime.now(UTC)
        if found is None or found.until <= times.iso(now):
            return None
        if found.seen_at < times.iso(now - _SEEN_EVERY):
            with suppress(OSError), self._changing(wait=False) as book:
                seen = replace(found, seen_at=times.iso(now))
                sessions = tuple(seen if each.id == seen.id else each for each in book.sessions)
                self._write(replace(book, sessions=sessions))
        return found

    def sessions(self) -> list[Session]:
        """All sessions that have not ended, the oldest first."""
        return list(_without_expired(self._read()).sessions)

    def revoke(self, ids: Collection[int] | None) -> list[Session]:
        """End the sessions with these ids, and return them. With None: all sessions, and all unused links too."""
        with self._changing() as book:
            ended = [session for session in book.sessions if ids is None or session.id in ids]
            kept = tuple(session for session in book.sessions if session not in ended)
            self._write(replace(book, sessions=kept, links=() if ids is None else book.links))
        return ended

    @contextmanager
    def _changing(self, *, wait: bool = True) -> Iterator[_Book]:
        """Lock the file for a change, and yield what it holds, without what has expired. The caller writes the change.

        With `wait=False` raises BlockingIOError when another process holds the lock, instead of waiting for it.
        """
        self.paths.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = self.file.with_suffix(".lock")
        fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            give_away(lock, self.paths)
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            self._drop_cache()  # two changes may leave the same size and time
            yield _without_expired(self._read())
        finally:
            os.close(fd)

    def _write(self, book: _Book) -> None:
        """Replace the file. Even if root writes it, it belongs to the owner of the state directory."""
        write_private(self.file, json.dumps({"v": 1, **asdict(book)}, ensure_ascii=False, indent=1).encode() + b"\n")
        give_away(self.file, self.paths)
        self._drop_cache()

    def _drop_cache(self) -> None:
        self._cached = (None, _Book())

    def _read(self) -> _Book:
        """What the file holds, parsed again only when it has changed; an empty `_Book` while there is no file."""
        try:
            stat = self.file.stat()
        except FileNotFoundError:
            return _Book()
        version = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        cached_version, book = self._cached
        if version != cached_version:
            book = _parsed(self.file)
            self._cached = (version, book)
        return book


def _parsed(file: Path) -> _Book:
    """The content of `web.json`. Raises CannotUseState, with what to do, if it is not as we write it."""
    try:
        data: dict[str, Any] = json.loads(file.read_bytes())
        links = tuple(_checked(Link(**link)) for link in data["links"])
        return _Book(int(data["next_id"]), links, tuple(_checked(Session(**each)) for each in data["sessions"]))
    except (*causes.NO_JSON, IsADirectoryError) as error:
        raise CannotUseState(
            _(
                "cannot use {path}: it is damaged; remove it, and let people in again with `leadmasterd web link`"
            ).format(path=file)
        ) from error


def _checked(kept: "_Kept") -> "_Kept":
    """The same value. Raises TypeError or ValueError if a field has a wrong type: later comparisons would fail."""
    bytes.fromhex(kept.hash)
    for name, value in asdict(kept).items():
        expected = int if name == "id" else str
        if not isinstance(value, expected):
            raise TypeError(name)
    return kept


def _without_expired(book: _Book) -> _Book:
    now = times.iso(datetime.now(UTC))
    return replace(
        book,
        links=tuple(link for link in book.links if link.until > now),
        sessions=tuple(session for session in book.sessions if session.until > now),
    )


def _hash(token: str) -> str:
    return sha256(token.encode("utf-8", "replace")).hexdigest()


_Kept = TypeVar("_Kept", Link, Session)


def _by_secret(kept: Collection[_Kept], token: str) -> _Kept | None:
    """The link or session whose secret this is; None if there is none. Compares in constant time."""
    wanted = _hash(token)
    return next((each for each in kept if hmac.compare_digest(each.hash, wanted)), None)


def form_token(cookie: str) -> str:
    """The CSRF token that each form of a session contains, so that no other site can post one.

    `cookie`: the session's secret, which its cookie holds.
    """
    return sha256(b"form:" + cookie.encode("utf-8", "replace")).hexdigest()


def is_form_token(token: str, cookie: str) -> bool:
    """Whether this is the CSRF token of the session with this cookie. Compares in constant time."""
    return hmac.compare_digest(token.encode("utf-8", "replace"), form_token(cookie).encode())
