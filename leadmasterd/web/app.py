"""The ASGI application: all pages behind the guard, and the page that is shown for each kind of error."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from leadmasterd.errors import CannotUseState, DatabaseBusy, LeadmasterdError
from leadmasterd.text import _
from leadmasterd.web.guard import Guard
from leadmasterd.web.pages import (
    board,
    decisions,
    doctor,
    events,
    export,
    feeds,
    lead,
    login,
    search,
    session,
    waiting,
    week,
)
from leadmasterd.web.render import STATIC, problem, refusal_of
from leadmasterd.web.site import Site, site_of

ROUTES: Final[list[BaseRoute]] = [
    *waiting.ROUTES,
    *decisions.ROUTES,
    *lead.ROUTES,
    *board.ROUTES,
    *week.ROUTES,
    *export.ROUTES,
    *search.ROUTES,
    *session.ROUTES,
    *feeds.ROUTES,
    *doctor.ROUTES,
    *login.ROUTES,
    *events.ROUTES,
    Mount("/static", StaticFiles(directory=STATIC)),
]
_THREADS: Final = 12
"""Pages that are made at the same time. anyio's default is 40, and each thread would keep memory of its own."""


def make_app(site: Site) -> ASGIApp:
    """The application to serve. While it runs, `site.watch` looks for changes to tell open pages of."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        async with site.watch.running():
            yield

    app = Starlette(
        routes=ROUTES,
        lifespan=lifespan,
        exception_handlers={
            HTTPException: _refused,
            FileNotFoundError: _nothing_captured,
            PermissionError: _not_readable,
            LeadmasterdError: _unavailable,
            OSError: _unavailable,
            Exception: _defect,
        },
    )
    return Guard(app, site)


def _refused(request: Request, error: Exception) -> Response:
    """The page for an HTTPException, with its status, headers and words; for 404 and 405 Starlette's are replaced."""
    assert isinstance(error, HTTPException)
    own_words = {404: _("There is no such page."), 405: _("This page can't be used in that way.")}
    answer = problem(request, error.status_code, own_words.get(error.status_code, error.detail))
    answer.headers.update(error.headers or {})
    return answer


def _nothing_captured(request: Request, error: Exception) -> Response:
    """The page while there is no database yet. The error of any other missing file is raised again, as a failure."""
    missing = error.args[0] if error.args else None
    if missing != site_of(request).paths.database:
        raise error
    return problem(
        request,
        200,
        _("Nothing has been captured yet."),
        _("As soon as the phone is linked and somebody writes, it is shown here."),
    )


def _not_readable(request: Request, error: Exception) -> Response:
    """The page for files that the user of this process may not read."""
    assert isinstance(error, PermissionError)
    return problem(
        request,
        503,
        _("The page may not read what was captured."),
        _("Whoever looks after the server has to let it read {path}.").format(path=error.filename),
    )


def _unavailable(request: Request, error: Exception) -> Response:
    """The page for errors that were foreseen, such as a locked database. Says whether the error may pass by itself."""
    assert isinstance(error, LeadmasterdError | OSError)
    may_pass = isinstance(error, DatabaseBusy | CannotUseState | OSError)
    logging.getLogger("leadmasterd.web").warning("%s %s: %s", request.method, request.url.path, error)
    what = _("That is not possible now.") if may_pass else _("That can't be shown.")
    return problem(request, 503, what, refusal_of(error))


def _defect(request: Request, _error: Exception) -> Response:
    """The page for an error that nobody foresaw. Starlette raises it again afterwards, so that it is logged."""
    return problem(
        request,
        500,
        _("Something went wrong here."),
        _("It is a defect of this program, and its journal has the details. Nothing that was captured is lost."),
    )
