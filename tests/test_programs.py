"""Finding node and a browser."""

import subprocess
from pathlib import Path

import pytest

from leadmasterd.errors import CannotUseProgram
from leadmasterd.listener.programs import find_browser, find_node

CHECKOUT = Path(__file__).resolve().parent.parent


def program(path: Path, text: str) -> Path:
    """An executable script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_a_snap_shim_is_no_browser_for_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ubuntu's snap of Chromium cannot open our profile, so the next browser is used."""
    program(tmp_path / "bin" / "chromium", '#!/bin/sh\nexec /snap/bin/chromium "$@"\n')
    real = program(tmp_path / "bin" / "google-chrome", "#!/bin/sh\necho Google Chrome 156\n")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert find_browser("") == real


def test_a_downloaded_browser_is_found_where_the_set_up_puts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is used when the system has none; the newest of several wins."""
    program(tmp_path / "chrome" / "linux-155.0.1" / "chrome-linux64" / "chrome", "#!/bin/sh\n")
    newest = program(tmp_path / "chrome" / "linux-156.0.1" / "chrome-linux64" / "chrome", "#!/bin/sh\n")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setenv("PUPPETEER_CACHE_DIR", str(tmp_path))
    assert find_browser("") == newest


def test_no_browser_at_all_is_a_sentence_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is none on PATH and none downloaded."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PUPPETEER_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("leadmasterd.listener.programs._CHECKOUT", tmp_path)
    with pytest.raises(CannotUseProgram, match="install"):
        find_browser("")


@pytest.mark.parametrize("version", ["v18.20.4", "v9.0.0", "nonsense"])
def test_a_node_that_is_too_old_is_refused_with_its_version(tmp_path: Path, version: str) -> None:
    """The oldest supported version is 20."""
    node = program(tmp_path / "node", f"#!/bin/sh\necho {version}\n")
    with pytest.raises(CannotUseProgram, match="20 or newer"):
        find_node(str(node))


def test_a_configured_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error gives the setting and the path."""
    with pytest.raises(CannotUseProgram, match=r"listener\.node = .*missing"):
        find_node(str(tmp_path / "missing"))
    with pytest.raises(CannotUseProgram, match=r"listener\.browser = .*missing"):
        find_browser(str(tmp_path / "missing"))


@pytest.mark.parametrize(
    ("versions", "taken"),
    [
        ({"node": 20, "node-22": 22, "node-24": 24}, "node-24"),
        ({"node": 20, "node22": 22}, "node22"),
        ({"node": 22, "node-24": 24}, "node"),
        ({"node": 26, "node-24": 24}, "node"),
        ({"node": 18, "nodejs-22": 22}, "nodejs-22"),
        ({"nodejs-24": 24}, "nodejs-24"),
        ({"node": 20}, "node"),
        ({"node": 20, "node-24": 18}, "node"),
    ],
)
def test_a_supported_node_is_taken_before_one_that_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, versions: dict[str, int], taken: str
) -> None:
    """The one named `node` first, and the set-up makes the same choice: it installs for what the daemon runs."""
    bin_folder = tmp_path / "bin"
    for name, major in versions.items():
        program(bin_folder / name, f"#!/bin/sh\necho v{major}.1.0\n")
    monkeypatch.setenv("PATH", str(bin_folder))
    assert find_node("") == bin_folder / taken
    script = (CHECKOUT / "tools" / "setup.sh").read_text()
    choice = script[script.index("nodes=(") : script.index("# The unit hides")]
    shell = f'need() {{ echo "$*"; }}\nnpm() {{ :; }}\n{choice}\nlook_for_node\necho "$node"'
    said = subprocess.run(["/bin/bash", "-euc", shell], capture_output=True, text=True, check=True).stdout
    assert said == f"{bin_folder / taken}\n"
