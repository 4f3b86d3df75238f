"""Gateways: what an approved message is handed to. The only one there is sends nothing."""

from dataclasses import dataclass
from typing import Protocol

from leadmasterd.outbound.decision import FreeText, Template


@dataclass(frozen=True, slots=True)
class ApprovedMessage:
    """What a gateway gets. `recipient`: digits with the country code, as the account knows them."""

    request_id: int
    account: str
    recipient: str
    content: FreeText | Template
    text: str
    """As the recipient would read it."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Nothing was sent."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took it. `message_id`: the provider's id, which its later statuses will name."""

    message_id: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The provider refused it. `code`: the provider's own error code."""

    code: str


class Gateway(Protocol):
    """Hands messages to a provider."""

    @property
    def name(self) -> str:
        """Its name in the table `attempts`."""

    def send(self, message: ApprovedMessage) -> Recorded | Accepted | Rejected:
        """Hand over one message, and return the provider's answer.

        If it raises anything, nobody knows whether the message was sent.
        """


class NullGateway:
    """The only gateway: it sends nothing."""

    name = "null"

    def send(self, message: ApprovedMessage) -> Recorded:
        """Do nothing: the caller has recorded the attempt with its text already."""
        del message
        return Recorded()
