"""Sentence templates with slots: how they are filled, and that no packaged template contradicts a rule."""

import tomllib

import pytest

from leadmasterd.classify.frames import FILLINGS, CannotUseFrames, sentences
from leadmasterd.classify.intents import GROUP_OF, Signals
from leadmasterd.classify.loading import FRAMES, PACKAGED, load_classifier
from leadmasterd.classify.text import normalise

FILE = """
[slots]
thing = ["torta", "mesa", "bici"]
[around]
openers = ["hola"]
closers = ["porfa"]
[frames]
price = ["cuanto sale {thing}?", "precio?"]
greeting = ["buen dia"]
"""


def test_a_frame_is_filled_several_times_and_always_the_same_way() -> None:
    """A template without slots gives one sentence; an added greeting or courtesy keeps the intent."""
    filled = list(sentences(FILE))
    assert filled == list(sentences(FILE))
    assert len(filled) == FILLINGS + 2
    prices = [sentence for sentence, intent in filled if intent == "price"]
    assert all("{" not in sentence for sentence in prices)
    assert {sentence.removeprefix("hola ").removesuffix(" porfa") for sentence in prices} <= {
        "cuanto sale torta?",
        "cuanto sale mesa?",
        "cuanto sale bici?",
        "precio?",
    }


def test_some_begin_with_a_greeting_and_some_end_with_a_please() -> None:
    """Most sentences have neither, as in real messages."""
    many = FILE.replace('"precio?"', ", ".join(f'"precio {number}"' for number in range(50)))
    prices = [sentence for sentence, intent in sentences(many) if intent == "price"]
    opened = [sentence for sentence in prices if sentence.startswith("hola ")]
    closed = [sentence for sentence in prices if sentence.endswith(" porfa")]
    assert 0 < len(closed) < len(prices) / 2
    assert 0 < len(opened) < len(prices) / 2


def test_courtesy_gets_nothing_around_it() -> None:
    """A thank-you with a greeting in front would have another intent."""
    many = FILE.replace('"buen dia"', ", ".join(f'"chau {number}"' for number in range(50)))
    assert [sentence for sentence, intent in sentences(many) if intent == "greeting"] == [
        f"chau {number}" for number in range(50)
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("{thing}", "{something}"), r"cannot fill 'cuanto sale \{something\}\?': nothing is listed for something"),
        (("price =", "prize ="), "frames of 'prize': there is no such intent"),
    ],
)
def test_a_frame_that_can_not_be_learned_from_is_named(change: tuple[str, str], said: str) -> None:
    """The error names the template and what is wrong with it."""
    with pytest.raises(CannotUseFrames, match=said):
        list(sentences(FILE.replace(*change)))


def test_no_packaged_frame_stands_twice() -> None:
    """A template under two intents would teach nothing."""
    frames = tomllib.loads((PACKAGED / FRAMES).read_text(encoding="utf-8"))["frames"]
    told = [normalise([frame]).text for group in frames.values() for frame in group]
    assert sorted(told) == sorted(set(told))


def test_no_rule_silences_what_a_customer_says() -> None:
    """Only a rule or a person can stop a burst from waiting, so no rule may do so for a customer's enquiry."""
    rules = load_classifier(None, None).rules
    silenced = []
    for sentence, intent in sentences((PACKAGED / FRAMES).read_text(encoding="utf-8")):
        if GROUP_OF[intent] in ("commercial", "after_sale"):
            hits = rules.hits(normalise([sentence]), Signals())
            if hits and GROUP_OF[hits[0].rule.intent] in ("closing", "noise"):
                silenced.append((sentence, hits[0].rule.id))
    assert silenced == []
