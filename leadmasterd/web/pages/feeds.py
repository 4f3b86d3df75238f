"""`/session/feeds`: how far behind each feed is, which events it gave up, and a button to deliver those again."""

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
"""Events that were given up, shown for each feed."""


def show(request: Request) -> Response:
    """All feeds in the settings: the whole page, or with `?fragment` the part of it that changes."""
    template = "_feeds.html" if "fragment" in request.query_params else "feeds.html"
    return render(request, template, feeds=_feeds_of(site_of(request)))


def _feeds_of(site: Site) -> list[dict[str, Any]]:
    """Each feed, with its state in words and (`letters`) the oldest events that it gave up."""
    from leadmasterd.queries.feeds import dead_letters, feed_list
    from leadmasterd.queries.words import feed_state

    found = []
    for feed in feed_list(site.paths, site.settings)["feeds"]:
        letters = []
        if feed["dead"]:
            letters = dead_letters(site.paths, site.settings, feed["name"], limit=_MOST_LETTERS)["dead"]
        found.append({**feed, "words": feed_state(feed["state"]), "letters": letters})
    return found


def retry(request: Request, form: Form, editor: "LeadEditor") -> Done:
    """Deliver again all events that the form's feed gave up, but those of kinds that it no longer subscribes to."""
    from leadmasterd.actions.feeds import retry

    name = form.get("feed", "")
    done = retry(editor, site_of(request).settings, name, [])
    text = ngettext(
        "{n} event of {name} is delivered again.", "{n} events of {name} are delivered again.", done.number
    ).format(n=done.number, name=name)
    if done.stay:
        text += " " + _("{n} of kinds that it no longer delivers stay.").format(n=done.stay)
    return Done(text)


ROUTES: Final = [Route("/session/feeds", show), decision("/session/feeds/retry", retry)]
