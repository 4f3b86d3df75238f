"""The sets that the classifier is measured by: bursts as customers in Argentina and Uruguay write them, and what is
said to the robots of shops and offices elsewhere in Latin America.

Their authors had not seen the examples nor, of the first two, the rules. So they must not be used to write or train
them.
"""

import json
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from leadmasterd.classify.intents import GROUP_OF, Signals

DATA = Path(__file__).parent / "data"
ANSWERS = set(GROUP_OF)
BOOLEAN_SIGNALS = {name for name, default in Signals._field_defaults.items() if isinstance(default, bool)}
LEAST_PER_INTENT = 20
LEAST_INTENTS = 16


@pytest.fixture(scope="module", params=["rioplatense", "latin_american", "rioplatense_situations"])
def bursts(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """Every line of a set, parsed."""
    lines = (DATA / f"{request.param}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def normalised(texts: list[str]) -> str:
    """The burst without capitals, accents, elongation or punctuation; one of emoji alone keeps them."""
    text = unicodedata.normalize("NFKD", " ".join(texts).casefold())
    words = " ".join(re.findall(r"[^\W_]+", "".join(mark for mark in text if not unicodedata.combining(mark))))
    return re.sub(r"(\D)\1+", r"\1", words) or text


def test_every_burst_has_words_and_one_known_intent(bursts: list[dict[str, Any]]) -> None:
    """The fields are those `rules test` reads, and no others."""
    for burst in bursts:
        assert burst.keys() <= {"texts", "intent", "also", "context"}, burst
        assert burst["texts"], burst
        assert all(isinstance(text, str) and text == text.strip() != "" for text in burst["texts"]), burst
        assert burst["intent"] in ANSWERS, burst


def test_other_right_answers_are_known_intents_and_not_the_first_again(bursts: list[dict[str, Any]]) -> None:
    """An `also` is never empty, and never repeats."""
    for burst in bursts:
        if "also" in burst:
            answers = [burst["intent"], *burst["also"]]
            assert len(answers) > 1, burst
            assert set(answers) <= ANSWERS, burst
            assert len(set(answers)) == len(answers), burst


def test_the_context_is_made_of_signals_that_hold(bursts: list[dict[str, Any]]) -> None:
    """A signal that does not hold is left out."""
    for burst in bursts:
        context = burst.get("context", {})
        assert context.keys() <= BOOLEAN_SIGNALS, burst
        assert all(value is True for value in context.values()), burst


def test_no_burst_is_there_twice(bursts: list[dict[str, Any]]) -> None:
    """Two that differ by capitals, accents or punctuation are the same burst."""
    counts = Counter(normalised(burst["texts"]) for burst in bursts)
    assert [words for words, count in counts.items() if count > 1] == []


def test_every_intent_has_enough_bursts_to_be_measured(bursts: list[dict[str, Any]]) -> None:
    """Too few, and one burst more or less would move its figure by more than five points."""
    counts = Counter(burst["intent"] for burst in bursts)
    assert {intent: count for intent, count in counts.items() if count < LEAST_PER_INTENT} == {}
    assert len(counts) >= LEAST_INTENTS


def test_no_burst_holds_a_telephone_number(bursts: list[dict[str, Any]]) -> None:
    """Nobody's number is published here: eight digits in a row, spaced or not, are refused."""
    telephone = re.compile(r"\d(?:[ -]?\d){7,}")
    assert [burst for burst in bursts if any(telephone.search(text) for text in burst["texts"])] == []
