"""What a burst wants: rules, then the model where it is sure enough, then rules of last resort, else `unknown`.

Pure. Every label has a reason. `rules` and `model` know nothing of each other: what they say is weighed here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from leadmasterd.classify.intents import GROUP_OF, UNKNOWN, Label, Signals
from leadmasterd.classify.model import LEAST_KNOWN, Evidence, Guess, Model
from leadmasterd.classify.rules import Hit, RuleSet
from leadmasterd.classify.text import LINK, Normalised, normalise

OVERRULES: Final = 0.8
"""Probability from which the model decides against a rule that yields. Where it contradicted a commercial rule so
surely, it was right 34 times and the rule 3 times (cross-validation on the examples); on two measuring sets, 9 times
and 0."""
_MATCHED_SHOWN: Final = 80
"""Characters of the matched words that a reason keeps."""
_ONLY_A_LINK: Final = frozenset({LINK, "link", "enlace", "url"})
"""A burst with a link and no other words than these says nothing but the link."""


@dataclass(frozen=True, slots=True)
class Classifier:
    """Loaded rules and perhaps a model. Immutable: any thread may use it.

    A rule decides even if the model disagrees, unless the rule says `yields`: such a rule looks for words of trade,
    which people who sell, return something or decline use too. The model sets the confidence of a rule's label.
    """

    rules: RuleSet
    rules_version: str
    model: Model | None

    @property
    def version(self) -> str:
        """The version of rules and model together; another one may give other labels."""
        return f"{self.rules_version}+{self.model.version if self.model else 'no-model'}"

    def classify(self, texts: Sequence[str], signals: Signals) -> Label:
        """Label one burst: its bodies in order, and its signals. Takes any text, in bounded time."""
        burst = normalise(texts)
        hits = self.rules.hits(burst, signals)
        evidence = self.model.read(burst) if self.model else None
        return self.label(burst, signals, hits=hits, evidence=evidence)

    def label(self, burst: Normalised, signals: Signals, *, hits: Sequence[Hit], evidence: Evidence | None) -> Label:
        """The label of a burst from what `RuleSet.hits` and `Model.read` gave for it. `evidence`: None without a model.

        The reason says so if the end of the burst was not read.
        """
        label = self._label(burst, signals, hits, evidence)
        return label._replace(values={**label.values, "cut": True}) if burst.cut else label

    def _label(self, burst: Normalised, signals: Signals, hits: Sequence[Hit], evidence: Evidence | None) -> Label:
        """The label by the first that decides: a rule, the model where it is sure, a rule of last resort.

        A burst of no words or of nothing but a link is `unknown` unless a rule decides it: the model takes any link for
        spam, but a link may lead to a product, a place or an ad.
        """
        if hits and not hits[0].rule.last_resort:
            return self._by_rule_or_model(hits, signals, evidence)
        if not burst.words:
            has_media = signals.has_media or any(each != "chat" for each in signals.types)
            return _unknown("media_only" if has_media else "empty")
        if LINK in burst.words and set(burst.words) <= _ONLY_A_LINK:
            return _unknown("only_a_link")
        if self.model is None or evidence is None:
            return _by_rule(hits, 0.0) if hits else _unknown("no_model")
        guess = self.model.guess_from(evidence, signals)
        if hits and not guess.sure:
            return _by_rule(hits, self.model.share_from(evidence, hits[0].rule.intent, signals))
        return _by_model(guess, self.model.version)

    def _by_rule_or_model(self, hits: Sequence[Hit], signals: Signals, evidence: Evidence | None) -> Label:
        """The label by the first hit, unless its rule yields and the model is sure enough of another group.

        The confidence of a rule's label is 0.5 to 1: the likelier the model finds the rule's intent, the higher. It is
        1 without a model.
        """
        if self.model is None or evidence is None:
            return _by_rule(hits, 1.0)
        rule = hits[0].rule
        agreement = self.model.share_from(evidence, rule.intent, signals)
        if rule.yields and agreement <= 1.0 - OVERRULES:  # else no other group can be so likely
            guess = self.model.guess_from(evidence, signals)
            is_another_group = GROUP_OF[guess.intent] != GROUP_OF[rule.intent]
            if is_another_group and guess.sure and guess.group >= OVERRULES:
                return _by_model(guess, self.model.version, against=rule.id)
        return _by_rule(hits, (1.0 + agreement) / 2)


def _by_rule(hits: Sequence[Hit], confidence: float) -> Label:
    """The label of the first hit. Its reason also names the intents of the other hits, each once."""
    rule = hits[0].rule
    others = list(dict.fromkeys(hit.rule.intent for hit in hits if hit.rule.intent != rule.intent))
    values = {"rule": rule.id, "matched": hits[0].matched[:_MATCHED_SHOWN], "others": others}
    return Label(intent=rule.intent, method="rule", confidence=confidence, source=rule.id, code="rule", values=values)


def _by_model(guess: Guess, version: str, against: str = "") -> Label:
    """The guess as a label if the model is sure of it, else `unknown` with the guess in the reason.

    `version`: the model's; `against`: the id of the rule that yielded to the model, empty if none did.
    """
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
    """A label as `unknown`. `confidence` and `source` are those of the model's guess, if there was one."""
    return Label(intent=UNKNOWN, method="none", confidence=confidence, source=source, code=code, values=values or {})
