"""A process of its own labels ahead when very much waits: leads are the same, whatever becomes of it."""

import logging
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks import size
from leadmasterd.classify.classifier import Classifier
from leadmasterd.classify.intents import Label, Signals
from leadmasterd.classify.loading import load_classifier
from leadmasterd.projection import ahead as ahead_module
from leadmasterd.projection.ahead import Ahead, command_for
from leadmasterd.projection.policy import policy_of
from leadmasterd.projection.worker import ProjectionWorker
from leadmasterd.settings.model import LeadsSettings
from leadmasterd.store.database import open_for_writing
from tests.waiting import LIMIT, until_true

CONTACTS = 12
"""All their labels find room in a pipe, so the process can end before anything is read."""
DERIVED = {
    "classifications": "conversation_id, burst, intent, method, confidence, source, code, value_json",
    "leads": "contact_id, stage, intent, topics, opened_at, closed_at, first_response_business_seconds",
    "lead_events": "at, actor, kind, before, after, message_id, code, value_json",
    "waiting_cycles": "conversation_id, kind, started_at, due_at, ended_at, ended_by, business_seconds",
}


class Asked:
    """The packaged classifier, and how often it was asked."""

    def __init__(self) -> None:
        self.packaged: Classifier = load_classifier(None, None)
        self.version = self.packaged.version
        self.times = 0

    def classify(self, texts: Sequence[str], signals: Signals) -> Label:
        """As it does."""
        self.times += 1
        return self.packaged.classify(texts, signals)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty messages of each contact, from which no leads are made yet."""
    database = tmp_path_factory.mktemp("history") / "leadmaster.db"
    size.write_history(database, contacts=CONTACTS)
    return database


@pytest.fixture
def database(history: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copy(history, tmp_path / "leadmaster.db"))


@pytest.fixture(autouse=True)
def _pays_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cores, and few conversations suffice."""
    monkeypatch.setattr(ahead_module, "LEAST", CONTACTS)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})


@contextmanager
def waiting(database: Path, ahead: Ahead | None = None) -> Iterator[tuple[sqlite3.Connection, ProjectionWorker, Asked]]:
    """A writer's connection and its worker, which has not begun."""
    asked = Asked()
    connection = open_for_writing(database)
    worker = ProjectionWorker(connection, lambda: asked, policy_of(LeadsSettings().plain()), lambda _: None, ahead)
    try:
        yield connection, worker, asked
    finally:
        if ahead:
            ahead.end()
        connection.close()


def judge(connection: sqlite3.Connection, worker: ProjectionWorker) -> dict[str, list[object]]:
    """Make all leads, and return what was made."""
    while worker.step():
        worker.done()
    assert connection.execute("SELECT count(*) FROM unjudged").fetchone() == (0,)
    return {
        table: connection.execute(f"SELECT {columns} FROM {table} ORDER BY {columns}").fetchall()
        for table, columns in DERIVED.items()
    }


def labeller(database: Path, rules: Path | None = None) -> Ahead:
    """What the daemon starts."""
    return Ahead(command_for(database, rules, None, LeadsSettings().burst_seconds))


def process_of(ahead: Ahead) -> "subprocess.Popen[bytes]":
    """The process behind it."""
    assert ahead._process is not None
    return ahead._process


@pytest.fixture(scope="module")
def expected(history: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[object]]:
    """What the writer makes of it alone."""
    with waiting(Path(shutil.copy(history, tmp_path_factory.mktemp("alone") / "x.db"))) as (connection, worker, asked):
        rows = judge(connection, worker)
        assert asked.times > CONTACTS
    return rows


def test_what_is_labelled_ahead_is_not_classified_again(database: Path, expected: dict[str, list[object]]) -> None:
    """The writer asks nothing, and its rows are the same to each reason."""
    ahead = labeller(database)
    with waiting(database, ahead) as (connection, worker, asked):
        ahead.start_if_worthwhile(connection)
        process = process_of(ahead)
        until_true(lambda: process.poll() is not None)
        assert judge(connection, worker) == expected
        assert (asked.times, process.returncode, ahead.is_active) == (0, 0, False)


def test_a_killed_process_costs_nothing_but_time(
    database: Path, expected: dict[str, list[object]], caplog: pytest.LogCaptureFixture
) -> None:
    """Nor is another one started: what killed it may be a lack of memory."""
    ahead = labeller(database)
    with waiting(database, ahead) as (connection, worker, asked), caplog.at_level(logging.WARNING):
        ahead.start_if_worthwhile(connection)
        process_of(ahead).kill()
        assert judge(connection, worker) == expected
        assert asked.times > 0
        ahead._next_check = 0.0
        connection.execute("DELETE FROM classifications")
        connection.execute("INSERT INTO unjudged (conversation_id) SELECT conversation_id FROM conversations")
        ahead.start_if_worthwhile(connection)
        assert not ahead.is_active


def test_labels_by_other_rules_are_not_used(database: Path, expected: dict[str, list[object]], tmp_path: Path) -> None:
    """The operator saved new rules in the middle of it."""
    rules = tmp_path / "rules.toml"
    rules.write_text("[[rule]]\nid = 'own'\nintent = 'spam'\nphrases = ['sale']\nyes = [['sale']]\n", encoding="utf-8")
    ahead = labeller(database, rules)
    with waiting(database, ahead) as (connection, worker, asked):
        ahead.start_if_worthwhile(connection)
        process = process_of(ahead)
        until_true(lambda: process.poll() is not None)
        assert judge(connection, worker) == expected
        assert asked.times == len(expected["classifications"])


def test_a_text_that_was_edited_since_is_classified_anew(database: Path) -> None:
    """A label is found by the words that it was made for."""
    ahead = labeller(database)
    with waiting(database, ahead) as (connection, worker, asked):
        ahead.start_if_worthwhile(connection)
        process = process_of(ahead)
        until_true(lambda: process.poll() is not None)
        connection.execute("UPDATE messages SET body = 'no me escriban mas' WHERE direction = 'in' AND message_id <= 3")
        judge(connection, worker)
        assert asked.times == 3
        labels = "SELECT DISTINCT intent FROM classifications WHERE first_message_id <= 3"
        assert connection.execute(labels).fetchall() == [("opt_out",)]


def test_the_process_ends_when_nobody_reads_it(database: Path) -> None:
    """The daemon may be killed at any moment."""
    command = command_for(database, None, None, LeadsSettings().burst_seconds)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(LIMIT) == 0


@pytest.mark.parametrize(("cores", "least"), [({0}, CONTACTS), ({0, 1}, CONTACTS + 1)], ids=["one core", "few wait"])
def test_no_process_is_started_where_it_does_not_pay(
    database: Path, monkeypatch: pytest.MonkeyPatch, cores: set[int], least: int
) -> None:
    """It takes memory and half a second."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: cores)
    monkeypatch.setattr(ahead_module, "LEAST", least)
    ahead = labeller(database)
    with waiting(database, ahead) as (connection, _worker, _asked):
        ahead.start_if_worthwhile(connection)
        assert not ahead.is_active


def test_what_was_labelled_before_is_not_labelled_again(database: Path) -> None:
    """A rebuild keeps its labels, so no second process could help."""
    ahead = labeller(database)
    with waiting(database, ahead) as (connection, worker, _asked):
        judge(connection, worker)
        connection.execute("INSERT INTO unjudged (conversation_id) SELECT conversation_id FROM conversations")
        ahead.start_if_worthwhile(connection)
        assert not ahead.is_active


def test_the_wal_is_copied_less_often_while_very_much_is_written(database: Path) -> None:
    """Afterwards as usual: what a crash leaves behind stays small."""
    ahead = labeller(database)
    with waiting(database, ahead) as (connection, worker, _asked):

        def pages() -> int:
            return int(connection.execute("PRAGMA wal_autocheckpoint").fetchone()[0])

        usual = pages()
        ahead.start_if_worthwhile(connection)
        assert pages() > usual
        judge(connection, worker)
        assert pages() == usual
