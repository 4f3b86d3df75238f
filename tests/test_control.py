"""The control socket: one line each way, for its owner and root only."""

import asyncio
import gc
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from leadmasterd import text
from leadmasterd.errors import CannotReachDaemon, Refused
from leadmasterd.state.control import ControlServer, ask
from tests.waiting import LIMIT


@asynccontextmanager
async def listening(path: Path) -> AsyncIterator[list[tuple[str, Mapping[str, Any]]]]:
    """A server that records the commands it got."""
    heard: list[tuple[str, Mapping[str, Any]]] = []

    async def answer(command: str, request: Mapping[str, Any]) -> dict[str, Any]:
        heard.append((command, request))
        return {"ok": False, "error": "not now"} if command == "no" else {"ok": True, "phase": "ready"}

    server = ControlServer(path, answer)
    await server.start()
    try:
        yield heard
    finally:
        await server.close()


async def asked(path: Path, command: str, **values: object) -> dict[str, Any]:
    """Send a command as the command line does, from another thread."""
    return await asyncio.to_thread(ask, path, command, timeout=LIMIT, **values)


async def test_a_command_is_heard_and_answered(tmp_path: Path) -> None:
    """The command arrives with its values."""
    path = tmp_path / "leadmasterd.sock"
    async with listening(path) as heard:
        assert path.stat().st_mode & 0o777 == 0o600
        assert await asked(path, "pairing-code", phone="549 ñ") == {"ok": True, "phase": "ready"}
        assert heard == [("pairing-code", {"command": "pairing-code", "phone": "549 ñ"})]
    assert not path.exists()


async def test_a_refusal_is_no_missing_daemon(tmp_path: Path) -> None:
    """The answer carries the reason."""
    async with listening(tmp_path / "s"):
        with pytest.raises(Refused, match="not now"):
            await asked(tmp_path / "s", "no")


async def test_a_state_directory_with_a_long_name_has_a_socket_too(tmp_path: Path) -> None:
    """A socket's path is limited to 107 bytes."""
    folder = tmp_path / ("long " * 30)
    folder.mkdir()
    async with listening(folder / "leadmasterd.sock"):
        assert (await asked(folder / "leadmasterd.sock", "x"))["ok"]


async def test_a_socket_of_an_earlier_life_is_replaced(tmp_path: Path) -> None:
    """The earlier daemon died without cleaning up; until then nobody answers on its socket."""
    path = tmp_path / "leadmasterd.sock"
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))
    with pytest.raises(CannotReachDaemon, match="the daemon is not running; start it"):
        await asked(path, "x")
    async with listening(path):
        assert (await asked(path, "x"))["ok"]


@pytest.mark.filterwarnings("error")
async def test_a_socket_that_cannot_be_bound_is_closed(tmp_path: Path) -> None:
    """A name of its own that is too long for the system is refused after the socket was made."""
    with pytest.raises(OSError, match="too long"):
        async with listening(tmp_path / ("long" * 30)):
            pass
    gc.collect()


def test_without_a_daemon_that_is_said(tmp_path: Path) -> None:
    """The same error is given when the state directory never existed."""
    for path in (tmp_path / "leadmasterd.sock", tmp_path / "nowhere" / "leadmasterd.sock"):
        with pytest.raises(CannotReachDaemon, match="the daemon is not running; start it"):
            ask(path, "pause")


NONSENSE = [
    b"garbage\n", b"[]\n", b'{"command": 5}\n', b"{}\n", b"", b"x" * 200_000 + b"\n", b"\xff\n", b"[" * 60_000 + b"\n",
]  # fmt: skip


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("sent", NONSENSE, ids=range(len(NONSENSE)))
async def test_nonsense_is_answered_or_hung_up_on_and_the_next_is_served(
    tmp_path: Path, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Invalid input reaches no handler, does not stop the server, and leaves no traceback in the journal."""
    path = tmp_path / "s"
    async with listening(path) as heard:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(sent)
        writer.write_eof()
        try:
            answer = await asyncio.wait_for(reader.read(), LIMIT)
        except ConnectionError:
            answer = b""
        writer.close()
        assert not answer or json.loads(answer)["ok"] is False
        assert heard == []
        assert (await asked(path, "x"))["ok"]
    assert caplog.records == []


async def test_a_refusal_is_told_in_the_language_of_who_asks(tmp_path: Path) -> None:
    """The daemon itself speaks English, and so does its log."""
    path = tmp_path / "s"

    async def answer(command: str, _request: Mapping[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"ok": False, "error": text._("no scan is needed now")}

    server = ControlServer(path, answer)
    await server.start()
    try:
        with text.speaking("es"), pytest.raises(Refused, match="ahora no hace falta escanear"):
            await asked(path, "pairing-code")
        with pytest.raises(Refused, match="no scan is needed now"):
            await asked(path, "pairing-code")
        with pytest.raises(Refused, match="no scan is needed now"):
            await asked(path, "pairing-code", language="xx")
    finally:
        await server.close()


async def test_a_daemon_that_hangs_up_is_told(tmp_path: Path) -> None:
    """The command prints one sentence instead of a traceback."""
    path = tmp_path / "s"
    server = await asyncio.start_unix_server(lambda _, writer: writer.close(), str(path))
    async with server:
        with pytest.raises(CannotReachDaemon):
            await asked(path, "x")


OTHERS = """
import os, pwd, sys
from pathlib import Path
from leadmasterd.state.control import ask
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
ask(Path(sys.argv[1]), "pause")
"""
"""Switches to another user after all imports, since the interpreter may be readable by root only."""


@pytest.fixture
def folder_for_all() -> Iterator[Path]:
    """A folder that every user can enter; pytest's own folders are private."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="leadmasterd-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
async def test_another_user_may_not_command_the_daemon(folder_for_all: Path) -> None:
    """The user is refused even where the socket's mode would allow it."""
    path = folder_for_all / "s"
    async with listening(path) as heard:
        path.chmod(0o666)
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", OTHERS, str(path)],
            check=False,
            capture_output=True,
            text=True,
        )
        assert "user 65534 may not command this daemon" in done.stderr
        path.chmod(0o600)
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", OTHERS, str(path)],
            check=False,
            capture_output=True,
            text=True,
        )
        assert "this user may not command the daemon; try `sudo -u root leadmasterd …`" in done.stderr
        assert heard == []
