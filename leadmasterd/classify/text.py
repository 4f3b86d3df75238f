"""Normalises Spanish as people type it on WhatsApp: the text that rules and model read. Pure; bounded for any input.

Accents, elongation, chat spelling and invisible characters are removed. Whatever carries meaning stays as a word: `?`,
numbers, money, links, and emoji by their meaning (`:ok:`, `:thanks:`, ...).
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Final, NamedTuple

JUDGED: Final = 2_000
"""Normalised characters of a burst that are read. Nobody asks the price after them."""

_RAW_READ: Final = 4 * JUDGED
"""Raw characters read to fill that: many may be invisible."""

LONG_WORD: Final = 40
"""Longer words are cut: they are no words, and have as many n-grams as letters."""

MONEY: Final = ":money:"
LINK: Final = ":link:"
PHONE: Final = ":phone:"
QUESTION: Final = "?"

_CHAT_SPELLING: Final = {
    "q": "que",
    "k": "que",
    "qe": "que",
    "ke": "que",
    "x": "por",
    "d": "de",
    "c": "con",
    "xq": "porque",
    "pq": "porque",
    "xque": "porque",
    "porq": "porque",
    "xfa": "por favor",
    "xfavor": "por favor",
    "xfis": "por favor",
    "porfa": "por favor",
    "porfi": "por favor",
    "porfis": "por favor",
    "porfavor": "por favor",
    "pf": "por favor",
    "tmb": "tambien",
    "tb": "tambien",
    "tbn": "tambien",
    "tmbn": "tambien",
    "tambn": "tambien",
    "dnd": "donde",
    "dond": "donde",
    "cto": "cuanto",
    "cnto": "cuanto",
    "qnto": "cuanto",
    "cuant": "cuanto",
    "kuanto": "cuanto",
    "cdo": "cuando",
    "cnd": "cuando",
    "bn": "bien",
    "grax": "gracias",
    "grcs": "gracias",
    "grs": "gracias",
    "gcias": "gracias",
    "grasias": "gracias",
    "gracia": "gracias",
    "gracis": "gracias",
    "pa": "para",
    "p": "para",
    "pra": "para",
    "toy": "estoy",
    "ta": "esta",
    "hla": "hola",
    "ola": "hola",
    "olas": "hola",
    "holis": "hola",
    "holi": "hola",
    "wenas": "buenas",
    "buenass": "buenas",
    "bnas": "buenas",
    "bnos": "buenos",
    "tds": "tardes",
    "dps": "despues",
    "dsp": "despues",
    "msj": "mensaje",
    "mje": "mensaje",
    "tel": "telefono",
    "cel": "celular",
    "wpp": "whatsapp",
    "wsp": "whatsapp",
    "wap": "whatsapp",
    "ig": "instagram",
    "mp": "mercadopago",
    "transf": "transferencia",
    "efvo": "efectivo",
    "presio": "precio",
    "presios": "precios",
    "prcio": "precio",
    "embio": "envio",
    "enbio": "envio",
    "embios": "envios",
    "haci": "asi",
    "aver": "a ver",
    "nose": "no se",
    "osea": "o sea",
    "ksa": "casa",
    "finde": "fin de semana",
    "salu2": "saludos",
    "okey": "ok",
    "okis": "ok",
    "oki": "ok",
    "okok": "ok",
    "okas": "ok",
    "okay": "ok",
    "ntp": "no te preocupes",
    "tkm": "te quiero mucho",
    "tqm": "te quiero mucho",
    "uds": "ustedes",
    "ud": "usted",
    "disponib": "disponible",
    "dispo": "disponible",
    "xa": "para",
    "ay": "hay",
    "tnes": "tenes",
    "tns": "tenes",
    "tienes": "tenes",
    "quieres": "queres",
    "puedes": "podes",
}
"""One spelling for each word. Other second persons become the voseo where nothing else differs."""

_EMOJI: Final = {
    ":ok:": "👍👌🤝🙌💪✅✔☑🤙👊🆗🫡👏",
    ":thanks:": "🙏🤗",
    ":heart:": "❤🧡💛💚💙💜🖤🤍🤎💕💖💗💘💝💞😍🥰😘😻💋♥❣🫶",
    ":smile:": "😀😃😄😁😊🙂😉☺😇🥳🎉✨😎🤩",
    ":laugh:": "😂🤣😆😅😹",
    ":sad:": "😢😭😞😔😟🙁☹😩😫🥺😥😓",
    ":angry:": "😠😡🤬👿💢🖕😤",
    ":hello:": "👋🙋",
    ":look:": "👀🤔🧐",
}
_EMOJI_WORD: Final = {char: f" {word} " for word, chars in _EMOJI.items() for char in chars}
_FROM_EMOJI_ON: Final = re.compile(f"[{min(_EMOJI_WORD)}-\U0010ffff]")
"""One range: a tenth of the time of a list."""
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]")
_DIGIT: Final = re.compile(r"\d")

_LINK: Final = re.compile(
    r"(?:https?://|www\.)\S{1,500}|\b(?:[a-z0-9-]{1,63}\.){1,4}(?:com|net|org|ar|uy|gl|me|be|ly|co|app|shop)/\S{0,500}"
)
"""With or without the scheme; then only what has a path, because people leave out the space after a full stop."""
_MONEY: Final = re.compile(
    r"(?:\$|u\$s|usd|ars)\s{0,3}\d[\d.,]{0,15}k?|\b\d[\d.,]{0,15}\s?(?:pesos|lucas|mil pesos|usd|dolares)\b"
)
_PHONE: Final = re.compile(r"\+?\d[\d\s().-]{7,18}\d")
_ELONGATED: Final = re.compile(r"([a-z])\1{2,}")
_DOUBLE_END: Final = re.compile(r"([abcdfghijkmnopqtuvwxyz])\1\b")
"""Spanish words end in a double e only (lee, cree); `holaa`, `okk`, `graciass` are elongated."""
_LAUGHTER: Final = re.compile(r"^(?=.*j.*j)[jaeiou]{3,}h?$|^(?:ha|he){2,}h?$|^(?:hi){2,}$|^xd+$|^lol$")
_WORD: Final = re.compile(r":[a-z]+:|\?|\d+(?:[.,:]\d+)*[a-z]{0,3}\b|[a-z0-9]+", re.ASCII)


class Normalised(NamedTuple):
    """A burst as it is read. `text`: words and `?`, separated by single spaces, with a newline between messages."""

    text: str
    words: tuple[str, ...]
    """Without question marks. Phrases are searched for in these."""
    question: bool
    cut: bool
    """The burst was longer than what is read."""

    @property
    def empty(self) -> bool:
        """Without any word or `?`."""
        return not self.text


def normalise(texts: Sequence[str]) -> Normalised:
    """The bodies of one burst, in order, as one text."""
    lines: list[str] = []
    left, room, cut = _RAW_READ, JUDGED, False
    for raw in texts:
        if not raw:
            continue
        if left <= 0 or room <= 0:
            cut = True
            break
        line = _line_of(raw[:left])
        cut = cut or len(raw) > left or len(line) > room
        left -= len(raw)
        line = line[:room].rstrip()
        room -= len(line) + 1
        if line:
            lines.append(line)
    text = "\n".join(lines)
    question = QUESTION in text
    words = text.split()
    return Normalised(text, tuple([word for word in words if word != QUESTION] if question else words), question, cut)


def words_of(raw: str) -> Iterable[str]:
    """The normalised words of one body. Chat spelling may make two of one; repeated emoji become one."""
    return _line_of(raw).split()


def _line_of(raw: str) -> str:
    """The same with single spaces between them."""
    kept = raw.lower()
    if not kept.isascii():
        kept = without_accents(_FROM_EMOJI_ON.sub(_emoji_meaning, kept)).lower()
    if "/" in kept or "www." in kept:
        kept = _LINK.sub(f" {LINK} ", kept)
    if _DIGIT.search(kept):  # most texts have none, and these two are slow
        kept = _MONEY.sub(f" {MONEY} ", kept)
        kept = _PHONE.sub(_phone_or_number, kept)
    found = _WORD.findall(kept)
    if max(map(len, found), default=0) > LONG_WORD:
        found = [word[:LONG_WORD] for word in found]
    line = " ".join(chain.from_iterable(map(_spelled, found)))
    return _without_repeats(line) if "? ?" in line or ": :" in line else line


def _without_repeats(line: str) -> str:
    """With one `?` or emoji in place of several."""
    words = line.split()
    return " ".join(
        [word for word, before in zip(words, ["", *words], strict=False) if word != before or word[0] not in ":?"]
    )


def without_accents(text: str) -> str:
    """Without accents and invisible characters; letters and signs in their plain form."""
    parted = unicodedata.normalize("NFKD", text)
    for accent in _ACCENTS:  # most texts have no others, and looking each one up is slow
        parted = parted.replace(accent, "")
    return parted if parted.isascii() else _NOT_ASCII.sub(_without_marks, parted)


_ACCENTS: Final = ("\u0301", "\u0303", "\u0308")
"""Those of Spanish: acute, tilde, diaeresis."""
_DROPPED: Final = frozenset({"Mn", "Me", "Cf", "Cs"})
"""Combining accents, variation selectors, joiners, direction and zero-width marks, lone surrogates."""


def _emoji_meaning(found: re.Match[str]) -> str:
    return _EMOJI_WORD.get(found.group(), found.group())


def _without_marks(found: re.Match[str]) -> str:
    return "" if unicodedata.category(found.group()) in _DROPPED else found.group()


def _phone_or_number(found: re.Match[str]) -> str:
    digits = sum(char.isdigit() for char in found.group())
    return f" {PHONE} " if 8 <= digits <= 15 else found.group()


def remember_words(many: int) -> None:
    """Cache how so many words are spelled: for a process that reads very much and does not live long."""
    global _spelled
    _spelled = lru_cache(maxsize=many)(_as_spelled)


def _as_spelled(word: str) -> Sequence[str]:
    """Cached as `_spelled`."""
    if not word[0].isalpha():
        return (word,)
    if _LAUGHTER.match(word):
        return (":laugh:",)
    short = _DOUBLE_END.sub(r"\1", _ELONGATED.sub(r"\1", word))
    return tuple(_CHAT_SPELLING.get(short, short).split())


_spelled = lru_cache(maxsize=4_096)(_as_spelled)
