"""`/login`: the page that a link opens, and its button, which lets the browser in.

Following the link is not enough. Programs that show a preview of a link would use it up, and a SameSite=Strict cookie
is sent only with requests that our own page makes.
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
    """GET shows the button. POST uses the link up, sets the session's cookie and goes on to the first page.

    A wrong or used link is counted as a failure of the client's address, which has to wait after too many.
    """
    inside = session_of(request) is not None
    if request.method != "POST":
        link = request.query_params.get("link", "")
        return render(request, "login.html", link=link, failed=False, inside=inside)
    site = site_of(request)
    address = address_of(request)
    if site.failures.are_too_many(address):
        return too_many(request)
    form = await read_form(request)
    secret = await run_in_threadpool(site.access.enter, form.get("link", ""))
    if secret is None:
        site.failures.note(address)
        return render(request, "login.html", status=401, link="", failed=True, inside=inside)
    answer = RedirectResponse("/", status_code=303)
    answer.set_cookie(**cookie_of(request, secret))
    return answer


ROUTES: Final = [Route("/login", login, methods=["GET", "POST"])]
