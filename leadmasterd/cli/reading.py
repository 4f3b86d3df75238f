"""Shared by the commands that read leads: opening the database, reading the settings, and notes on stderr.

Light imports, because these commands must answer at once.
"""

import sys
from typing import TYPE_CHECKING

from leadmasterd.clock import Clock
from leadmasterd.queries.database import Connection, open_for_reading
from leadmasterd.queries.deadlines import with_current_deadlines
from leadmasterd.queries.waiting import BusinessSeconds
from leadmasterd.settings.leads_light import LightLeadsSettings, read_leads_settings
from leadmasterd.settings.paths import Paths
from leadmasterd.text import _

if TYPE_CHECKING:
    from leadmasterd.cli.tables import Cell


def database(paths: Paths) -> Connection | None:
    """The database, to be closed by the caller. None, with a note on stderr, if there is none yet."""
    try:
        return open_for_reading(paths)
    except FileNotFoundError:
        print(_("Nothing has been captured here yet: there is no {path}.").format(path=paths.database), file=sys.stderr)
        return None


def leads_database(paths: Paths, settings: LightLeadsSettings) -> Connection | None:
    """The database, in which `due_at` is by the opening hours in these settings, even if it was stored by others.

    None, with a note on stderr, if there is none yet.
    """
    connection = database(paths)
    if connection is None:
        return None
    try:
        return with_current_deadlines(connection, settings)
    except BaseException:
        connection.close()
        raise


def leads_settings(paths: Paths) -> LightLeadsSettings:
    """The settings; a warning on stderr names those that are wrong, for which the defaults are used."""
    settings = read_leads_settings(paths)
    if wrong := settings.wrong():
        print(
            _("{keys} in the settings: wrong, so the defaults are used; `leadmasterd config check` says why").format(
                keys=", ".join(f"`{each}`" for each in wrong)
            ),
            file=sys.stderr,
        )
    return settings


def business_seconds(settings: LightLeadsSettings) -> BusinessSeconds | None:
    """A function that counts the seconds in which the business was open; None if the opening hours can't be used.

    The calendar behind it is slow to load, so commands call this only if somebody waits.
    """
    calendar = settings.calendar()
    return calendar.business_seconds if calendar else None


def print_zone(clock: Clock) -> None:
    """Name on stderr the zone of the times that were shown, if it is not the machine's."""
    if zone := clock.zone_name():
        print(_("Times are in {zone} time (leads.timezone).").format(zone=zone), file=sys.stderr)


def lead_cell(lead: int | None) -> "Cell":
    """A cell with the number of a lead; `-` for somebody without one."""
    from leadmasterd.cli.tables import cell

    return cell(lead or "-", style="dim" if lead is None else "")
