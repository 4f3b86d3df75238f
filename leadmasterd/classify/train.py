"""`python -m leadmasterd.classify.train`: learn a model from the packaged examples and frames, and from corrections.

A process of its own, because numpy and scipy are large and the daemon needs none of them. It reads corrections as JSON
lines {"texts", "intent", "context"}, writes a model file, and prints one JSON object. The new model replaces the old
one only if it is not worse on corrections that neither has learned from. `fitting` finds the weights; what is learned
from, with which weight, how scores become probabilities and which model wins is decided here.
"""

import argparse
import fcntl
import gzip
import hashlib
import json
import math
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from leadmasterd.classify.frames import CannotUseFrames, sentences
from leadmasterd.classify.intents import GROUP_OF, OF_CUSTOMERS, Signals
from leadmasterd.classify.loading import EXAMPLES, FRAMES, PACKAGED, existing, load_model
from leadmasterd.classify.measure import Training, TrainingRecord, cases_from
from leadmasterd.classify.model import FORMAT, FORMAT_VERSION, INTENTS_BY_SIGNAL, Model, features
from leadmasterd.classify.text import Normalised, normalise
from leadmasterd.errors import CannotUseLine, CannotUseModel
from leadmasterd.text import _, size, speak

CORRECTION_WEIGHT: Final = 5.0
"""How many examples a correction counts as: fifty of the shop's own words beat a thousand of somebody else's."""
FILLED_WEIGHT: Final = 0.5
"""A filled frame counts as half an example: others are made of the same frame, and nobody wrote it quite like that."""
LEAST_CORRECTIONS: Final = 10
"""How many new corrections it takes; fewer are too few to compare models by."""
NEEDED_BYTES: Final = 250_000_000
"""The memory that a training takes, and some to spare."""
_CUSTOMERS: Final = 0.4
"""Added to the scores of customers' intents: more of a shop's messages than of the examples are from customers."""
_FOLDS: Final = 5
"""Parts of the lessons in a cross-validation: each in turn is left out of a training, and then guessed."""
_MOST_ODDS: Final = 1.75
"""The most that a signal adds to a score: the logarithm of almost six to one."""
_TEMPERATURES: Final = tuple(0.3 + 0.05 * n for n in range(60))
"""The temperatures that are tried."""


class CannotTrain(Exception):
    """A sentence for people: what is wrong, and with which line of which file."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One burst to learn from: an example, a filled frame or a correction."""

    burst: Normalised
    intent: str
    weight: float
    """How many examples it counts as."""
    signals: Signals | None = None
    """None for a filled frame: nobody wrote it."""


def lessons_from(lines: Sequence[str], where: str, weight: float) -> list[Lesson]:
    """Lessons from lines as `rules test` reads them. Bursts without words are skipped. Raises CannotTrain.

    Of several with the same words, the last one counts. `where`: what errors call the file.
    """
    found: dict[str, Lesson] = {}
    try:
        for case in cases_from(lines, where):
            burst = normalise(case.texts)
            if not burst.empty:
                found[burst.text] = Lesson(burst, case.answers[0], weight, case.signals)
    except CannotUseLine as error:
        raise CannotTrain(str(error)) from error
    return list(found.values())


def lessons_from_frames(text: str) -> list[Lesson]:
    """Lessons from the frames in a TOML text, filled. Raises CannotUseFrames."""
    found = {}
    for sentence, intent in sentences(text):
        burst = normalise([sentence])
        found[burst.text] = Lesson(burst, intent, FILLED_WEIGHT)
    return list(found.values())


def document_of(
    lessons: Sequence[Lesson], made: str, filled: Sequence[Lesson] = (), heat: float | None = None
) -> dict[str, Any]:
    """The document of a model, as `write` takes it.

    `made`: in words, what it is made of. `filled`: lessons from filled frames. The model is calibrated on `lessons`
    alone: a filled frame would be too easy to guess, since the model learns others made of the same frame. `heat`: the
    temperature; None to find it by a cross-validation, which takes long.
    """
    temperature = heat or _temperature(lessons, filled)
    document = _calibrated([*filled, *_in_order(lessons)], temperature)
    document["made"] = made
    document["learned"] = sorted(_hash(lesson) for lesson in lessons if lesson.weight != 1.0)  # corrections
    content = json.dumps(document, sort_keys=True).encode()
    document["version"] = hashlib.sha256(content).hexdigest()[:12]
    return document


def _in_order(lessons: Sequence[Lesson]) -> list[Lesson]:
    """The lessons in an order that depends on nothing but their words: the same lessons make the same model."""
    return sorted(lessons, key=lambda lesson: hashlib.sha256(lesson.burst.text.encode()).digest())


def _temperature(lessons: Sequence[Lesson], filled: Sequence[Lesson]) -> float:
    """What to divide the scores of a model of these lessons by: see `_best_temperature`.

    By cross-validation: each lesson is scored by a model that has learned from the others and from filled frames.
    """
    ordered = _in_order(lessons)
    held_out: list[tuple[Lesson, Model]] = []
    for fold in range(_FOLDS):
        others = [lesson for number, lesson in enumerate(ordered) if number % _FOLDS != fold]
        model = Model(_fitted([*filled, *others]))
        held_out += [(lesson, model) for lesson in ordered[fold::_FOLDS]]
    return _best_temperature(held_out)


def _calibrated(lessons: Sequence[Lesson], heat: float) -> dict[str, Any]:
    """A fitted document whose scores are divided by the temperature, and raised for what customers want."""
    document = _fitted(lessons)
    document["step"] /= heat
    document["bias"] = [
        round(bias / heat + (_CUSTOMERS if GROUP_OF[intent] in OF_CUSTOMERS else 0.0), 4)
        for intent, bias in zip(document["intents"], document["bias"], strict=True)
    ]
    return document


def _fitted(lessons: Sequence[Lesson]) -> dict[str, Any]:
    """A model's document as it is fitted: not calibrated, and without a version."""
    from leadmasterd.classify.fitting import fitted  # with numpy and scipy

    bursts, intents = [lesson.burst for lesson in lessons], [lesson.intent for lesson in lessons]
    head = {"format": FORMAT, "v": FORMAT_VERSION, "version": "", "made": "", "learned": []}
    return {**head, **fitted(bursts, intents, _importance(lessons)), "odds": _odds(lessons)}


def _odds(lessons: Sequence[Lesson]) -> dict[str, dict[str, float]]:
    """By signal and intent, what the signal adds to the intent's score: a logarithm of odds, at most `_MOST_ODDS`.

    It is how much more often bursts of that intent have the signal than bursts of other intents. It is limited because
    few of the customers' examples say whether the contact is saved. Bursts without the signal are classified by their
    words alone.
    """
    known = [(lesson.intent, lesson.signals) for lesson in lessons if lesson.signals]
    present = {intent for intent, _signals in known}

    def share(signal: str, intents: Iterable[str]) -> float:
        """The share of the bursts of these intents that have the signal; never 0 nor 1."""
        has_signal = [bool(getattr(signals, signal)) for intent, signals in known if intent in intents]
        return (sum(has_signal) + 1) / (len(has_signal) + 2)

    odds: dict[str, dict[str, float]] = {}
    for signal, intents in INTENTS_BY_SIGNAL.items():
        odds[signal] = {}
        for intent in intents:
            if intent in present:
                ratio = share(signal, {intent}) / share(signal, present - {intent})
                odds[signal][intent] = round(min(_MOST_ODDS, math.log(ratio)), 2)
    return odds


def _guessed(model: Model, lesson: Lesson) -> str:
    """The intent that the model guesses for the lesson's burst, however sure it is."""
    return model.guess(lesson.burst, lesson.signals or Signals()).intent


def _importance(lessons: Sequence[Lesson]) -> list[float]:
    """How much each lesson counts in fitting, from its weight.

    Lessons of rare intents count more, by the square root of how rare they are, and those of customers double: to miss
    a customer costs most.
    """
    counts = Counter(lesson.intent for lesson in lessons)
    average = len(lessons) / len(counts)
    return [
        lesson.weight
        * math.sqrt(average / counts[lesson.intent])
        * (2.0 if GROUP_OF[lesson.intent] in OF_CUSTOMERS else 1.0)
        for lesson in lessons
    ]


def _best_temperature(held_out: Sequence[tuple[Lesson, Model]]) -> float:
    """What to divide scores by so that a confidence of 0.8 is right four times in five (temperature scaling).

    `held_out`: lessons, each with a model that has not learned from it.
    """
    scored = [
        (model.logits(features(lesson.burst)), model.intents.index(lesson.intent))
        for lesson, model in held_out
        if lesson.intent in model.intents
    ]

    def log_loss(heat: float) -> float:
        """How improbable the right intents are at this temperature."""
        total = 0.0
        for logits, right in scored:
            top = max(logits)
            # minus the logarithm of the right intent's probability
            total -= (logits[right] - top) / heat - math.log(sum(math.exp((each - top) / heat) for each in logits))
        return total

    return min(_TEMPERATURES, key=log_loss)


def _hash(lesson: Lesson) -> str:
    """Identifies a correction without keeping its words, to tell whether a model has learned from it."""
    return hashlib.sha256(f"{lesson.intent} {lesson.burst.text}".encode()).hexdigest()[:8]


# ---------------------------------------------------------------------- the program


def train(
    examples: Sequence[Lesson], corrections: Sequence[Lesson], current: Model, filled: Sequence[Lesson] = ()
) -> tuple[Training, dict[str, Any] | None]:
    """The outcome, and the new model's document, or None if the current model stays.

    The two compete by how many intents they guess right, of the corrections that the current model has not learned
    from. The new one is trained several times for that, each time without the corrections that it then guesses.
    `filled`: lessons from filled frames.
    """
    too_few = _too_few(corrections, current)
    if too_few:
        return too_few, None
    new = _not_learned(corrections, current)
    known = [lesson for lesson in corrections if _hash(lesson) in current.learned]
    right_before = sum(_guessed(current, lesson) == lesson.intent for lesson in new)
    heat = _temperature([*examples, *corrections], filled)
    right_after = 0
    for fold in range(_FOLDS):
        learned = [lesson for number, lesson in enumerate(new) if number % _FOLDS != fold]
        model = Model(_calibrated([*filled, *examples, *known, *learned], heat))
        right_after += sum(_guessed(model, lesson) == lesson.intent for lesson in new[fold::_FOLDS])
    document = None
    if right_after >= right_before:
        made = f"{_made(examples, filled)}, {len(corrections)} corrections"
        document = document_of([*examples, *corrections], made, filled, heat)
    outcome: Training = {
        "result": "replaced" if document else "kept",
        "corrections": len(corrections),
        "new": len(new),
        "version": document["version"] if document else current.version,
        "right_before": right_before,
        "right_after": right_after,
    }
    return outcome, document


def _too_few(corrections: Sequence[Lesson], current: Model) -> Training | None:
    """The outcome if there are too few new corrections to compare models by, else None."""
    new = len(_not_learned(corrections, current))
    if new >= LEAST_CORRECTIONS:
        return None
    return {
        "result": "too_few",
        "corrections": len(corrections),
        "new": new,
        "version": current.version,
        "needed": LEAST_CORRECTIONS,
    }


def _not_learned(corrections: Sequence[Lesson], current: Model) -> list[Lesson]:
    """The corrections that the current model has not learned from, in an order that depends on nothing else."""
    return sorted((lesson for lesson in corrections if _hash(lesson) not in current.learned), key=_hash)


def _made(examples: Sequence[Lesson], filled: Sequence[Lesson]) -> str:
    """What a model is made of, in words, for `made` of its document."""
    return f"{len(examples)} examples, {len(filled)} filled frames"


def write(document: Mapping[str, Any], file: Path, mode: int = 0o600) -> None:
    """Write a model's file atomically. Raises OSError.

    It holds customers' words, so by default only its owner may read it. If root writes it, it is given to the owner
    of the folder.
    """
    content = gzip.compress(json.dumps(document, sort_keys=True, separators=(",", ":")).encode(), 9, mtime=0)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            if os.geteuid() == 0:
                folder = file.parent.stat()
                os.fchown(descriptor, folder.st_uid, folder.st_gid)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def main(words: Sequence[str] | None = None) -> int:
    """Train, and print the outcome as JSON. Returns the exit code: 0, or 1 with the reason on stderr.

    `words`: the command line; None for that of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m leadmasterd.classify.train", description=__doc__)
    parser.add_argument("--corrections", metavar="FILE", help="JSON lines; `-` reads them from stdin")
    parser.add_argument("--source", metavar="NAME", help="what problems with the corrections call their file")
    parser.add_argument("--language", default="en", help="in which problems are told")
    parser.add_argument("--model", type=Path, metavar="FILE", help="the model to replace if the new one is not worse")
    parser.add_argument(
        "--from-examples", type=Path, metavar="FILE", help="make this model from the packaged examples and frames"
    )
    arguments = parser.parse_args(words)
    speak(arguments.language)
    try:
        if arguments.from_examples:
            examples, filled = _packaged_lessons()
            document = document_of(examples, _made(examples, filled), filled)
            write(document, arguments.from_examples, 0o644)
            record: Mapping[str, object] = {"result": "made", "version": document["version"]}
        else:
            record = _learn(arguments.corrections, arguments.model, arguments.source)
    except MemoryError:
        sys.stderr.write(_("cannot learn now: no memory is left; try again later") + "\n")
        return 1
    except (CannotTrain, CannotUseFrames, CannotUseModel, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(record) + "\n")
    return 0


def _packaged_lessons() -> tuple[list[Lesson], list[Lesson]]:
    """The lessons that are packaged: from examples, and from filled frames."""
    examples = (PACKAGED / EXAMPLES).read_text(encoding="utf-8")
    frames = (PACKAGED / FRAMES).read_text(encoding="utf-8")
    return lessons_from(examples.split("\n"), EXAMPLES, 1.0), lessons_from_frames(frames)


def _learn(corrections: str | None, file: Path | None, source: str | None) -> TrainingRecord:
    """Train with corrections, and replace the model in `file` unless the new one is worse. Returns the outcome.

    `corrections`: a file of JSON lines, `-` for stdin; `source`: what errors call it. Raises CannotTrain if an argument
    is missing, a line is wrong, memory is short or another training runs.
    """
    if corrections is None or file is None:
        raise CannotTrain(_("cannot learn: give --corrections and --model"))
    text = sys.stdin.read() if corrections == "-" else Path(corrections).read_text(encoding="utf-8")
    lessons = lessons_from(text.split("\n"), source or corrections, CORRECTION_WEIGHT)
    with _alone(file.parent):
        try:
            current = load_model(existing(file))
        except CannotUseModel as error:  # damaged: compete with the packaged one, which would be used instead
            sys.stderr.write(f"{error}\n")
            current = load_model(None)
        if outcome := _too_few(lessons, current):  # known at once, without the examples and numpy
            return {**outcome, "model": str(file)}
        _check_memory()
        examples, filled = _packaged_lessons()
        outcome, document = train(examples, lessons, current, filled)
        if document:
            write(document, file)
    return {**outcome, "model": str(file)}


def _check_memory() -> None:
    """Raises CannotTrain if memory is short: else the kernel would have to kill some process."""
    free = psutil.virtual_memory().available
    if free < NEEDED_BYTES:
        raise CannotTrain(
            _("cannot learn now: it takes {needed} of memory, and {free} are free; try again later").format(
                needed=size(NEEDED_BYTES), free=size(free)
            )
        )


def _be_killed_first() -> None:
    """If memory runs out all the same, let the kernel kill this process before the daemon and the browser."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a lock on the model's folder, so that one training runs at a time. Raises CannotTrain if another runs.

    Of two at once, the one that ends last would replace a model that it never competed with.
    """
    if not folder.exists():  # nothing was corrected, and nothing will be written
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise CannotTrain(
            _("cannot learn now: another training is at work in {folder}; wait for it to end").format(folder=folder)
        ) from None
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    _be_killed_first()
    sys.exit(main())
