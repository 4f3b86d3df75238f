"""How somebody came here, as their own words tell it: a link that they bring along, or the text that a campaign's
button writes for them. Pure. Ads are not found in words: WhatsApp says so itself.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import parse_qsl, urlsplit

from leadmasterd.leads.timeline import Inbound
from leadmasterd.text import bare

_LINK: Final = re.compile(r"https?://[^\s<>\"]{1,2000}", re.IGNORECASE)
_AFTER_A_LINK: Final = ".,;:!?)]}'*_~"
"""Ends a sentence, or WhatsApp's bold, and no link."""
_MARK: Final = "utm_"
_READ: Final = 4_000
"""Characters of a message that are looked at: a button writes less, and nobody pastes their link after them."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """A name, and what those write who come by it."""

    name: str
    words: str

    @classmethod
    def of(cls, name: str, text: str) -> "Campaign":
        """Raises ValueError when the text has no letter and no digit to know it by."""
        words = plain(text)
        if not words:
            raise ValueError(f"words that customers arrive with ({text!r} has none)")
        return cls(name, words)


@dataclass(frozen=True, slots=True)
class Touchpoint:
    """One trace of where a message's sender came from. `source_id`: the campaign's name, if there is one."""

    message_id: int
    conversation: int
    at: int
    kind: Literal["link", "campaign"]
    source_id: str | None
    source_url: str | None
    raw: Mapping[str, str] = field(default_factory=dict)


def plain(text: str) -> str:
    """Small letters and digits without accents, single spaces between words: how words are compared here."""
    return " ".join("".join(char if char.isalnum() else " " for char in bare(text[:_READ])).split())


def touchpoints_of(said: Inbound, campaigns: Sequence[Campaign]) -> list[Touchpoint]:
    """At most one of a kind: the first link, and the campaign that says most. What was edited counts as it came."""
    text = (said.earlier[0] if said.earlier else said.text)[:_READ]
    found = []
    if "://" in text and (match := _LINK.search(text)):
        url = match.group().rstrip(_AFTER_A_LINK)
        marks = _marks(url)
        found.append(_touchpoint(said, "link", marks.get("utm_campaign"), url, marks))
    if campaigns:
        words = f" {plain(text)} "
        named = [each for each in campaigns if f" {each.words} " in words]
        if named:
            campaign = max(named, key=lambda each: len(each.words))
            found.append(_touchpoint(said, "campaign", campaign.name, None, {"words": campaign.words}))
    return found


def _touchpoint(
    said: Inbound, kind: Literal["link", "campaign"], source_id: str | None, url: str | None, raw: Mapping[str, str]
) -> Touchpoint:
    return Touchpoint(said.message_id, said.conversation, said.at, kind, source_id, url, raw)


def _marks(url: str) -> dict[str, str]:
    """What a link says of its campaign: its `utm_` parameters. Of one that is no link after all, nothing."""
    try:
        query = parse_qsl(urlsplit(url).query, max_num_fields=100)
    except ValueError:
        return {}
    return {key.lower(): value for key, value in query if key.lower().startswith(_MARK) and value.strip()}
