"""The control socket, by which commands such as `pause` reach the running daemon: its server and its client.

A Unix socket next to the status file. A client sends one JSON line and gets one JSON line back, in its own language.
Only the daemon's user and root are answered; the kernel says which user the client is. What a command does is decided
by the handler (`daemon.control`).
"""

import asyncio
import contextlib
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args

from leadmasterd import causes
from leadmasterd.errors import CannotReachDaemon, Refused
from leadmasterd.language import Language
from leadmasterd.state.files import owner_of
from leadmasterd.text import _, speaking, spoken_language

_LONGEST_LINE: Final = 65536
"""The longest request, in bytes."""
Handler = Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""Carries out a command. Given its name and the whole request, it returns the answer: `ok`, and `error` or other
values."""


@contextlib.contextmanager
def _short_path(path: Path) -> Iterator[str]:
    """A short path of the same file, by way of its open folder. Valid within the block.

    The path of a socket may have at most 107 bytes, but the state directory's own path may be longer. Raises OSError if
    there is no such folder.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class ControlServer:
    """Answers commands until `close`."""

    def __init__(self, path: Path, handler: Handler) -> None:
        self._path = path
        self._handler = handler
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to answer. Replaces a socket that is there already.

        Only a killed daemon can have left it, because the caller holds the lock that only one daemon can hold. Raises
        OSError, and leaves nothing open then.
        """
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        with contextlib.ExitStack() as on_failure:
            listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            on_failure.callback(listening.close)
            with _short_path(self._path) as name:
                listening.bind(name)
            self._path.chmod(0o600)
            self._server = await asyncio.start_unix_server(self._serve, sock=listening, limit=_LONGEST_LINE)
            on_failure.pop_all()  # the server owns the socket now

    async def close(self) -> None:
        """Stop listening, and remove the socket."""
        if self._server:
            self._server.close()
        with contextlib.suppress(OSError):
            self._path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the one request of a connection, and close it."""
        try:
            answer = await self._answer(reader, writer)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        except (OSError, ValueError):
            pass  # the client left, or sent no JSON: it gets no answer
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> dict[str, Any]:
        """Read a request, and carry it out or refuse it.

        Raises ValueError if the line is no JSON, and OSError if the client has left.
        """
        line = await reader.readline()  # before a refusal too, so that the client gets to read it
        peer = writer.get_extra_info("socket")
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _pid, uid, _gid = struct.unpack("3i", credentials)
        try:
            value = json.loads(line)
        except RecursionError as error:
            raise ValueError from error  # nested too deep
        request = value if isinstance(value, dict) else {}
        language = request.pop("language", "en")
        with speaking(language if language in get_args(Language) else "en"):
            if uid not in (0, os.getuid()):
                return {"ok": False, "error": _("user {uid} may not command this daemon").format(uid=uid)}
            command = request.get("command")
            if not isinstance(command, str):
                return {"ok": False, "error": _("a command is an object with `command`")}
            return await self._handler(command, request)


def ask(path: Path, command: str, *, timeout: float = 30.0, **values: object) -> dict[str, Any]:
    """Send a command with these values to the daemon, and return its answer, in which `ok` is true.

    `timeout`: seconds. Raises CannotReachDaemon if no answer comes, and Refused with the daemon's words if `ok` is
    false.
    """
    try:
        with _short_path(path) as name, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(name)
            connection.sendall(
                json.dumps({"command": command, "language": spoken_language(), **values}).encode() + b"\n"
            )
            answer = connection.makefile("rb").readline()
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise CannotReachDaemon(_("the daemon is not running; start it with `leadmasterd run` or systemctl")) from error
    except PermissionError as error:
        owner = owner_of(path.parent)
        raise CannotReachDaemon(
            _("this user may not command the daemon; try `sudo -u {owner} leadmasterd …`").format(owner=owner)
        ) from error
    except OSError as error:
        raise CannotReachDaemon(_("the daemon did not answer: {why}").format(why=causes.of_system(error))) from error
    try:
        reply = json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise CannotReachDaemon(_("the daemon hung up without an answer")) from error
    if not isinstance(reply, dict):
        raise Refused(str(reply))
    if not reply.get("ok"):
        raise Refused(str(reply.get("error", reply)))
    return reply
