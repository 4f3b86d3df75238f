"""`/login`: the page that a link opens, and the one tap that lets a browser in.

A tap, because programs that show a preview of a link would use it up; and because a strict cookie goes along only with
what our own page asks for.
"""

from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from leadmasterd.web.forms import read_form
from leadmasterd.web.guard import address_of, cookie_of, too_many
from leadmasterd.web.render import render
from leadmasterd.web.site import session_of, site_of


async def login(request: Request) -> Response:
    """GET shows the button; POST uses the link up."""
    if request.method != "POST":
        link = request.query_params.get("link", "")
        return render(request, "login.html", link=link, failed=False, inside=session_of(request) is not None)
    site, address = site_of(request), address_of(request)
    if site.failures.are_too_many(address):
        return too_many(request)
    form = await read_form(request)
    secret = await run_in_threadpool(site.access.enter, form.get("link", ""))
    if secret is None:
        site.failures.note(address)
        return render(request, "login.html", status=401, link="", failed=True, inside=session_of(request) is not None)
    answer = RedirectResponse("/", status_code=303)
    answer.set_cookie(**cookie_of(request, secret))
    return answer


ROUTES: Final = [Route("/login", login, methods=["GET", "POST"])]
