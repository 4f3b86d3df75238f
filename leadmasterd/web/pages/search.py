"""`/search`: messages by the words in them, and people by name or part of their phone."""

from contextlib import suppress
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from leadmasterd.queries.search import Found, nothing_found, search
from leadmasterd.sentences import stage_name
from leadmasterd.web.render import render
from leadmasterd.web.site import site_of

_MOST_TYPED: Final = 200
"""Characters; nobody types more."""


def show(request: Request) -> Response:
    """The form, and what was found for the words in `q`. While `q` is empty, only the form is shown.

    Before anything was captured, nothing is found.
    `before`: where the previous page of results ended; without it, or if it is no number, the newest are shown.
    """
    typed = request.query_params.get("q", "")[:_MOST_TYPED]
    before = None
    with suppress(ValueError):
        before = int(request.query_params.get("before", "")) % 2**63  # so that SQLite can hold it
    found: Found | None = None
    if typed.strip():
        site = site_of(request)
        found = nothing_found(typed)
        with suppress(FileNotFoundError), site.reading() as connection:
            found = search(connection, typed, country=site.leads.country, before=before)
    return render(request, "search.html", typed=typed, found=found, further=before is not None, stage_word=stage_name)


ROUTES: Final = [Route("/search", show)]
