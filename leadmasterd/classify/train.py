"""`python -m leadmasterd.classify.train`: learn a model from the packaged examples and frames, and from corrections.

A process of its own, because numpy and scipy are large and the daemon needs none of them. Reads corrections as JSON
lines {"texts", "intent", "context"}, writes a model file, and prints one JSON object. The new model replaces the old
one only if it is not worse on corrections that neither has learned from.
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
"""Examples that a correction counts as: fifty of the shop's own words beat a thousand of somebody else's."""
FILLED_WEIGHT: Final = 0.5
"""A filled frame counts as half an example: it has siblings, and nobody wrote it quite like that."""
LEAST_CORRECTIONS: Final = 10
"""New ones; fewer are too few to measure by."""
NEEDED_BYTES: Final = 250_000_000
"""Of memory, and some to spare."""
_CUSTOMERS: Final = 0.4
"""Added to the scores of what customers want: shops get more of it than the examples, which have some of everything."""
_FOLDS: Final = 5
_MOST_ODDS: Final = 1.75
"""Six to one, as a logarithm."""


class CannotTrain(Exception):
    """Names file and line, and what is wrong."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One burst and what it means."""

    burst: Normalised
    intent: str
    weight: float
    signals: Signals | None = None
    """None: nothing is known of who wrote it."""


def lessons_from(lines: Sequence[str], where: str, weight: float) -> list[Lesson]:
    """Lessons from lines as `rules test` reads them; of several with the same words, the last. Raises CannotTrain."""
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
    """Lessons from filled frames. Raises CannotUseFrames."""
    found = {}
    for sentence, intent in sentences(text):
        burst = normalise([sentence])
        found[burst.text] = Lesson(burst, intent, FILLED_WEIGHT)
    return list(found.values())


def document_of(
    lessons: Sequence[Lesson], made: str, filled: Sequence[Lesson] = (), heat: float | None = None
) -> dict[str, Any]:
    """The model as it is written to a file. Calibrated on `lessons` alone, since filled frames have siblings."""
    document = _calibrated([*filled, *_in_order(lessons)], heat or _temperature(lessons, filled))
    document["made"] = made
    document["learned"] = sorted(_hash(lesson) for lesson in lessons if lesson.weight != 1.0)
    content = json.dumps(document, sort_keys=True).encode()
    document["version"] = hashlib.sha256(content).hexdigest()[:12]
    return document


def _in_order(lessons: Sequence[Lesson]) -> list[Lesson]:
    """Independent of the order they come in: the same lessons make the same model."""
    return sorted(lessons, key=lambda lesson: hashlib.sha256(lesson.burst.text.encode()).digest())


def _temperature(lessons: Sequence[Lesson], filled: Sequence[Lesson]) -> float:
    """By cross-validation: each fold as seen by a model that learned from all others."""
    order = _in_order(lessons)
    unseen: list[tuple[Lesson, Model]] = []
    for fold in range(_FOLDS):
        model = Model(_fitted([*filled, *(lesson for n, lesson in enumerate(order) if n % _FOLDS != fold)]))
        unseen += [(lesson, model) for lesson in order[fold::_FOLDS]]
    return _best_temperature(unseen)


def _calibrated(lessons: Sequence[Lesson], heat: float) -> dict[str, Any]:
    """A model as it is put in force."""
    document = _fitted(lessons)
    document["step"] /= heat
    document["bias"] = [
        round(bias / heat + (_CUSTOMERS if GROUP_OF[intent] in OF_CUSTOMERS else 0.0), 4)
        for intent, bias in zip(document["intents"], document["bias"], strict=True)
    ]
    return document


def _fitted(lessons: Sequence[Lesson]) -> dict[str, Any]:
    """A model without calibration."""
    from leadmasterd.classify.fitting import fitted  # with numpy and scipy

    bursts, intents = [lesson.burst for lesson in lessons], [lesson.intent for lesson in lessons]
    named = {"format": FORMAT, "v": FORMAT_VERSION, "version": "", "made": "", "learned": []}
    return {**named, **fitted(bursts, intents, _importance(lessons)), "odds": _odds(lessons)}


def _odds(lessons: Sequence[Lesson]) -> dict[str, dict[str, float]]:
    """How much likelier an intent is made by each signal: its share with the signal over that of all other intents.

    What is learned from words alone stays as it is, so whoever is not saved is read as before. At most `_MOST_ODDS`:
    few examples of what customers want say who is saved.
    """
    known = [(lesson.intent, lesson.signals) for lesson in lessons if lesson.signals]

    def share(signal: str, intents: Iterable[str]) -> float:
        told = [bool(getattr(signals, signal)) for intent, signals in known if intent in intents]
        return (sum(told) + 1) / (len(told) + 2)

    present = {intent for intent, _signals in known}
    return {
        signal: {
            intent: round(min(_MOST_ODDS, math.log(share(signal, {intent}) / share(signal, present - {intent}))), 2)
            for intent in intents
            if intent in present
        }
        for signal, intents in INTENTS_BY_SIGNAL.items()
    }


def _guessed(model: Model, lesson: Lesson) -> str:
    return model.guess(lesson.burst, lesson.signals or Signals()).intent


def _importance(lessons: Sequence[Lesson]) -> list[float]:
    """Rare intents count a little more than their number, and customers' intents double: missing one costs most."""
    number = Counter(lesson.intent for lesson in lessons)
    usual = len(lessons) / len(number)
    return [
        lesson.weight
        * math.sqrt(usual / number[lesson.intent])
        * (2.0 if GROUP_OF[lesson.intent] in OF_CUSTOMERS else 1.0)
        for lesson in lessons
    ]


def _best_temperature(unseen: Sequence[tuple[Lesson, Model]]) -> float:
    """What to divide scores by so that a confidence of 0.8 is right four times in five."""
    scored = [
        (model.logits(features(lesson.burst)), model.intents.index(lesson.intent))
        for lesson, model in unseen
        if lesson.intent in model.intents
    ]

    def surprise(heat: float) -> float:
        total = 0.0
        for logits, right in scored:
            top = max(logits)
            total -= (logits[right] - top) / heat - math.log(sum(math.exp((each - top) / heat) for each in logits))
        return total

    return min((0.3 + 0.05 * n for n in range(60)), key=surprise)


def _hash(lesson: Lesson) -> str:
    """Tells a learned correction from a new one without keeping its words."""
    return hashlib.sha256(f"{lesson.intent} {lesson.burst.text}".encode()).hexdigest()[:8]


# ---------------------------------------------------------------------- the program


def train(
    examples: Sequence[Lesson], corrections: Sequence[Lesson], current: Model, filled: Sequence[Lesson] = ()
) -> tuple[Training, dict[str, Any] | None]:
    """The outcome, and the new model's document, or None if the current one stays.

    They compete on the corrections that the current model has not learned from; the new one by cross-validation.
    """
    new = _new(corrections, current)
    outcome = _too_few(corrections, current)
    if outcome:
        return outcome, None
    known = [lesson for lesson in corrections if _hash(lesson) in current.learned]
    before = sum(_guessed(current, lesson) == lesson.intent for lesson in new)
    heat = _temperature([*examples, *corrections], filled)
    after = 0
    for fold in range(_FOLDS):
        learned = [lesson for number, lesson in enumerate(new) if number % _FOLDS != fold]
        model = Model(_calibrated([*filled, *examples, *known, *learned], heat))
        after += sum(_guessed(model, lesson) == lesson.intent for lesson in new[fold::_FOLDS])
    document = None
    if after >= before:
        made = f"{_made(examples, filled)}, {len(corrections)} corrections"
        document = document_of([*examples, *corrections], made, filled, heat)
    return {
        "result": "replaced" if document else "kept",
        "corrections": len(corrections),
        "new": len(new),
        "version": document["version"] if document else current.version,
        "right_before": before,
        "right_after": after,
    }, document


def _too_few(corrections: Sequence[Lesson], current: Model) -> Training | None:
    """The outcome if there are too few new corrections to measure by, else None."""
    new = len(_new(corrections, current))
    if new >= LEAST_CORRECTIONS:
        return None
    return {
        "result": "too_few",
        "corrections": len(corrections),
        "new": new,
        "version": current.version,
        "needed": LEAST_CORRECTIONS,
    }


def _new(corrections: Sequence[Lesson], current: Model) -> list[Lesson]:
    """The corrections that the current model has not learned from, in an order that depends on nothing else."""
    return sorted((lesson for lesson in corrections if _hash(lesson) not in current.learned), key=_hash)


def _made(examples: Sequence[Lesson], filled: Sequence[Lesson]) -> str:
    return f"{len(examples)} examples, {len(filled)} filled frames"


def write(document: Mapping[str, Any], file: Path, mode: int = 0o600) -> None:
    """Write the file atomically. Private to the folder's owner, also when root writes: it holds customers' words."""
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
    """Exit code 0 with the outcome as JSON, or 1 with the reason on stderr."""
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
    """Examples, and filled frames."""
    examples = (PACKAGED / EXAMPLES).read_text(encoding="utf-8")
    frames = (PACKAGED / FRAMES).read_text(encoding="utf-8")
    return lessons_from(examples.split("\n"), EXAMPLES, 1.0), lessons_from_frames(frames)


def _learn(corrections: str | None, file: Path | None, source: str | None) -> TrainingRecord:
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
    """Better no new model than the kernel's choice of what to kill. Raises CannotTrain."""
    free = psutil.virtual_memory().available
    if free < NEEDED_BYTES:
        raise CannotTrain(
            _("cannot learn now: it takes {needed} of memory, and {free} are free; try again later").format(
                needed=size(NEEDED_BYTES), free=size(free)
            )
        )


def _die_first() -> None:
    """Where memory ends all the same, the kernel kills this process before the daemon and the browser."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One training at a time, or the model that another one writes would never be competed with. Raises CannotTrain."""
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
    _die_first()
    sys.exit(main())
