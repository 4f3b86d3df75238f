"""The process that serves the page: uvicorn on one socket, started by a command or by the first visit (systemd)."""

import asyncio
import errno
import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import FrameType
from typing import Final

from uvicorn.config import Config
from uvicorn.server import Server

from leadmasterd import causes
from leadmasterd.errors import CannotUseSettings
from leadmasterd.language import Language
from leadmasterd.settings.paths import Paths
from leadmasterd.text import _
from leadmasterd.web import address
from leadmasterd.web.access import Access
from leadmasterd.web.app import make_app
from leadmasterd.web.connections import PageConnection
from leadmasterd.web.live import Watch
from leadmasterd.web.place import Place
from leadmasterd.web.site import Site

_FIRST_PASSED_FD: Final = 3
"""The file descriptor at which systemd passes the first socket (sd_listen_fds(3))."""
_BACKLOG: Final = 64
"""Connections that may wait to be accepted. Few, since asyncio logs a traceback for each of them every second when no
file descriptor is left."""
_LAST_ANSWERS: Final = 3
"""Seconds that answers which have begun may still take when the process is to end."""


def serve(paths: Paths, place: Place, language: Language, *, idle: float | None) -> None:
    """Serve the page until SIGTERM or Ctrl-C, or until nobody has come for `idle` seconds (None: however long).

    It listens on the socket that systemd passed, else at `place`. Raises CannotUseSettings where it can't be served.
    """
    listening = _passed_socket() or _listen(place)
    if listening.family != socket.AF_UNIX:
        host, port = listening.getsockname()[:2]  # the real ones: systemd has its own settings, and port 0 is any
        place = replace(place, host=host, port=port)
        place.check()
        with suppress(OSError):  # without the file `web link` takes the address from the settings
            address.keep(paths, place.url())
    site = Site(place, paths, language, access=Access(paths), watch=Watch(paths))
    config = Config(
        make_app(site),
        http=PageConnection,
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,  # the path of a link is its secret
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_LAST_ANSWERS,
        backlog=_BACKLOG,
    )
    _use_our_log()
    logging.getLogger("leadmasterd.web").info(
        "serving the page at %s; `leadmasterd web link` prints a link that lets a browser in", place.own_url()
    )
    with asyncio.Runner() as runner:
        runner.run(_PageServer(config, site, idle).serve(sockets=[listening]))


class _PageServer(Server):
    """Uvicorn's server, which ends with exit code 0 on a signal, and by itself when nobody comes."""

    def __init__(self, config: Config, site: Site, idle: float | None) -> None:
        """`idle`: seconds without a visit after which it ends; None: never."""
        super().__init__(config)
        self._site = site
        self._idle = idle

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """While it serves, SIGTERM and Ctrl-C end it in order. Uvicorn's version raises the signal again at the end."""

        def stop(_signal: int, _frame: FrameType | None) -> None:
            self.should_exit = True

        replaced = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in replaced.items():
                signal.signal(each, handler)

    async def on_tick(self, counter: int) -> bool:
        """Whether to end; uvicorn asks ten times a second."""
        is_unused = self._idle is not None and self._site.visits.idle_seconds() > self._idle
        return await super().on_tick(counter) or is_unused

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends the streams of events first: uvicorn waits for answers to end, and these never would."""
        self._site.watch.close()
        await super().shutdown(sockets)


def _passed_socket() -> socket.socket | None:
    """The socket that systemd opened for this process (leadmasterd-web.socket); None unless it passed exactly one."""
    is_for_us = os.environ.get("LISTEN_PID") == str(os.getpid())
    if not is_for_us or os.environ.get("LISTEN_FDS") != "1":
        return None
    os.set_inheritable(_FIRST_PASSED_FD, False)
    return socket.socket(fileno=_FIRST_PASSED_FD)


def _listen(place: Place) -> socket.socket:
    """A listening socket there. Raises CannotUseSettings, with the port that is taken or why else it can't listen."""
    place.check()
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((place.host, place.port))
        listening.listen(socket.SOMAXCONN)
    except OSError as error:
        listening.close()
        where = f"{place.host}:{place.port}"
        if error.errno == errno.EADDRINUSE:
            raise CannotUseSettings(
                _(
                    "cannot serve the page on {where}: another program listens there; stop it, or choose another port "
                    "with --port or web.port"
                ).format(where=where)
            ) from error
        raise CannotUseSettings(
            _("cannot serve the page on {where}: {why}; choose another with --host, --port or [web]").format(
                where=where, why=causes.of_system(error)
            )
        ) from error
    return listening


def _use_our_log() -> None:
    """Have uvicorn's warnings and errors written by the handlers of our own log."""
    log = logging.getLogger("uvicorn")
    log.handlers[:] = logging.getLogger("leadmasterd").handlers
    log.setLevel(logging.WARNING)
    log.propagate = False
    logging.getLogger("uvicorn.error").addFilter(_is_no_cancelled_answer)


def _is_no_cancelled_answer(record: logging.LogRecord) -> bool:
    """A log filter. False drops the traceback of an answer that was cancelled because the process ends.

    Uvicorn has logged by then, in a line of its own, that it cancels them.
    """
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, asyncio.CancelledError)
