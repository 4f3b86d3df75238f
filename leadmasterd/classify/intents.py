"""The closed set of intents, the group of each, and what a classifier says of a burst. Pure values.

The ids are stored and spoken by other programs; people read them through `sentences`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Group = Literal["commercial", "after_sale", "courtesy", "closing", "noise", "unknown"]
Method = Literal["rule", "model", "person", "none"]

UNKNOWN: Final = "unknown"

INTENTS: Final[Mapping[Group, tuple[str, ...]]] = {
    "commercial": (
        "price",
        "availability",
        "order",
        "appointment",
        "delivery",
        "payment",
        "business_info",
        "callback",
        "general_enquiry",
    ),
    "after_sale": ("complaint", "order_status", "return"),
    "courtesy": ("greeting", "acknowledgement"),
    "closing": ("not_interested", "opt_out", "wrong_number", "abusive"),
    "noise": ("personal", "supplier", "job_seeker", "spam"),
    "unknown": (UNKNOWN,),
}

GROUP_OF: Final[Mapping[str, Group]] = {intent: group for group, intents in INTENTS.items() for intent in intents}


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known of a burst besides its words, at the time it was received."""

    saved_contact: bool = False
    business_account: bool = False
    first_contact: bool = False
    """Nobody had written in this conversation before."""
    ad_referral: bool = False
    has_media: bool = False
    types: tuple[str, ...] = ()
    """The message types of the burst, as WhatsApp names them: chat, image, ptt, vcard, order, ..."""


@dataclass(frozen=True, slots=True)
class Label:
    """An intent, how it was found, and why: a stable `code` with values that `sentences` makes words from.

    `confidence` is 0 to 1; a rule's is 0.5 and more, by how far the model agrees (that of last resort has the model's
    alone). `source` names what decided: a rule's id, or the model's version.
    """

    intent: str
    method: Method
    confidence: float
    source: str
    code: str
    values: Mapping[str, object] = field(default_factory=dict)

    @property
    def group(self) -> Group:
        """The intent's group."""
        return GROUP_OF[self.intent]
