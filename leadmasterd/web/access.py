"""Who gets in: links that work once, and the sessions that they open.

Kept in `web.json` beside the database, which commands and the page write under a lock of its own. Of links and cookies
it holds only the hashes: each has 256 bits of chance, so that no salt and no slow hash is needed.
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

from leadmasterd import times
from leadmasterd.errors import CannotUseState
from leadmasterd.settings.paths import Paths
from leadmasterd.state.files import give_away, write_private
from leadmasterd.text import _

COOKIE: Final = "leadmasterd"
LINK_MINUTES: Final = 10
SESSION_DAYS: Final = 30
_SEEN_EVERY: Final = timedelta(minutes=1)
"""How exact "last seen" is: each visit would write the file otherwise."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link that was not used yet. `name`: what its session will be called."""

    hash: str
    name: str
    until: str


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody's browser. Times are ISO, UTC."""

    id: int
    hash: str
    name: str
    since: str
    seen_at: str
    until: str


@dataclass(frozen=True, slots=True)
class _Book:
    next_id: int = 1
    links: tuple[Link, ...] = ()
    sessions: tuple[Session, ...] = ()


@dataclass(slots=True)
class Access:
    """The file of links and sessions. Every method raises CannotUseState for one that is damaged, and OSError."""

    paths: Paths
    _known: tuple[tuple[int, int, int] | None, _Book] = field(default=(None, _Book()), init=False)
    """What was read last, and as which file: together, for threads read at once."""

    @property
    def file(self) -> Path:
        """Where it is."""
        return self.paths.state_dir / "web.json"

    def make_link(self, name: str) -> str:
        """The secret of a new link, which works once within LINK_MINUTES."""
        token = secrets.token_urlsafe(32)
        until = times.iso(datetime.now(UTC) + timedelta(minutes=LINK_MINUTES))
        with self._changing() as book:
            self._write(replace(book, links=(*book.links, Link(_hash(token), name, until))))
        return token

    def enter(self, token: str) -> str | None:
        """Use a link up: the secret of a new session, for its cookie. None for what is no link, or no longer one."""
        cookie, now = secrets.token_urlsafe(32), datetime.now(UTC)
        with self._changing() as book:
            used = _found(book.links, token)
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
            links = tuple(link for link in book.links if link is not used)
            self._write(_Book(book.next_id + 1, links, (*book.sessions, session)))
        return cookie

    def session(self, cookie: str) -> Session | None:
        """Whose cookie it is; None once it has ended. Notes that it was seen, unless another is writing just now."""
        found = _found(self._read().sessions, cookie)
        now = datetime.now(UTC)
        if found is None or found.until <= times.iso(now):
            return None
        if found.seen_at < times.iso(now - _SEEN_EVERY):
            with suppress(OSError), self._changing(wait=False) as book:
                seen = replace(found, seen_at=times.iso(now))
                self._write(replace(book, sessions=tuple(seen if s.id == seen.id else s for s in book.sessions)))
        return found

    def sessions(self) -> list[Session]:
        """Those that get in now, the oldest first."""
        return list(_alive(self._read()).sessions)

    def revoke(self, ids: Collection[int] | None) -> list[Session]:
        """End these sessions, or all of them and all links for None. Returns those that it ended."""
        with self._changing() as book:
            ended = [session for session in book.sessions if ids is None or session.id in ids]
            kept = tuple(session for session in book.sessions if session not in ended)
            self._write(replace(book, sessions=kept, links=() if ids is None else book.links))
        return ended

    @contextmanager
    def _changing(self, *, wait: bool = True) -> Iterator[_Book]:
        """What there is, without what has ended, while nobody else changes it. Raises BlockingIOError if not `wait`."""
        self.paths.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = self.file.with_suffix(".lock")
        fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            give_away(lock, self.paths)
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            self._forget()  # two changes may leave the same size and time
            yield _alive(self._read())
        finally:
            os.close(fd)

    def _write(self, book: _Book) -> None:
        write_private(self.file, json.dumps({"v": 1, **asdict(book)}, ensure_ascii=False, indent=1).encode() + b"\n")
        give_away(self.file, self.paths)
        self._forget()

    def _forget(self) -> None:
        self._known = None, _Book()

    def _read(self) -> _Book:
        try:
            stat = self.file.stat()
        except FileNotFoundError:
            return _Book()
        read_as = stat.st_mtime_ns, stat.st_ino, stat.st_size
        known_as, book = self._known
        if read_as != known_as:
            book = _book_of(self.file)
            self._known = read_as, book
        return book


def _book_of(file: Path) -> _Book:
    try:
        data: dict[str, Any] = json.loads(file.read_bytes())
        links = tuple(_checked(Link(**link)) for link in data["links"])
        return _Book(int(data["next_id"]), links, tuple(_checked(Session(**each)) for each in data["sessions"]))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CannotUseState(
            _(
                "cannot use {path}: it is damaged; remove it, and let people in again with `leadmasterd web link`"
            ).format(path=file)
        ) from error


def _checked(kept: "_Kept") -> "_Kept":
    """What is read is used in comparisons, which take no other types. Raises TypeError and ValueError."""
    bytes.fromhex(kept.hash)
    for name, value in asdict(kept).items():
        if not isinstance(value, int if name == "id" else str):
            raise TypeError(name)
    return kept


def _alive(book: _Book) -> _Book:
    now = times.iso(datetime.now(UTC))
    return replace(
        book,
        links=tuple(link for link in book.links if link.until > now),
        sessions=tuple(session for session in book.sessions if session.until > now),
    )


def _hash(token: str) -> str:
    return sha256(token.encode("utf-8", "replace")).hexdigest()


_Kept = TypeVar("_Kept", Link, Session)


def _found(each: Collection[_Kept], token: str) -> _Kept | None:
    wanted = _hash(token)
    return next((one for one in each if hmac.compare_digest(one.hash, wanted)), None)


def form_token(cookie: str) -> str:
    """What a form of this session has to bring along, so that no other site can post one."""
    return sha256(b"form:" + cookie.encode("utf-8", "replace")).hexdigest()


def is_form_token(token: str, cookie: str) -> bool:
    """Whether a form is this session's own."""
    return hmac.compare_digest(token.encode("utf-8", "replace"), form_token(cookie).encode())
