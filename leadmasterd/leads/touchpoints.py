"""Touchpoints in the text of messages: a link, or the text that a campaign's button wrote. Pure.

Ads are not searched for in text: WhatsApp reports them itself.
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
"""Belongs to the sentence or is WhatsApp's markup, and is no part of the link."""
_UTM: Final = "utm_"
_LOOKED_AT: Final = 4_000
"""Characters of a message that are searched: a button writes less, and links come early."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """Its name, and the unaccented words that mark those who came by it."""

    name: str
    words: str

    @classmethod
    def of(cls, name: str, text: str) -> "Campaign":
        """Raises ValueError for a text without any letter or digit."""
        words = plain(text)
        if not words:
            raise ValueError(_("a text with words to recognise customers by ({text!r} has none)").format(text=text))
        return cls(name, words)


@dataclass(frozen=True, slots=True)
class Touchpoint:
    """One trace of where a message's sender came from. `source_id`: the campaign's name, if it has one."""

    kind: Literal["link", "campaign"]
    source_id: str | None = None
    source_url: str | None = None
    raw: Mapping[str, str] = field(default_factory=dict)


def plain(text: str) -> str:
    """Lower case, without accents and punctuation, single spaces between words: how words are compared here."""
    return " ".join("".join(char if char.isalnum() else " " for char in unaccented(text[:_LOOKED_AT])).split())


def touchpoints_of(message: Inbound, campaigns: Sequence[Campaign]) -> list[Touchpoint]:
    """At most one of a kind: the first link, the campaign with the longest text. Edits do not count."""
    text = (message.earlier[0] if message.earlier else message.text)[:_LOOKED_AT]
    found = []
    if "://" in text and (match := _LINK.search(text)):
        url = match.group().rstrip(_AFTER_A_LINK)
        parameters = _utm_parameters(url)
        found.append(Touchpoint("link", parameters.get("utm_campaign"), url, parameters))
    if campaigns:
        words = f" {plain(text)} "
        named = [each for each in campaigns if f" {each.words} " in words]
        if named:
            campaign = max(named, key=lambda each: len(each.words))
            found.append(Touchpoint("campaign", campaign.name, raw={"words": campaign.words}))
    return found


def _utm_parameters(url: str) -> dict[str, str]:
    """None if it is not a URL after all."""
    try:
        query = parse_qsl(urlsplit(url).query, max_num_fields=100)
    except ValueError:
        return {}
    return {key.lower(): value for key, value in query if key.lower().startswith(_UTM) and value.strip()}
