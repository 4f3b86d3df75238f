"""Words for people, through gettext. English is the source; a catalogue `leadmasterd.mo` under locale/ turns it."""

import gettext
from pathlib import Path
from typing import Final
from unicodedata import combining, normalize

LOCALE_DIR: Final = Path(__file__).parent / "locale"

_translation = gettext.translation("leadmasterd", LOCALE_DIR, fallback=True)
_ = _translation.gettext
ngettext = _translation.ngettext

_JOINER: Final = "\u200d"
"""Joins emoji into one; harmless, though no printable character."""


def printable(text: str) -> str:
    """One line, and nothing that could command a terminal: texts of strangers, of the page and of the browser."""
    return "".join(
        " " if char in "\r\n\t" else char if char.isprintable() or char == _JOINER else "\ufffd" for char in text
    )


def bare(text: str) -> str:
    """What two spellings of the same words have in common: no accents, no capitals."""
    if text.isascii():
        return text.lower()
    return "".join(char for char in normalize("NFKD", text) if not combining(char)).casefold()


def clean(text: str | None) -> str | None:
    """Text as SQLite can keep it: NUL and lone surrogates become U+FFFD. The raw line keeps what really came."""
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
