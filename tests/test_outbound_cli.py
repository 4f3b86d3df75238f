"""`leadmaster-outbound` as a person types it, and docs/outbound.md."""

import json
import re
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from leadmasterd.outbound import database
from leadmasterd.outbound.cli import main, make_parser, subcommands
from leadmasterd.outbound.decision import RULES, Reason
from leadmasterd.outbound.records import Records
from leadmasterd.outbound.sentences import ENGLISH, SPANISH
from leadmasterd.settings import paths
from leadmasterd.store.database import open_for_writing
from leadmasterd.times import iso
from tests.test_json_doc import fits

DOCUMENT: Final = (Path(__file__).resolve().parent.parent / "docs" / "outbound.md").read_text(encoding="utf-8")
ANY_TIME: Final = '[outbound]\nenabled = true\naccount = "100200300"\nquiet_hours = []\n'
PHONE: Final = "+54 9 11 5555-0001"
DIGITS: Final = "5491155550001"


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Stdout, which holds nothing else."""
        answer = json.loads(self.out)
        assert isinstance(answer, dict)
        return answer


@dataclass(frozen=True)
class Shell:
    """A folder with settings, in which somebody types."""

    folder: Path
    capture: pytest.CaptureFixture[str]

    def settings(self, text: str) -> None:
        (self.folder / "config.toml").write_text(text, encoding="utf-8")

    def types(self, line: str) -> Answer:
        try:
            code = main(shlex.split(line))
        except SystemExit as ended:  # argparse
            code = int(ended.code or 0)
        out, err = self.capture.readouterr()
        return Answer(code, out, err)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "SYSTEM_FILE", tmp_path / "etc" / "config.toml")
    monkeypatch.setenv("SUDO_USER", "ana")
    shell = Shell(tmp_path, capsys)
    shell.settings(ANY_TIME)
    return shell


def prepared(shell: Shell) -> None:
    """A template that both approved, a person who agreed, and one request."""
    shell.types('template pedido_listo --category utility --status approved --body "Hola {{1}}." --approve')
    shell.types(f'consent "{PHONE}" --for utility --evidence form')
    assert shell.types(f'request "{PHONE}" --for utility --template pedido_listo --value Ana').code == 0


# ---------------------------------------------------------------------- from the draft to the null gateway


def test_a_message_goes_from_its_draft_to_the_null_gateway(shell: Shell) -> None:
    """Every step that is missing is told, and nothing is sent at the end either."""
    prepared(shell)
    refused = shell.types("check 1")
    assert refused.code == 1
    assert re.findall(r"^  (\w+): ", refused.out, re.MULTILINE) == ["kill_switch", "not_approved"]
    assert ENGLISH[Reason.KILL_SWITCH] in refused.out
    assert SPANISH[Reason.KILL_SWITCH] in refused.out
    assert shell.types("approve 1").code == 0
    assert "held back (kill_switch)" in shell.types("send").out
    assert shell.types("stop --lift").code == 0
    allowed = shell.types("check 1")
    assert (allowed.code, "may be sent now" in allowed.out) == (0, True)
    assert "Request 1: recorded; nothing was sent" in shell.types("send").out
    assert "Nothing is approved." in shell.types("send").out
    done = shell.types("check 1")
    assert (done.code, re.findall(r"^  (\w+): ", done.out, re.MULTILINE)) == (1, ["already_attempted"])
    listed = shell.types("list --state recorded").out
    assert listed.startswith(f"Request 1: recorded, utility to +{DIGITS}, of ")
    assert listed.endswith(" by ana\n  «Hola Ana.»\n")


def test_it_is_off_as_it_comes(shell: Shell) -> None:
    """Without settings nothing is even recorded."""
    shell.settings("")
    prepared(shell)
    shell.types("approve 1")
    shell.types("stop --lift")
    answer = shell.types("check 1 --json").json
    assert "account_disabled" in [each["reason"] for each in answer["requests"][0]["obstacles"]]
    assert shell.types("send --json").json == {
        "outcomes": [{"request_id": 1, "state": "approved", "reason": "account_disabled"}]
    }
    status = shell.types("status")
    assert "sending is off, account none" in status.out
    assert "the account - may not send" in shell.types("check 1").out
    assert status.out.startswith("Nothing is sent: ")


def test_a_wrong_setting_stops_sending_and_not_the_kill_switch(shell: Shell) -> None:
    """78, as everywhere; no default takes the place of what cannot be read."""
    prepared(shell)
    shell.types("approve 1")
    shell.types("stop --lift")
    for wrong in (f"{ANY_TIME}account_cap = 0\n", f'{ANY_TIME}[leads]\ntimezone = "Buenos_Aires"\n'):
        shell.settings(wrong)
        answer = shell.types("send")
        assert (answer.code, answer.out) == (78, "")
        assert "`leadmasterd config check` says what is allowed" in answer.err
    assert shell.types("stop").code == 0
    shell.settings(ANY_TIME)
    assert "on since" in shell.types("status").out
    assert "by ana" in shell.types("status").out


def test_a_message_to_the_number_we_listen_to_opens_no_window(shell: Shell) -> None:
    """It is named, so that nobody wonders; the lead's own phone is taken as WhatsApp spells it."""
    (shell.folder / "state").mkdir()
    now = datetime.now(UTC)
    with closing(open_for_writing(shell.folder / "state" / "leadmaster.db")) as core:
        core.execute(
            "INSERT INTO accounts VALUES (1, '5491155550100@c.us', NULL, NULL, NULL, ?1, ?1, NULL)", (iso(now),)
        )
        core.execute(
            "INSERT INTO contacts (contact_id, created_at, updated_at, phone, match_key) "
            "VALUES (1, ?1, ?1, '+5491155550001', '541155550001')",
            (iso(now),),
        )
        core.execute(
            "INSERT INTO contact_identities (contact_id, kind, value, first_seen_at) VALUES (1, 'wa_jid', ?, ?)",
            (f"{DIGITS}@c.us", iso(now)),
        )
        core.execute(
            "INSERT INTO conversations (conversation_id, account_id, contact_id, chat, created_at, last_inbound_at) "
            "VALUES (1, 1, 1, ?1, ?2, ?2)",
            (f"{DIGITS}@c.us", iso(now - timedelta(minutes=5))),
        )
        before = core.execute("PRAGMA data_version").fetchone()
        answer = shell.types('request "011 15 5555-0001" --text "Sí, tenemos."')
        assert f"service to +{DIGITS}" in answer.out
        assert "template_needed" in answer.out
        assert "came to 5491155550100, the number we listen to, and opens no window" in answer.out
        assert "can't be read" not in shell.types("status").out
        assert core.execute("PRAGMA data_version").fetchone() == before, "the sender only reads"


def test_the_sender_cannot_write_the_listeners_database(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection to it is opened read-only."""
    opened: list[str] = []
    real = sqlite3.connect

    def connect(path: str | Path, **options: Any) -> sqlite3.Connection:
        opened.append(str(path))
        connection: sqlite3.Connection = real(path, **options)
        return connection

    open_for_writing(shell.folder / "state" / "leadmaster.db").close()
    monkeypatch.setattr(sqlite3, "connect", connect)
    for line in ("status", f'request "{PHONE}" --text x', "request 5 --text x", "check 1"):
        shell.types(line)
    of_core = [each for each in opened if "leadmaster.db" in each]
    assert len(of_core) >= 4
    assert all(each.startswith("file:") and each.endswith("?mode=ro") for each in of_core)


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("", 64, "required: COMMAND"),
        ("sparkle", 64, "invalid choice"),
        ("request", 64, "required: TO"),
        (f'request "{PHONE}"', 64, "one of the arguments --text --template is required"),
        (f'request "{PHONE}" --text x --template y', 64, "not allowed with"),
        (f'request "{PHONE}" --text x --value y', 64, "free text takes none"),
        (f'request "{PHONE}" --text x --for spam', 64, "invalid"),
        (f'request "{PHONE}" --text x --not-after mañana', 64, "2026-11-23"),
        (f'request "{PHONE}" --text " "', 1, "empty"),
        (f'request "{PHONE}" --template nothing', 1, "not recorded"),
        ("request Ana --text x", 64, "no phone number"),
        ("request 12 --text x", 1, "cannot write to lead 12"),
        ("check 7", 1, "cannot find request 7"),
        ("check x", 64, "whole number"),
        ("approve 0", 64, "whole number"),
        ("template nothing --approve", 1, "--category and --body"),
        (f'consent "{PHONE}" --for utility --evidence " "', 1, "evidence"),
        (f'consent "{PHONE}" --for service --evidence x', 64, "invalid choice"),
        ("forget Ana", 64, "no phone number"),
        ("--config nothing.toml status", 78, "nothing.toml"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_exit_code(shell: Shell, line: str, code: int, words: str) -> None:
    """One sentence on stderr, nothing on stdout."""
    answer = shell.types(line)
    assert (answer.code, answer.out) == (code, "")
    assert words in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("line", ["status", "check 7", "stop"])
def test_what_is_no_setting_is_told(shell: Shell, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    """A cap under a misspelt name is none. What is in other sections is not the sender's."""
    shell.settings(ANY_TIME + "[outbuond]\naccount_cap = 5\n[leads]\nzzz = 1\n")
    plain = shell.types(line)
    monkeypatch.setenv("LEADMASTERD_OUTBUOND__CONTACT_CAP", "1")
    monkeypatch.setenv("LEADMASTERD_OUTBOUND__CONTACT_CAP", "1")
    told = shell.types(line)
    advice = "is no setting, so it is ignored; `leadmasterd config check` says which there are\n"
    assert plain.err.endswith(f"`outbuond` in config.toml {advice}")
    variable = f"the variable LEADMASTERD_OUTBUOND__CONTACT_CAP {advice}"
    assert told.err == plain.err.replace("`outbuond`", f"{variable}`outbuond`")
    assert (told.code, told.out) == (plain.code, plain.out)


def test_several_are_approved_together_or_not_at_all(shell: Shell) -> None:
    """One of them was cancelled."""
    for _each in range(2):
        shell.types(f'request "{PHONE}" --text x')
    shell.types("cancel 2")
    refused = shell.types("approve 1 2")
    assert (refused.code, "it is cancelled, and must be draft" in refused.err) == (1, True)
    assert "Request 1: draft" in shell.types("list").out


def test_what_was_cancelled_is_not_called_unapproved_too(shell: Shell) -> None:
    """Nobody could approve it any more."""
    prepared(shell)
    shell.types("stop --lift")
    shell.types("cancel 1")
    told = shell.types("check 1")
    assert (told.code, re.findall(r"^  (\w+): ", told.out, re.MULTILINE)) == (1, ["cancelled"])


def test_records_that_cannot_be_used_are_told(shell: Shell) -> None:
    """73, and the file is named."""
    shell.types("status")
    (shell.folder / "state" / "outbound.db.key").unlink()
    answer = shell.types("status")
    assert (answer.code, answer.out) == (73, "")
    assert "outbound.db.key is missing" in answer.err


@pytest.mark.parametrize("line", ["check 1", "send", "list", "approve 1", "stop", "suppress +541155550001", "status"])
def test_damaged_records_are_one_sentence(shell: Shell, line: str) -> None:
    """73 and no traceback, wherever SQLite notices: here opening still works."""
    prepared(shell)
    shell.types("approve 1")
    file = shell.folder / "state" / "outbound.db"
    with closing(sqlite3.connect(file)) as connection:
        roots = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE rootpage > 0 AND tbl_name <> 'identity_key'"
        )
        pages = [page for (page,) in roots]
    whole = bytearray(file.read_bytes())
    for page in pages:
        whole[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    file.write_bytes(whole)
    Records.open(file).close()
    answer = shell.types(line)
    assert answer.code == 73
    assert answer.err.startswith(f"cannot use {file}: ")
    assert answer.err.count("\n") == 1


def test_records_that_somebody_else_writes_are_waited_for_and_then_told(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is half done then."""
    prepared(shell)
    monkeypatch.setattr(database, "PATIENCE", 0.1)
    with closing(sqlite3.connect(shell.folder / "state" / "outbound.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = shell.types("approve 1")
        assert answer.code == 73
        assert "another leadmaster-outbound is writing to it; try again" in answer.err
        other.execute("ROLLBACK")
    assert shell.types("approve 1").code == 0


def test_a_listeners_database_that_is_none_is_as_good_as_none(shell: Shell) -> None:
    """It only says less about people."""
    (shell.folder / "state").mkdir()
    (shell.folder / "state" / "leadmaster.db").write_text("rubbish " * 999)
    assert "can't be read" in shell.types("status").out
    assert shell.types(f'request "{PHONE}" --text x').code == 0


def test_every_spelling_of_a_phone_is_one_person(shell: Shell) -> None:
    """Whoever asked under one must not be written to under another."""
    prepared(shell)
    assert shell.types('suppress "011 15 5555-0001"').code == 0
    assert "suppressed: " in shell.types("check 1").out
    assert shell.types(f"suppress +{DIGITS} --lift").code == 0
    assert "suppressed: " not in shell.types("check 1").out


@pytest.mark.parametrize(
    ("typed", "recipient"),
    [
        ("+54 9 11 5555-0001", "5491155550001"),
        ("5491155550001", "5491155550001"),
        ("541155550001", "541155550001"),
        ("011 15 5555-0001", "541155550001"),
        ("11 5555-0001", "541155550001"),
    ],
)
def test_a_whole_number_is_written_to_as_it_was_typed(shell: Shell, typed: str, recipient: str) -> None:
    """With a 9 or without one: neither form is made up, because the provider may know only the other."""
    assert shell.types(f'request "{typed}" --text x --json').json["requests"][0]["to"] == recipient


def test_times_are_the_shops(shell: Shell) -> None:
    """Those that are typed without an offset, and those that are shown."""
    answer = shell.types(f'request "{PHONE}" --text x --not-before 2036-11-23T14:30 --not-after 2036-11-24 --json').json
    [request] = answer["requests"]
    assert (request["not_before"], request["not_after"]) == ("2036-11-23T17:30:00.000Z", "2036-11-24T03:00:00.000Z")
    assert "too_early: it is not to be sent before 2036-11-23 14:30" in shell.types("check 1").out


def test_control_characters_do_not_reach_the_terminal(shell: Shell) -> None:
    """A text may come from a program."""
    shell.types(f"request '{PHONE}' --text 'a\x1b[2Jb'")
    assert "\x1b" not in shell.types("list").out


# ---------------------------------------------------------------------- the document


def test_the_table_of_reasons_is_the_codes_own() -> None:
    """In the order of the rules, with their sentences."""
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", DOCUMENT.split("## The reasons")[1], re.MULTILINE)
    assert rows == [(reason.value, ENGLISH[reason], SPANISH[reason]) for reason in RULES]


def test_every_command_has_help_with_examples_that_parse(shell: Shell) -> None:
    """At most 80 columns; so do the examples in the document."""
    for name, command in subcommands().items():
        answer = shell.types(f"{name} --help")
        assert answer.code == 0
        assert max(map(len, answer.out.split("examples:")[0].splitlines())) <= 80
        for line in command.examples:
            assert make_parser().parse_args(shlex.split(line)).command == name
    typed = re.findall(r"^    (?:sudo .*bin/)?leadmaster-outbound (.+)$", DOCUMENT, re.MULTILINE)
    assert len(typed) >= 9
    for line in typed:
        make_parser().parse_args(shlex.split(line))


def test_the_document_can_be_followed(shell: Shell) -> None:
    """Its settings and its commands, one after another, end at the null gateway."""
    text = DOCUMENT.split("## Try it")[1].split("\n## ")[0]
    lines = re.findall(r"^    (.+)$", text, re.MULTILINE)
    shell.settings("\n".join(line for line in lines if not line.startswith("leadmaster-outbound")))
    answers = {line: shell.types(line.partition(" ")[2]) for line in lines if line.startswith("leadmaster-outbound")}
    assert {line: each.code for line, each in answers.items() if each.code} == {"leadmaster-outbound check 1": 1}
    assert "recorded; nothing was sent" in answers["leadmaster-outbound send"].out


def documented() -> Iterator[tuple[str, str, str]]:
    """Command, path and type of every key in the table of --json."""
    table = DOCUMENT.split("## What `--json` prints")[1].split("\n## ")[0]
    for command, keys, types in re.findall(r"^\| (\w+) \| ([^|]+) \| ([^|]+) \|", table, re.MULTILINE):
        names = re.findall(r"`([^`]+)`", keys)
        if names:
            yield from ((command, name, type_) for name, type_ in zip(names, types.strip().split(", "), strict=True))


def printed(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every leaf of an answer; a map is one."""
    if isinstance(value, dict) and path != "requests":
        for key, inner in value.items():
            yield from printed(inner, f"{path}.{key}".removeprefix("."))
    elif isinstance(value, list):
        for each in value:
            yield from printed(each, f"{path}[]")
    else:
        yield path, value


def test_every_key_is_documented_with_its_type_and_no_other_is(shell: Shell) -> None:
    """Of each command, before and after something happened."""
    keys: dict[str, dict[str, str]] = {}
    for command, path, type_ in documented():
        keys.setdefault(command, {})[path] = type_
    assert keys.keys() == subcommands().keys() - {"request", "approve", "cancel", "list"}
    empty = [shell.types(f"{each} --json").json for each in ("status", "list", "template", "send")]
    assert [each for each in empty[1:] if any(each.values())] == []
    prepared(shell)
    seen: dict[str, set[str]] = {}
    lines = [
        "status", "check 1", "list", "template", f'consent "{PHONE}" --for utility --evidence x', "approve 1", "send",
        "stop --lift", "send", f'request "{PHONE}" --text x --not-before 2036-01-01', "cancel 2",
        f'suppress "{PHONE}"', f'forget "{PHONE}"', "check 1 2", "stop", "status",
    ]  # fmt: skip
    for line in lines:
        name = line.split()[0]
        command = "check" if name in ("request", "approve", "cancel", "list") else name
        for path, value in printed(shell.types(f"{line} --json").json):
            assert path in keys[command], f"{line}: {path}"
            assert fits(value, keys[command][path]), f"{line}: {path} = {value!r}"
            seen.setdefault(command, set()).add(path)
    assert seen == {command: set(paths) for command, paths in keys.items()}
