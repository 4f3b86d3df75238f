"""`/board`: open leads by stage, those that have been in it longest first. `?days=` is when one is stuck."""

from datetime import UTC, datetime
from functools import partial
from typing import Final, cast, get_args
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from leadmasterd.classify.reasons import intent_name
from leadmasterd.queries.board import Only, board
from leadmasterd.queries.deadlines import with_current_deadlines
from leadmasterd.sentences import stage_name
from leadmasterd.text import _
from leadmasterd.web.render import render
from leadmasterd.web.site import site_of

CARDS: Final = 20
"""In each column; a link shows more."""
MORE: Final = 200
_MOST_DAYS: Final = 3650
_NUMBERS: Final = ("leads", "stuck", "unplanned", "silent")


def show(request: Request) -> Response:
    """The whole page, or the part of it that changes."""
    site, asked = site_of(request), request.query_params
    only = cast(Only, asked["only"]) if asked.get("only") in get_args(Only) else None
    more = bool(asked.get("more"))
    days = _days(asked.get("days"), site.leads.stale_days)
    with site.reading() as connection:
        found = board(
            with_current_deadlines(connection, site.leads, while_pending=False),
            datetime.now(UTC),
            days=days,
            limit=MORE if more else CARDS,
            only=only,
        )
    return render(
        request,
        "_board.html" if "fragment" in asked else "board.html",
        board=found,
        only=only,
        more=more,
        choices=_choices(),
        totals={key: sum(column[key] for column in found["columns"]) for key in _NUMBERS},
        link=partial(_link, {"days": str(days), "only": only, "more": "1" if more else None}),
        stage_word=stage_name,
        intent_word=intent_name,
    )


def _choices() -> list[tuple[Only | None, str, str]]:
    """What can be asked for: the value of `?only=`, the key of its number, and its words."""
    return [
        (None, "leads", _("All open")),
        ("stuck", "stuck", _("Stuck")),
        ("unplanned", "unplanned", _("Nothing planned")),
        ("silent", "silent", _("Quoted and silent")),
    ]


def _link(shown: dict[str, str | None], **changed: str | None) -> str:
    """This board with another choice."""
    return "/board?" + urlencode({key: value for key, value in (shown | changed).items() if value})


def _days(text: str | None, usual: int) -> int:
    """What is no number of days counts as the usual one."""
    if text and text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= _MOST_DAYS:
        return int(text[:6])
    return usual


ROUTES: Final = [Route("/board", show)]
