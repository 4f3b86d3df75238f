"""Fills the templates: `render` for a page or a part of it, `problem` for a page that says what went wrong."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from leadmasterd import causes, clock, sentences, text
from leadmasterd.clock import Clock
from leadmasterd.errors import LeadmasterdError
from leadmasterd.text import _, ngettext
from leadmasterd.web.access import COOKIE, form_token
from leadmasterd.web.site import Site, session_of, site_of

TEMPLATES: Final = Path(__file__).parent / "templates"
STATIC: Final = Path(__file__).parent / "static"


def menu() -> list[tuple[str, str]]:
    """The links on top of every page: path and label, in their order."""
    return [
        ("/", _("Waiting")),
        ("/board", _("Board")),
        ("/search", _("Search")),
        ("/week", _("Week")),
        ("/session", _("Session")),
    ]


def render(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Fill a template of a page, or of a fragment of one, with `values` and with what every template may use.

    The template removes the session's notices when it shows them, so each is shown once.
    """
    site = site_of(request)
    session = session_of(request)
    common = {
        "request": request,
        "site": site,
        "session": session,
        "csrf": form_token(request.cookies.get(COOKIE, "")) if session else "",
        "here": request.url.path,
        "back": back_to(request),
        "menu": menu(),
        "language": site.language,
        "clock": Clock(datetime.now(UTC), site.leads.zone()),
        "health": lambda: health_line(site),
        "notices": lambda: site.notices.pop(session.id, []) if session else [],
    }
    return HTMLResponse(environment().get_template(template).render(common | values), status_code=status)


def problem(request: Request, status: int, what: str, why: str = "") -> HTMLResponse:
    """A page that says what can't be shown or done. `what`: one sentence; `why`: more about it, or empty."""
    return render(request, "problem.html", status=status, what=what, why=why, missing=status == 404)


def refusal_of(error: LeadmasterdError | OSError) -> str:
    """A sentence on what failed and why, with the file's path for an error of the system."""
    if isinstance(error, LeadmasterdError):
        return str(error)
    return _("cannot use {path}: {why}").format(path=error.filename or "?", why=causes.of_system(error))


def back_to(request: Request) -> str:
    """The path of this page, to which its forms come back. A fragment's forms come back to the page around it."""
    query = [(key, value) for key, value in request.query_params.multi_items() if key != "fragment"]
    return request.url.path + (f"?{urlencode(query)}" if query else "")


def health_line(site: Site) -> str:
    """Why the daemon does not listen now, in one sentence; empty while it listens."""
    status = site.status()
    if not site.running():
        return _("Not listening: leadmasterd is not running. What was captured until then is shown.")
    if status is None:
        return _("leadmasterd is starting.")
    if status["phase"] == "ready":
        return ""
    phase = sentences.phase(status["phase"])
    because = sentences.because(status["code"], status.get("values") or {})
    return _("{phase}: {because}").format(phase=phase[:1].upper() + phase[1:], because=because)


@cache
def environment() -> Environment:
    """The Jinja environment, made once. Everything is escaped, and a name that no page gives is an error."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals |= {"_": _, "ngettext": ngettext, "because": sentences.because}
    made.filters |= {
        "ago": _ago,
        "body": _body,
        "alert_state": _alert_state,
        "code": _code,
        "because": lambda code: sentences.because(code, {}),
        "figure": text.figure,
        "length": clock.length,
        "phase": sentences.phase,
        "printable": text.printable,
        "restart": sentences.restart,
        "when": _when,
    }
    return made


def _clock(context: Context | Mapping[str, Any]) -> Clock:
    """The clock that `render` gave to the template."""
    found = context["clock"]
    assert isinstance(found, Clock)
    return found


@pass_context
def _ago(context: Context, at: str) -> str:
    """`5 min ago`. `at`: a stored time, ISO."""
    return _("{length} ago").format(length=clock.length(_clock(context).seconds_since(at)))


@pass_context
def _when(context: Context, at: str) -> Markup:
    """A `<time>` element that shows `14:03` today, else with the day. `at`: a stored time, ISO."""
    shown = escape(_clock(context).spoken(at))
    return Markup(f'<time datetime="{escape(at)}" title="{_clock(context).exact(at)}">{shown}</time>')


def _alert_state(state: str) -> str:
    """The state of an alert in words. Imported late: few pages show any."""
    from leadmasterd.queries.words import alert_state

    return alert_state(state)


def _code(sentence: str) -> Markup:
    """The sentence, escaped, with what stands in backticks as `<code>`."""
    parts = sentence.split("`")  # those at odd places stood in backticks
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)
    )


def _body(written: str | None) -> str:
    """What somebody wrote, safe to show, with its line breaks (the style `body` shows them); "" for None."""
    return "\n".join(text.printable(line) for line in (written or "").splitlines())
