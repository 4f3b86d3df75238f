"""Bring the catalogues under leadmasterd/locale up to date with the code: `make translations`.

Adds what is new to each `leadmasterd.po`, drops what is gone, and compiles it. What then is still to be translated is
listed, and the exit code is 1. tests/test_translations.py fails when a catalogue is stale.
"""

import io
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGE: Final = ROOT / "leadmasterd"

_TEMPLATES: Final = {"silent": "false"}  # else a template that jinja can't read would have no words at all
_KEYWORDS: Final = {"_": None, "later": None, "ngettext": (1, 2)}


def sources() -> list[Path]:
    """The modules and templates whose messages are in the catalogues."""
    return sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.html")])


def extracted() -> Catalog:
    """Every message of the code, with the files that it stands in."""
    template = Catalog(charset="utf-8")
    for file in sources():
        with file.open("rb") as lines:
            how, options = ("python", {}) if file.suffix == ".py" else (babel_extract, _TEMPLATES)
            for _line, message, comments, _context in extract(how, lines, keywords=_KEYWORDS, options=options):
                template.add(message, locations=[(str(file.relative_to(ROOT)), 0)], auto_comments=comments)
    return template


def catalogues() -> Iterator[Path]:
    """Each `leadmasterd.po`."""
    yield from sorted((PACKAGE / "locale").glob("*/LC_MESSAGES/leadmasterd.po"))


def read(file: Path) -> Catalog:
    """A catalogue as it is kept."""
    return read_po(io.BytesIO(file.read_bytes()), locale=file.parent.parent.name)


def updated(catalogue: Catalog) -> Catalog:
    """Only what the code says, with the translations that there are. Nothing is guessed."""
    # Spanish has a third form since CLDR 38, for "un millón de": no number here is that large.
    fresh = Catalog(locale=catalogue.locale, charset="utf-8", header_comment="# What leadmasterd says to people.")
    fresh._num_plurals, fresh._plural_expr = 2, "(n != 1)"
    for message in extracted():
        if message.id:
            known = catalogue.get(message.id if isinstance(message.id, str) else message.id[0])
            same = known is not None and known.id == message.id
            fresh.add(message.id, known.string if known and same else "", locations=sorted(set(message.locations)))
    return fresh


def missing(catalogue: Catalog) -> list[Message]:
    """What is not translated, or not wholly."""
    return [
        message
        for message in catalogue
        if message.id and not all(message.string if isinstance(message.string, tuple) else [message.string])
    ]


def as_po(catalogue: Catalog) -> bytes:
    """The file, without dates and line numbers, which would change by themselves."""
    written = io.BytesIO()
    write_po(written, catalogue, width=110, sort_output=True, omit_header=True, include_lineno=False)
    head = (
        f'msgid ""\nmsgstr ""\n"Language: {catalogue.locale}\\n"\n"MIME-Version: 1.0\\n"\n'
        '"Content-Type: text/plain; charset=utf-8\\n"\n"Content-Transfer-Encoding: 8bit\\n"\n'
        f'"Plural-Forms: {catalogue.plural_forms}\\n"\n\n'
    )
    return head.encode() + written.getvalue().rstrip(b"\n") + b"\n"


def as_mo(po: bytes, language: str) -> bytes:
    """The compiled file that gettext reads."""
    written = io.BytesIO()
    catalogue = read_po(io.BytesIO(po), locale=language)
    catalogue.creation_date = catalogue.revision_date = datetime(2026, 1, 1, tzinfo=UTC)  # else it would be today
    write_mo(written, catalogue)
    return written.getvalue()


def main() -> int:
    """The exit code."""
    left = 0
    for file in catalogues():
        language = file.parent.parent.name
        catalogue = updated(read(file))
        po = as_po(catalogue)
        file.write_bytes(po)
        file.with_suffix(".mo").write_bytes(as_mo(po, language))
        for message in missing(catalogue):
            print(f"{language}: not translated: {message.id}")
            left += 1
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
