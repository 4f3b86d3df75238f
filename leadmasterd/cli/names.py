"""Stages and intents as people type them: by id or in Spanish, with a suggestion for a typo."""

from collections.abc import Iterable, Mapping

from leadmasterd.errors import CannotUseArgument
from leadmasterd.text import _, nearest, unaccented


def stage(text: str, *, allowed: Iterable[str] | None = None) -> str:
    """A stage's id. Raises CannotUseArgument unless it is one of `allowed` (default: all)."""
    from leadmasterd.sentences import STAGES_ES

    known = {each: STAGES_ES[each] for each in allowed or STAGES_ES}
    return _find(text, known, _("cannot use the stage {text}: there is no such stage"))


def intent(text: str) -> str:
    """An intent's id. Raises CannotUseArgument for an unknown name."""
    from leadmasterd.classify.reasons import INTENT_ES

    return _find(text, INTENT_ES, _("cannot use the label {text}: there is no such intent"))


def _find(text: str, known: Mapping[str, str], problem: str) -> str:
    """`known`: ids with their Spanish names."""
    names = {_normalised(name): name for name in known}
    for name, spanish in known.items():
        # «stock/disponibilidad» has two names.
        names |= {_normalised(each): name for each in (spanish, *spanish.split("/"))}
    wanted = _normalised(text)
    if wanted in names:
        return names[wanted]
    close = nearest(wanted, names)
    suggestion = _("did you mean {name}?").format(name=_both(names[close], known)) + " " if close else ""
    listed = ", ".join(_both(name, known) for name in known)
    raise CannotUseArgument(f"{problem.format(text=repr(text))}; {suggestion}{_('known:')} {listed}")


def _normalised(text: str) -> str:
    """Without accents and capitals; hyphens and underscores are spaces."""
    return " ".join(unaccented(text).replace("_", " ").replace("-", " ").split())


def _both(name: str, known: Mapping[str, str]) -> str:
    return name if known[name] == name else f"{name} ({known[name]})"
