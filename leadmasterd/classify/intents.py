"""The closed set of intents and their groups, the signals of a burst, and its label. Pure values.

The ids are stored and read by other programs; people read them through `reasons`.
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

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

OF_CUSTOMERS: Final[tuple[Group, ...]] = ("commercial", "after_sale")
GROUP_OF: Final[Mapping[str, Group]] = {intent: group for group, intents in INTENTS.items() for intent in intents}


class Signals(NamedTuple):
    """What was known of a burst besides its words when it arrived. The names are keys of rules and of `context`."""

    saved_contact: bool = False
    """In the operator's address book."""
    business_account: bool = False
    first_contact: bool = False
    """The first burst of this person."""
    prompt_reply: bool = False
    """Their first words, within seconds of our first message to them: see `timeline.PROMPT_MS`."""
    ad_referral: bool = False
    """They came from an ad."""
    has_media: bool = False
    about_product: bool = False
    """They quote a product."""
    types: tuple[str, ...] = ()
    """The message types of the burst, as WhatsApp names them: chat, image, ptt, vcard, order, ..."""


FLAGS: Final = tuple(signal for signal, default in Signals._field_defaults.items() if default is False)
"""The signals that are true or false."""


class Label(NamedTuple):
    """An intent, how it was found, and why: a stable `code` and its values, which `reasons` puts into words.

    `confidence` is 0 to 1. By a rule it is 0.5 or more, the higher the more the model agrees; by a rule of last resort
    it is the model's probability of the intent. `source` is what decided: a rule's id, the model's version, or empty.
    """

    intent: str
    method: Method
    confidence: float
    source: str
    code: str
    values: Mapping[str, object] = {}

    @property
    def group(self) -> Group:
        """The group that the intent belongs to."""
        return GROUP_OF[self.intent]
