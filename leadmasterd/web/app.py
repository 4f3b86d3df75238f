"""The application: all pages, and what becomes of errors."""

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
from leadmasterd.web.site import Site

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
"""Pages that are made at the same time. Forty, as anyio has it, would each keep memory of their own."""


def make_app(site: Site) -> ASGIApp:
    """Everything, behind the guard."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        async with site.watch.running():
            yield

    app = Starlette(
        routes=ROUTES,
        lifespan=lifespan,
        exception_handlers={
            HTTPException: _not_so,
            FileNotFoundError: _nothing_captured,
            PermissionError: _may_not,
            LeadmasterdError: _cannot,
            OSError: _cannot,
            Exception: _defect,
        },
    )
    return Guard(app, site)


def _not_so(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    own_words = {404: _("There is no such page."), 405: _("This page can't be used in that way.")}
    answer = problem(request, error.status_code, own_words.get(error.status_code, error.detail))
    answer.headers.update(error.headers or {})
    return answer


def _nothing_captured(request: Request, error: Exception) -> Response:
    if error.args[:1] != (request.scope["leadmasterd.site"].paths.database,):
        raise error
    return problem(
        request,
        200,
        _("Nothing has been captured yet."),
        _("As soon as the phone is linked and somebody writes, it is shown here."),
    )


def _may_not(request: Request, error: Exception) -> Response:
    assert isinstance(error, PermissionError)
    return problem(
        request,
        503,
        _("The page may not read what was captured."),
        _("Whoever looks after the server has to let it read {path}.").format(path=error.filename),
    )


def _cannot(request: Request, error: Exception) -> Response:
    assert isinstance(error, LeadmasterdError | OSError)
    busy = isinstance(error, DatabaseBusy | CannotUseState | OSError)
    logging.getLogger("leadmasterd.web").warning("%s %s: %s", request.method, request.url.path, error)
    what = _("That is not possible now.") if busy else _("That can't be shown.")
    return problem(request, 503, what, refusal_of(error))


def _defect(request: Request, _error: Exception) -> Response:
    return problem(
        request,
        500,
        _("Something went wrong here."),
        _("It is a defect of this program, and its journal has the details. Nothing that was captured is lost."),
    )
