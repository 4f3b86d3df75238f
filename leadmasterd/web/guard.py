"""ASGI middleware before every page: refuses whoever may not ask, and sets the security headers of every answer.

It checks the host name, TLS, the method, the origin of a POST and the session's cookie. It does so before any page is
looked for, so that no page can forget to.
"""

from collections.abc import MutableMapping
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leadmasterd.errors import LeadmasterdError
from leadmasterd.text import _
from leadmasterd.web.access import COOKIE, SESSION_DAYS
from leadmasterd.web.failures import WAIT
from leadmasterd.web.place import is_loopback
from leadmasterd.web.render import problem, refusal_of, render
from leadmasterd.web.site import Site, site_of

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'"
)
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with `no-referrer` our own forms would be posted with `Origin: null`
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """The outermost ASGI application. It puts the `Site` and the session into each request's scope."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self._app = app
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a refusal, or let the pages answer; either way with our headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["leadmasterd.site"] = self._site
        believe_proxy(scope, self._site.place.proxies)
        request = Request(scope, receive)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                # A browser may keep static files, but has to ask each time whether they changed. It may keep no page.
                headers["Cache-Control"] = "no-cache" if scope["path"].startswith("/static/") else "no-store"
                if scope.get("leadmasterd.delete_cookie"):
                    headers.append("Set-Cookie", f"{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict")
            await send(message)

        answer: ASGIApp = self._refusal(request) or self._app
        with self._site.visits.one():
            await answer(scope, receive, send_guarded)

    def _refusal(self, request: Request) -> Response | None:
        """The answer for whoever may not see this page; None for those who may.

        Puts the session, or None, into the request's scope. A cookie of no session counts as a failure of the address.
        """
        if not self._site.place.is_known(_host_name(request.headers.get("host", ""))):
            return problem(
                request,
                421,
                _("This page is not served under that name."),
                _("If the name is right, add it to `web.names` in the settings."),
            )
        if not self._is_private(request):
            return problem(
                request,
                403,
                _("This page is only for connections with TLS."),
                _("Open it by the address of its proxy, with https."),
            )
        if request.method not in ("GET", "HEAD", "POST"):
            return problem(request, 405, _("This page can't be used in that way."))
        if request.method == "POST" and not is_from_here(request):
            return problem(request, 403, _("This came from another site, so nothing was done."))
        address = address_of(request)
        try:
            cookie = request.cookies.get(COOKIE)
            session = self._site.access.admit(cookie) if cookie else None
        except (LeadmasterdError, OSError) as error:
            return problem(request, 503, _("Nobody can be let in now."), refusal_of(error))
        request.scope["leadmasterd.session"] = session
        if session is not None or is_public(request.scope["path"]):
            return None
        if cookie:
            self._site.failures.note(address)
            request.scope["leadmasterd.delete_cookie"] = True
        if self._site.failures.are_too_many(address):
            return too_many(request)
        return locked_out(request)

    def _is_private(self, request: Request) -> bool:
        """Whether nobody on the way can read along: the page is served on loopback, or a proxy says that it has TLS."""
        if is_loopback(self._site.place.host):
            return True
        return bool(request.scope.get("leadmasterd.proxied")) and request.url.scheme == "https"


def is_public(path: str) -> bool:
    """Whether browsers that are not let in get this path: the login, and styles and scripts."""
    return path == "/login" or path.startswith("/static/")


def believe_proxy(scope: MutableMapping[str, Any], proxies: tuple[str, ...]) -> None:
    """Change the request's scope to what a trusted proxy says: the client's address, and http or https.

    `proxies`: addresses of the proxies in the settings. A request from anywhere else is left as it is.
    """
    client = scope.get("client")
    if client is None or client[0] not in proxies:
        return
    headers = Headers(scope=scope)
    # A client may send the header too: what the proxy itself adds stands last.
    who = _last(headers, "x-forwarded-for")
    if who:
        scope["client"] = (who, 0)
    scheme = _last(headers, "x-forwarded-proto")
    if scheme in ("http", "https"):
        scope["scheme"] = scheme
        scope["leadmasterd.proxied"] = True


def _last(headers: Headers, name: str) -> str:
    """The last value of a header, whether in one line with commas or in several (HAProxy adds its own); "" if none."""
    return ",".join(headers.getlist(name)).rpartition(",")[2].strip()


def is_from_here(request: Request) -> bool:
    """Whether one of our own pages posted this form, by a header that the browser sets and no page can.

    That is Sec-Fetch-Site; Safari before 16.4 does not send it, so there Origin is compared with our own address.
    """
    fetch_site = request.headers.get("sec-fetch-site")
    if fetch_site is not None:
        return fetch_site == "same-origin"
    ours = f"{request.url.scheme}://{request.headers.get('host', '')}"
    return request.headers.get("origin", "").lower() == ours.lower()


def address_of(request: HTTPConnection) -> str:
    """The client's IP address: behind a trusted proxy, that of the proxy's client. Empty if it is not known."""
    return request.client.host if request.client else ""


def is_still_let_in(request: HTTPConnection) -> bool:
    """Whether the session of a long answer, such as a stream of events, is still valid. False if that can't be read."""
    try:
        return site_of(request).access.admit(request.cookies.get(COOKIE, "")) is not None
    except (LeadmasterdError, OSError):
        return False


def cookie_of(request: HTTPConnection, secret: str) -> dict[str, Any]:
    """Keyword arguments of `Response.set_cookie` for a session's cookie. `secret`: as `Access.enter` returns it."""
    return {
        "key": COOKIE,
        "value": secret,
        "max_age": SESSION_DAYS * 86400,
        "httponly": True,
        "samesite": "strict",
        "secure": request.url.scheme == "https",
    }


def locked_out(request: Request) -> Response:
    """The page for a browser that is not let in, with status 401.

    A strict cookie is not sent when a link on another site is followed, so this may be a browser that is let in. The
    page then reloads itself once, which sends the cookie.
    """
    from_elsewhere = request.headers.get("sec-fetch-site") not in (None, "same-origin", "none")
    had_no_cookie = not request.scope.get("leadmasterd.delete_cookie")
    again = request.method == "GET" and from_elsewhere and had_no_cookie
    return render(request, "locked.html", status=401, again=again)


def too_many(request: Request) -> Response:
    """The page for an address that has tried too often and has to wait, with status 429."""
    answer = problem(request, 429, _("That was tried too often. Wait ten minutes."))
    answer.headers["Retry-After"] = str(round(WAIT))
    return answer


def _host_name(host: str) -> str:
    """The name in a Host header, without the port; "" if it can't be parsed."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""
