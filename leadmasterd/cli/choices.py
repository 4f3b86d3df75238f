"""Names as people type them, by id or in Spanish; for one that there is not, what was perhaps meant."""

import difflib
import sys
from collections.abc import Iterable, Mapping

from leadmasterd.text import _, bare


def stage(text: str, *, allowed: Iterable[str] | None = None) -> str:
    """A stage's id. Ends the program with 64 when it is none of `allowed` (default: all)."""
    from leadmasterd.sentences import STAGES_ES

    known = {each: STAGES_ES[each] for each in allowed or STAGES_ES}
    return _chosen(_("cannot use the stage {text}: there is none of that name that can be chosen"), text, known)


def intent(text: str) -> str:
    """An intent's id. Ends the program with 64 when there is none such."""
    from leadmasterd.classify.reasons import INTENT_ES

    return _chosen(_("cannot use the label {text}: there is no intent of that name"), text, INTENT_ES)


def _chosen(problem: str, text: str, known: Mapping[str, str]) -> str:
    spoken = _plain(text)
    names = {_plain(name): name for name in known}
    for name, spanish in known.items():
        # «stock/disponibilidad» is called either.
        names |= {_plain(each): name for each in (spanish, *spanish.split("/"))}
    if spoken in names:
        return names[spoken]
    close = difflib.get_close_matches(spoken, names, n=1)
    meant = _("did you mean {name}?").format(name=_both(names[close[0]], known)) + " " if close else ""
    listed = ", ".join(_both(name, known) for name in known)
    print(f"{problem.format(text=repr(text))}; {meant}{_('known:')} {listed}", file=sys.stderr)
    raise SystemExit(64)


def _plain(text: str) -> str:
    """As people type it: without accents and capitals, and with a hyphen or underscore for a space."""
    return " ".join(bare(text).replace("_", " ").replace("-", " ").split())


def _both(name: str, known: Mapping[str, str]) -> str:
    return name if known[name] == name else f"{name} ({known[name]})"
