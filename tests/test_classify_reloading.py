"""Changed rules are loaded within moments; a broken file changes nothing and is reported."""

import os
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from leadmasterd.classify import reloading
from leadmasterd.classify.classifier import Classifier
from leadmasterd.classify.intents import Signals
from leadmasterd.classify.loading import PACKAGED, PACKAGED_MODEL, existing
from leadmasterd.classify.reloading import Reloading

LIMIT = 20.0


def rules(intent: str) -> str:
    """A rules file that gives `trululu` this intent. The packaged rules would be parsed anew with each."""
    return f'# ours\n[[rule]]\nid = "own"\nintent = "{intent}"\nphrases = ["trululu"]\n'


class Watched:
    """A running Reloading and everything it reported."""

    def __init__(self, rules_file: Path | None, model_file: Path | None) -> None:
        self.problems: queue.Queue[str | None] = queue.Queue()
        self.changes: queue.Queue[Classifier] = queue.Queue()
        self.reloading = Reloading(rules_file, model_file, on_problem=self.problems.put, on_change=self.changes.put)

    def meaning(self) -> str:
        """The current intent of `trululu`."""
        return self.reloading.current().classify(["trululu"], Signals()).intent


@contextmanager
def watching(rules_file: Path | None, model_file: Path | None = None) -> Iterator[Watched]:
    """Watch until the block ends."""
    watched = Watched(rules_file, model_file)
    watched.reloading.start()
    try:
        yield watched
    finally:
        watched.reloading.stop()


def in_place(file: Path, text: str) -> None:
    """Overwrite the file, as some editors do."""
    file.write_text(text)


def renamed(file: Path, text: str) -> None:
    """Rename a new file over the old one, as other editors do."""
    other = file.with_name(".swap")
    other.write_text(text)
    other.replace(file)


def deleted_and_written(file: Path, text: str) -> None:
    """Delete the file and write it again."""
    file.unlink()
    file.write_text(text)


@pytest.mark.parametrize("write", [in_place, renamed, deleted_and_written])
def test_changed_rules_are_in_force_a_moment_later(tmp_path: Path, write: object) -> None:
    """It works for every way in which editors write a file."""
    file = tmp_path / "rules.toml"
    file.write_text(rules("price"))
    with watching(file) as watched:
        assert watched.meaning() == "price"
        assert callable(write)
        write(file, rules("order"))
        fresh = watched.changes.get(timeout=LIMIT)
        assert watched.meaning() == "order"
        assert watched.reloading.current() is fresh


@pytest.mark.parametrize("place", ["file", "folder"])
def test_rules_that_become_readable_are_in_force_a_moment_later(tmp_path: Path, place: str) -> None:
    """Whoever mends the rights of the file, or of its folder, changes nothing else. watchdog 7 calls that `attrib`.

    Permissions do not stop root, so the new rules are written under another name of the file, where nobody watches.
    """
    (tmp_path / "watched").mkdir()
    file, other_name = tmp_path / "watched" / "rules.toml", tmp_path / "other.toml"
    file.write_text(rules("price"))
    other_name.hardlink_to(file)
    with watching(file) as watched:
        file.write_text("")
        assert "it has no rules" in (watched.problems.get(timeout=LIMIT) or "")
        other_name.write_text(rules("order"))
        (file if place == "file" else file.parent).chmod(0o755)
        watched.changes.get(timeout=LIMIT)
        assert watched.meaning() == "order"


def test_a_broken_file_keeps_the_old_rules_and_is_told_once_until_it_is_right(tmp_path: Path) -> None:
    """The report says where the mistake is, and becomes None once it is fixed."""
    file = tmp_path / "rules.toml"
    file.write_text(rules("price"))
    with watching(file) as watched:
        file.write_text(rules("prise"))
        problem = watched.problems.get(timeout=LIMIT)
        assert problem is not None
        assert problem.startswith(f"cannot use {file}, line 4, rule `own`: `intent` = 'prise' is no intent")
        assert watched.meaning() == "price"
        file.write_text(rules("prise"))
        renamed(file, rules("order"))
        assert watched.problems.get(timeout=LIMIT) is None
        assert watched.meaning() == "order"


def test_a_file_that_comes_later_is_used_and_one_that_goes_leaves_the_packaged_rules(tmp_path: Path) -> None:
    """Neither is reported as a mistake."""
    file = tmp_path / "rules.toml"
    with watching(file) as watched:
        assert watched.meaning() != "spam"
        file.write_text(rules("spam"))
        watched.changes.get(timeout=LIMIT)
        assert watched.meaning() == "spam"
        file.unlink()
        watched.changes.get(timeout=LIMIT)
        assert watched.meaning() != "spam"
        assert watched.problems.empty()


def test_a_new_model_is_taken_and_a_broken_one_is_not(tmp_path: Path) -> None:
    """The current model stays in use when the new one is broken."""
    file = tmp_path / "model.json.gz"
    with watching(None, file) as watched:
        before = watched.reloading.current()
        file.write_bytes(b"no model")
        problem = watched.problems.get(timeout=LIMIT)
        assert problem is not None
        assert f"cannot use the model {file}" in problem
        assert watched.reloading.current() is before
        file.write_bytes((PACKAGED / PACKAGED_MODEL).read_bytes())
        assert watched.problems.get(timeout=LIMIT) is None


def test_broken_rules_at_the_start_leave_the_packaged_ones(tmp_path: Path) -> None:
    """The daemon starts all the same and reports the mistake."""
    file = tmp_path / "rules.toml"
    file.write_text("[[rule")
    watched = Watched(file, None)
    assert "it is not TOML" in (watched.problems.get_nowait() or "")
    assert watched.reloading.current().classify(["precio?"], Signals()).intent == "price"


def test_a_folder_that_can_not_be_watched_is_told(tmp_path: Path) -> None:
    """The rules still work; a change takes effect at the next start."""
    with watching(tmp_path / "nowhere" / "rules.toml") as watched:
        assert "cannot watch" in (watched.problems.get(timeout=LIMIT) or "")
        assert watched.reloading.current().classify(["precio?"], Signals()).intent == "price"


@pytest.mark.parametrize("kind", ["nested", "pipe", "defect"])
def test_whatever_is_wrong_with_the_file_the_next_one_is_read(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tried with text nested too deeply to parse, with a named pipe, and with a bug of our own."""
    file = tmp_path / "rules.toml"
    file.write_text(rules("payment"))
    with watching(file) as watched:
        if kind == "nested":
            file.write_text("x = " + "[" * 5_000)
        elif kind == "pipe":
            file.unlink()
            os.mkfifo(file)
        else:
            monkeypatch.setattr(reloading, "load_rules", lambda file: 1 / 0)
            file.touch()
        told = watched.problems.get(timeout=LIMIT)
        assert told is not None
        assert ("ZeroDivisionError" if kind == "defect" else "rules.toml") in told
        assert watched.meaning() == "payment"
        monkeypatch.undo()
        file.unlink()
        file.write_text(rules("return"))
        assert watched.problems.get(timeout=LIMIT) is None
        assert watched.meaning() == "return"


def test_a_link_to_the_rules_is_followed(tmp_path: Path) -> None:
    """The watched file is the target of the link, since that is what people edit."""
    (tmp_path / "shared").mkdir()
    link, target = tmp_path / "rules.toml", tmp_path / "shared" / "rules.toml"
    target.write_text(rules("payment"))
    link.symlink_to("shared/rules.toml")
    with watching(link) as watched:
        target.write_text(rules("return"))
        watched.changes.get(timeout=LIMIT)
        assert watched.meaning() == "return"


def test_stopping_twice_or_without_a_start_is_no_error(tmp_path: Path) -> None:
    """Closing never fails."""
    watched = Watched(tmp_path / "rules.toml", None)
    watched.reloading.stop()
    watched.reloading.stop()


def test_a_file_that_can_not_be_looked_for_is_no_file_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder without permissions, reading fails with an error instead of silently using the packaged rules."""

    def refused(_path: Path) -> bool:
        raise PermissionError

    monkeypatch.setattr(Path, "exists", refused)
    assert existing(tmp_path / "rules.toml") == tmp_path / "rules.toml"
