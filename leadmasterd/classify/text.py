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
"""How many normalised characters of a burst are read; the rest is cut. Nobody asks the price so late in a text."""

_RAW_READ: Final = 4 * JUDGED
"""How many raw characters are normalised at most to get `JUDGED` of them: many may be invisible."""

LONG_WORD: Final = 40
"""Words are cut to so many characters: longer ones are not words, and cost the model an n-gram per character."""

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
"""Chat spelling -> the words it stands for. Of second-person verbs the voseo form is kept (`tienes` -> `tenes`)."""

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
"""Every character from the lowest emoji on. Searching for one range takes a tenth of the time of a list of emoji."""
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]")
_DIGIT: Final = re.compile(r"\d")

_LINK: Final = re.compile(
    r"(?:https?://|www\.)\S{1,500}|\b(?:[a-z0-9-]{1,63}\.){1,4}(?:com|net|org|ar|uy|gl|me|be|ly|co|app|shop)/\S{0,500}"
)
"""With a scheme or `www.`; without them a path is needed, because people leave out the space after a full stop."""
_MONEY: Final = re.compile(
    r"(?:\$|u\$s|usd|ars)\s{0,3}\d[\d.,]{0,15}k?|\b\d[\d.,]{0,15}\s?(?:pesos|lucas|mil pesos|usd|dolares)\b"
)
_PHONE: Final = re.compile(r"\+?\d[\d\s().-]{7,18}\d")
_ELONGATED: Final = re.compile(r"([a-z])\1{2,}")
_DOUBLE_END: Final = re.compile(r"([abcdfghijkmnopqtuvwxyz])\1\b")
"""A doubled last letter: `holaa`, `okk`. Not e, the one that Spanish words may double at their end (lee, cree)."""
_LAUGHTER: Final = re.compile(r"^(?=.*j.*j)[jaeiou]{3,}h?$|^(?:ha|he){2,}h?$|^(?:hi){2,}$|^xd+$|^lol$")
_WORD: Final = re.compile(r":[a-z]+:|\?|\d+(?:[.,:]\d+)*[a-z]{0,3}\b|[a-z0-9]+", re.ASCII)


class Normalised(NamedTuple):
    """The normalised text of a burst, as rules and model read it."""

    text: str
    """Words and `?`, separated by single spaces, with a newline between messages."""
    words: tuple[str, ...]
    """The words of `text` without `?`. Phrases are searched for in these."""
    question: bool
    """Whether `text` has a `?`."""
    cut: bool
    """Whether the burst was longer than what is read (`JUDGED`), so that its end is missing here."""

    @property
    def empty(self) -> bool:
        """Whether it has neither a word nor a `?`."""
        return not self.text


def normalise(texts: Sequence[str]) -> Normalised:
    """The bodies of one burst, in order, as one normalised text of at most `JUDGED` characters. Skips empty bodies."""
    lines: list[str] = []
    raw_left = _RAW_READ
    room = JUDGED
    cut = False
    for raw in texts:
        if not raw:
            continue
        if raw_left <= 0 or room <= 0:
            cut = True
            break
        line = _line_of(raw[:raw_left])
        if len(raw) > raw_left or len(line) > room:
            cut = True
        raw_left -= len(raw)
        line = line[:room].rstrip()
        room -= len(line) + 1  # and the newline
        if line:
            lines.append(line)
    text = "\n".join(lines)
    words = text.split()
    question = QUESTION in text
    if question:
        words = [word for word in words if word != QUESTION]
    return Normalised(text, tuple(words), question, cut)


def words_of(raw: str) -> Iterable[str]:
    """The normalised words of one body, and `?`. Chat spelling may make two words of one; repeated emoji become one."""
    return _line_of(raw).split()


def _line_of(raw: str) -> str:
    """One body normalised to one line: words and `?`, separated by single spaces. It may be empty."""
    text = raw.lower()
    if not text.isascii():
        # In lower case once more: the plain form of a sign may have capitals, as that of ™ has.
        text = without_accents(_FROM_EMOJI_ON.sub(_emoji_meaning, text)).lower()
    if "/" in text or "www." in text:
        text = _LINK.sub(f" {LINK} ", text)
    if _DIGIT.search(text):  # most texts have none, and these two are slow
        text = _MONEY.sub(f" {MONEY} ", text)
        text = _PHONE.sub(_phone_or_number, text)
    words = _WORD.findall(text)
    if max(map(len, words), default=0) > LONG_WORD:
        words = [word[:LONG_WORD] for word in words]
    line = " ".join(chain.from_iterable(map(_spelled, words)))
    may_repeat_signs = "? ?" in line or ": :" in line
    return _without_repeated_signs(line) if may_repeat_signs else line


def _without_repeated_signs(line: str) -> str:
    """The line with one `?` or `:sign:` (an emoji's meaning, money, ...) in place of several equal ones in a row."""
    kept: list[str] = []
    for word in line.split():
        is_sign = word[0] in ":?"
        repeats = bool(kept) and word == kept[-1]
        if not (is_sign and repeats):
            kept.append(word)
    return " ".join(kept)


def without_accents(text: str) -> str:
    """The text without accents and invisible characters, and with letters and signs in their plain form (NFKD)."""
    decomposed = unicodedata.normalize("NFKD", text)
    for accent in _ACCENTS:  # most texts have no others, and looking each one up is slow
        decomposed = decomposed.replace(accent, "")
    return decomposed if decomposed.isascii() else _NOT_ASCII.sub(_nothing_for_a_mark, decomposed)


_ACCENTS: Final = ("\u0301", "\u0303", "\u0308")
"""The combining accents of Spanish: acute, tilde, diaeresis."""
_DROPPED: Final = frozenset({"Mn", "Me", "Cf", "Cs"})
"""Unicode categories that are removed: combining accents, variation selectors, joiners, direction and zero-width marks,
lone surrogates."""


def _emoji_meaning(found: re.Match[str]) -> str:
    """The replacement of an emoji: its meaning as a word. A character without a known meaning stays."""
    return _EMOJI_WORD.get(found.group(), found.group())


def _nothing_for_a_mark(found: re.Match[str]) -> str:
    """The replacement of a character: nothing for an accent or an invisible one; another stays."""
    return "" if unicodedata.category(found.group()) in _DROPPED else found.group()


def _phone_or_number(found: re.Match[str]) -> str:
    """The replacement of a run of digits: the phone sign if it has as many as phone numbers have. Another one stays."""
    digits = sum(char.isdigit() for char in found.group())
    return f" {PHONE} " if 8 <= digits <= 15 else found.group()


def remember_words(many: int) -> None:
    """Begin a cache for the spellings of `many` words: a large one suits a process that reads much and ends soon.

    The whole process has one such cache.
    """
    global _spelled
    _spelled = lru_cache(maxsize=many)(_as_spelled)


def _as_spelled(word: str) -> Sequence[str]:
    """The words that a typed word stands for: `holaaa` -> `hola`, `xfa` -> `por favor`, `jajaja` -> `:laugh:`.

    Signs and numbers stay. Called through its cache, `_spelled`.
    """
    if not word[0].isalpha():
        return (word,)
    if _LAUGHTER.match(word):
        return (":laugh:",)
    short = _DOUBLE_END.sub(r"\1", _ELONGATED.sub(r"\1", word))
    return tuple(_CHAT_SPELLING.get(short, short).split())


_spelled = lru_cache(maxsize=4_096)(_as_spelled)
