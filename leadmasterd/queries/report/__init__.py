"""The report of a period in figures: what became of everybody who wrote, and the same for the period before it.

docs/report.md defines each figure so that it can be counted by hand; each of its sections has a module here. How a
report looks is left to `leadmasterd.report`.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TypedDict

from leadmasterd.queries.database import Connection
from leadmasterd.queries.deadlines import is_derived_with
from leadmasterd.queries.leads import count_pending
from leadmasterd.queries.report.asked import Asked, UnledGroup, asked, without_lead
from leadmasterd.queries.report.closings import Closings, closings
from leadmasterd.queries.report.first_answers import FirstAnswers, first_answers
from leadmasterd.queries.report.opened import CameBy, OpenedLead, Wanted, came_by, opened_leads, wants
from leadmasterd.queries.report.periods import Period, Window
from leadmasterd.queries.report.record import NO_RECORD, Record, record
from leadmasterd.queries.report.silences import Silences, no_silences, silences
from leadmasterd.queries.waiting import BusinessSeconds
from leadmasterd.settings.leads_light import LightLeadsSettings
from leadmasterd.times import iso


class Figures(TypedDict):
    """All figures of one period: `A period` of docs/json.md.

    The figures are of the time from `begins` until `until`, which is `ends` once the period is over. `opened`: leads,
    without the `discarded` ones.
    """

    begins: str
    ends: str
    until: str
    opened: int
    discarded: int
    first_answers: FirstAnswers
    asked: Asked
    wants: list[Wanted]
    without_lead: list[UnledGroup]
    came_by: list[CameBy]
    closings: Closings
    silences: Silences
    record: Record


class Report(TypedDict):
    """The answer of `report`. `unjudged`: conversations that are still to be projected and so not counted in full."""

    as_of: str
    timezone: str
    target_seconds: float
    unjudged: int
    period: Figures
    before: Figures


def report(
    connection: Connection,
    period: Period,
    now: datetime,
    settings: LightLeadsSettings,
    *,
    running: bool,
) -> Report:
    """The figures of a period and of the one before it. If the period is not over, both end at the same time in it.

    `running`: whether the daemon runs; if not, the time since it last listened counts as an outage.
    """
    this_window, before_window = period.until(now), period.before_until(now)
    these_silences, silences_before = silences(connection, [this_window, before_window])
    open_seconds = _open_seconds(connection, settings)

    def figures(window: Window, ends: datetime, window_silences: Silences) -> Figures:
        """All figures of one window, which is a period that ends at `ends`, or the part of it that is over."""
        leads = opened_leads(connection, window, now)
        counted = [lead for lead in leads if lead.stage != "junk"]
        return {
            "begins": iso(window.begins),
            "ends": iso(ends),
            "until": iso(window.ends),
            "opened": len(counted),
            "discarded": len(leads) - len(counted),
            "first_answers": first_answers(counted, settings.target_seconds, open_seconds),
            "asked": asked(connection, window, now, settings.zone()),
            "wants": wants(counted),
            "without_lead": without_lead(connection, window),
            "came_by": came_by(counted),
            "closings": closings(connection, window),
            "silences": window_silences,
            "record": record(connection, window, now, running=running),
        }

    return {
        "as_of": iso(now),
        "timezone": settings.timezone,
        "target_seconds": settings.target_seconds,
        "unjudged": count_pending(connection),
        "period": figures(this_window, period.ends, these_silences),
        "before": figures(before_window, period.begins, silences_before),
    }


def nothing(period: Period, now: datetime, settings: LightLeadsSettings) -> Report:
    """The answer of `report` before anything is captured: the same object, with zeros and nothing in its lists."""

    def figures(window: Window, ends: datetime) -> Figures:
        return {
            "begins": iso(window.begins),
            "ends": iso(ends),
            "until": iso(window.ends),
            "opened": 0,
            "discarded": 0,
            "first_answers": first_answers([], settings.target_seconds, lambda lead: lead.open_seconds),
            "asked": {"asked": 0, "missed": 0, "hours": []},
            "wants": [],
            "without_lead": [],
            "came_by": [],
            "closings": {"won": 0, "lost": 0, "dormant": 0, "junk": 0, "reasons": []},
            "silences": no_silences(window),
            "record": NO_RECORD,
        }

    return {
        "as_of": iso(now),
        "timezone": settings.timezone,
        "target_seconds": settings.target_seconds,
        "unjudged": 0,
        "period": figures(period.until(now), period.ends),
        "before": figures(period.before_until(now), period.begins),
    }


def _open_seconds(connection: Connection, settings: LightLeadsSettings) -> Callable[[OpenedLead], float | None]:
    """A function that tells how many seconds of opening hours a lead waited for its first answer (None: none came).

    As stored, if that was derived with these settings or their calendar can't be used; else computed again.
    """
    calendar = None if is_derived_with(connection, settings.hours_version()) else settings.calendar()
    if calendar is None:
        return lambda lead: lead.open_seconds
    return lambda lead: _seconds_to_answer(lead, calendar.business_seconds)


def _seconds_to_answer(lead: OpenedLead, business_seconds: BusinessSeconds) -> float | None:
    """How many seconds of opening hours passed until the first answer; None if none came."""
    if lead.answered_at is None:
        return None
    return business_seconds(datetime.fromisoformat(lead.opened_at), datetime.fromisoformat(lead.answered_at))
