"""What stands before every page: by what name it was asked, by whom, from where; and the headers of every answer.

Refuses before any page is looked for, so that a page can't forget to.
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
    "Referrer-Policy": "same-origin",  # none to others; under `no-referrer` a form of ours brings `Origin: null`
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """ASGI middleware, outside of everything else."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self._app = app
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the pages answer."""
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
                headers["Cache-Control"] = "no-cache" if scope["path"].startswith("/static/") else "no-store"
                if scope.get("leadmasterd.forget"):
                    headers.append("Set-Cookie", f"{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict")
            await send(message)

        answer = self._refusal(request)
        with self._site.visits.one():
            await (answer or self._app)(scope, receive, send_guarded)

    def _refusal(self, request: Request) -> Response | None:
        """The answer for who may not ask this; None for who may."""
        if not self._site.place.is_known(_name_of(request.headers.get("host", ""))):
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
            session = self._site.access.session(cookie) if cookie else None
        except (LeadmasterdError, OSError) as error:
            return problem(request, 503, _("Nobody can be let in now."), refusal_of(error))
        request.scope["leadmasterd.session"] = session
        if session is not None or is_public(request.scope["path"]):
            return None
        if cookie:
            self._site.failures.note(address)
            request.scope["leadmasterd.forget"] = True
        if self._site.failures.are_too_many(address):
            return too_many(request)
        return locked_out(request)

    def _is_private(self, request: Request) -> bool:
        """Whether nobody on the way can read along. Beyond this machine the proxy has to say that it speaks TLS."""
        if is_loopback(self._site.place.host):
            return True
        return bool(request.scope.get("leadmasterd.proxied")) and request.url.scheme == "https"


def is_public(path: str) -> bool:
    """What is there for people who are not let in yet."""
    return path == "/login" or path.startswith("/static/")


def believe_proxy(scope: MutableMapping[str, Any], proxies: tuple[str, ...]) -> None:
    """Take a named proxy's word for who asks, and by which scheme."""
    client = scope.get("client")
    if client is None or client[0] not in proxies:
        return
    headers = Headers(scope=scope)
    # A client may send the header too: what the proxy itself adds stands last.
    if who := _last(headers, "x-forwarded-for"):
        scope["client"] = (who, 0)
    if (scheme := _last(headers, "x-forwarded-proto")) in ("http", "https"):
        scope["scheme"] = scheme
        scope["leadmasterd.proxied"] = True


def _last(headers: Headers, name: str) -> str:
    """Of values in one line or in several (HAProxy adds a line of its own)."""
    return ",".join(headers.getlist(name)).rpartition(",")[2].strip()


def is_from_here(request: Request) -> bool:
    """Whether one of our own pages posted it, by what the browser says of that and no page can.

    Safari before 16.4 sends no Sec-Fetch-Site, so there the origin tells.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    ours = f"{request.url.scheme}://{request.headers.get('host', '')}"
    return request.headers.get("origin", "").lower() == ours.lower()


def address_of(request: HTTPConnection) -> str:
    """From where it was asked."""
    return request.client.host if request.client else ""


def is_still_let_in(request: HTTPConnection) -> bool:
    """Whether the session of a long answer goes on."""
    try:
        return site_of(request).access.session(request.cookies.get(COOKIE, "")) is not None
    except (LeadmasterdError, OSError):
        return False


def cookie_of(request: HTTPConnection, secret: str) -> dict[str, Any]:
    """The cookie of a session, as `Response.set_cookie` takes it."""
    return {
        "key": COOKIE,
        "value": secret,
        "max_age": SESSION_DAYS * 86400,
        "httponly": True,
        "samesite": "strict",
        "secure": request.url.scheme == "https",
    }


def locked_out(request: Request) -> Response:
    """For a browser that nobody let in.

    A strict cookie does not come along when a link elsewhere is followed, so such a visit is repeated from our page.
    """
    again = request.method == "GET" and request.headers.get("sec-fetch-site") not in (None, "same-origin", "none")
    return render(request, "locked.html", status=401, again=again and not request.scope.get("leadmasterd.forget"))


def too_many(request: Request) -> Response:
    """For an address that has to wait."""
    answer = problem(request, 429, _("That was tried too often. Wait ten minutes."))
    answer.headers["Retry-After"] = str(round(WAIT))
    return answer


def _name_of(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""
