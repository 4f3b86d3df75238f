"""Many bursts at once: each gets the label that it would get alone, to the last bit of its confidence."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadmasterd.classify.bulk import Bulk
from leadmasterd.classify.classifier import Classifier
from leadmasterd.classify.intents import FLAGS, Signals
from leadmasterd.classify.loading import EXAMPLES, PACKAGED, load_classifier
from leadmasterd.classify.measure import cases_from
from leadmasterd.classify.model import Model
from tests.depth import examples

Asked = tuple[Sequence[str], Signals]

ALONE = load_classifier(None, None)
ODD: Sequence[Asked] = [
    ((), Signals()),
    (("",), Signals(types=("ptt",))),
    (("🦄",), Signals()),
    (("??",), Signals()),
    (("", "hola", "", "hola"), Signals(first_contact=True)),
    (("de la de la de la de la",), Signals()),
    (("tarde tardes tarde tardecita",), Signals(saved_contact=True)),
    (("https://example.com/a",), Signals()),
    (("xkqw zzpr blorft 88",), Signals()),
    (("hola, que precio tiene? " + "lorem ipsum " * 500,), Signals()),
    (("".join(map(chr, range(97, 123))) * 9,), Signals()),
    (("",), Signals(types=("order",))),
]
WORDS = (
    "hola",
    "precio",
    "precios",
    "envío",
    "envian",
    "tarde",
    "tardes",
    "12",
    "?",
    "🙏",
    "zzz",
    "de",
    "la",
    "gracias",
)


def packaged_examples() -> Iterator[Asked]:
    """Every fourth."""
    for case in cases_from((PACKAGED / EXAMPLES).read_text(encoding="utf-8").splitlines()[::4], EXAMPLES):
        yield case.texts, case.signals


@pytest.fixture(scope="module")
def bulk() -> Bulk:
    """Shared, so that most words are known from other bursts."""
    return Bulk(ALONE)


@pytest.mark.parametrize("at_once", [200, 1_000_000])
def test_each_burst_gets_the_label_that_it_would_get_alone(bulk: Bulk, at_once: int) -> None:
    """However many there are at once."""
    asked = [*ODD, *packaged_examples(), *ODD]
    found = [label for begin in range(0, len(asked), at_once) for label in bulk.labels(asked[begin : begin + at_once])]
    assert found == [ALONE.classify(*each) for each in asked]
    assert {label.code for label in found} >= {"rule", "model", "unsure", "unseen_words", "empty", "only_a_link"}


@settings(max_examples=examples(100))
@given(
    st.lists(
        st.tuples(
            st.lists(st.one_of(st.lists(st.sampled_from(WORDS)).map(" ".join), st.text()), max_size=3),
            st.builds(Signals, **dict.fromkeys(FLAGS, st.booleans())),
        ),
        max_size=5,
    )
)
def test_any_bursts_get_the_labels_that_they_would_get_alone(bulk: Bulk, asked: list[Asked]) -> None:
    """Words that are known and words that are not, the same word twice, and none at all."""
    assert bulk.labels(asked) == [ALONE.classify(*each) for each in asked]


def test_words_that_were_forgotten_are_looked_up_again() -> None:
    """It knows no more words than it may when it begins with others."""
    forgetful = Bulk(ALONE, remember=3)
    asked = [*ODD, *packaged_examples()][:120]
    for each in asked:
        assert forgetful.labels([each]) == [ALONE.classify(*each)]


def model_of(features: dict[str, str]) -> Model:
    """A model of two intents with these rows."""
    document: dict[str, Any] = {"version": "1", "made": "", "learned": [], "intents": ["price", "spam"]}
    return Model({**document, "bias": [0.5, -0.5], "step": 0.1, "features": features})


@pytest.mark.parametrize(
    "model",
    [
        None,
        model_of({}),
        model_of({"=hola che": "ff00ff0100", "=hola": "ff00000180", "<ho": "0100ff"}),
        model_of({f"={letter * 3}": "ff00ff01ff" for letter in "abcdefgh"}),
    ],
    ids=["none", "of nothing", "with negative weights", "with the largest weights"],
)
def test_any_model_will_do(model: Model | None) -> None:
    """Without one the rules label alone."""
    alone = Classifier(ALONE.rules, "1", model)
    asked: list[Asked] = [*ODD, (("hola che hola che",), Signals()), (("aaa bbb ccc ddd aaa",), Signals())]
    assert Bulk(alone).labels(asked) == [alone.classify(*each) for each in asked]


def test_more_words_than_features_find_room() -> None:
    """A shop's customers know more words than a small model."""
    alone = Classifier(ALONE.rules, "1", model_of({"=hola": "ff00ff"}))
    asked: list[Asked] = [((f"hola {'abcdefghij'[number] * 2}{number}x",), Signals()) for number in range(9)]
    assert Bulk(alone).labels(asked) == [alone.classify(*each) for each in asked]
