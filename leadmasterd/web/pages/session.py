"""`/session`: the state of the daemon, with the code to scan when it needs one, and what a person has to do.

Below it stand the outages of the last days, open alerts, feeds, and the browsers that are let in.
"""

from datetime import UTC, datetime, timedelta
from string import digits
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from leadmasterd import health, sentences, times
from leadmasterd.errors import LeadmasterdError, Refused
from leadmasterd.queries import history
from leadmasterd.state.control import ask
from leadmasterd.state.status_object import Scan
from leadmasterd.text import _
from leadmasterd.web.forms import Done, Form, number_in, posted
from leadmasterd.web.render import render
from leadmasterd.web.site import Site, site_of

_DAYS: Final = 7
"""How many days back outages are shown."""
_MOST_CHANGES: Final = 30
"""How many changes of the daemon's phase are listed."""


def show(request: Request) -> Response:
    """The whole page, or with `?fragment=session-state` the part of it that changes."""
    site = site_of(request)
    if request.query_params.get("fragment") == "session-state":
        return render(request, "_session_state.html", state=state_of(site))
    return render(
        request,
        "session.html",
        state=state_of(site),
        record=_record_of(site),
        alerts=_alerts_of(site),
        feeds=_feeds_of(site),
        browsers=site.access.sessions(),
        days=_DAYS,
    )


def state_of(site: Site) -> dict[str, Any]:
    """What the template shows of the daemon: its phase and why, in words; warnings (`notes`); and what to scan.

    `status` is as the daemon last wrote it, and None if it never did; then the words are empty.
    """
    status = site.status()
    running = site.running()
    notes = []
    scan = None
    if status is not None:
        trouble = status["trouble"]
        if trouble:
            notes.append(health.text(trouble["code"], trouble["detail"]))
        notes += [health.text(code, detail) for code, detail in status["concerns"].items()]
        if running and status["scan"]:
            scan = _scan_of(site, status["scan"])
    return {
        "running": running,
        "ready": running and status is not None and status["phase"] == "ready",
        "status": status,
        "phase": sentences.phase(status["phase"]) if status else "",
        "because": sentences.because(status["code"], status.get("values") or {}) if status else "",
        "needs_a_person": status is not None and status["phase"] in sentences.NEEDS_A_PERSON,
        "notes": notes,
        "scan": scan,
    }


def _scan_of(site: Site, scan: Scan) -> dict[str, Any]:
    """What the template shows of a QR code to scan or a pairing code to type.

    `qr`: whether there is a picture to show. `version`: a number that differs for each picture, so that none comes from
    the browser's cache. `drawn_at`: when it was drawn, ISO; None without a picture. `pairing_code`: as `ABCD-1234`;
    empty if there is none.
    """
    try:
        drawn_at = site.paths.qr_picture.stat().st_mtime
    except OSError:
        drawn_at = None
    code = scan.get("pairing_code", "")
    return {
        "qr": "qr" in scan and drawn_at is not None,
        "version": round((drawn_at or 0) * 1000),
        "drawn_at": times.iso(datetime.fromtimestamp(drawn_at, UTC)) if drawn_at else None,
        "pairing_code": f"{code[:4]}-{code[4:]}" if code else "",
        "valid_until": scan["valid_until"],
    }


def _record_of(site: Site) -> history.History | str:
    """Outages and restarts of the last days; if they can't be read, a sentence that says why."""
    now = datetime.now(UTC)
    try:
        with site.reading() as connection:
            return history.read(connection, since=now - timedelta(days=_DAYS), now=now, limit=_MOST_CHANGES)
    except FileNotFoundError:
        return _("Nothing has been captured yet.")
    except LeadmasterdError as error:
        return str(error)


def _feeds_of(site: Site) -> list[dict[str, Any]]:
    """What the daemon last wrote of each feed, with its state in `words`; empty if it wrote nothing.

    `/session/feeds` shows more, but needs all settings, which take memory.
    """
    from leadmasterd.queries.words import feed_state

    status = site.status()
    feeds = (status["feeds"] or []) if status else []
    return [{**feed, "words": feed_state(feed["state"])} for feed in feeds]


def _alerts_of(site: Site) -> Any:
    """The open alerts; if they can't be read, a sentence that says why."""
    from leadmasterd.queries.alert_history import open_alerts

    try:
        return open_alerts(site.paths)
    except LeadmasterdError as error:
        return str(error)


def picture(request: Request) -> Response:
    """The picture of the QR code to scan. Raises HTTPException (404) while there is none."""
    site = site_of(request)
    status = site.status()
    has_code = status is not None and status["scan"] and "qr" in status["scan"]
    if not has_code or not site.running():
        raise HTTPException(404)
    try:
        return Response(site.paths.qr_picture.read_bytes(), media_type="image/png")
    except FileNotFoundError as error:
        raise HTTPException(404) from error


def ask_for_code(request: Request, form: Form) -> Done:
    """Ask the daemon for a pairing code, to type on the phone instead of scanning a QR code.

    Raises Refused if the form's `phone` can't be an international number, or the daemon does not take the request.
    """
    phone = "".join(each for each in form.get("phone", "") if each in digits)
    if not 7 <= len(phone) <= 15 or phone.startswith("0"):
        raise Refused(_("That is no phone number: write it with the country code, such as 54 9 11 5555 0100."))
    try:
        ask(site_of(request).paths.socket, "pairing-code", phone=phone)
    except LeadmasterdError as error:
        raise Refused(str(error)) from error
    return Done(_("Asked WhatsApp for a code. It is shown here in a moment."))


def revoke(request: Request, form: Form) -> Done:
    """End the session of the form's `id`. Raises Refused if there is none any more."""
    session_id = number_in(form, "id")
    ended = site_of(request).access.revoke([session_id]) if session_id is not None else []
    if not ended:
        raise Refused(_("That browser is no longer let in."))
    return Done(_("{name} is no longer let in.").format(name=ended[0].name))


def line(request: Request) -> Response:
    """The line on top of every page, which says that the daemon does not listen; empty while it does."""
    return render(request, "_health.html")


ROUTES: Final = [
    Route("/session", show),
    Route("/qr.png", picture),
    Route("/health", line),
    posted("/session/pairing-code", ask_for_code),
    posted("/session/revoke", revoke),
]
