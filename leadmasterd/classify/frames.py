"""Frames: sentences with slots, to train the model with. `cuanto sale {thing}?` is about the price, whatever the noun.

From examples alone the model learns that `campera` means the price, because somebody asked the price of one. Frames
are filled at random, but with fixed seeds: the same file makes the same model.
"""

import random
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from leadmasterd.classify.intents import GROUP_OF
from leadmasterd.text import _

FILLINGS: Final = 4
"""Sentences made of each frame with slots. More teach nothing new and take time."""
_OPENED: Final = 0.3
_CLOSED: Final = 0.15
"""The shares of sentences that get a greeting before and a please after, as people write. Sentences of courtesy get
neither: it would change what they mean."""

_SLOT: Final = re.compile(r"\{([a-z_]+)\}")


class CannotUseFrames(Exception):
    """Names the frame and what is wrong with it."""


def sentences(text: str) -> Iterator[tuple[str, str]]:
    """The sentences made of the frames in a TOML text, each with its intent. Raises CannotUseFrames.

    The text has `[slots]`, a list of fillings for each; `[around]`, lists of `openers` and `closers`; and `[frames]`,
    lists of sentences by intent.
    """
    data = tomllib.loads(text)
    slots: Mapping[str, Sequence[str]] = data["slots"]
    around: Mapping[str, Sequence[str]] = data["around"]
    for intent, frames in data["frames"].items():
        if intent not in GROUP_OF:
            raise CannotUseFrames(
                _("cannot learn from frames of {intent!r}: there is no such intent").format(intent=intent)
            )
        for frame in frames:
            missing = set(_SLOT.findall(frame)) - set(slots)
            if missing:
                raise CannotUseFrames(
                    _("cannot fill {frame!r}: nothing is listed for {missing}").format(
                        frame=frame, missing=", ".join(sorted(missing))
                    )
                )
            draw = random.Random(frame)  # the frame is the seed
            for _filling in range(FILLINGS if _SLOT.search(frame) else 1):
                sentence = _filled(frame, slots, draw)
                if GROUP_OF[intent] != "courtesy":
                    sentence = _with_courtesies(sentence, around, draw)
                yield sentence, intent


def _filled(frame: str, slots: Mapping[str, Sequence[str]], draw: random.Random) -> str:
    """The frame with each slot replaced by one of its fillings."""
    return _SLOT.sub(lambda slot: draw.choice(slots[slot[1]]), frame)


def _with_courtesies(sentence: str, around: Mapping[str, Sequence[str]], draw: random.Random) -> str:
    """The sentence, sometimes with an opener before it or a closer after it."""
    if draw.random() < _OPENED:
        sentence = f"{draw.choice(around['openers'])} {sentence}"
    if draw.random() < _CLOSED:
        sentence = f"{sentence} {draw.choice(around['closers'])}"
    return sentence
