"""What a burst wants: rules, then the model where it is sure enough, then rules of last resort, else `unknown`.

Pure. Every label has a reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from leadmasterd.classify.intents import GROUP_OF, UNKNOWN, Label, Signals
from leadmasterd.classify.model import LEAST_KNOWN, Guess, Model, Seen
from leadmasterd.classify.rules import Hit, RuleSet
from leadmasterd.classify.text import LINK, Normalised, normalise

OVERRULES: Final = 0.8
"""Probability from which the model decides against a rule that yields. By cross-validation on the examples, where it
contradicts a commercial rule so surely, it is right 34 times and the rule 3 times; on two measuring sets, 9 and 0."""
_MATCHED_SHOWN: Final = 80
_ONLY_A_LINK: Final = frozenset({LINK, "link", "enlace", "url"})


@dataclass(frozen=True, slots=True)
class Classifier:
    """Loaded rules and perhaps a model. Immutable: any thread may ask it.

    A rule decides even against the model, but for those that say `yields`: by a word of trade alone, people who sell,
    return something or decline are taken for customers. The model sets a rule's confidence.
    """

    rules: RuleSet
    rules_version: str
    model: Model | None

    @property
    def version(self) -> str:
        """Of rules and model together; another version may give other labels."""
        return f"{self.rules_version}+{self.model.version if self.model else 'no-model'}"

    def classify(self, texts: Sequence[str], signals: Signals) -> Label:
        """Label one burst: its bodies in order, and its signals. Takes any text, in bounded time."""
        burst = normalise(texts)
        hits = self.rules.hits(burst, signals)
        seen = self.model.read(burst) if self.model else None
        return self.label(burst, signals, hits=hits, seen=seen)

    def label(self, burst: Normalised, signals: Signals, *, hits: Sequence[Hit], seen: Seen | None) -> Label:
        """The label of a burst in which the rules have these hits and the model, if there is one, sees this."""
        label = self._label(burst, signals, hits, seen)
        return label._replace(values={**label.values, "cut": True}) if burst.cut else label

    def _label(self, burst: Normalised, signals: Signals, hits: Sequence[Hit], seen: Seen | None) -> Label:
        if hits and not hits[0].rule.last_resort:
            return self._by_rule_or_model(hits, signals, seen)
        if not burst.words:
            media = signals.has_media or any(each != "chat" for each in signals.types)
            return _unknown("media_only" if media else "empty")
        if LINK in burst.words and set(burst.words) <= _ONLY_A_LINK:
            return _unknown("only_a_link")  # of a product, a place, an ad: the model takes any link for spam
        if self.model is None or seen is None:
            return _by_rule(hits, 0.0) if hits else _unknown("no_model")
        guess = self.model.guess_of(seen, signals)
        if hits and not guess.sure:
            return _by_rule(hits, self.model.share_of(seen, hits[0].rule.intent, signals))
        return _by_model(guess, self.model.version)

    def _by_rule_or_model(self, hits: Sequence[Hit], signals: Signals, seen: Seen | None) -> Label:
        """The rule's label, unless the rule yields and the model is sure of another group."""
        if self.model is None or seen is None:
            return _by_rule(hits, 1.0)
        rule = hits[0].rule
        agreement = self.model.share_of(seen, rule.intent, signals)
        if rule.yields and agreement <= 1.0 - OVERRULES:
            guess = self.model.guess_of(seen, signals)
            if guess.sure and guess.group >= OVERRULES and GROUP_OF[guess.intent] != GROUP_OF[rule.intent]:
                return _by_model(guess, self.model.version, against=rule.id)
        return _by_rule(hits, (1.0 + agreement) / 2)


def _by_rule(hits: Sequence[Hit], confidence: float) -> Label:
    """The label of the first hit; the reason names the other intents."""
    rule = hits[0].rule
    others = list(dict.fromkeys(hit.rule.intent for hit in hits if hit.rule.intent != rule.intent))
    values = {"rule": rule.id, "matched": hits[0].matched[:_MATCHED_SHOWN], "others": others}
    return Label(intent=rule.intent, method="rule", confidence=confidence, source=rule.id, code="rule", values=values)


def _by_model(guess: Guess, version: str, against: str = "") -> Label:
    """The guess, or `unknown` with the guess in the reason. `against`: the rule that yielded."""
    values: dict[str, object] = {"confidence": round(guess.confidence, 3), "because": list(guess.because)}
    if guess.signals:
        values["signals"] = list(guess.signals)
    if against:
        values["against"] = against
    if guess.sure:
        return Label(
            intent=guess.intent,
            method="model",
            confidence=guess.confidence,
            source=version,
            code="model",
            values=values,
        )
    values["guess"] = guess.intent
    if guess.known >= LEAST_KNOWN:
        return _unknown("unsure", confidence=guess.confidence, source=version, values=values)
    values["known"] = round(guess.known, 3)
    return _unknown("unseen_words", confidence=guess.confidence, source=version, values=values)


def _unknown(
    code: str, *, confidence: float = 0.0, source: str = "", values: Mapping[str, object] | None = None
) -> Label:
    return Label(intent=UNKNOWN, method="none", confidence=confidence, source=source, code=code, values=values or {})
