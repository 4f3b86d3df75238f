"""The training examples are well formed, unique, labelled with known intents, and enough for each intent."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from leadmasterd.classify.intents import GROUP_OF, UNKNOWN

FILE = Path(__file__).parent.parent / "leadmasterd" / "classify" / "data" / "examples.jsonl"
FLAGS = {"saved_contact", "business_account", "first_contact", "ad_referral", "has_media", "about_product"}
AT_LEAST = 100


def examples() -> list[dict[str, Any]]:
    """All lines of the file, parsed."""
    return [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


def test_every_line_has_words_an_intent_and_nothing_else() -> None:
    """A field that nothing reads is a typo."""
    for example in examples():
        assert set(example) <= {"texts", "intent", "context"}, example
        assert example["texts"], example
        assert all(text and text == text.strip() for text in example["texts"]), example
        assert example["intent"] in GROUP_OF, example


def test_a_context_says_only_what_is_true() -> None:
    """A signal that is absent counts as false."""
    for example in examples():
        context = example.get("context", {"saved_contact": True})
        assert context, example
        assert set(context) <= FLAGS, example
        assert all(value is True for value in context.values()), example


def test_no_burst_is_written_twice() -> None:
    """Compared without case and as one text, since the same words under two labels teach nothing."""
    times = Counter(" ".join(example["texts"]).casefold().strip() for example in examples())
    assert [words for words, count in times.items() if count > 1] == []


def test_every_intent_has_enough_bursts() -> None:
    """`unknown` needs none, because the model says it by abstaining."""
    counts = Counter(example["intent"] for example in examples())
    assert {intent: counts[intent] for intent in GROUP_OF if intent != UNKNOWN and counts[intent] < AT_LEAST} == {}
