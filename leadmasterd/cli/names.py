"""Stages and intents as people type them (by id or in Spanish, with a suggestion for a typo) and as tables show them.

In English, tables and suggestions show both the id and the Spanish name, because those who answer customers read
Spanish. In Spanish they show the name alone.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from leadmasterd.errors import CannotUseArgument
from leadmasterd.text import _, nearest, spoken_language, unaccented

if TYPE_CHECKING:
    from leadmasterd.queries.waiting import WaitingConversation


def stage(text: str, *, allowed: Iterable[str] | None = None) -> str:
    """A stage's id. Raises CannotUseArgument unless it is one of `allowed` (default: all)."""
    from leadmasterd.sentences import STAGES_ES

    known = {each: STAGES_ES[each] for each in allowed or STAGES_ES}
    ids = _ids_by_name(known)
    if found := ids.get(_normalised(text)):
        return found
    suggestion = _suggestion(text, ids, known)
    if suggestion:
        sentence = _("cannot use the stage {text}: there is no such stage; did you mean {name}? known: {known}")
    else:
        sentence = _("cannot use the stage {text}: there is no such stage; known: {known}")
    raise CannotUseArgument(sentence.format(text=repr(text), name=suggestion, known=_listed(known)))


def intent(text: str) -> str:
    """An intent's id. Raises CannotUseArgument for an unknown name."""
    from leadmasterd.classify.reasons import INTENT_ES

    ids = _ids_by_name(INTENT_ES) | {"disponibilidad": "availability"}  # people type this name too
    if found := ids.get(_normalised(text)):
        return found
    suggestion = _suggestion(text, ids, INTENT_ES)
    if suggestion:
        sentence = _("cannot use the label {text}: there is no such intent; did you mean {name}? known: {known}")
    else:
        sentence = _("cannot use the label {text}: there is no such intent; known: {known}")
    raise CannotUseArgument(sentence.format(text=repr(text), name=suggestion, known=_listed(INTENT_ES)))


def _ids_by_name(known: Mapping[str, str]) -> dict[str, str]:
    """All names that may be typed, normalised, with the ids that they mean. `known`: ids with their Spanish names."""
    ids = {_normalised(stored): stored for stored in known}
    for stored, spanish in known.items():
        # «cambio/devolución» has two names.
        ids |= {_normalised(name): stored for name in (spanish, *spanish.split("/"))}
    return ids


def _suggestion(text: str, ids: Mapping[str, str], known: Mapping[str, str]) -> str:
    """What was most likely meant by an unknown text, as `_in_a_line` shows it; empty if no name is near."""
    name = nearest(_normalised(text), ids)
    return _in_a_line(ids[name], known) if name else ""


def _listed(known: Mapping[str, str]) -> str:
    return ", ".join(_in_a_line(stored, known) for stored in known)


def _normalised(text: str) -> str:
    """Lower case without accents; hyphens and underscores become spaces, and several spaces one."""
    return " ".join(unaccented(text).replace("_", " ").replace("-", " ").split())


# ---------------------------------------------------------------------- as they are shown


def stage_lines(stage: str) -> tuple[str, ...]:
    """The lines of a cell: `new` and `nuevo` in English, `nuevo` in Spanish."""
    from leadmasterd.sentences import STAGES_ES

    return _lines(stage, STAGES_ES)


def intent_lines(intent: str) -> tuple[str, ...]:
    """The lines of a cell: `price` and `precio` in English, `precio` in Spanish."""
    from leadmasterd.classify.reasons import INTENT_ES

    return _lines(intent, INTENT_ES)


def wanted_lines(row: "WaitingConversation") -> tuple[str, ...]:
    """The lines of a cell: what somebody who waits wants, by the label, or that they only called."""
    from leadmasterd.queries.words import only_called

    if not only_called(row):
        return intent_lines(row["intent"] or "unknown")
    if spoken_language() == "es":
        return (_("missed call"),)
    return _("missed call"), "llamada perdida"


def _lines(stored: str, spanish: Mapping[str, str]) -> tuple[str, ...]:
    """An id and, on a second line, its Spanish name if that differs; in Spanish the name alone.

    `spanish`: the names by id; an id that is not in it is its own name.
    """
    name = spanish.get(stored, stored)
    if spoken_language() == "es" or name == stored:
        return (name,)
    return stored, name


def _in_a_line(stored: str, spanish: Mapping[str, str]) -> str:
    """`new (nuevo)` in English, `nuevo` in Spanish."""
    first, *second = _lines(stored, spanish)
    return f"{first} ({second[0]})" if second else first
