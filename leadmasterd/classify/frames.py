"""Sentences with slots: `cuanto sale {thing}?` teaches the model that the sentence says the price, whatever the noun.

Examples alone don't: there `campera` speaks for the price because somebody asked the price of one. A frame is filled
several times at random, and always the same way, so that the same file makes the same model.
"""

import random
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from leadmasterd.classify.intents import GROUP_OF

FILLINGS: Final = 4
"""Of a frame with slots. More teach nothing new and take time."""
_OPENED: Final = 0.3
_CLOSED: Final = 0.15
"""Shares that begin with a greeting and end with a please: people do, and it changes no meaning but courtesy's."""

_SLOT: Final = re.compile(r"\{([a-z_]+)\}")


class CannotUseFrames(Exception):
    """The text names the frame and what is wrong with it."""


def sentences(text: str) -> Iterator[tuple[str, str]]:
    """Each frame of a TOML file, filled, with its intent. Raises CannotUseFrames.

    The file has `[slots]`, lists of what may stand in each; `around`, lists of `openers` and `closers`; and `[frames]`,
    lists of sentences by intent.
    """
    data = tomllib.loads(text)
    slots: Mapping[str, Sequence[str]] = data["slots"]
    around: Mapping[str, Sequence[str]] = data["around"]
    for intent, frames in data["frames"].items():
        if intent not in GROUP_OF:
            raise CannotUseFrames(f"cannot learn from frames of {intent!r}: there is no such intent")
        for frame in frames:
            missing = set(_SLOT.findall(frame)) - set(slots)
            if missing:
                raise CannotUseFrames(f"cannot fill {frame!r}: nothing is listed for {', '.join(sorted(missing))}")
            draw = random.Random(frame)  # the same each time
            for _filling in range(FILLINGS if _SLOT.search(frame) else 1):
                sentence = _filled(frame, slots, draw)
                yield (sentence if GROUP_OF[intent] == "courtesy" else _within(sentence, around, draw)), intent


def _filled(frame: str, slots: Mapping[str, Sequence[str]], draw: random.Random) -> str:
    return _SLOT.sub(lambda slot: draw.choice(slots[slot[1]]), frame)


def _within(sentence: str, around: Mapping[str, Sequence[str]], draw: random.Random) -> str:
    if draw.random() < _OPENED:
        sentence = f"{draw.choice(around['openers'])} {sentence}"
    if draw.random() < _CLOSED:
        sentence = f"{sentence} {draw.choice(around['closers'])}"
    return sentence
