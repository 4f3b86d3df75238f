"""`/session/feeds`: how far behind each feed is, what it has given up, and trying that again."""

from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from leadmasterd.text import _, ngettext
from leadmasterd.web.forms import Done, Form, decision
from leadmasterd.web.render import render
from leadmasterd.web.site import Site, site_of

if TYPE_CHECKING:
    from leadmasterd.actions.unit_of_work import LeadEditor

_MOST_LETTERS: Final = 20


def show(request: Request) -> Response:
    """All feeds of the settings."""
    template = "_feeds.html" if "fragment" in request.query_params else "feeds.html"
    return render(request, template, feeds=_feeds_of(site_of(request)))


def _feeds_of(site: Site) -> list[dict[str, Any]]:
    """Each with the oldest of what it has given up."""
    from leadmasterd.queries.feeds import dead_letters, feed_list
    from leadmasterd.queries.words import feed_state

    return [
        {
            **feed,
            "words": feed_state(feed["state"]),
            "letters": dead_letters(site.paths, site.settings, feed["name"], limit=_MOST_LETTERS)["dead"]
            if feed["dead"]
            else [],
        }
        for feed in feed_list(site.paths, site.settings)["feeds"]
    ]


def retry(request: Request, form: Form, editor: "LeadEditor") -> Done:
    """Deliver again what a feed has given up."""
    from leadmasterd.actions.feeds import retry

    name = form.get("feed", "")
    done = retry(editor, site_of(request).settings, name, [])
    return Done(
        ngettext(
            "{n} event of {name} is delivered again.", "{n} events of {name} are delivered again.", done.number
        ).format(n=done.number, name=name)
        + (" " + _("{n} of kinds that it no longer delivers stay.").format(n=done.stay) if done.stay else "")
    )


ROUTES: Final = [Route("/session/feeds", show), decision("/session/feeds/retry", retry)]
