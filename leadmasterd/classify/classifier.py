"""What a burst wants: rules, then the model where it is sure enough, then rules of last resort, else `unknown`.

Pure. Every label has a reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leadmasterd.classify.intents import UNKNOWN, Label, Signals
from leadmasterd.classify.model import LEAST_KNOWN, Model
from leadmasterd.classify.rules import Hit, RuleSet
from leadmasterd.classify.text import normalise

_MATCHED_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Classifier:
    """Loaded rules and perhaps a model. Immutable: any thread may ask it.

    A rule decides even against the model, but the model sets its confidence: on sentences by people who knew neither,
    rules that the model contradicts were wrong as often as right.
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
        cut = {"cut": True} if burst.cut else {}
        hits = self.rules.hits(burst, signals)
        if hits and not hits[0].rule.last_resort:
            agrees = self.model.share(burst, hits[0].rule.intent) if self.model else 1.0
            return _by_rule(hits, (1.0 + agrees) / 2, cut)
        if not burst.words:
            media = signals.has_media or any(each != "chat" for each in signals.types)
            return Label(UNKNOWN, "none", 0.0, "", "media_only" if media else "empty", cut)
        found: dict[str, object] = dict(cut)
        if self.model:
            guess = self.model.guess(burst)
            found |= {"confidence": round(guess.confidence, 3), "because": list(guess.because)}
            if guess.known < LEAST_KNOWN:
                found["known"] = round(guess.known, 3)
            if guess.sure:
                return Label(guess.intent, "model", guess.confidence, self.model.version, "model", found)
        if hits:
            agrees = self.model.share(burst, hits[0].rule.intent) if self.model else 0.0
            return _by_rule(hits, agrees, cut)
        if self.model:
            found["guess"] = guess.intent
            code = "unsure" if guess.known >= LEAST_KNOWN else "unseen_words"
            return Label(UNKNOWN, "none", guess.confidence, self.model.version, code, found)
        return Label(UNKNOWN, "none", 0.0, "", "no_model", cut)


def _by_rule(hits: Sequence[Hit], confidence: float, cut: Mapping[str, object]) -> Label:
    """The label of the first hit; the reason names the other intents."""
    first = hits[0]
    others = list(dict.fromkeys(hit.rule.intent for hit in hits if hit.rule.intent != first.rule.intent))
    values = {"rule": first.rule.id, "matched": first.matched[:_MATCHED_SHOWN], "others": others, **cut}
    return Label(first.rule.intent, "rule", confidence, first.rule.id, "rule", values)
