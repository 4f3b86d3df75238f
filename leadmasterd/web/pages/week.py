"""`/week`: the report of this week, or of `?from=2026-11-16&to=2026-11-22`. `/week.html`: the same report as a file.

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
from leadmasterd.queries.report.periods import Period, between, day_begins, month_of, week_of
from leadmasterd.report import document, words
from leadmasterd.text import _
from leadmasterd.web.render import render
from leadmasterd.web.site import Site, site_of


@dataclass(frozen=True, slots=True)
class Days:
    """The first and the last day of a period, both in it, as they stand in the page's address."""

    first: date
    last: date

    def path(self, page: str = "/week") -> str:
        """The path of the report of these days. `page`: `/week`, or `/week.html` for the file."""
        return f"{page}?from={self.first}&to={self.last}"


def show(request: Request) -> Response:
    """The page: the report, and links to the period before, to the one after once it has begun, and to the month."""
    site = site_of(request)
    clock = _clock(request)
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
    """The same report as an HTML file to download, with its style inside."""
    site = site_of(request)
    clock = _clock(request)
    period = _asked_for(request, clock)
    days = _days(period, clock)
    name = "{report}-{first}-{last}.html".format(report=_("report"), first=days.first, last=days.last)
    return Response(
        document.file(_report(site, period, clock), clock),
        media_type="text/html",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def style(_request: Request) -> Response:
    """The style sheet of the report, in addition to that of all pages; the file has the same inside."""
    return FileResponse(document.HERE / "report.css")


def _clock(request: Request) -> Clock:
    """The time now, to be shown in the business's zone."""
    return Clock(datetime.now(UTC), site_of(request).leads.zone())


def _report(site: Site, period: Period, clock: Clock) -> Report:
    """The report, with deadlines by the opening hours that the settings have now."""
    with site.reading() as connection:
        with_current_deadlines(connection, site.leads)  # changes what `due_at` is on this connection
        return report(connection, period, clock.now, site.leads, running=site.running())


def _asked_for(request: Request, clock: Clock) -> Period:
    """The period from `from` to `to` in the address; with only one of them the week of that day, with none this week.

    Raises HTTPException for what is no date, for days in the wrong order, and for years that no calendar has.
    """
    first = request.query_params.get("from", "")
    last = request.query_params.get("to", "")
    try:
        if not first and not last:
            return week_of(clock.now, clock.zone)
        if not first or not last:
            only_day = date.fromisoformat(first or last)
            return week_of(day_begins(only_day, clock.zone), clock.zone)
        begins = date.fromisoformat(first)
        ends = date.fromisoformat(last) + timedelta(days=1)
        if begins < ends:
            return between(day_begins(begins, clock.zone), day_begins(ends, clock.zone), clock.zone)
    except (ValueError, OverflowError):
        pass
    raise HTTPException(400, _("There is no such period. Choose two days, the earlier one first."))


def _days(period: Period, clock: Clock) -> Days:
    """The days of a period, whose end is the first moment of the day after them."""
    first = period.begins.astimezone(clock.zone).date()
    after = period.ends.astimezone(clock.zone).date()
    return Days(first, after - timedelta(days=1))


def _link(make_period: Callable[[], Period], clock: Clock) -> str:
    """The path of that period's report; empty if it would lie before or after what the calendar can hold."""
    try:
        return _days(make_period(), clock).path()
    except (ValueError, OverflowError):
        return ""


ROUTES: Final = [Route("/week", show), Route("/week.html", keep), Route("/week.css", style)]
