"""The command line as a user runs it: real processes, documented exit codes, nothing on stdout but the answer."""

import ast
import fcntl
import json
import os
import pkgutil
import pty
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from importlib import import_module
from io import BytesIO, TextIOWrapper
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from leadmasterd import cli, errors
from leadmasterd.cli import main, parser
from leadmasterd.cli.arguments import Command, CommandParser, subcommands
from leadmasterd.settings.leads_light import read_leads_settings
from leadmasterd.settings.model import load
from leadmasterd.settings.paths import find_paths
from leadmasterd.store.database import open_for_writing
from tests import forked, wire
from tests.captures import item, opened

CHECKOUT = Path(__file__).parent.parent


def typed(
    folder: Path,
    *arguments: str,
    variables: Mapping[str, str] = MappingProxyType({}),
    program: Sequence[str] = ("-m", "leadmasterd"),
    **more: Any,
) -> subprocess.CompletedProcess[str]:
    """Run `leadmasterd …` in this folder with only these settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LEADMASTERD_")}
    return subprocess.run(
        [sys.executable, *program, *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(CHECKOUT), "TZ": "UTC", **variables},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        **more,
    )


def ran(
    folder: Path, *arguments: str, variables: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[str]:
    """The same by a process that does not import all of it anew."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LEADMASTERD_")}
    return forked.run(*arguments, cwd=folder, env={**environment, "TZ": "UTC", **variables})


def called(
    folder: Path,
    *arguments: str,
    variables: Mapping[str, str] = MappingProxyType({}),
    encoding: str = "utf-8",
) -> subprocess.CompletedProcess[str]:
    """The same within this process, for what is not about the process, which costs a hundred times as much."""
    out, err = (TextIOWrapper(BytesIO(), encoding=encoding) for _ in range(2))
    with pytest.MonkeyPatch.context() as here:
        here.chdir(folder)
        for name in [name for name in os.environ if name.startswith("LEADMASTERD_")]:
            here.delenv(name)
        for name, value in {"TZ": "UTC", **variables}.items():
            here.setenv(name, value)
        here.setattr(sys, "argv", ["-m", *arguments])
        here.setattr(sys, "stdout", out)
        here.setattr(sys, "stderr", err)
        time.tzset()
        try:
            code = main(list(arguments))
        except SystemExit as left:
            code = int(str(left.code))
    time.tzset()
    for stream in (out, err):
        stream.seek(0)
    return subprocess.CompletedProcess(arguments, code, out.read(), err.read())


def captured(folder: Path, *messages: dict[str, Any]) -> None:
    """Write these messages to the default database of this folder."""
    (folder / "state").mkdir(exist_ok=True)
    with opened(folder / "state" / "leadmaster.db", [item(each) for each in messages]):
        pass


# ---------------------------------------------------------------------- help and usage


def commands() -> list[str]:
    """All commands."""
    return list(parser.commands())


@pytest.mark.parametrize("command", commands())
def test_the_help_of_every_command_has_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each example can be typed as it is."""
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    examples = [line.strip() for line in text.partition("examples:\n")[2].split("\n\n")[0].splitlines()]
    assert examples
    for example in examples:
        words = shlex.split(example.split(" | ")[0])
        assert words[0] == "leadmasterd"
        assert parser.make_parser().parse_args(words[1:]).command == command
    assert all(len(line) <= 80 for line in text.splitlines())


def test_the_main_help_fits_80_columns() -> None:
    """Its examples fit as well."""
    assert all(len(line) <= 80 for line in parser.make_parser().format_help().splitlines())


@pytest.mark.parametrize("command", commands())
def test_every_command_has_its_file(command: str) -> None:
    """Each file holds the flags of one command and what it does."""

    def has_file(parser_of: CommandParser, names: Mapping[str, Command]) -> None:
        for name, sub in subcommands(parser_of).items():
            assert (CHECKOUT / "leadmasterd" / "cli" / f"{names[name].module}.py").exists()
            assert subcommands(sub) or callable(sub.get_default("run"))

    top = parser.make_parser()
    has_file(top, parser.commands())
    below = import_module(f"leadmasterd.cli.{parser.commands()[command].module}")
    has_file(subcommands(top)[command], getattr(below, "commands", dict)())


def test_the_help_imports_no_command() -> None:
    """The help prints at once, however much a command imports."""
    script = (
        "import sys; from leadmasterd.cli.parser import make_parser; make_parser().format_help();"
        "print([name for name in sys.modules if name.startswith('leadmasterd.cli.')])"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    light = {"leadmasterd.cli.arguments", "leadmasterd.cli.parser", "leadmasterd.cli.encoding"}
    assert set(ast.literal_eval(done.stdout)) == light


@pytest.mark.parametrize(
    ("words", "waits"),
    [("status", False), ("status", True), ("leads waiting", False), ("leads list", False), ("leads list", True)],
)
def test_what_answers_at_once_imports_nothing_slow(words: str, waits: bool, tmp_path: Path) -> None:
    """Each of these costs more than the command's own work. `leads waiting` needs the calendar if somebody does."""
    config = tmp_path / "config.toml"
    config.write_text(f'state_dir = "{tmp_path / "state"}"\n')
    with closing(open_for_writing(tmp_path / "state" / "leadmaster.db")) as connection:
        at = "2026-11-01T10:00:00.000Z"
        columns = "wid, first_linked_at, last_ready_at"
        connection.execute(f"INSERT INTO accounts ({columns}) VALUES ('5@c.us', ?, ?)", (at, at))
        if waits:
            _somebody_waits(connection, at, read_leads_settings(find_paths(str(config))).hours_version())
    script = (
        f"import sys; from leadmasterd.cli import main; main(['--config', {str(config)!r}, *{words.split()!r}]);"
        "slow = {'asyncio', 'dataclasses', 'decimal', 'holidays', 'inspect', 'leadmasterd.classify.text', 'logging',"
        "'phonenumbers', 'pydantic', 'rich', 'shutil', 'statistics', 'subprocess', 'tempfile', 'threading'};"
        "slow -= {'threading'} if sys.version_info >= (3, 12) else set();"  # zoneinfo itself imports it from there on
        "print(sorted(slow & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert ("Ana" in done.stdout) == waits


def _somebody_waits(connection: sqlite3.Connection, at: str, hours: str) -> None:
    """Ana asks for a price, and nobody has answered yet; deadlines are by these opening hours."""
    connection.executescript(f"""
        INSERT INTO contacts (push_name, created_at, updated_at) VALUES ('Ana', '{at}', '{at}');
        INSERT INTO conversations (account_id, contact_id, chat, created_at, waiting_since, due_at, category)
        VALUES (1, 1, '5491155550001@c.us', '{at}', '{at}', '{at}', 'commercial');
        INSERT INTO leads (contact_id, conversation_id, stage, intent, topics, source, opened_at, stage_at,
                           last_message_at, created_at, updated_at)
        VALUES (1, 1, 'new', 'price', '["price"]', 'message', '{at}', '{at}', '{at}', '{at}', '{at}');
    """)
    connection.execute("INSERT INTO derived_with (name, value) VALUES ('hours', ?)", (hours,))


@pytest.mark.parametrize("words", ["auth list", "config show"])
def test_json_may_be_asked_for_before_the_subcommand_too(words: str) -> None:
    """`auth --json list` worked before each action had flags of its own."""
    group, action = words.split()
    for typed_words in ([group, "--json", action], [group, action, "--json"]):
        assert parser.make_parser().parse_args(typed_words).json
    assert not parser.make_parser().parse_args([group, action]).json


def test_the_help_names_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """A newcomer starts here."""
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    listed = {line.split()[0] for line in text.splitlines() if line.startswith("    ") and line.split()}
    assert listed >= set(commands())
    assert "73 the state can't be used" in text


@pytest.mark.parametrize(
    "arguments",
    [[], ["sparkle"], ["messages", "--limit", "0"], ["messages", "--limit", "x"], ["status", "--sparkle"], ["config"]],
)
def test_wrong_usage_is_64_and_stdout_stays_empty(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A program that reads --json must not get a usage text."""
    with pytest.raises(SystemExit) as left:
        main(arguments)
    said = capsys.readouterr()
    assert (left.value.code, said.out) == (64, "")
    assert "Try `leadmasterd" in said.err


@pytest.mark.parametrize(
    ("typed", "command"),
    [("leads list extra", "leads list"), ("messages --sinse 1", "messages"), ("--jason status", "")],
)
def test_what_is_typed_too_much_is_told_with_the_help_of_its_command(
    typed: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The usage of that command shows which arguments it takes."""
    with pytest.raises(SystemExit) as left:
        main(typed.split())
    said = capsys.readouterr().err
    assert left.value.code == 64
    assert "unrecognised arguments: " in said
    assert said.endswith(f"Try `{' '.join(f'leadmasterd {command}'.split())} --help`.\n")


def test_an_error_that_is_a_defect_is_70_with_its_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """We have to fix it, so the traceback is shown."""
    monkeypatch.chdir(tmp_path)

    def broken(_explicit: str | None) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr("leadmasterd.cli.cmd_status.find_paths", broken)
    assert main(["status"]) == 70
    assert "ZeroDivisionError: a defect" in capsys.readouterr().err


def test_a_terminal_that_is_gone_is_73(tmp_path: Path) -> None:
    """Like a failing disk it gives one sentence and no traceback, not even at exit."""
    leader, follower = pty.openpty()
    os.close(leader)
    done = subprocess.run(
        [sys.executable, "-m", "leadmasterd", "status"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        check=False,
        stdout=follower,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(follower)
    assert done.returncode == 73
    assert done.stderr == "cannot read or write: the disk fails; check the disk and the terminal\n"


@pytest.mark.parametrize(
    ("code", "names"),
    [
        (1, "Refused CannotMerge CannotUseSnapshot CannotUseLine DemoFailed"),
        (3, "CannotReachDaemon"),
        (64, "CannotUseArgument"),
        (70, "LeadmasterdError"),
        (73, "CannotUseState CannotUseDatabase DatabaseBusy DatabaseDamaged MayNotWrite"),
        (78, "CannotUseSettings CannotUseProgram CannotUseRules CannotUseModel"),
        (130, "Interrupted"),
    ],
)
def test_every_error_ends_its_command_with_the_documented_code(
    code: int, names: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints the error's own text and no traceback."""
    monkeypatch.chdir(tmp_path)
    for name in names.split():
        error = getattr(errors, name).__new__(getattr(errors, name), "cannot do it")
        error.code, error.of_another_user = "", None

        def fails(_explicit: str | None, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr("leadmasterd.cli.cmd_status.find_paths", fails)
        assert (name, main(["status"])) == (name, code)
        assert capsys.readouterr() == ("", "cannot do it\n")


def test_every_error_is_tried_above() -> None:
    """A new error class needs an entry in that test's table."""
    [mark] = test_every_error_ends_its_command_with_the_documented_code.pytestmark  # type: ignore[attr-defined]
    tried = {name for _code, names in mark.args[1] for name in names.split()}
    assert tried == {
        name for name, each in vars(errors).items() if isinstance(each, type) and each.__module__ == errors.__name__
    }


# ---------------------------------------------------------------------- the terminal's encoding


@pytest.mark.parametrize(
    ("encoding", "shown"), [("ascii", "?Hola ?? ?"), ("latin-1", "¿Hola ñó ?"), ("utf-8", "¿Hola ñó 👍")]
)
def test_a_character_that_can_not_be_shown_is_a_question_mark(tmp_path: Path, encoding: str, shown: str) -> None:
    """The terminal's encoding may lack it; all other characters are shown."""
    captured(tmp_path, wire.message(body="¿Hola ñó 👍", notify_name="Zoë"))
    variables = {"PYTHONIOENCODING": encoding, "TZ": "America/Argentina/Buenos_Aires"}
    done = typed(tmp_path, "messages", variables=variables, encoding=encoding)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"{shown}\n")
    for words, code in ((["leads", "waiting"], 0), (["leads", "list"], 0), (["status"], 3)):
        done = called(tmp_path, *words, variables=variables, encoding=encoding)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
    done = called(tmp_path, "leads", "show", "ñandú 👍", variables=variables, encoding=encoding)
    assert (done.returncode, "\\" in done.stderr) == (1, False)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16", "utf-8:strict"])
def test_json_loses_nothing_whatever_the_terminal_speaks(tmp_path: Path, encoding: str) -> None:
    """It is written in UTF-8 or as escaped ASCII."""
    captured(tmp_path, wire.message(body="¿Hola ñó 👍"))
    done = typed(tmp_path, "messages", "--json", variables={"PYTHONIOENCODING": encoding}, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    assert [each["body"] for each in json.loads(done.stdout)["messages"]] == ["¿Hola ñó 👍"]
    assert done.stdout.isascii() == (encoding != "utf-8:strict")


def test_half_a_character_is_no_defect(tmp_path: Path) -> None:
    """A file name that is not UTF-8 is shown with a question mark, and whole in JSON."""
    for words in (["config", "check"], ["config", "check", "--json"]):
        done = called(tmp_path, "--config", "\udcff.toml", *words)
        assert "Traceback" not in done.stderr
    (tmp_path / "\udcff.toml").write_text("")
    assert typed(tmp_path, "--config", "\udcff.toml", "config", "check").stdout == "?.toml: all good.\n"
    done = typed(tmp_path, "--config", "\udcff.toml", "config", "check", "--json")
    assert json.loads(done.stdout)["file"] == "\udcff.toml"


# ---------------------------------------------------------------------- run


def test_a_file_that_changes_during_the_stop_is_no_line_in_the_log(tmp_path: Path) -> None:
    """The message of the watchdog library would tell a reader of the journal nothing."""
    program = (
        "import logging; from leadmasterd.journal import set_up_logging; set_up_logging();"
        "from watchdog.observers import inotify; inotify.logger.error('called when the thread is inactive');"
        "inotify.logger.warning('queue overflowed');"
        "logging.getLogger('leadmasterd').info('ours')"
    )
    done = typed(tmp_path, program=("-c", program))
    assert "inactive" not in done.stderr
    assert "overflowed" in done.stderr
    assert "ours" in done.stderr


def test_a_daemon_that_finds_no_room_is_started_again(tmp_path: Path) -> None:
    """It exits with 70 instead of a command's 73, on which systemd would give up."""
    program = (
        "import sys; from leadmasterd.cli import cmd_run, main;"
        "cmd_run.run = lambda _: open('/dev/full', 'wb', buffering=0).write(b'x'); sys.exit(main(['run']))"
    )
    done = typed(tmp_path, program=("-c", program))
    assert done.returncode == 70
    assert done.stderr == "cannot write: the disk is full; free some space\n"


def test_a_task_of_the_daemon_that_finds_no_room_gives_the_same_sentence(tmp_path: Path) -> None:
    """Its tasks run in groups, which wrap an error. With alerts in use there is a group in a group."""
    program = """
import asyncio, sys
from leadmasterd.cli import main
from leadmasterd.daemon.app import Daemon

async def no_room(daemon):
    open("/dev/full", "wb", buffering=0).write(b"x")

async def run(daemon):
    async with asyncio.TaskGroup():
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(no_room(daemon))

Daemon.run = run
sys.exit(main(["run"]))
"""
    done = typed(tmp_path, program=("-c", program))
    assert done.returncode == 70
    assert done.stderr.splitlines()[-1] == "cannot write: the disk is full; free some space"
    assert "Traceback" not in done.stderr


def test_an_error_while_alerts_are_in_use_is_no_group(tmp_path: Path) -> None:
    """The alerts end in good order first, and the error is the one that a person reads."""
    (tmp_path / "config.toml").write_text(
        '[alerts]\nto = ["mailtos://u:p@smtp.shop.example?from=a@shop.example&to=b@shop.example"]\n'
    )
    program = """
import asyncio, sys
from leadmasterd.cli import main
from leadmasterd.daemon.app import Daemon
from leadmasterd.daemon.feeds import FeedsProcess

stopped = []

async def no_room(daemon, account):
    open("/dev/full", "wb", buffering=0).write(b"x")

async def feeds(self):
    while not stopped:
        await asyncio.sleep(0.01)
    print("the alerts ended")

Daemon._listen = no_room
FeedsProcess.run = feeds
FeedsProcess.stop = lambda self: stopped.append(True)
sys.exit(main(["run"]))
"""
    done = typed(tmp_path, program=("-c", program))
    assert done.returncode == 70
    assert done.stderr.splitlines()[-1] == "cannot write: the disk is full; free some space"
    assert done.stdout == "the alerts ended\n"


def test_a_missing_node_is_78_and_one_sentence(tmp_path: Path) -> None:
    """systemd does not restart on it."""
    done = typed(tmp_path, "run", variables={"LEADMASTERD_LISTENER__NODE": "/nonexistent"})
    assert done.returncode == 78
    assert done.stderr.splitlines()[-1] == "cannot use listener.node = /nonexistent: there is no such program"
    assert "Traceback" not in done.stderr


def test_a_missing_browser_is_78_and_one_sentence(tmp_path: Path) -> None:
    """systemd does not restart on it."""
    done = ran(tmp_path, "run", variables={"LEADMASTERD_LISTENER__BROWSER": "/nonexistent"})
    assert done.returncode == 78
    assert done.stderr.splitlines()[-1] == "cannot use listener.browser = /nonexistent: there is no such program"


@pytest.mark.parametrize("command", ["run", "doctor"])
def test_a_temporary_folder_that_is_too_deep_for_the_browser_is_told(tmp_path: Path, command: str) -> None:
    """Chromium opens a socket there and would abort; `run` ends with 78."""
    deep = tmp_path / ("deep" * 30)
    deep.mkdir()
    done = ran(tmp_path, command, variables={"TMPDIR": str(deep)})
    assert done.returncode == (78 if command == "run" else 1)
    first, advice = (done.stdout + done.stderr).partition("cannot start a browser")[2].split("set TMPDIR", 1)
    assert first.startswith(f" with TMPDIR = {deep}: a path of at most 62 bytes is needed")
    assert advice.splitlines()[0] == "=/tmp"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command",
    ["status", "status --json", "leads waiting", "history --since 2026-01-01", "messages --json", "pause", "auth list"],
)
def test_an_unknown_variable_is_told_by_who_reads_little_of_the_settings(tmp_path: Path, command: str) -> None:
    """It may have been meant to say where the state is. What the command answers is the same."""
    captured(tmp_path, wire.message("M1"))
    wrong = {"LEADMASTERD_STATEDIR": "/elsewhere", "leadmasterd_database__path": "leadmaster.db"}
    plain, done = called(tmp_path, *command.split()), called(tmp_path, *command.split(), variables=wrong)
    note = (
        "the variable LEADMASTERD_STATEDIR is no setting, so it is ignored; `leadmasterd config check` says which "
        "there are\n"
    )
    assert done.stderr == plain.stderr + note
    assert (done.returncode, done.stdout) == (plain.returncode, plain.stdout)


@pytest.mark.parametrize("command", ["config check", "config show --json", "doctor --quick", "leads stage 1 won"])
def test_an_unknown_variable_is_told_once_by_who_reads_all_settings(tmp_path: Path, command: str) -> None:
    """They do not go on with it."""
    done = called(tmp_path, *command.split(), variables={"LEADMASTERD_STATEDIR": "/elsewhere"})
    assert done.returncode in (1, 78)
    assert (done.stdout + done.stderr).count("LEADMASTERD_STATEDIR") == 1


def test_wrong_settings_are_78_and_one_sentence_each(tmp_path: Path) -> None:
    """They are checked before anything else happens."""
    (tmp_path / "config.toml").write_text("zzz = 1\n[listener]\nnode = 5\n")
    done = ran(tmp_path, "run")
    assert done.returncode == 78
    assert len(done.stderr.splitlines()) == 2
    assert not (tmp_path / "state").exists()


def test_a_state_directory_that_can_not_be_written_is_73(tmp_path: Path) -> None:
    """The error names the directory and the user."""
    done = ran(tmp_path, "run", variables={"LEADMASTERD_STATE_DIR": "/proc/leadmasterd"})
    assert done.returncode == 73
    assert "cannot use the state directory /proc/leadmasterd: " in done.stderr.splitlines()[-1]


def test_the_second_daemon_on_one_state_directory_is_73(tmp_path: Path) -> None:
    """It prints one sentence, and the first daemon keeps running."""
    (tmp_path / "state").mkdir()
    with (tmp_path / "state" / "leadmasterd.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711\n")
        lock.flush()
        done = ran(tmp_path, "run")
    assert done.returncode == 73
    assert "another leadmasterd runs on it (pid 4711); stop that one" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("make", "why"),
    [("PRAGMA user_version = 99", "newer leadmasterd"), ("CREATE TABLE invoices (id)", "another program")],
)
def test_a_database_that_is_not_ours_is_73(tmp_path: Path, make: str, why: str) -> None:
    """This holds for commands that write and commands that read."""
    (tmp_path / "state").mkdir()
    with closing(sqlite3.connect(tmp_path / "state" / "leadmaster.db")) as connection:
        connection.execute(make)
    # a browser that is there: what it is does not matter before the database is open
    for types, command in ((ran, "run"), (called, "messages")):
        done = types(tmp_path, command, variables={"LEADMASTERD_LISTENER__BROWSER": "/bin/true"})
        assert done.returncode == 73, done.stderr
        assert why in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr


# ---------------------------------------------------------------------- messages


def test_messages_are_shown_newest_last(tmp_path: Path) -> None:
    """Each line shows the sender and the direction."""
    captured(
        tmp_path,
        wire.message("1", body="Hola, precio?"),
        wire.message("2", body="Son $ 500", mine=True, t=wire.NOON + 1),
        wire.ciphertext("3", t=wire.NOON + 2),
        wire.message("4", body="foto", message_type="image", t=wire.NOON + 3),
    )
    done = called(tmp_path, "messages")
    assert done.returncode == 0
    assert [line.split("  ", 1)[1] for line in done.stdout.splitlines()] == [
        "<- Ana                   Hola, precio?",
        "-> Ana                   Son $ 500",
        "<- Ana                   [not readable yet]",
        "<- Ana                   [image] foto",
    ]


def test_what_differs_from_a_stored_message_can_be_looked_at(tmp_path: Path) -> None:
    """Other words under its chat, id and time; a mere copy is none."""
    captured(tmp_path, wire.message("1"), wire.message("1"), wire.message("1", body="otra cosa"))
    done = called(tmp_path, "messages", "--problems")
    assert done.returncode == 0
    [problem, line] = done.stdout.splitlines()
    assert problem.split("  ", 1)[1].startswith("another message has the chat, id and time of this one")
    assert line == "  the line"
    [shown] = json.loads(called(tmp_path, "messages", "--problems", "--json").stdout)["problems"]
    assert (shown["message_id"], shown["line"]) == (1, "the line")


def test_without_problems_it_says_so(tmp_path: Path) -> None:
    captured(tmp_path, wire.message("1"))
    done = called(tmp_path, "messages", "--problems")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "No problems.\n")


def test_messages_as_json_are_one_object(tmp_path: Path) -> None:
    """The details are JSON objects, not strings, and stdout holds nothing else."""
    captured(tmp_path, wire.message(body="ñ\n👍", media={"mimetype": "image/jpeg"}))
    done = called(tmp_path, "messages", "--json")
    [message] = json.loads(done.stdout)["messages"]
    assert done.stdout.count("\n") == 1
    assert (message["body"], message["media"]) == ("ñ\n👍", {"mimetype": "image/jpeg"})
    assert (message["direction"], message["author"], message["chat"]) == ("in", "contact", wire.ANA)


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        (["--limit", "1"], ["3"]),
        (["--limit", "99999999999999999999999"], ["1", "2", "3"]),
        (["--search", "PRECIO"], ["1"]),
        (["--search", "100%"], ["2"]),
        (["--search", "_"], []),
        (["--search", "\\"], ["3"]),
        (["--chat", "+54 9 11 5555-0002"], ["2", "3"]),
        (["--chat", wire.ANA], ["1"]),
        (["--chat", wire.ANA_LID], ["1"]),
        (["--chat", "011 5555-0002"], ["2", "3"]),
        (["--chat", wire.ANA, "--search", "seguro"], []),
        (["--since", "2026-11-23T09:00:01"], ["2", "3"]),
        (["--since", "2026-11-23T12:00:01Z"], ["2", "3"]),
        (["--since", "2026-11-23T09:00:01-03:00"], ["2", "3"]),
        (["--since", "2030-01-01"], []),
    ],
)
def test_messages_can_be_narrowed_down(tmp_path: Path, arguments: list[str], ids: list[str]) -> None:
    """Each condition works by itself; the search text is no pattern."""
    captured(
        tmp_path,
        wire.message("1", body="Hola, precio?", contact=wire.contact(lid=wire.ANA_LID)),
        wire.message("2", body="100% seguro", chat=wire.BETO, t=wire.NOON + 1),
        wire.message("3", body="C:\\x", chat=wire.BETO, t=wire.NOON + 2),
    )
    done = called(tmp_path, "messages", "--json", *arguments)
    bodies = {"Hola, precio?": "1", "100% seguro": "2", "C:\\x": "3"}
    assert [bodies[each["body"]] for each in json.loads(done.stdout)["messages"]] == ids


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ("envio", ["1"]),
        ("ENVÍOS", ["1"]),
        ("ENVI\u0301OS?", ["1"]),
        ("hacen  env", []),
        ("ﬁn", ["2"]),
        ("straße", ["2"]),
        ("\uff46in", ["2"]),
        ("👍", ["2"]),
        ("\u0301", []),
    ],
)
def test_words_are_found_however_they_are_written(tmp_path: Path, words: str, ids: list[str]) -> None:
    """The search ignores accents and case, and finds nothing else."""
    captured(
        tmp_path,
        wire.message("1", body="hacen envíos?"),
        wire.message("2", body="FIN de STRASSE 👍", t=wire.NOON + 1),
        wire.ciphertext("3", t=wire.NOON + 2),
    )
    found = json.loads(called(tmp_path, "messages", "--json", "--search", words).stdout)["messages"]
    assert [{"hacen envíos?": "1", "FIN de STRASSE 👍": "2"}[each["body"]] for each in found] == ids


def test_a_group_has_its_messages_too(tmp_path: Path) -> None:
    """A group has no contact and makes no leads."""
    captured(tmp_path, wire.message("1", body="2 x 1", chat=wire.GROUP), wire.message("2"))
    [found] = json.loads(called(tmp_path, "messages", "--json", "--chat", f" {wire.GROUP} ").stdout)["messages"]
    assert found["body"] == "2 x 1"


@pytest.mark.parametrize("chat", ["' OR 1=1 --", "5491155559999", "1@lid", "99", "5@g.us"])
def test_a_chat_that_is_not_there_is_1(tmp_path: Path, chat: str) -> None:
    """It differs from a chat without matching messages; `--json` still prints an object."""
    captured(tmp_path, wire.message("1", body="Hola, precio?"))
    done = called(tmp_path, "messages", "--chat", chat)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"cannot find {chat!r}: ")
    done = called(tmp_path, "messages", "--chat", chat, "--json")
    assert (done.returncode, json.loads(done.stdout)) == (1, {"messages": []})
    done = called(tmp_path, "messages", "--chat", wire.ANA, "--search", "envío")
    assert (done.returncode, done.stderr) == (0, "No messages.\n")


def test_messages_beyond_the_limit_are_told_of(tmp_path: Path) -> None:
    """A note on stderr mentions `--limit`; with --json there is none."""
    captured(tmp_path, *(wire.message(f"{n}") for n in range(3)))
    here = {"TZ": "America/Argentina/Buenos_Aires"}
    more = "There may be more: --limit shows them.\n"
    assert called(tmp_path, "messages", "--limit", "3", variables=here).stderr == more
    assert called(tmp_path, "messages", "--limit", "4", variables=here).stderr == ""
    assert called(tmp_path, "messages", "--limit", "3", "--json").stderr == ""


def test_a_date_that_is_none_is_64(tmp_path: Path) -> None:
    """The error shows how to write a date."""
    captured(tmp_path)
    done = called(tmp_path, "messages", "--since", "last week")
    assert (done.returncode, done.stdout) == (64, "")
    assert "write it as 2026-11-23" in done.stderr


def test_before_anything_was_captured_messages_are_none(tmp_path: Path) -> None:
    """That is no error, and no file is created."""
    done = called(tmp_path, "messages", "--json")
    assert (done.returncode, done.stdout) == (0, '{"messages": []}\n')
    assert not (tmp_path / "state").exists()


WILD = "\x1b]0;title\x07\x1b[2J\x9b5n\rinvisible\x00\u202eevil\nsecond line\u2028third"


def test_before_anything_happened_history_is_an_empty_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The object has all its keys, and the sentence for people goes to stderr."""
    monkeypatch.chdir(tmp_path)
    assert main(["history", "--json"]) == 0
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert (told["events"], told["gaps"], told["uptime"]) == ([], [], None)
    assert told["captured"] == {"live": 0, "sweep": 0}
    assert said.err.startswith("No history yet")


def test_a_strangers_words_can_not_command_the_terminal(tmp_path: Path) -> None:
    """Control characters are removed from texts and names; joined emoji stay whole."""
    captured(tmp_path, wire.message(body=WILD + "👨‍👩‍👧", notify_name=WILD))
    done = called(tmp_path, "messages")
    line = done.stdout.removesuffix("\n")
    assert "👨‍👩‍👧" in line
    assert line.replace("\u200d", "").isprintable()


def test_a_reader_that_leaves_is_no_complaint(tmp_path: Path) -> None:
    """`| head` closes the pipe early and causes no error."""
    captured(tmp_path, *(wire.message(f"{n}", body="x" * 200) for n in range(500)))
    for wanted in ("0", "1"):
        piped = subprocess.run(
            [
                "bash",
                "-c",
                f"{sys.executable} -m leadmasterd messages --limit 500 | head -n {wanted}; echo ${{PIPESTATUS[0]}}",
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            check=True,
            capture_output=True,
            text=True,
        )
        assert piped.stderr == ""
        assert piped.stdout.splitlines()[-1] in ("141", "0")


def test_a_closed_stdout_is_no_defect(tmp_path: Path) -> None:
    """With `>&-` there is no output, and that is not reported as a bug."""
    captured(tmp_path, wire.message())
    for command in ("leads list", "leads waiting", "messages", "status"):
        done = subprocess.run(
            ["bash", "-c", f"{sys.executable} -m leadmasterd {command} >&-"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == (3 if command == "status" else 0)
        assert "Traceback" not in done.stderr


AS_NOBODY = """
import grp, importlib, os, pkgutil, pwd, sys, tomllib
import leadmasterd.cli, leadmasterd.store.database
for found in pkgutil.iter_modules(leadmasterd.cli.__path__):
    importlib.import_module(f"leadmasterd.cli.{found.name}")
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
sys.exit(leadmasterd.cli.main(sys.argv[1:]))
"""
"""Switches to another user after all imports, since the interpreter may be readable by root only."""


def typed_by_nobody(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """By a process that has become another user for good."""
    return typed(folder, *arguments, program=("-c", AS_NOBODY))


def called_by_nobody(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The same within this process, which is root again after it."""
    for found in pkgutil.iter_modules(cli.__path__):
        import_module(f"leadmasterd.cli.{found.name}")
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(65534)
    os.seteuid(65534)
    try:
        return called(folder, *arguments)
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def test_the_line_for_another_user_can_be_typed_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It has the full path of the program, since the other user's PATH may lack it, and quotes its arguments."""
    program = tmp_path / "leadmasterd"
    program.touch()
    monkeypatch.setattr(sys, "argv", [str(program), "leads", "note", "5", "llama el lunes"])
    assert f"sudo -u root {program} leads note 5 'llama el lunes'`" in cli._permission_denied("/")
    monkeypatch.setattr(sys, "argv", ["/elsewhere/__main__.py", "status"])
    assert "sudo -u root leadmasterd status`" in cli._permission_denied("/")


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
@pytest.mark.parametrize(
    ("types", "words"),
    [
        (typed_by_nobody, "messages"),
        (called_by_nobody, "status"),
        (called_by_nobody, "qr --once"),
        (called_by_nobody, "pause"),
    ],
)
def test_somebody_without_the_rights_is_told_the_line_to_use(
    tmp_path: Path, types: Callable[..., subprocess.CompletedProcess[str]], words: str
) -> None:
    """The error is that command, not a traceback."""
    captured(tmp_path, wire.message())
    for folder in (tmp_path, *tmp_path.parents):
        if str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    (tmp_path / "state").chmod(0o700)
    done = types(tmp_path, *words.split())
    assert "Traceback" not in done.stderr
    assert "sudo -u root leadmasterd" in done.stderr
    assert done.stdout == ""
    assert done.returncode in (3, 73)


# ---------------------------------------------------------------------- config


def test_config_check_is_0_or_78(tmp_path: Path) -> None:
    """Both for people and with --json."""
    (tmp_path / "config.toml").write_text("[capture]\ngroups = true\n")
    good = called(tmp_path, "config", "check")
    assert (good.returncode, good.stdout, good.stderr) == (0, "config.toml: all good.\n", "")
    assert json.loads(called(tmp_path, "config", "check", "--json").stdout) == {
        "ok": True,
        "file": "config.toml",
        "warnings": [],
    }
    (tmp_path / "config.toml").write_text("[capture]\ngroup = true\n")
    bad = called(tmp_path, "config", "check")
    assert (bad.returncode, bad.stdout) == (78, "")
    assert "did you mean `groups`?" in bad.stderr
    bad = called(tmp_path, "config", "check", "--json")
    assert (bad.returncode, bad.stderr) == (78, "")
    assert len(json.loads(bad.stdout)["problems"]) == 1


def test_config_check_warns_of_a_week_of_closed_days(tmp_path: Path) -> None:
    """It is allowed, and nobody is ever late then; single dates may be open all the same."""
    closed = "[leads]\nhours = { mon = [], sat = [] }\n"
    for settings, warning in (
        (closed, "nobody is ever expected to answer"),
        (closed + 'overrides = { "2026-12-24" = [] }\n', "nobody is ever expected to answer"),
        (closed + 'overrides = { "2026-12-24" = [["09:00", "13:00"]] }\n', "only on the dates in `leads.overrides`"),
    ):
        (tmp_path / "config.toml").write_text(settings)
        done = called(tmp_path, "config", "check")
        assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
        assert done.stdout.startswith("config.toml: it can be used, but `leads.hours` has no open day, so ")
        assert warning in done.stdout
        told = json.loads(called(tmp_path, "config", "check", "--json").stdout)
        assert told["ok"]
        assert [warning in each for each in told["warnings"]] == [True]
    (tmp_path / "config.toml").write_text('[leads]\nhours = { mon = [["09:00", "13:00"]] }\n')
    assert called(tmp_path, "config", "check").stdout == "config.toml: all good.\n"


def test_config_check_says_that_a_folder_is_one(tmp_path: Path) -> None:
    """And not that it is not there."""
    done = called(tmp_path, "config", "check", "--config", "/")
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr == "cannot read /: it is a folder; check --config\n"


def test_config_check_looks_for_the_programs_that_it_names(tmp_path: Path) -> None:
    """Both at once; what is on PATH is the doctor's."""
    (tmp_path / "config.toml").write_text('[listener]\nnode = "/opt/nowhere/node"\nbrowser = "/opt/nowhere/chromium"\n')
    done = called(tmp_path, "config", "check")
    assert done.returncode == 78
    assert done.stderr.splitlines() == [
        "cannot use listener.node = /opt/nowhere/node: there is no such program",
        "cannot use listener.browser = /opt/nowhere/chromium: there is no such program",
    ]


def test_what_config_show_prints_is_a_settings_file_that_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has all settings in force, including those of the environment, with any characters."""
    monkeypatch.chdir(tmp_path)
    Path("config.toml").write_text(
        'state_dir = "ñ 😀 \\"q\\" \\\\ \\t\\u007f"\n[capture]\nignore = ["+54 9 11 5555-0001", "5@lid"]\n'
        "[listener]\nsweep_interval = 0.5\nbrowser_args = ['--x=\"y\"']\n"
        '[leads.hours]\nmon = [["09:00", "13:00"], ["16:00", "24:00"]]\n[leads.overrides]\n2026-12-31 = []\n',
        encoding="utf-8",
    )
    variables = {"LEADMASTERD_SUPERVISOR__BACKOFF_MAX": "77"}
    shown = called(tmp_path, "config", "show", variables=variables)
    assert shown.returncode == 0
    tomllib.loads(shown.stdout)
    Path("again.toml").write_text(shown.stdout, encoding="utf-8")
    again, paths = load("again.toml")
    monkeypatch.setenv(*next(iter(variables.items())))
    original, before = load("config.toml")
    assert again == original
    assert (paths.state_dir, paths.database) == (before.state_dir, before.database)
    as_json = json.loads(called(tmp_path, "config", "show", "--json", variables=variables).stdout)
    assert as_json["settings"] == original.model_dump(mode="json")


# ---------------------------------------------------------------------- commands to the daemon


@pytest.mark.parametrize("command", ["pause", "resume", "restart-listener", "qr"])
def test_a_word_to_a_daemon_that_is_not_there_is_3(tmp_path: Path, command: str) -> None:
    """The error says how to start it."""
    done = called(tmp_path, command)
    assert (done.returncode, done.stdout) == (3, "")
    assert "daemon is not running; start it with `leadmasterd run` or systemctl" in done.stderr


def test_ctrl_c_is_130_without_a_traceback(tmp_path: Path) -> None:
    """Ctrl-C at a code on the screen is a normal way to leave."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "status.json").write_text(
        json.dumps(
            {
                "v": 1,
                "phase": "starting",
                "code": "started",
                "values": {},
                "scan": {"qr": "2@x", "valid_until": "2026-11-23T02:13:21.000Z"},
            }
        )
    )
    with (tmp_path / "state" / "leadmasterd.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        looking = subprocess.Popen(
            [sys.executable, "-m", "leadmasterd", "qr"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert looking.stdout
        assert looking.stdout.readline()
        looking.send_signal(signal.SIGINT)
        _, errors = looking.communicate(timeout=20)
    assert (looking.returncode, errors) == (130, b"")
