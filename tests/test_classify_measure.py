"""`rules check`, `rules test` and `rules train`: their figures, their errors and their output."""

import json
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from leadmasterd.classify.classifier import Classifier
from leadmasterd.classify.intents import Signals
from leadmasterd.classify.measure import Figures, TrainingRecord, cases_from, score
from leadmasterd.classify.rules_file import parse
from leadmasterd.cli import main
from leadmasterd.cli.cmd_rules import summary
from leadmasterd.errors import CannotUseLine
from leadmasterd.store.database import open_for_writing
from tests import wire
from tests.captures import item, opened

RULES = """
[[rule]]
id = "p"
intent = "price"
phrases = ["precio"]
yes = ["precio"]
no = ["costo"]
[[rule]]
id = "d"
intent = "delivery"
phrases = ["envio"]
yes = ["envio"]
no = ["costo"]
"""

LINES = [
    '{"texts": ["hola", "precio?"], "intent": "price"}',
    "",
    '{"text": "envio", "intent": "price", "also": ["delivery", "order"]}',
    '{"text": "envio", "intent": "order", "context": {"saved_contact": true}}',
    '{"text": "precio", "intent": "spam"}',
    '{"text": "trulala", "intent": "unknown"}',
    '{"text": "trulala", "intent": "greeting", "context": {}}',
]


def figures(lines: list[str]) -> Figures:
    """The figures for these cases with two rules and no model."""
    return score(cases_from(lines, "x"), Classifier(parse(RULES, "rules.toml"), "r", None)).as_json()


def test_the_figures_are_what_the_documentation_says() -> None:
    """An answer in `also` is right; coverage counts labelled bursts; `unknown` is wrong unless expected."""
    found = figures(LINES)
    assert found["n"] == 6
    assert found["accuracy"] == {"intent": 0.5, "group": 0.6667}
    assert found["coverage"] == 0.6667
    assert found["precision_when_labelled"] == 0.5
    assert found["confusion"] == {
        "price": {"price": 2},
        "order": {"delivery": 1},
        "greeting": {"unknown": 1},
        "spam": {"price": 1},
        "unknown": {"unknown": 1},
    }
    assert found["by_intent"]["price"] == {"n": 2, "right": 1.0, "labelled": 2, "precision": 0.5}
    assert found["by_intent"]["delivery"] == {"n": 0, "right": None, "labelled": 2, "precision": 0.5}


def test_the_context_of_a_line_becomes_signals() -> None:
    """The signals include the message types if the line has them."""
    [case] = cases_from(['{"text": "x", "intent": "spam", "context": {"has_media": true, "types": ["image"]}}'], "x")
    assert case.signals == Signals(has_media=True, types=("image",))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("[]", "it must be an object"),
        ('{"text": "a"}', "`intent` is missing; allowed: price"),
        ('{"text": "a", "intent": null, "also": ["price"]}', "`intent` is missing"),
        ('{"text": "a", "intent": "prise"}', "'prise' is no intent"),
        ('{"text": "a", "intent": ["price"]}', "is no intent"),
        ('{"intent": "price"}', "`texts` must be a list of texts"),
        ('{"texts": "a", "intent": "price"}', "`texts` must be a list of texts"),
        ('{"texts": [1], "intent": "price"}', "`texts` must be a list of texts"),
        ('{"texts": ["a"], "text": "a", "intent": "price"}', "not both"),
        ('{"text": "a", "intent": "price", "also": "order"}', "`also` = 'order': must be a list"),
        ('{"text": "a", "intent": "price", "also": [null]}', "None is no intent"),
        ('{"text": "a", "intent": "price", "contxt": {}}', "`contxt` is unknown"),
        ('{"text": "a", "intent": "price", "allso": []}', "`allso` is unknown"),
        ('{"text": "a", "intent": "price", "context": 1}', "`context` = 1: must be an object"),
        ('{"text": "a", "intent": "price", "context": []}', "`context` = []: must be an object"),
        ('{"text": "a", "intent": "price", "context": {"saved": true}}', "`context.saved` is unknown"),
        ('{"text": "a", "intent": "price", "context": {"saved_contact": 1}}', "must be true or false"),
        ('{"text": "a", "intent": "price", "context": {"types": "chat"}}', "must be a list of message types"),
    ],
)
def test_a_bad_line_is_named_with_its_file(line: str, said: str) -> None:
    """The error gives file and line, and the allowed values."""
    with pytest.raises(CannotUseLine) as caught:
        cases_from(["", line], "f.jsonl")
    assert str(caught.value).startswith("cannot use f.jsonl, line 2: ")
    assert said in str(caught.value)


def test_every_bad_line_is_told_with_its_number_and_its_reason() -> None:
    """All errors are reported at once, so a long file can be corrected in one go."""
    lines = [LINES[0], "{", "", LINES[2], '{"text": "a", "intent": "prise"}', "[]", LINES[3]]
    with pytest.raises(CannotUseLine) as caught:
        cases_from(lines, "f.jsonl")
    first, second, third = str(caught.value).splitlines()
    assert first.startswith("cannot use f.jsonl, line 2: it is not JSON")
    assert second.startswith("cannot use f.jsonl, line 5: 'prise' is no intent; allowed: price")
    assert third.startswith("cannot use f.jsonl, line 6: it must be an object")


def test_what_others_keep_beside_a_line_is_passed_over() -> None:
    """Extra columns and empty cells from a spreadsheet are ignored."""
    plain = '{"text": "a", "intent": "price"}'
    more = (
        '{"id": 7, "source": "mostrador", "text": "a", "texts": null, "intent": "price", "also": null, "context": null}'
    )
    flags = '{"text": "a", "intent": "price", "note": "?", "context": {"saved_contact": null, "types": null}}'
    assert cases_from([plain], "f") == cases_from([more], "f") == cases_from([flags], "f")


# ---------------------------------------------------------------------- the commands


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder without settings."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_rules_check_tries_the_packaged_rules_or_a_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It exits with 0 if all is right, else with 1 and one line for each mistake."""
    assert main(["rules", "check"]) == 0
    assert "rules, and all their examples pass" in capsys.readouterr().out
    (here / "own.toml").write_text(RULES)
    assert main(["rules", "check", "own.toml"]) == 0
    (here / "own.toml").write_text(RULES.replace("price", "prise").replace("delivery", "deliveri"))
    assert main(["rules", "check", "own.toml"]) == 1
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 2
    assert main(["rules", "check", "own.toml", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ok"], len(answer["problems"])) == (False, 2)
    assert main(["rules", "check", "missing.toml"]) == 1
    assert "cannot read missing.toml: no such file" in capsys.readouterr().err


def test_the_rules_of_the_settings_are_the_ones_in_force(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """rules.toml next to the settings is used; if it is broken, that is an error of the settings."""
    (here / "rules.toml").write_text(RULES.replace("precio", "trulala"))
    assert main(["rules", "test", "--text", "hola", "--text", "trulala"]) == 0
    assert capsys.readouterr().out == "price, commercial: rule p, by «trulala»\n"
    (here / "rules.toml").write_text("[[rule]]")
    assert main(["rules", "test", "--text", "hola"]) == 78
    assert "every rule has an `id`" in capsys.readouterr().err


def test_rules_test_prints_one_object_or_a_table(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both have the same figures, and the table fits 80 columns."""
    (here / "lines.jsonl").write_text("\n".join(LINES))
    assert main(["rules", "test", "lines.jsonl", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert list(answer) == ["n", "accuracy", "coverage", "precision_when_labelled", "by_intent", "confusion"]
    assert answer["n"] == 6
    assert main(["rules", "test", "lines.jsonl"]) == 0
    out = capsys.readouterr().out
    assert "right intent" in out
    assert "precio" in out
    assert all(len(line) <= 80 for line in out.splitlines())


def test_a_try_says_the_label_and_why_as_one_object_too(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json, a single try prints one object."""
    assert main(["rules", "test", "--text", "que precio tiene", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["intent"], answer["group"], answer["method"]) == ("price", "commercial", "rule")
    assert answer["because"] == "rule price-word, by «precio»"


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "no such file"), (b"", "it has no lines"), (b"{}", "line 1: "), (b"\xff", "it is not UTF-8")],
)
def test_a_file_that_can_not_be_tested_is_1(
    here: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, said: str
) -> None:
    """It prints one sentence on stderr and nothing on stdout."""
    if content is not None:
        (here / "lines.jsonl").write_bytes(content)
    assert main(["rules", "test", "lines.jsonl", "--json"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert said in output.err
    assert "lines.jsonl" in output.err


def test_rules_test_tells_all_bad_lines_and_prints_no_figures(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints one line per error on stderr and exits with 1."""
    (here / "lines.jsonl").write_text("\n".join([*LINES, "{", '{"text": "a", "intent": "prise"}']))
    assert main(["rules", "test", "lines.jsonl"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert [line.partition(": ")[0] for line in output.err.splitlines()] == [
        "cannot use lines.jsonl, line 8",
        "cannot use lines.jsonl, line 9",
    ]


def test_rules_test_without_anything_to_test_is_64(here: Path) -> None:
    """The exit code is that of wrong usage."""
    assert main(["rules", "test"]) == 64


def test_rules_train_says_what_happened(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With too few corrections nothing is learned, as text and as JSON; a bad line is named."""
    (here / "c.jsonl").write_text('{"texts": ["hola"], "intent": "greeting"}\n')
    assert main(["rules", "train", "--corrections", "c.jsonl"]) == 0
    assert capfd.readouterr().out.startswith(
        "1 correction, 1 of them new: nothing learned yet, measuring needs 10 new ones"
    )
    assert main(["rules", "train", "--corrections", "c.jsonl", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["result"] == "too_few"
    assert main(["rules", "train"]) == 0, "where nothing was ever captured nobody has corrected anything"
    assert capfd.readouterr().out.startswith("0 corrections")
    (here / "c.jsonl").write_text("{")
    assert main(["rules", "train", "--corrections", "c.jsonl"]) == 1
    assert "cannot use c.jsonl, line 1: it is not JSON" in capfd.readouterr().err


def test_rules_train_reads_what_people_corrected_in_the_database(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Each correction counts once; those undone or with a purged text do not count."""
    assert main(["rules", "train", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["corrections"] == 0
    database = here / "state" / "leadmaster.db"
    database.parent.mkdir(exist_ok=True)
    with opened(database, [item(wire.message("A")), item(wire.message("B", seq=2))]):
        pass
    with closing(open_for_writing(database)) as connection:
        for intent, ids, undone in (("price", "[2, 1]", None), ("spam", "[1]", "2026-11-23T12:00:00.000Z")):
            connection.execute(
                "INSERT INTO corrections (conversation_id, message_ids, intent, at, actor, undone_at) "
                "VALUES ((SELECT min(conversation_id) FROM conversations), ?, ?, '2026-11-23T12:00:00.000Z', 'ana', ?)",
                (ids, intent, undone),
            )
    assert main(["rules", "train", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["corrections"] == 1
    for purge in ("UPDATE messages SET body = NULL", "DELETE FROM messages"):
        with closing(open_for_writing(database)) as connection:
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute(purge)
        assert main(["rules", "train", "--json"]) == 0
        assert json.loads(capfd.readouterr().out)["corrections"] == 0


@pytest.mark.parametrize(
    ("result", "words"), [("kept", "the old model stays"), ("replaced", "the new one is in force (abc)")]
)
def test_every_end_of_training_is_told_with_its_figures(result: str, words: str) -> None:
    """The output compares both models and names the winner."""
    counts = {"corrections": 60, "new": 50, "right_before": 30, "right_after": 41, "version": "abc", "model": "m.gz"}
    said = summary(cast(TrainingRecord, {"result": result, **counts}))
    assert said.startswith("60 corrections; on 50 new corrections the old model was right 30 times, the new one 41")
    assert said.endswith(words)
