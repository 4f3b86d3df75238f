"""The labels and stages that are pressed most: they stand open on a page, before the list of all."""

from collections.abc import Mapping
from typing import Final

from leadmasterd.classify.intents import UNKNOWN
from leadmasterd.classify.reasons import intent_name
from leadmasterd.sentences import stage_name

Choice = tuple[str, str]
"""What is stored, and its name."""
_LABELS: Final = ("price", "personal", "availability")
_MOST_LABELS: Final = 2
_NEXT: Final[Mapping[str | None, tuple[str, ...]]] = {
    None: ("new", "junk"),
    "unsorted": ("new", "junk"),
    "new": ("quoted", "won"),
    "contacted": ("quoted", "won"),
    "qualified": ("quoted", "won"),
    "quoted": ("won", "lost"),
}


def labels(intent: str | None, guess: str | None = None) -> list[Choice]:
    """What they may want instead of `intent`. `guess`: what the model was not sure of."""
    known = dict.fromkeys(each for each in (guess, *_LABELS) if each not in (None, UNKNOWN, intent))
    return [(each, intent_name(each)) for each in known if each][:_MOST_LABELS]


def stages(current: str | None) -> list[Choice]:
    """What usually follows. A lead that is closed is opened again."""
    return [(each, stage_name(each)) for each in _NEXT.get(current, ("contacted",))]
