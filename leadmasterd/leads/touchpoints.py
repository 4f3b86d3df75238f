"""Finds in a message's text how its sender arrived: by a link they send, or by a campaign whose button wrote the text.

Pure. Ads are not looked for in text: WhatsApp reports them itself.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import parse_qsl, urlsplit

from leadmasterd.leads.timeline import Inbound
from leadmasterd.text import _, unaccented

_LINK: Final = re.compile(r"https?://[^\s<>\"]{1,2000}", re.IGNORECASE)
_AFTER_A_LINK: Final = ".,;:!?)]}'*_~"
"""Signs after a link that are no part of it: they belong to the sentence, or are WhatsApp's markup."""
_UTM: Final = "utm_"
_LOOKED_AT: Final = 4_000
"""Characters of a message that are searched: a button writes less, and links come early."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign from the settings: a link or QR code that opens WhatsApp with a text in it, ready to send."""

    name: str
    words: str
    """That text as `plain` makes it: a message with these words came by the campaign."""

    @classmethod
    def of(cls, name: str, text: str) -> "Campaign":
        """A campaign with this text. Raises ValueError for a text without any letter or digit."""
        words = plain(text)
        if not words:
            raise ValueError(_("a text with words to recognise customers by ({text!r} has none)").format(text=text))
        return cls(name, words)


@dataclass(frozen=True, slots=True)
class Touchpoint:
    """One trace of where a message's sender came from."""

    kind: Literal["link", "campaign"]
    source_id: str | None = None
    """The name of the campaign; for a link its `utm_campaign`, if it has one."""
    source_url: str | None = None
    raw: Mapping[str, str] = field(default_factory=dict)
    """What was found: the link's `utm_` parameters, or the campaign's words."""


def plain(text: str) -> str:
    """Lower case, without accents and punctuation, single spaces between words: how words are compared here."""
    letters_and_digits = [char if char.isalnum() else " " for char in unaccented(text[:_LOOKED_AT])]
    return " ".join("".join(letters_and_digits).split())


def touchpoints_of(message: Inbound, campaigns: Sequence[Campaign]) -> list[Touchpoint]:
    """The touchpoints in a message's text as it was first sent: at most one of each kind.

    Of several links the first one counts, of several campaigns the one with the longest text.
    """
    first_text = message.earlier[0] if message.earlier else message.text
    text = first_text[:_LOOKED_AT]
    found = []
    if "://" in text and (match := _LINK.search(text)):
        url = match.group().rstrip(_AFTER_A_LINK)
        parameters = _utm_parameters(url)
        found.append(Touchpoint("link", parameters.get("utm_campaign"), url, parameters))
    if campaigns:
        words = f" {plain(text)} "
        matching = [each for each in campaigns if f" {each.words} " in words]
        if matching:
            campaign = max(matching, key=lambda each: len(each.words))
            found.append(Touchpoint("campaign", campaign.name, raw={"words": campaign.words}))
    return found


def _utm_parameters(url: str) -> dict[str, str]:
    """The `utm_` parameters of a link that have a value, by name in lower case. Empty if it is not a URL after all."""
    try:
        query = parse_qsl(urlsplit(url).query, max_num_fields=100)
    except ValueError:
        return {}
    return {key.lower(): value for key, value in query if key.lower().startswith(_UTM) and value.strip()}
