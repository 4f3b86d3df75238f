"""`leadmasterd demo` before and after the demo itself, which tests/e2e/test_demo.py runs."""

import os
import subprocess
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from leadmasterd.cli.cmd_demo import _prepare
from leadmasterd.errors import CannotUseState
from leadmasterd.settings.leads_light import read_leads_settings
from leadmasterd.settings.model import load
from leadmasterd.text import speaking
from tests.test_cli import typed


def test_a_kept_demo_has_the_settings_of_its_shop(tmp_path: Path) -> None:
    """Later commands give the same answers as at its end, since the shop never closes."""
    _prepare(tmp_path / "new" / "demo")
    settings, paths = load(str(tmp_path / "new" / "demo" / "config.toml"))
    assert paths.state_dir.resolve() == tmp_path / "new" / "demo"
    assert settings.leads.country == ""
    offset = datetime.now(ZoneInfo(settings.leads.timezone)).utcoffset()
    assert offset == datetime.now().astimezone().utcoffset(), "the log and the tables have one clock"
    assert (
        set(settings.leads.hours)
        == set(read_leads_settings(paths).hours)
        == {"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
    )


def test_a_demo_is_not_kept_where_something_is(tmp_path: Path) -> None:
    """An older demo would be mixed with the new one, and other files must not be touched."""
    _prepare(tmp_path / "demo")
    done = typed(tmp_path, "demo", "--auto", "--keep", "demo")
    assert (done.returncode, done.stdout) == (73, "")
    assert done.stderr == "cannot keep the demo in demo: it is not empty; name a new folder\n"


def test_a_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    """The error comes before anything starts."""
    (tmp_path / "file").touch()
    with pytest.raises(CannotUseState, match=r"cannot keep the demo in .*: a part of the path is not a folder; name"):
        _prepare(tmp_path / "file" / "demo")


def test_a_picture_is_of_a_kind_that_can_be_made(tmp_path: Path) -> None:
    """The file's name says which; told before anything starts."""
    done = typed(tmp_path, "demo", "--auto", "--picture", "page.jpg")
    assert (done.returncode, done.stdout) == (64, "")
    assert "'page.jpg' must end with .png or .webp" in done.stderr


def test_make_refuses_a_folder_before_it_sets_anything_up(tmp_path: Path) -> None:
    """The set-up takes minutes. Python may not be there yet, so a script says what the command would."""
    (tmp_path / "something").touch()
    checkout = Path(__file__).parent.parent
    apart = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "LC_ALL", "LC_MESSAGES")
    environment = {name: value for name, value in os.environ.items() if name not in apart}
    for words, locale, language in (
        (f"--keep {tmp_path}", "C.UTF-8", "en"),
        (f"--auto --keep={tmp_path}", "es_AR.UTF-8", "es"),
    ):
        done = subprocess.run(
            ["make", "demo", f"ARGS={words}"],
            cwd=checkout,
            env={**environment, "LANG": locale},
            capture_output=True,
            text=True,
            check=False,
        )
        with speaking(language), pytest.raises(CannotUseState) as refused:
            _prepare(tmp_path)
        assert done.returncode != 0
        assert done.stdout == ""
        assert done.stderr.startswith(f"{refused.value}\nmake: ")
