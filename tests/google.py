"""Google's hosts of Apps Script, on this machine: a script runs at the POST, and a GET fetches once what it said."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests import node_program
from tests.certificates import AUTHORITY, serving
from tests.node_program import Ask
from tests.receivers import HttpReceiver, answers, receiving

SCRIPT, ANSWERS = "script.google.com", "script.googleusercontent.com"
HOSTS: Final = (SCRIPT, ANSWERS)
FAILED: Final = b"<!DOCTYPE html><html><body><div>TypeError: ... (line 3, file &quot;Code&quot;)</div></body></html>"
"""What a script that fails is answered with, with the status 200."""

Script = Callable[[str], Awaitable[str | None]]
"""From the text of the body to what the script says; None: it fails."""


class AppsScript:
    """The script of a file, run by Node with stand-ins of Google's services."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def __call__(self, contents: str) -> str | None:
        """`doPost`."""
        text: str | None = (await self._ask({"contents": contents})).get("text")
        return text

    async def order(self, what: str, **values: Any) -> list[list[Any]]:
        """Change something at Google's; the rows of the sheet."""
        rows: list[list[Any]] = (await self._ask({"order": {"$": what, **values}}))["rows"]
        return rows


@asynccontextmanager
async def running(file: Path) -> AsyncIterator[AppsScript]:
    """The script of this file."""
    async with node_program.running("apps_script.mjs", str(file)) as ask:
        yield AppsScript(ask)


class Google:
    """Both hosts. `place`: where an answer is said to be, by its key."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._answers: dict[str, str] = {}
        self.place = f"https://{ANSWERS}/macros/echo?user_content_key={{key}}&lib=MxM"
        self.scripts: HttpReceiver
        self.answers: HttpReceiver

    async def run(self, writer: asyncio.StreamWriter) -> None:
        """A POST: the script runs now, whoever fetches what it says."""
        said = await self._script(self.scripts.requests[-1].body.decode("latin-1"))
        if said is None:
            await answers("200 OK", "content-type: text/html; charset=utf-8", body=FAILED)(writer)
            return
        key = f"A{len(self._answers)}"
        self._answers[key] = said
        moved = b"<HTML><HEAD><TITLE>Moved Temporarily</TITLE></HEAD></HTML>"
        await answers("302 Moved Temporarily", f"location: {self.place.format(key=key)}", body=moved)(writer)

    async def fetch(self, writer: asyncio.StreamWriter) -> None:
        """A GET: what a script has said, once."""
        line = self.answers.requests[-1].line
        key = line.partition("user_content_key=")[2].partition("&")[0]
        if not line.startswith("GET ") or key not in self._answers:
            await answers("405 Method Not Allowed")(writer)
            return
        await answers("200 OK", "content-type: text/plain; charset=utf-8", body=self._answers.pop(key).encode())(writer)


@asynccontextmanager
async def google(script: Script, certificates: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[Google]:
    """Both names lead to this machine, and our authority is trusted."""
    both = Google(script)
    async with (
        receiving(both.run, tls=serving(certificates, SCRIPT)) as scripts,
        receiving(both.fetch, tls=serving(certificates, ANSWERS)) as fetched,
    ):
        both.scripts, both.answers = scripts, fetched
        ports = {SCRIPT: scripts.port, ANSWERS: fetched.port}
        patch.setenv("SSL_CERT_FILE", str(certificates / AUTHORITY))
        patch.setattr(socket, "getaddrinfo", lambda host, *_rest, **_named: _here(ports[host]))
        patch.setattr("leadmasterd.resolver.is_public", lambda _address: True)
        yield both


def _here(port: int) -> list[Any]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
