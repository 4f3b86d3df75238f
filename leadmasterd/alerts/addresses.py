"""The addresses in the settings to which alerts go, each with the notifier that sends to it."""

from dataclasses import dataclass
from typing import Protocol

from leadmasterd.alerts.kinds import Text
from leadmasterd.alerts.notifier import Notifier, Result
from leadmasterd.errors import CannotUseSettings
from leadmasterd.settings.alerts import AlertsSettings
from leadmasterd.settings.paths import Paths, base_folder
from leadmasterd.text import _


class Sends(Protocol):
    """What `Address` needs of a `Notifier`, so that tests can use something else."""

    async def send(self, text: Text) -> list[Result]:
        """Send to its one address. Returns one result."""


@dataclass(slots=True)
class Address:
    """Where alerts go, and whether sending to it works."""

    key: str
    """Names it in `alerts.db`; tells nothing of the URL."""
    shown: str
    """For people, without secrets."""
    notifier: Sends
    warning: str = ""
    """What is unsafe about it, in one sentence; or empty."""
    failures: int = 0
    """How many deliveries have failed since the last that succeeded."""
    why: str = ""
    """Why the last delivery failed; empty if it succeeded."""


def addresses_of(alerts: AlertsSettings, paths: Paths) -> tuple[list[Address], list[str]]:
    """The addresses that can be used, and a sentence for each that can't; a single one if none of them can be read."""
    found: list[Address] = []
    unusable: list[str] = []
    try:
        urls = alerts.addresses(base_folder(paths.file))
    except CannotUseSettings as error:  # the file that holds them can't be read
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
