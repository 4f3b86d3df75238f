"""The few labels and stages that are chosen most: a page shows buttons for them, before the list of all."""

from collections.abc import Mapping
from typing import Final

from leadmasterd.classify.intents import UNKNOWN
from leadmasterd.classify.reasons import intent_name
from leadmasterd.sentences import stage_name

Choice = tuple[str, str]
"""The stored code, and its name for people."""
_LABELS: Final = ("price", "personal", "availability")
_MOST_LABELS: Final = 2
_NEXT: Final[Mapping[str | None, tuple[str, ...]]] = {  # by the current stage; None: no lead
    None: ("new", "junk"),
    "unsorted": ("new", "junk"),
    "new": ("quoted", "won"),
    "contacted": ("quoted", "won"),
    "qualified": ("quoted", "won"),
    "quoted": ("won", "lost"),
}


def labels(intent: str | None, guess: str | None = None) -> list[Choice]:
    """Labels to offer instead of `intent`, the present one: at most two, without repeats.

    `guess`: what the model thought of but was not sure of; it comes first. None: no label yet, or no guess.
    """
    candidates = dict.fromkeys(each for each in (guess, *_LABELS) if each and each not in (UNKNOWN, intent))
    return [(each, intent_name(each)) for each in candidates][:_MOST_LABELS]


def stages(current: str | None) -> list[Choice]:
    """The stages that usually follow `current`; None: there is no lead. A closed lead is opened again as contacted."""
    return [(each, stage_name(each)) for each in _NEXT.get(current, ("contacted",))]
