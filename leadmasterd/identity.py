"""Ids of WhatsApp: which kind of chat one is, its canonical form, and the phone behind it.

Pure. What can't be a phone gives None and never an error; a LID looks like one and is never read as one. A phone has
two forms because one does not do: E.164 is for people's eyes, but `+54 9 11 5555 0001` and `+54 11 5555 0001` are two
valid ones of the same phone, so equality is by `match_key`.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

ChatKind = Literal["direct", "group", "status", "broadcast", "channel"]


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone number. `e164`: `+5491155550001`, to show. `match_key`: digits, equal for two spellings of one phone."""

    e164: str
    match_key: str


_BOT: Final = re.compile(r"1313555\d{4}|131655500\d\d")
"""WhatsApp's own bots have numbers of the shape of a phone (isBot in Baileys and whatsmeow)."""

_ARGENTINA: Final = re.compile(r"549(\d{10})")
"""The 9 of a mobile is written only from abroad; with and without it is one phone."""

_MEXICO: Final = re.compile(r"521(\d{10})")
"""The 1 of a mobile was abolished in 2019; WhatsApp's ids still carry it, and phonenumbers calls it impossible."""

_BRAZIL: Final = re.compile(r"55(\d\d)9?([6-9]\d{7})")
"""Mobiles got a ninth digit, a 9 in front; ids of WhatsApp's may lack it. Landlines begin with 2 to 5."""


def chat_kind(chat: str) -> ChatKind:
    """The kind of a chat by its server. An unknown server counts as a direct chat: better kept than lost."""
    server = chat.rpartition("@")[2]
    if server == "g.us":
        return "group"
    if chat == "status@broadcast":
        return "status"
    if server == "broadcast":
        return "broadcast"
    if server == "newsletter":
        return "channel"
    return "direct"


def canonical_id(wid: str) -> str:
    """`5491155550001:12@s.whatsapp.net` and `5491155550001@c.us` are one person: no device number, server `c.us`."""
    if ":" not in wid and not wid.endswith("@s.whatsapp.net"):
        return wid
    user, _, server = wid.rpartition("@")
    user = user.partition(":")[0]
    return f"{user}@{'c.us' if server == 's.whatsapp.net' else server}"


def phone_of(wid: str) -> Phone | None:
    """The phone behind a canonical id such as `5491155550001@c.us`; None for a LID, a bot, a short code or garbage."""
    digits, _, server = wid.partition("@")
    if server != "c.us" or _BOT.fullmatch(digits):
        return None
    return _phone(digits)


def spellings(digits: str) -> frozenset[str]:
    """All the ways in which ids of WhatsApp's may write this phone, given as digits with the country code."""
    both = {digits}
    if found := re.fullmatch(r"549?(\d{10})", digits):
        both |= {f"54{found[1]}", f"549{found[1]}"}
    elif found := re.fullmatch(r"521?(\d{10})", digits):
        both |= {f"52{found[1]}", f"521{found[1]}"}
    elif found := _BRAZIL.fullmatch(digits):
        both |= {f"55{found[1]}{found[2]}", f"55{found[1]}9{found[2]}"}
    return frozenset(both)


def phone_from_text(text: str, country: str) -> str | None:
    """The match key of a number as a person types it, in whatever form; None when it is not a phone number.

    `country` is where a number without a country code is dialled, as two letters: `AR`.
    """
    text = text.strip()
    if "@" in text:
        phone = phone_of(text)
    elif any(character.isalpha() for character in text):
        phone = None  # phonenumbers would dial the letters
    else:
        phone = _phone(_international(text, country)) or _phone("".join(filter(str.isdigit, text)))
    return phone.match_key if phone else None


def _phone(digits: str) -> Phone | None:
    """The phone of these digits, country code first. Only its length is checked: new ranges are called invalid."""
    if not (digits.isascii() and digits.isdigit() and 7 <= len(digits) <= 15):
        return None
    shown = key = digits
    if found := _ARGENTINA.fullmatch(digits):
        key = f"54{found[1]}"
    elif found := _MEXICO.fullmatch(digits):
        shown = key = f"52{found[1]}"
    elif found := _BRAZIL.fullmatch(digits):
        shown, key = f"55{found[1]}9{found[2]}", f"55{found[1]}{found[2]}"

    # 32 ms and 2.5 MB, so only when the first number is asked for; then 20 microseconds each.
    import phonenumbers

    try:
        number = phonenumbers.parse(f"+{shown}")
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return Phone(e164, key) if e164 == f"+{shown}" else None


def _international(text: str, country: str) -> str:
    """The digits with the country's code, without what is only dialled inside; empty when that can't be told."""
    import phonenumbers

    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)[1:]
