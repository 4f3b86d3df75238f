"""`/board`: open leads in a column for each stage, those that have been in it longest first.

In its address, `days` is how long a lead has to be in one stage to be called stuck, `only` which leads are shown, and
`more` asks for longer columns.
"""

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
"""Leads in each column; a link shows more."""
MORE: Final = 200
"""Leads in each column after that."""
_MOST_DAYS: Final = 3650
_NUMBERS: Final = ("leads", "stuck", "unplanned", "silent")
"""Keys of the numbers of a column. The page shows the sum of each over all columns."""


def show(request: Request) -> Response:
    """The whole page, or with `?fragment` the part of it that changes."""
    site = site_of(request)
    query = request.query_params
    only = cast(Only, query["only"]) if query.get("only") in get_args(Only) else None
    more = bool(query.get("more"))
    days = _days(query.get("days"), site.leads.stale_days)
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
        "_board.html" if "fragment" in query else "board.html",
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
    """The links above the columns: each the value of `only`, the key of its number in a column, and its words."""
    return [
        (None, "leads", _("All open")),
        ("stuck", "stuck", _("Stuck")),
        ("unplanned", "unplanned", _("Nothing planned")),
        ("silent", "silent", _("Quoted and silent")),
    ]


def _link(shown: dict[str, str | None], **changed: str | None) -> str:
    """The path of this board with other choices. `shown`: the present choices; None leaves one out."""
    choices = shown | changed
    return "/board?" + urlencode({key: value for key, value in choices.items() if value})


def _days(text: str | None, usual: int) -> int:
    """The number of days in the address; `usual` if it is missing, no number, or out of range."""
    if not text or not text.isascii() or not text.isdigit():
        return usual
    days = int(text[:6])  # no more digits are needed to see that it is out of range
    return days if 1 <= days <= _MOST_DAYS else usual


ROUTES: Final = [Route("/board", show)]
