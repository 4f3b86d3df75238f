"""In which language a command speaks: chosen before its first word, by settings and environment."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from leadmasterd.cli import cmd_run, main
from leadmasterd.daemon import app
from leadmasterd.settings.language_light import language_of
from leadmasterd.settings.model import load
from leadmasterd.text import speaking, spoken_language
from tests import wire
from tests.test_cli import called, captured, typed

SPANISH, ENGLISH, NOTHING = {"LANG": "es_AR.UTF-8"}, {"LANG": "en_US.UTF-8"}, {"LANG": "C.UTF-8"}


def alone(monkeypatch: pytest.MonkeyPatch, folder: Path, variables: dict[str, str]) -> None:
    """Only these variables say anything about the language."""
    monkeypatch.chdir(folder)
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("variables", [SPANISH, ENGLISH, NOTHING, {}, {"LANGUAGE": "es", "LANG": "en"}])
@pytest.mark.parametrize(
    ("file", "more"),
    [
        (None, {}),
        ("", {}),
        ('[general]\nlanguage = "es"\n', {}),
        ('[general]\nlanguage = "en"\n', {}),
        ('[general]\nlanguage = "auto"\n[leads]\ncountry = "BR"\n', {}),
        ('[leads]\ncountry = " mx "\n', {}),
        ('[leads]\ncountry = ""\n', {}),
        ('[leads]\ncountry = "US"\n', {"LEADMASTERD_LEADS__COUNTRY": "UY"}),
        ('[leads]\ncountry = "CL"\n', {"leadmasterd_leads__country": ""}),
        ('[general]\nlanguage = "es"\n', {"LEADMASTERD_GENERAL__LANGUAGE": "en"}),
        ('\ufeff[general]\nlanguage = "es"\n', {}),
    ],
)
def test_a_command_speaks_as_the_full_settings_say(
    file: str | None, more: dict[str, str], variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without reading them: that takes ten times as long as `--help`."""
    alone(monkeypatch, tmp_path, {**variables, **more})
    if file is not None:
        Path("config.toml").write_text(file, encoding="utf-8")
    assert language_of([]) == load(None)[0].language()


@pytest.mark.parametrize("config", ["--config other.toml", "--config=other.toml", "--conf other.toml"])
def test_the_settings_that_are_named_decide(config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the command or after it, and not those of the folder."""
    alone(monkeypatch, tmp_path, ENGLISH)
    Path("config.toml").write_text('[general]\nlanguage = "en"\n')
    Path("other.toml").write_text('[general]\nlanguage = "es"\n')
    assert language_of([*config.split(), "status"]) == "es"
    assert language_of(["status", *config.split()]) == "es"
    assert language_of(["status", "--config", "config.toml", *config.split()]) == "es"
    assert language_of(["leads", "note", "1", "--", *config.split()]) == "en"
    assert language_of(["leads", "show", "--config"]) == "en"


@pytest.mark.parametrize(
    "content",
    [
        b"language = [", b'general = "language"', b"[general]\nlanguage = 5\n", b'[general]\nlanguage = "xx"\n',
        b"\xff\xfe language", b"\0country", b"country = " + b"[" * 5000,
    ],
)  # fmt: skip
def test_settings_that_can_not_be_read_leave_it_to_the_environment(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong is told by the command, and in the language of the person."""
    alone(monkeypatch, tmp_path, SPANISH)
    Path("config.toml").write_bytes(content)
    assert language_of([]) == "es"
    monkeypatch.setenv("LANG", "en_US")
    assert language_of([]) == "en"


@pytest.mark.parametrize("config", ["gone.toml", ".", "\0", "x" * 5000, "/dev/null", "config.toml/deeper"])
def test_a_file_that_is_none_leaves_it_to_the_environment(
    config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No traceback before the first word."""
    alone(monkeypatch, tmp_path, SPANISH)
    Path("config.toml").write_text('[general]\nlanguage = "en"\n')
    assert language_of(["--config", config]) == "es"


def test_a_server_without_a_language_speaks_that_of_the_shops_country(tmp_path: Path) -> None:
    """As on a fresh Debian, or over ssh: `C.UTF-8`, and no settings yet."""
    for variables, usage in ((NOTHING, "uso: "), (SPANISH, "uso: "), (ENGLISH, "usage: ")):
        done = typed(tmp_path, "--help", variables=variables)
        assert (done.returncode, done.stderr, done.stdout.startswith(usage)) == (0, "", True)
        done = typed(tmp_path, "stats", variables=variables)
        assert (done.returncode, done.stdout, done.stderr.startswith(usage)) == (64, "", True)


def test_english_reads_no_catalogue_and_no_settings_in_full() -> None:
    """`--help` must answer at once."""
    program = (
        "import sys; from leadmasterd.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print({'pydantic', 'tomllib', 'inspect', 'locale', 'dataclasses'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\nset()\n")


@pytest.mark.parametrize(
    "words",
    [
        "status --json", "history --json", "messages --json", "messages --problems --json", "leads list --json",
        "leads show 5491155550001 --json", "doctor --quick --json", "config check --json", "config show --json",
        "rules check --json", "rules test --text hola --json", "auth list --json", "alerts list --json",
        "feeds list --json", "leads merge --proposals --json",
    ],
)  # fmt: skip
def test_what_programs_read_is_english_in_every_language(words: str, tmp_path: Path) -> None:
    """The same keys and the same words."""
    (tmp_path / "config.toml").write_text('[leads.hours]\nmon = []\n[alerts]\nto = ["whatsapp://x"]\n')
    captured(tmp_path, wire.message())
    english, spanish = (called(tmp_path, *words.split(), variables=each) for each in (ENGLISH, SPANISH))
    if "T" in english.stdout:  # times of day
        english, spanish = (
            subprocess.CompletedProcess(each.args, each.returncode, _timeless(each.stdout), each.stderr)
            for each in (english, spanish)
        )
    assert (spanish.returncode, spanish.stdout) == (english.returncode, english.stdout)


def _timeless(text: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d[T ][\d:.]+Z?|\d+\.\d+", "", text)


def test_the_language_of_a_moment_gives_way_to_the_one_before() -> None:
    """Also when something fails meanwhile."""

    def fails() -> None:
        with speaking("es"):
            assert spoken_language() == "es"
            with speaking("en"):
                assert spoken_language() == "en"
            assert spoken_language() == "es"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert spoken_language() == "en"


def test_the_daemon_logs_in_english_and_shows_its_code_in_the_shops_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What stands around the QR is for the person with the phone."""

    class Daemon:
        """Shows both codes, and then its log speaks."""

        def __init__(self, _settings: object, _paths: object, display: cmd_run.TerminalPresenter) -> None:
            self._display = display

        async def run(self) -> None:
            """Once."""
            self._display.code("2@x", datetime(2026, 11, 23, tzinfo=UTC))
            self._display.pairing_code("ABCD1234", datetime(2026, 11, 23, tzinfo=UTC))
            assert spoken_language() == "en"

    alone(monkeypatch, tmp_path, NOTHING)
    monkeypatch.setattr(app, "Daemon", Daemon)
    assert main(["run"]) == 0
    shown = capsys.readouterr().out
    assert "En el teléfono: WhatsApp > Ajustes > Dispositivos vinculados > Vincular un dispositivo." in shown
    assert "Este código vale hasta " in shown
    assert "Código para vincular: ABCD-1234" in shown


def test_what_ends_the_daemon_at_its_start_is_told_to_who_started_it(tmp_path: Path) -> None:
    """Below its log, which is English."""
    done = typed(tmp_path, "run", variables={"LEADMASTERD_LISTENER__NODE": "/nonexistent", **SPANISH})
    assert done.returncode == 78
    first, *_others, last = done.stderr.splitlines()
    assert ", state in " in first
    assert last == "no se puede usar listener.node = /nonexistent: no existe ese programa"
