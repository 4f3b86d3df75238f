"""`/week?from=2026-11-16&to=2026-11-22`: the report of a period, by default of this week, and as a file to keep.

Both days belong to the period.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Final

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from leadmasterd.clock import Clock
from leadmasterd.queries.deadlines import with_current_deadlines
from leadmasterd.queries.report import Report, report
from leadmasterd.queries.report.periods import Period, between, day_begins, day_begun, month_of, week_of
from leadmasterd.report import document, words
from leadmasterd.text import _
from leadmasterd.web.render import render
from leadmasterd.web.site import Site, site_of


@dataclass(frozen=True, slots=True)
class Days:
    """The first and the last day of a period, as its address has them."""

    first: date
    last: date

    def path(self, page: str = "/week") -> str:
        """The address."""
        return f"{page}?from={self.first}&to={self.last}"


def show(request: Request) -> Response:
    """The page."""
    site, clock = site_of(request), _clock(request)
    period = _asked_for(request, clock)
    made = _report(site, period, clock)
    return render(
        request,
        "week.html",
        title=words.stretch(made["period"], clock),
        body=Markup(document.body(made, clock)),
        days=_days(period, clock),
        before=_link(period.earlier, clock),
        after=_link(period.later, clock) if period.ends <= clock.now else "",
        month=_link(partial(month_of, period.begins, clock.zone), clock),
    )


def keep(request: Request) -> Response:
    """The same as a file that needs no page."""
    site, clock = site_of(request), _clock(request)
    period = _asked_for(request, clock)
    days = _days(period, clock)
    name = "{report}-{first}-{last}.html".format(report=_("report"), first=days.first, last=days.last)
    return Response(
        document.file(_report(site, period, clock), clock),
        media_type="text/html",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def style(_request: Request) -> Response:
    """What a report adds to the style of all pages; a file has the same."""
    return FileResponse(document.HERE / "report.css")


def _clock(request: Request) -> Clock:
    return Clock(datetime.now(UTC), site_of(request).leads.zone())


def _report(site: Site, period: Period, clock: Clock) -> Report:
    with site.reading() as connection:
        with_current_deadlines(connection, site.leads)
        return report(connection, period, clock.now, site.leads, running=site.running())


def _asked_for(request: Request, clock: Clock) -> Period:
    """This week, or the days of the address. One day alone is that of its week."""
    first, last = (request.query_params.get(name, "") for name in ("from", "to"))
    try:
        if not first and not last:
            return week_of(clock.now, clock.zone)
        if not first or not last:
            return week_of(day_begins(date.fromisoformat(first or last), clock.zone), clock.zone)
        begins, ends = date.fromisoformat(first), date.fromisoformat(last) + timedelta(days=1)
        if begins < ends:
            return between(day_begins(begins, clock.zone), day_begins(ends, clock.zone), clock.zone)
    except (ValueError, OverflowError):
        pass
    raise HTTPException(400, _("There is no such period. Choose two days, the earlier one first."))


def _days(period: Period, clock: Clock) -> Days:
    first = period.begins.astimezone(clock.zone).date()
    after = day_begun(period.ends, clock.zone) or period.ends.astimezone(clock.zone).date()
    return Days(first, after - timedelta(days=1))


def _link(near: Callable[[], Period], clock: Clock) -> str:
    """Where that period is; empty where no calendar goes."""
    try:
        return _days(near(), clock).path()
    except (ValueError, OverflowError):
        return ""


ROUTES: Final = [Route("/week", show), Route("/week.html", keep), Route("/week.css", style)]
