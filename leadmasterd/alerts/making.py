"""Makes the `Alerts` that the settings ask for, out of its parts."""

import logging
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from leadmasterd.alerts.addresses import addresses_of
from leadmasterd.alerts.episodes import Rules
from leadmasterd.alerts.kinds import Kind
from leadmasterd.alerts.observer import Observer
from leadmasterd.alerts.service import Alerts
from leadmasterd.alerts.store import Store
from leadmasterd.queries.alert_history import file_of
from leadmasterd.settings.model import Settings
from leadmasterd.settings.paths import Paths

log = logging.getLogger(__name__)


def make(settings: Settings, paths: Paths) -> Alerts:
    """The alerts, ready to `run`. An address that can't be used is logged and left out; the others are used."""
    now = datetime.now(UTC)
    addresses, unusable = addresses_of(settings.alerts, paths)
    for why in unusable:
        log.error("%s", why, extra={"action": "alerts_unusable"})
    return Alerts(
        rules_of(settings, now),
        observer=Observer(settings, paths),
        addresses=addresses,
        store=Store(file_of(paths), now),
        unusable=unusable,
        divisor=settings.supervisor.time_divisor,
    )


def rules_of(settings: Settings, now: datetime) -> Rules:
    """What the settings say on what is told and when.

    `now`: leads from before it are not told. `Alerts` replaces it by the time at which alerts were first switched on.
    """
    return Rules(
        kinds=frozenset(map(Kind, settings.alerts.kinds)),
        quiet=settings.alerts.quiet(),
        zone=ZoneInfo(settings.leads.timezone),
        silent_before=now,
    )
