"""Asks the page as a program would: HTTP as it is, with the cookie of a session."""

from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlencode

from leadmasterd.settings.paths import Paths
from leadmasterd.web.access import COOKIE, Access, form_token
from tests.waiting import LIMIT


@dataclass(frozen=True)
class Reply:
    """An answer. Names of headers are in lower case; of equal ones the last counts."""

    status: int
    headers: Mapping[str, str]
    text: str


class Client:
    """`secret`: of its session; empty: it has no cookie."""

    def __init__(self, port: int, secret: str = "") -> None:
        self.port = port
        self.secret = secret

    @property
    def origin(self) -> str:
        """As its browser would name it."""
        return f"http://127.0.0.1:{self.port}"

    def asks(
        self, path: str, headers: Mapping[str, str] | None = None, *, method: str = "GET", body: bytes | None = None
    ) -> Reply:
        """Any request."""
        cookie = {"Cookie": f"{COOKIE}={self.secret}"} if self.secret else {}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)
        try:
            connection.request(method, path, body, {**cookie, **(headers or {})})
            answer = connection.getresponse()
            read = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, read, answer.read().decode())
        finally:
            connection.close()

    def posts(self, path: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Reply:
        """A form of one of its own pages, which brings the token along unless `fields` have one."""
        form = {"csrf": form_token(self.secret), **fields}
        usual = {"Content-Type": "application/x-www-form-urlencoded", "Origin": self.origin}
        return self.asks(path, {**usual, **(headers or {})}, method="POST", body=urlencode(form).encode())

    def decides(self, path: str, **fields: str) -> str:
        """Post a form, and read the page that one comes back to."""
        reply = self.posts(path, fields)
        assert reply.status == 303, (reply.status, reply.text)
        return self.asks(reply.headers["location"]).text


class Stream:
    """A page that is open and listens for events."""

    def __init__(self, client: Client) -> None:
        self._connection = HTTPConnection("127.0.0.1", client.port, timeout=LIMIT)
        self._connection.request("GET", "/events", headers={"Cookie": f"{COOKIE}={client.secret}"})
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200
        assert self._answer.readline() == b"retry: 2000\n"
        assert self._answer.readline() == b"\n"

    def events(self, number: int) -> list[str]:
        """The names of the next ones."""
        found: list[str] = []
        while len(found) < number:
            line = self._answer.readline()
            assert line, "the stream has ended"
            if line.startswith(b"event: "):
                found.append(line.decode().removeprefix("event: ").strip())
        return found

    def rest(self) -> str:
        """What comes until its end."""
        return self._answer.read().decode()

    def closes(self) -> None:
        """Leave."""
        self._answer.close()
        self._connection.close()


def let_in(paths: Paths, port: int, name: str = "Ana") -> Client:
    """A client with a session of this name."""
    access = Access(paths)
    secret = access.enter(access.make_link(name))
    assert secret
    return Client(port, secret)
