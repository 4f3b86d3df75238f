"""tools/setup.sh refuses what would fail later, and says why."""

import os
import shutil
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent

HOME_PYTHON = """#!/bin/sh
case "$*" in *base_prefix*) echo /home/ana/.pyenv/versions/3.11.7/ ;; *) exec python3 "$@" ;; esac
"""
HOME_NODE = "#!/bin/sh\necho v22.12.0\n"


def set_up(tmp_path: Path, kind: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run the set-up in a folder of its own, on which nothing can be installed."""
    (tmp_path / "tools").mkdir(exist_ok=True)
    shutil.copy(CHECKOUT / "tools" / "setup.sh", tmp_path / "tools")
    return subprocess.run(
        [tmp_path / "tools" / "setup.sh", kind],
        env={**os.environ, **variables},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_service_on_a_python_in_a_home_folder_is_refused_with_the_reason(tmp_path: Path) -> None:
    """The unit hides home folders, so it would fail at its start only."""
    python = tmp_path / "python"
    python.write_text(HOME_PYTHON)
    python.chmod(0o755)
    done = set_up(tmp_path, "service", PYTHON=str(python))
    assert done.returncode == 1
    assert "is in a home folder (/home/ana/.pyenv/versions/3.11.7), which the service can't read" in done.stderr
    assert "PYTHON=/usr/bin/python3" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_what_runs_in_the_foreground_may_live_anywhere(tmp_path: Path) -> None:
    """`make run`, `demo` and `test` go on: with the same Python, only the missing browser is named."""
    python = tmp_path / "python"
    python.write_text(HOME_PYTHON)
    python.chmod(0o755)
    nowhere = {"LEADMASTERD_LISTENER__BROWSER": "/nonexistent"}
    for kind in ("run", "test"):
        done = set_up(tmp_path, kind, PYTHON=str(python), **nowhere)
        assert done.returncode == 1
        assert "home folder" not in done.stderr
        assert "/nonexistent" in done.stderr
