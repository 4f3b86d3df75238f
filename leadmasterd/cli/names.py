"""Stages and intents as people type them: by id or in Spanish, with a suggestion for a typo.

So tables and suggestions show both in English: who answers customers reads Spanish. In Spanish the name says it all.
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
    names = _names(known)
    if found := names.get(_normalised(text)):
        return found
    close, listed = _close(text, names, known), _listed(known)
    if close:
        told = _("cannot use the stage {text}: there is no such stage; did you mean {name}? known: {known}")
    else:
        told = _("cannot use the stage {text}: there is no such stage; known: {known}")
    raise CannotUseArgument(told.format(text=repr(text), name=close, known=listed))


def intent(text: str) -> str:
    """An intent's id. Raises CannotUseArgument for an unknown name."""
    from leadmasterd.classify.reasons import INTENT_ES

    names = _names(INTENT_ES) | {"disponibilidad": "availability"}
    if found := names.get(_normalised(text)):
        return found
    close, listed = _close(text, names, INTENT_ES), _listed(INTENT_ES)
    if close:
        told = _("cannot use the label {text}: there is no such intent; did you mean {name}? known: {known}")
    else:
        told = _("cannot use the label {text}: there is no such intent; known: {known}")
    raise CannotUseArgument(told.format(text=repr(text), name=close, known=listed))


def _names(known: Mapping[str, str]) -> dict[str, str]:
    """What may be typed, with the id that it means. `known`: ids with their Spanish names."""
    names = {_normalised(name): name for name in known}
    for name, spanish in known.items():
        # «cambio/devolución» has two names.
        names |= {_normalised(each): name for each in (spanish, *spanish.split("/"))}
    return names


def _close(text: str, names: Mapping[str, str], known: Mapping[str, str]) -> str:
    """What was most likely meant; empty if nothing is near."""
    close = nearest(_normalised(text), names)
    return _both(names[close], known) if close else ""


def _listed(known: Mapping[str, str]) -> str:
    return ", ".join(_both(name, known) for name in known)


def _normalised(text: str) -> str:
    """Without accents and capitals; hyphens and underscores are spaces."""
    return " ".join(unaccented(text).replace("_", " ").replace("-", " ").split())


# ---------------------------------------------------------------------- as they are shown


def stage_lines(stage: str) -> tuple[str, ...]:
    """For a table: `new` and `nuevo`, or `nuevo`."""
    from leadmasterd.sentences import STAGES_ES

    return _lines(stage, STAGES_ES)


def intent_lines(intent: str) -> tuple[str, ...]:
    """For a table: `price` and `precio`, or `precio`."""
    from leadmasterd.classify.reasons import INTENT_ES

    return _lines(intent, INTENT_ES)


def wanted_lines(row: "WaitingConversation") -> tuple[str, ...]:
    """What somebody is waiting for, for a table."""
    from leadmasterd.queries.words import only_called

    if only_called(row):
        return (_("missed call"),) if spoken_language() == "es" else (_("missed call"), "llamada perdida")
    return intent_lines(row["intent"] or "unknown")


def _lines(stored: str, spanish: Mapping[str, str]) -> tuple[str, ...]:
    """An id and its Spanish name, once if they are the same; the name alone to who reads Spanish."""
    name = spanish.get(stored, stored)
    return (name,) if spoken_language() == "es" else tuple(dict.fromkeys((stored, name)))


def _both(stored: str, spanish: Mapping[str, str]) -> str:
    """In a line: `new (nuevo)`, or `nuevo`."""
    first, *second = _lines(stored, spanish)
    return f"{first} ({second[0]})" if second else first
