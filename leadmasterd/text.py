"""Text: translation through catalogues of gettext, and forms that are safe to print, compare and store.

English is the source and needs no catalogue; `speak` chooses another language for the whole process.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, overload
from unicodedata import combining, normalize

if TYPE_CHECKING:
    from leadmasterd.catalogue import Catalogue

LOCALE_DIR: Final = Path(__file__).parent / "locale"

_of_the_process: "Catalogue | None" = None
"""None: English."""
_of_the_context: "ContextVar[Catalogue | None]" = ContextVar("catalogue")


def speak(language: str) -> None:
    """Translate into this language from now on: `en`, or one that has a catalogue under locale/.

    Called when the process starts, since texts that exist already do not change. Raises FileNotFoundError for another
    language.
    """
    global _of_the_process
    _of_the_process = _catalogue(language)


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """A context in which this task or thread alone translates into `language`. Raises FileNotFoundError as `speak`."""
    before = _of_the_context.set(_catalogue(language))
    try:
        yield
    finally:
        _of_the_context.reset(before)


@lru_cache(maxsize=4)
def _catalogue(language: str) -> "Catalogue | None":
    if language == "en":
        return None
    from leadmasterd.catalogue import Catalogue  # English has no need of it

    return Catalogue(language, LOCALE_DIR / language / "LC_MESSAGES" / "leadmasterd.mo")


def spoken_language() -> str:
    """The language into which texts are translated now: `en` or `es`."""
    catalogue = _of_the_context.get(_of_the_process)
    return catalogue.language if catalogue else "en"


def name_of(stored: str, spanish: Mapping[str, str]) -> str:
    """A stored id, such as `not_interested`, as people read it: in English without underscores.

    `spanish`: the Spanish names by id; an id that is not in it is shown as it is.
    """
    return spanish.get(stored, stored) if spoken_language() == "es" else stored.replace("_", " ")


def _(message: str) -> str:
    """The message, translated; as it is, where there is no translation."""
    catalogue = _of_the_context.get(_of_the_process)
    return catalogue.gettext(message) if catalogue else message


def ngettext(singular: str, plural: str, n: int) -> str:
    """The form for `n` of a message, translated."""
    catalogue = _of_the_context.get(_of_the_process)
    if catalogue:
        return catalogue.ngettext(singular, plural, n)
    return singular if n == 1 else plural


def later(message: str) -> str:
    """Mark a message for the catalogue and return it in English.

    For texts that are stored or sent, and put through `translated` where they are shown. Their placeholders may have
    been filled by then.
    """
    return message


def translated(stored: str) -> str:
    """A stored English text, translated line by line. Lines that are not made from a message of ours stay."""
    catalogue = _of_the_context.get(_of_the_process)
    return "\n".join(map(catalogue.retold, stored.split("\n"))) if catalogue else stored


def figure(value: float, decimals: int = 0, *, grouped: bool = True) -> str:
    """A number with the separators of the language: `5,000` would be read as five in Argentina."""
    text = f"{value:{',' if grouped else ''}.{decimals}f}"
    catalogue = _of_the_context.get(_of_the_process)
    return catalogue.figure(text) if catalogue else text


def size(number: float) -> str:
    """Bytes as people read them: `12 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}"
        number /= 1000
    return f"{figure(number, 1)} TB"


_JOINER: Final = "\u200d"
"""The zero-width joiner combines emoji into one. Not printable by Python's definition, but harmless."""


def printable(text: str) -> str:
    """Untrusted text as one line without control characters, safe to print to a terminal."""
    if text.isprintable():
        return text
    return "".join(
        " " if char in "\r\n\t" else char if char.isprintable() or char == _JOINER else "\ufffd" for char in text
    )


def shortened(text: str, most: int) -> str:
    """`text`, cut to at most `most` characters with an ellipsis at its end."""
    return text if len(text) <= most else text[: most - 1] + "…"


def unaccented(text: str) -> str:
    """Lower case without accents, to compare and search by."""
    if text.isascii():
        return text.lower()
    return "".join(char for char in normalize("NFKD", text) if not combining(char)).casefold()


_WORD: Final = re.compile(r"[^\W_]+")
_LONGEST_WORD: Final = 64
"""Characters of a word that count: anything longer is not a word but a key or an encoded file."""


def words(text: str) -> list[str]:
    """The words of a text as the search index has them: runs of letters and digits, lower case, no accents."""
    return [word[:_LONGEST_WORD] for word in _WORD.findall(unaccented(text))]


def places_of(text: str, wanted: Iterable[str]) -> list[tuple[int, int]]:
    """Where words of `text` begin with one of the `wanted`: (begin, end) in characters of `text`, in order.

    `wanted`: lower case and unaccented, as `words` gives them. Used to highlight what a search found.
    """
    beginnings = tuple(wanted)
    # One character may fold to several (ß to ss), or to none (an accent that stands apart): `origin` maps each
    # character of the folded text back to its place in `text`.
    folded = [(_folded(char), at) for at, char in enumerate(text)]
    origin = [at for piece, at in folded for _piece in piece]
    found: list[tuple[int, int]] = []
    for word in _WORD.finditer("".join(piece for piece, _at in folded)):
        fits = [len(each) for each in beginnings if word[0].startswith(each)]
        if fits:
            begin, last = origin[word.start()], origin[word.start() + max(fits) - 1]
            while last + 1 < len(text) and combining(text[last + 1]):  # accents that stand apart
                last += 1
            if not found or begin >= found[-1][1]:  # one letter may be two words: ½
                found.append((begin, last + 1))
    return found


@lru_cache(maxsize=4096)
def _folded(char: str) -> str:
    return unaccented(char)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` is most likely a misspelling of; None if all differ by more than a letter in four."""
    typed, most = word.casefold(), max(1, len(word) // 4)
    near = [(slips, each) for each in known if (slips := _slips(typed, each.casefold(), most)) <= most]
    return min(near)[1] if near else None


def _slips(one: str, other: str, most: int) -> int:
    """The Damerau-Levenshtein distance of two words; where it is above `most`, any number above `most`."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            row.append(min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b)))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                row[j] = min(row[j], before[j - 2] + 1)
        before, last = last, row
    return last[-1]


@overload
def clean(text: str) -> str: ...


@overload
def clean(text: None) -> None: ...


def clean(text: str | None) -> str | None:
    """Text that SQLite can store: NUL and lone surrogates become U+FFFD. The original stays in the raw line."""
    if text is None:
        return None
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
