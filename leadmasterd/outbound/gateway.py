"""What takes approved messages from here. The only gateway there is sends nothing."""

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
    """The provider took it; `message_id` is what its statuses will call it."""

    message_id: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The provider did not take it, and said why. `code`: its own."""

    code: str


class Gateway(Protocol):
    """Hands one message over and returns what came back."""

    @property
    def name(self) -> str:
        """As attempts record it."""

    def send(self, message: ApprovedMessage) -> Recorded | Accepted | Rejected:
        """Whatever it raises means that nobody knows whether the message was sent."""


class NullGateway:
    """The default: takes note of the message and sends nothing."""

    name = "null"

    def send(self, message: ApprovedMessage) -> Recorded:
        """The note is the attempt itself, which has the text, the recipient and the time."""
        del message
        return Recorded()
