"""The addresses of the settings, each with what tells there."""

from dataclasses import dataclass
from typing import Protocol

from leadmasterd.alerts.kinds import Text
from leadmasterd.alerts.notifier import Notifier, Result
from leadmasterd.errors import CannotUseSettings
from leadmasterd.settings.alerts import AlertsSettings
from leadmasterd.settings.paths import Paths, base_folder
from leadmasterd.text import _


class Sends(Protocol):
    """A `Notifier` with one address."""

    async def send(self, text: Text) -> list[Result]:
        """What came of it."""


@dataclass(slots=True)
class Address:
    """Where alerts go, and how that goes. `shown`: without secrets. `warning`: what is unsafe about it."""

    key: str
    shown: str
    notifier: Sends
    warning: str = ""
    failures: int = 0
    """In a row."""
    why: str = ""
    """Of the last failure."""


def addresses_of(alerts: AlertsSettings, paths: Paths) -> tuple[list[Address], list[str]]:
    """Those that can be used, and a sentence for each that can't."""
    found: list[Address] = []
    unusable: list[str] = []
    try:
        urls = alerts.addresses(base_folder(paths.file))
    except CannotUseSettings as error:
        return [], [str(error)]
    for number, url in enumerate(urls, 1):
        try:
            notifier = Notifier([url])
        except ValueError as error:
            unusable.append(_("cannot use address {n} of `alerts`: {why}").format(n=number, why=error))
        else:
            [address] = notifier.addresses
            found.append(Address(address.key, address.shown, notifier, address.warning))
    return found, unusable
