"""Forms that are posted: routes for them, reading and checking their fields, and the notice on the next page.

After each form the browser is sent back to a page. What a form does is up to the pages: they give a function to
`decision` or `posted`.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from threading import Barrier
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from leadmasterd.errors import Refused
from leadmasterd.text import _
from leadmasterd.web.access import COOKIE, is_form_token
from leadmasterd.web.site import session_of, site_of

if TYPE_CHECKING:  # with all that it imports it takes 30 MB
    from leadmasterd.actions.unit_of_work import LeadEditor

MOST_BYTES: Final = 16 * 1024
LONGEST: Final = 20.0
"""Seconds that a form may take to arrive: until then the process can't end."""
_MOST_FIELDS: Final = 100
LONGEST_LOCK: Final = 15
"""Seconds that a decision waits for the write lock: people press again when a page says nothing for longer."""
_AT_ONCE: Final = 3
_deciding: Final = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="decide")
"""Decisions have threads of their own. They wait while the database is locked, and pages must not wait with them."""

Form = Mapping[str, str]
"""The fields of a posted form."""


@dataclass(frozen=True, slots=True)
class Undo:
    """The form that takes a decision back: where it is posted, and its hidden fields."""

    path: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a form, to be shown once on the next page. `refused`: nothing was done, and `text` says why."""

    text: str
    undo: Undo | None = None
    refused: bool = False


def begin_deciding() -> None:
    """Start all threads that decide. They keep the priority that the caller has now, even if it lowers its own later.

    A thread that holds the database's write lock must not have a low priority: the daemon would wait for it.
    """
    all_started = Barrier(_AT_ONCE)  # a pool starts a thread only when no other is idle, so each has to stay busy
    started = [_deciding.submit(all_started.wait) for _number in range(_AT_ONCE)]
    for each in started:
        each.result()


def decision(path: str, act: "Callable[[Request, Form, LeadEditor], Done]") -> Route:
    """The route of a POST that changes leads. `act` runs in a thread, and what it does is recorded as the session's."""

    def decide(request: Request, form: Form) -> Done:
        from leadmasterd.actions.unit_of_work import Patience, open_editor

        site = site_of(request)
        session = session_of(request)
        assert session is not None  # `posted` has checked it
        patience = Patience(LONGEST_LOCK)
        with open_editor(site.plain, site.paths, actor=f"person:{session.name}", patience=patience) as editor:
            return act(request, form, editor)

    return posted(path, decide)


def posted(path: str, act: Callable[[Request, Form], Done]) -> Route:
    """The route of any POST but the login. `act` runs in a thread; when it raises Refused, the next page says why.

    Only forms of the session's own pages are taken (CSRF token). The answer is a redirect to the page of the form.
    """

    async def endpoint(request: Request) -> Response:
        form = await read_form(request)
        session = session_of(request)
        if session is None or not is_form_token(form.get("csrf", ""), request.cookies.get(COOKIE, "")):
            raise HTTPException(403, _("This form is too old. Go back, load the page again and repeat it."))
        try:
            done = await asyncio.get_running_loop().run_in_executor(_deciding, partial(act, request, form))
        except Refused as error:
            done = Done(str(error), refused=True)
        site_of(request).notices.setdefault(session.id, []).append(done)
        return RedirectResponse(local_path(form.get("back", "")), status_code=303)

    return Route(path, endpoint, methods=["POST"])


async def read_form(request: Request) -> Form:
    """The fields of the posted form; of equal names the last counts.

    Raises HTTPException if the body is no form, is too large, or takes too long to arrive.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip()
    if content_type != "application/x-www-form-urlencoded":
        raise HTTPException(415, _("This is not a form of this page."))
    body = bytearray()
    try:
        async with asyncio.timeout(LONGEST):
            async for part in request.stream():
                body += part
                if len(body) > MOST_BYTES:
                    raise HTTPException(413, _("That is too long."))
    except TimeoutError as error:
        raise HTTPException(408, _("That took too long. Repeat it.")) from error
    except ClientDisconnect as error:  # nobody reads the answer
        raise HTTPException(400, _("This is not a form of this page.")) from error
    try:
        fields = parse_qsl(
            body.decode("ascii", "replace"), keep_blank_values=True, errors="replace", max_num_fields=_MOST_FIELDS
        )
    except ValueError as error:
        raise HTTPException(400, _("This is not a form of this page.")) from error
    return dict(fields)


def number_in(form: Form, field: str) -> int | None:
    """A field as a number; None if it is missing, is no number, or may be too large for SQLite."""
    text = form.get(field, "")
    is_number = text.isascii() and text.isdigit() and len(text) < 19  # 18 digits always fit in 64 bits
    return int(text) if is_number else None


def needed_number(form: Form, field: str) -> int:
    """A field as a number. Raises Refused if `number_in` finds none; forms of our own pages always have one."""
    number = number_in(form, field)
    if number is None:
        raise Refused(_("This form is incomplete. Load the page again and repeat it."))
    return number


def local_path(back: str) -> str:
    """Where to redirect to: `back` if it is a path here, else `/`. Never another site, as `//example.com` would be."""
    is_local = back.startswith("/") and back[1:2] not in ("/", "\\") and back.isprintable()
    return back if is_local else "/"
