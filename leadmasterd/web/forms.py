"""What people decide on a page: forms that are posted, checked, and answered by going back to the page."""

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

if TYPE_CHECKING:  # with what it imports it takes 30 MB
    from leadmasterd.actions.unit_of_work import LeadEditor

MOST_BYTES: Final = 16 * 1024
LONGEST: Final = 20.0
"""Seconds that a form may take to arrive: while one does, the process can't leave."""
_MOST_FIELDS: Final = 100
LONGEST_LOCK: Final = 15
"""Seconds that a decision waits for the write lock: people press again when a page says nothing for longer."""
_AT_ONCE: Final = 3
_deciding: Final = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="decide")
"""Threads of their own: while the database is locked each decision waits, and pages must go on."""

Form = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Undo:
    """The form that takes a decision back."""

    path: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done:
    """What is told once on the next page. `refused`: that nothing was done, and why."""

    text: str
    undo: Undo | None = None
    refused: bool = False


def begin_deciding() -> None:
    """Start the threads that decide. They keep the priority that the caller has now, whatever it gets later.

    Whoever holds the database's lock must not stand back: on a busy machine the daemon would wait as long.
    """
    all_there = Barrier(_AT_ONCE)
    for begun in [_deciding.submit(all_there.wait) for _number in range(_AT_ONCE)]:
        begun.result()


def decision(path: str, act: "Callable[[Request, Form, LeadEditor], Done]") -> Route:
    """A POST that changes leads, on behalf of the session's name; `act` runs in a thread."""

    def decide(request: Request, form: Form) -> Done:
        from leadmasterd.actions.unit_of_work import Patience, open_editor

        session, site = session_of(request), site_of(request)
        assert session is not None
        patience = Patience(LONGEST_LOCK)
        with open_editor(site.plain, site.paths, actor=f"person:{session.name}", patience=patience) as editor:
            return act(request, form, editor)

    return posted(path, decide)


def posted(path: str, act: Callable[[Request, Form], Done]) -> Route:
    """Any other POST. A refusal is told on the page that one comes back to."""

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
    """The fields of a form; of equal names the last counts. Raises HTTPException for no, too large or late a form."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
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
    """None for what is no number: a form of ours always has one."""
    text = form.get(field, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def needed_number(form: Form, field: str) -> int:
    """Raises Refused for what is no number."""
    number = number_in(form, field)
    if number is None:
        raise Refused(_("This form is incomplete. Load the page again and repeat it."))
    return number


def local_path(back: str) -> str:
    """Where to go on: a path of ours, and never another site."""
    is_ours = back.startswith("/") and back[1:2] not in ("/", "\\") and back.isprintable()
    return back if is_ours else "/"
