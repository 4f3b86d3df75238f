"""The model: the format of its file, its guesses, and its training."""

import fcntl
import gzip
import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from leadmasterd.classify import train as training
from leadmasterd.classify.intents import Signals
from leadmasterd.classify.loading import EXAMPLES, FRAMES, PACKAGED, load_model
from leadmasterd.classify.model import RARITY_STEPS, ZERO, Model, features, parse
from leadmasterd.classify.text import LONG_WORD, normalise
from leadmasterd.classify.train import (
    CORRECTION_WEIGHT,
    CannotTrain,
    Lesson,
    document_of,
    lessons_from,
    lessons_from_frames,
    main,
    train,
    write,
)
from leadmasterd.errors import CannotUseModel

CHECKOUT = Path(__file__).parent.parent

WORDS: Mapping[str, Sequence[str]] = {
    "price": ("cuanto sale", "que precio tiene", "cuanto cuesta", "precio de"),
    "delivery": ("hacen envio de", "mandan a casa", "envian por correo", "llega a domicilio"),
    "greeting": ("hola", "buen dia", "buenas tardes", "hola que tal"),
}
THINGS = ("la torta", "el vestido", "la mesa", "las zapatillas", "el combo", "una docena")


def lessons(words: Mapping[str, Sequence[str]] = WORDS, weight: float = 1.0) -> list[Lesson]:
    """Two dozen training sentences for each intent."""
    return [
        Lesson(normalise([f"{start} {thing}"]), intent, weight)
        for intent, starts in words.items()
        for start in starts
        for thing in THINGS
    ]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document of a small model."""
    return document_of(lessons(), "72 examples")


def packed(document: object) -> bytes:
    """The document as the bytes of a model file."""
    return gzip.compress(json.dumps(document).encode(), mtime=0)


def test_what_was_learned_is_guessed_through_the_file(document: dict[str, Any], tmp_path: Path) -> None:
    """A model written to disk and read back guesses the same; the file is readable by its owner only."""
    write(document, tmp_path / "model.json.gz")
    model = load_model(tmp_path / "model.json.gz")
    guess = model.guess(normalise(["cuánto sale la bici?"]))
    assert guess.intent == "price"
    assert guess.confidence > 0.6
    assert any("cuanto" in each for each in guess.because)
    assert model.guess(normalise(["envian la bici por correo"])).intent == "delivery"
    assert [each.name for each in tmp_path.iterdir()] == ["model.json.gz"]
    assert (tmp_path / "model.json.gz").stat().st_mode & 0o777 == 0o600


def test_what_is_remembered_of_words_changes_no_share() -> None:
    """The cache of word features changes no result, whether a word is new or cached."""
    model = load_model(None)
    sentences = lessons_from_frames((PACKAGED / FRAMES).read_text(encoding="utf-8"))
    for burst in [lesson.burst for lesson in sentences[::40]] * 2:
        weights = [math.exp(each) for each in model.logits(set(features(burst)))]
        shares = [model.share(burst, intent) for intent in model.intents]
        assert shares == pytest.approx([each / sum(weights) for each in weights])
        assert model.read(burst).logits == model.logits(set(features(burst)))


def test_words_never_seen_are_guessed_with_little_confidence(document: dict[str, Any]) -> None:
    """The guess names no word as evidence."""
    model = Model(document)
    guess = model.guess(normalise(["zzz"]))
    assert guess.confidence < model.guess(normalise(["cuanto sale"])).confidence
    assert guess.because == ()


@pytest.mark.parametrize("weights", ["00", "ff", "80"])
def test_no_text_makes_the_sum_of_an_intent_run_into_another(document: dict[str, Any], weights: str) -> None:
    """This holds even for the text with the most features, each with the largest weight, positive or negative."""
    texts = ["".join(map(chr, range(97, 123))), *[f"{a}{b}{a}{b}{b}" for a in "abcdefghijklm" for b in "nopqrstuvwxyz"]]
    seen = {each for text in texts for each in features(normalise([text * 2]))}
    seen |= set(features(normalise([" ".join(texts)])))
    assert len(seen) > 2_000, "more than any text that is read has"
    rows = dict.fromkeys(seen, f"ff00{weights}01{255 - int(weights, 16):02x}02{weights}")
    model = Model({**document, "features": rows, "bias": [0.0, 0.0, 0.0], "step": 1.0})
    scale = RARITY_STEPS / math.sqrt(len(seen) * 255 * 255)
    sums = [int(weights, 16) - ZERO, 255 - int(weights, 16) - ZERO, int(weights, 16) - ZERO]
    assert model.logits(seen) == pytest.approx([scale * each * len(seen) for each in sums])


def test_the_longest_text_has_fewer_features_than_sums_have_room_for() -> None:
    """Long words produce the most features."""
    letters = random.Random(4)
    words = ["".join(letters.choices("abcdefghijklmnopqrstuvwxyz", k=LONG_WORD)) for _ in range(20)]
    text = " ".join(words)
    assert 1_000 < len(set(features(normalise([text])))) < 2_000


def test_the_model_never_guesses_unknown(document: dict[str, Any]) -> None:
    """Its share for `unknown` only lowers the confidence of the guess."""
    names = ["unknown" if intent == "price" else intent for intent in document["intents"]]
    guess = Model({**document, "intents": names}).guess(normalise(["cuanto sale"]))
    assert guess.intent != "unknown"
    assert not guess.sure


def test_the_same_lessons_in_another_order_make_the_same_model(document: dict[str, Any]) -> None:
    """So the version, a hash, identifies the model."""
    assert document_of(lessons()[::-1], "72 examples") == document


def test_the_features_of_a_burst_are_words_pairs_and_pieces() -> None:
    """All numbers become one feature."""
    found = set(features(normalise(["sale 25?"])))
    assert {"=sale", "=0", "=?", "=^ sale", "=sale 0", "=? $", "<sa", "ale>", "sale"} <= found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "other"}, "does not say that it is"),
        ({"v": 2}, "of version 2, and this program reads 1"),
        ({"intents": ["price"]}, "intents"),
        ({"intents": ["price", "prize", "greeting"]}, "intents"),
        ({"bias": [1.0]}, "numbers"),
        ({"bias": [1.0, None, 2.0]}, "numbers"),
        ({"step": float("nan")}, "numbers"),
        ({"version": 5}, "incomplete"),
        ({"features": []}, "incomplete"),
        ({"features": {"=a": "0102"}}, "damaged"),
        ({"features": {"=a": "01ff80"}}, "damaged"),
        ({"features": {"=a": "zz"}}, "damaged"),
        ({"features": {"=a": ""}}, "damaged"),
        ({"features": {"=a": "0101ff0180"}}, "damaged"),
        ({"learned": None}, "learned"),
        ({"odds": []}, "odds"),
        ({"odds": {"saved": {"price": 1.0}}}, "odds"),
        ({"odds": {"saved_contact": 1.0}}, "odds"),
        ({"odds": {"saved_contact": {"personal": 1.0}}}, "odds"),
        ({"odds": {"saved_contact": {"price": "1"}}}, "odds"),
        ({"odds": {"saved_contact": {"price": float("inf")}}}, "odds"),
    ],
)
def test_a_model_with_a_fault_is_refused_in_words(document: dict[str, Any], change: dict[str, Any], said: str) -> None:
    """It is refused when loaded, before it classifies anything."""
    with pytest.raises(CannotUseModel, match=rf"cannot use the model m.gz: .*{said}.*rules train"):
        parse(packed({**document, **change}), "m.gz")


@pytest.mark.parametrize(
    "content",
    [b"", b"no gzip", packed([]), packed({})[:-9], gzip.compress(b"{", mtime=0), gzip.compress(b"\xff", mtime=0)],
    ids=["empty", "no gzip", "a list", "cut off", "broken JSON", "no UTF-8"],
)
def test_a_file_that_is_no_model_is_refused_in_words(content: bytes) -> None:
    """The file is truncated or holds something else."""
    with pytest.raises(CannotUseModel, match=r"cannot use the model m\.gz"):
        parse(content, "m.gz")


def test_a_model_of_before_without_odds_is_read(document: dict[str, Any]) -> None:
    """It was trained in a state directory by an earlier program; no signal says anything then."""
    before = {key: value for key, value in document.items() if key != "odds"}
    model, burst = parse(packed(before), "m.gz"), normalise(["cuanto sale"])
    assert model.guess(burst, Signals(saved_contact=True)) == model.guess(burst)


def test_the_packaged_model_knows_every_intent_and_learned_from_all_that_came_along() -> None:
    """It also learned `unknown`, which lowers its confidence."""
    from leadmasterd.classify.intents import GROUP_OF

    model = load_model(None)
    examples = lessons_from((PACKAGED / EXAMPLES).read_text().splitlines(), EXAMPLES, 1.0)
    filled = lessons_from_frames((PACKAGED / FRAMES).read_text(encoding="utf-8"))
    made = f"{len(examples)} examples, {len(filled)} filled frames"
    assert model.made == made, "learn anew: python -m leadmasterd.classify.train --from-examples"
    assert set(model.intents) == set(GROUP_OF)


# ---------------------------------------------------------------------- learning


SHOP = {
    "appointment": ("pasamos por el galpon a ver", "vamos al galpon por"),
    "price": ("que arancel lleva", "arancel de"),
}


def test_corrections_win_over_examples_and_a_better_model_replaces() -> None:
    """The shop's own words are learned, and the new model records the corrections it used."""
    current = Model(document_of(lessons(), "72 examples"))
    corrections = lessons(SHOP, CORRECTION_WEIGHT)
    said, document = train(lessons(), corrections, current)
    assert said["result"] == "replaced"
    assert said["new"] == said["corrections"] == len(corrections)
    assert said["right_after"] > said["right_before"]
    assert document is not None
    model = Model(document)
    assert model.guess(normalise(["pasamos por el galpon a ver la moto"])).intent == "appointment"
    again, nothing = train(lessons(), corrections, model)
    assert (again["result"], again["new"], nothing) == ("too_few", 0, None)


def test_a_worse_model_never_replaces_a_better_one() -> None:
    """Both are measured on corrections that neither has seen; the new one learned from misleading corrections."""
    truth = lessons(SHOP, CORRECTION_WEIGHT)
    knowing = Model(document_of([*lessons(), *lessons(SHOP)], "knows already"))
    twisted = {"delivery": SHOP["appointment"], "greeting": SHOP["price"]}
    misleading = [*lessons(twisted, 50.0)]
    said, document = train([*lessons(), *misleading], truth, knowing)
    assert said["right_after"] < said["right_before"]
    assert (said["result"], document) == ("kept", None)


def test_what_is_measured_is_what_would_be_put_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    """The measured model includes the extra weight for customers, here so high that it gets every correction wrong."""
    current = Model(document_of(lessons(), "72 examples"))
    monkeypatch.setattr(training, "_CUSTOMERS", 1_000.0)
    quiet = lessons({"greeting": SHOP["appointment"]}, CORRECTION_WEIGHT)
    said, document = train(lessons(), [*quiet, *lessons({"personal": SHOP["price"]}, CORRECTION_WEIGHT)], current)
    assert said["right_after"] == 0
    assert (said["result"], document) == ("kept" if said["right_before"] else "replaced", document)


def test_two_trainings_at_once_are_one(tmp_path: Path) -> None:
    """The second is refused, or its model would replace one that it was not compared with."""
    corrections = tmp_path / "corrections.jsonl"
    corrections.write_text('{"text": "hola", "intent": "greeting"}\n')
    words = ["--corrections", str(corrections), "--model", str(tmp_path / "state" / "model.json.gz")]
    (tmp_path / "state").mkdir()
    descriptor = os.open(tmp_path / "state", os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        done = subprocess.run(
            [sys.executable, "-m", "leadmasterd.classify.train", *words], capture_output=True, text=True, check=False
        )
    finally:
        os.close(descriptor)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"cannot learn now: another training is at work in {tmp_path / 'state'}")
    assert main(words) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_model_that_root_makes_is_of_whose_folder_it_is(document: dict[str, Any], tmp_path: Path) -> None:
    """The daemon's user must be able to read it."""
    os.chown(tmp_path, 65534, 65533)
    write(document, tmp_path / "model.json.gz")
    found = (tmp_path / "model.json.gz").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (65534, 65533, 0o600)


def test_a_line_separator_inside_a_text_ends_no_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In JSON Lines only a newline ends a line; Unicode has other line separators."""
    (tmp_path / "lines").write_text('{"text": "hola\u2028che", "intent": "greeting"}\n')
    assert main(["--corrections", str(tmp_path / "lines"), "--model", str(tmp_path / "none" / "m")]) == 0
    assert json.loads(capsys.readouterr().out)["corrections"] == 1


def test_enough_corrections_leave_a_model_that_has_learned_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Runs the whole program with few examples and checks its output and the file that the daemon reads."""
    monkeypatch.setattr(training, "_packaged_lessons", lambda: (lessons(), []))
    texts = [(f"{start} {thing}", intent) for intent, starts in SHOP.items() for start in starts for thing in THINGS]
    lines = "".join(json.dumps({"text": text, "intent": intent}) + "\n" for text, intent in texts)
    (tmp_path / "lines").write_text(lines)
    words = ["--corrections", str(tmp_path / "lines"), "--model", str(tmp_path / "model.json.gz")]
    assert main(words) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["result"], said["new"], said["model"]) == ("replaced", len(texts), words[3])
    model = load_model(tmp_path / "model.json.gz")
    assert model.version == said["version"]
    assert model.guess(normalise(["pasamos por el galpon a ver la moto"])).intent == "appointment"
    assert main(words) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["result"], again["new"], again["version"]) == ("too_few", 0, model.version)


def test_too_few_corrections_need_neither_the_examples_nor_numpy() -> None:
    """So the nightly job costs almost nothing in a shop that corrected nothing."""
    program = (
        "import sys; from leadmasterd.classify.train import main; main(['--corrections', '-', '--model', 'none/m']);"
        "sys.exit(any(name in sys.modules for name in ('numpy', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", program], input="", text=True, check=False, timeout=60).returncode == 0


def test_too_few_corrections_change_nothing() -> None:
    """There would be too few to compare the models."""
    said, document = train(lessons(), lessons(SHOP)[:3], Model(document_of(lessons(), "x")))
    assert (said["result"], said["needed"], document) == ("too_few", 10, None)


def test_who_corrects_twice_means_the_later() -> None:
    """Of several corrections of the same text the last one counts; those without text are ignored."""
    lines = ['{"texts": ["hola"], "intent": "price"}', "", '{"texts": ["HOLA"], "intent": "greeting"}']
    [lesson] = lessons_from([*lines, '{"texts": ["🦄"], "intent": "spam"}'], "x", 5.0)
    assert (lesson.burst.text, lesson.intent, lesson.weight) == ("hola", "greeting", 5.0)


def test_lessons_may_be_written_as_for_rules_test() -> None:
    """A line has one text or a list of texts."""
    lines = ['{"text": "hola", "intent": "greeting"}', '{"texts": ["cuanto", "sale?"], "intent": "price", "also": []}']
    assert [lesson.intent for lesson in lessons_from(lines, "x", 1.0)] == ["greeting", "price"]


@pytest.mark.parametrize(
    "line", ["{", "[]", "{}", '{"texts": "hola", "intent": "price"}', '{"texts": ["hola"], "intent": "prize"}', "5"]
)
def test_a_line_that_can_not_be_learned_from_is_named(line: str) -> None:
    """The error gives file and line."""
    with pytest.raises(CannotTrain, match=r"cannot use c\.jsonl, line 2"):
        lessons_from(["", line], "c.jsonl", 1.0)


def test_the_program_says_what_happened_as_one_object(tmp_path: Path) -> None:
    """It reads corrections from stdin; with too few of them it writes no file."""
    done = subprocess.run(
        [sys.executable, "-m", "leadmasterd.classify.train", "--corrections", "-", "--model", "m.json.gz"],
        input='{"texts": ["hola"], "intent": "greeting"}\n',
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    said = json.loads(done.stdout)
    assert (said["result"], said["corrections"]) == ("too_few", 1)
    assert list(tmp_path.iterdir()) == []


def test_corrections_that_are_not_there_are_an_error_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing file gives one sentence and exit code 1."""
    assert main(["--corrections", str(tmp_path / "none"), "--model", str(tmp_path / "m")]) == 1
    assert main([]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "none" in said.err
    assert "give --corrections and --model" in said.err
