"""What can be wrong with a catalogue that Babel reads, and compiles, without a word."""

import io
import re
import string
from collections import Counter
from collections.abc import Iterator, Mapping

from babel.messages.catalog import Message
from babel.messages.pofile import read_po

NOT_ARGENTINE = re.compile(
    r"\b(tú|ti|contigo|eres|tienes|puedes|debes|quieres|necesitas|sabes|haces|dices|vienes|pones|sales|eliges|pierdes|"
    r"encuentras|recuerdas|prefieres|sigues|vuelves|haz|pon|ten|detén|ejecuta|libera|escanea|agrega|usted|"
    r"ejecute|revise|escanee|ingrese|presione|pulse|"
    r"vosotros|vuestro|ordenador|móvil|fichero|clic|cliquee)\b",
    re.IGNORECASE,
)
"""Forms of tú, of usted and of Spain. Only those that can be nothing else: `espera` is also what somebody does."""


def problems(po: bytes, language: str) -> list[str]:
    """One sentence each. `po`: the file as it is kept."""
    text = po.decode()
    found = [f"obsolete: {line}" for line in text.splitlines() if line.startswith("#~")]
    ids = Counter(re.findall(r'^msgid ((?:".*"\n)+)', text, re.MULTILINE))
    found += [f"twice: {each}" for each, times in ids.items() if times > 1]
    if '"Plural-Forms: nplurals=2; plural=(n != 1);\\n"' not in text:
        found.append("its plurals are other ones")
    messages = [each for each in read_po(io.BytesIO(po), locale=language, abort_invalid=True) if each.id]
    placeholders = {str(each.id): str(each.string) for each in messages if re.fullmatch("[A-Z_]+", str(each.id))}
    for message in messages:
        found += _of_message(message, placeholders)
    return found


def _of_message(message: Message, placeholders: Mapping[str, str]) -> Iterator[str]:
    sources = [message.id] if isinstance(message.id, str) else list(message.id)
    forms = [str(each or "") for each in (message.string if isinstance(message.string, tuple) else [message.string])]
    if message.fuzzy:
        yield f"guessed: {sources[0]!r}"
    if len(forms) != len(sources) or not all(forms):
        yield f"not wholly translated: {sources[0]!r}"
        return
    for source, form in zip(sources, forms, strict=True):
        if _fields(form) != _fields(source):
            yield f"other names in braces: {form!r}"
        if _percents(form) != _percents(source):
            yield f"other values after %: {form!r}"
        if _commands(form) != _commands(
            re.sub(r"\b[A-Z_]+\b", lambda word: placeholders.get(word[0], word[0]), source)
        ):
            yield f"other words in backticks: {form!r}"
        if _edges(form) != _edges(source):
            yield f"begins or ends otherwise: {form!r}"
        if language := NOT_ARGENTINE.search(re.sub("`[^`]*`", "", form)):
            yield f"`{language[0]}` is not what an Argentine says: {form!r}"


def _fields(template: str) -> object:
    """Names with their conversions and forms; what can't be read is itself."""
    try:
        return sorted(each[1:] for each in string.Formatter().parse(template) if each[1] is not None)
    except ValueError as error:
        return str(error)


def _percents(template: str) -> list[str]:
    return sorted(re.findall(r"%(?:\(\w+\))?[sdrf]", template))


def _commands(template: str) -> list[str]:
    return sorted(re.findall(r"`[^`]+`", template))


def _edges(template: str) -> tuple[str, ...]:
    """Spaces and line breaks at either end, and whether it ends as a sentence."""
    begin, end = re.match(r"\s*", template), re.search(r"\s*$", template)
    return (begin[0] if begin else "", end[0] if end else "", str(template.rstrip().endswith(".")))
