"""WhatsApp ids: the kind of chat, the canonical form of an id, and the phone number behind it.

Pure. What can't be a phone number gives None, never an error. A LID looks like a phone number and is never taken for
one. A phone has two forms: E.164 is shown to people, but `+54 9 11 5555 0001` and `+54 11 5555 0001` are both valid
E.164 for one phone, so phones are compared by `match_key`.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

ChatKind = Literal["direct", "group", "status", "broadcast", "channel", "bot", "whatsapp"]


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone number. `e164`: to show, `+5491155550001`. `match_key`: digits, equal for all spellings of a phone."""

    e164: str
    match_key: str


_IDS_CACHED: Final = 1_024
"""Enough for the few hundred people who write at a time; each message asks for the same ids several times."""
_SAME_SERVER: Final = {"s.whatsapp.net": "c.us", "hosted": "c.us", "hosted.lid": "lid"}

_BOT: Final = re.compile(r"1313555\d{4}|131655500\d\d")
"""Meta's bots have ids that look like phone numbers (WAWebWid; isBot in Baileys and whatsmeow)."""

_WHATSAPP: Final = frozenset({"0@c.us", "server@c.us", "16508638904@c.us", "16505361212@c.us", "165332417282214@lid"})
"""WhatsApp's own accounts: its news, its server, its surveys, its business account and its AI hub (WAWebWid)."""

_ARGENTINA: Final = re.compile(r"549(\d{10})")
"""Mobiles have a 9 only when called from abroad; with and without it is the same phone."""

_MEXICO: Final = re.compile(r"521(\d{10})")
"""Mobiles lost their 1 in 2019. WhatsApp's ids still have it, and phonenumbers rejects it as impossible."""

_BRAZIL: Final = re.compile(r"55(\d\d)9?([6-9]\d{7})")
"""Mobiles got a ninth digit, a leading 9, which WhatsApp's ids may lack. Landlines start with 2 to 5."""


@lru_cache(maxsize=_IDS_CACHED)
def chat_kind(chat: str) -> ChatKind:
    """The kind of a chat, by its canonical id. An unknown server counts as direct, so that nothing is lost."""
    server = chat.rpartition("@")[2]
    if server == "g.us":
        return "group"
    if chat == "status@broadcast":
        return "status"
    if server == "broadcast":
        return "broadcast"
    if server == "newsletter":
        return "channel"
    if server == "bot" or (chat.startswith("131") and server == "c.us" and _BOT.fullmatch(chat[:-5])):
        return "bot"
    return "whatsapp" if chat in _WHATSAPP else "direct"


@lru_cache(maxsize=_IDS_CACHED)
def canonical_id(wid: str) -> str:
    """The id without its device number, `c.us` for phones: `549…:12@s.whatsapp.net` becomes `549…@c.us`.

    `hosted` and `hosted.lid` are the servers of a business's device at a provider. They name the same users as `c.us`
    and `lid`.
    """
    user, _, server = wid.rpartition("@")
    if ":" not in wid and server not in _SAME_SERVER:
        return wid
    return f"{user.partition(':')[0]}@{_SAME_SERVER.get(server, server)}"


def phone_of(wid: str) -> Phone | None:
    """The phone of a canonical id such as `5491155550001@c.us`; None for a LID, a bot, a short code or garbage."""
    digits, _, server = wid.partition("@")
    if server != "c.us" or _BOT.fullmatch(digits):
        return None
    return _phone(digits)


def spellings(digits: str) -> frozenset[str]:
    """All digits, country code first, that WhatsApp's ids may use for the phone with these digits."""
    forms = {digits}
    if found := re.fullmatch(r"549?(\d{10})", digits):
        forms |= {f"54{found[1]}", f"549{found[1]}"}
    elif found := re.fullmatch(r"521?(\d{10})", digits):
        forms |= {f"52{found[1]}", f"521{found[1]}"}
    elif found := _BRAZIL.fullmatch(digits):
        forms |= {f"55{found[1]}{found[2]}", f"55{found[1]}9{found[2]}"}
    return frozenset(forms)


def phone_from_text(text: str, country: str) -> str | None:
    """The match key of a number or phone id as typed by a person; None when it is not a phone number.

    `country`: two letters such as `AR`, for numbers without a country code.
    """
    text = text.strip()
    if "@" in text:
        phone = phone_of(text)
    elif any(character.isalpha() for character in text):
        phone = None  # phonenumbers would read letters as a keypad does
    else:
        phone = _phone(_international(text, country)) or _phone("".join(filter(str.isdigit, text)))
    return phone.match_key if phone else None


def certain_phone(text: str, country: str) -> str | None:
    """As `phone_from_text`, but None where another phone could be meant: for settings, where nobody can be asked.

    A number without a country code must be valid in `country` (empty: such numbers are not accepted). So
    `15 5555 0001`, which lacks its area code, is refused rather than read as a number in the area 1555.
    """
    if any(character.isalpha() for character in text):
        return None
    dialled = _international(text, country)
    if text.strip().startswith("+") or (dialled and _exists(dialled)):
        phone = _phone(dialled)
    else:
        phone = _phone("".join(filter(str.isdigit, text)))
    return phone.match_key if phone else None


def _exists(digits: str) -> bool:
    """Whether these digits, country code first, are a number of a range in use."""
    import phonenumbers

    return phonenumbers.is_valid_number(phonenumbers.parse(f"+{digits}"))


def _phone(digits: str) -> Phone | None:
    """The phone with these digits, country code first, or None.

    Only the length is checked besides the country code: ranges that are newer than our phonenumbers must pass.
    """
    if not (digits.isascii() and digits.isdigit() and 7 <= len(digits) <= 15):
        return None
    shown = key = digits
    if found := _ARGENTINA.fullmatch(digits):
        key = f"54{found[1]}"
    elif found := _MEXICO.fullmatch(digits):
        shown = key = f"52{found[1]}"
    elif found := _BRAZIL.fullmatch(digits):
        shown, key = f"55{found[1]}9{found[2]}", f"55{found[1]}{found[2]}"

    # Costs 32 ms and 2.5 MB once, so it is imported with the first number; each takes 20 microseconds then.
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
    """The digits with the country code and without national prefixes; empty when that can't be determined."""
    import phonenumbers

    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)[1:]
