"""Finding node and a browser."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from leadmasterd.errors import CannotUseProgram
from leadmasterd.listener.programs import choose_browser, find_browser, find_node, newest_version, node_version

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


@pytest.mark.parametrize("times", [1, 100])
def test_a_node_that_is_killed_when_it_is_asked_is_not_too_old(tmp_path: Path, times: int) -> None:
    """As when memory is short: to refuse it would end the service, and systemd would not start it again."""
    asked = tmp_path / "asked"
    lines = ("#!/bin/sh", f"echo >>{asked}", f"[ $(wc -l <{asked}) -gt {times} ] || kill -KILL $$", "echo v22.1.0\n")
    node = program(tmp_path / "node", "\n".join(lines))
    assert find_node(str(node)) == node
    assert node_version(node) == ("v22.1.0" if times == 1 else None)


def test_a_browser_that_is_killed_when_it_is_asked_is_asked_again(here: Callable[..., Path]) -> None:
    """Or else another one would be taken."""
    folder = here(chromium=150)
    asked = folder / "asked"
    lines = ("#!/bin/sh", f"[ -e {asked} ] || {{ : >{asked}; kill -KILL $$; }}", "echo Chromium 150.0.1.2\n")
    shell = program(folder / "chromium-headless-shell", "\n".join(lines))
    assert choose_browser("", used_by=None).path == shell


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


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Puts programs on an otherwise empty PATH: `here(chromium=150)`."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PUPPETEER_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("leadmasterd.listener.programs._CHECKOUT", tmp_path)

    def install(**versions: int) -> Path:
        for name, version in versions.items():
            program(tmp_path / name.replace("_", "-"), f"#!/bin/sh\necho Chromium {version}.0.1.2\n")
        return tmp_path

    return install


def test_the_headless_shell_comes_first_and_never_where_a_window_is_wanted(here: Callable[..., Path]) -> None:
    """It takes less memory, and can open none."""
    path = here(chromium_headless_shell=150, chromium=150)
    assert choose_browser("", used_by=None)[:2] == (path / "chromium-headless-shell", "headless_shell")
    assert find_browser("") == path / "chromium-headless-shell"
    assert find_browser("", window=True) == path / "chromium"
    assert find_browser(str(path / "chromium-headless-shell"), window=True) == path / "chromium"
    (path / "chromium").unlink()
    with pytest.raises(CannotUseProgram, match="cannot find a browser that opens windows: install one"):
        find_browser("", window=True)


def test_without_a_headless_shell_chromium_does(here: Callable[..., Path]) -> None:
    """As on a machine where it was not installed."""
    path = here(chromium=150)
    assert choose_browser("", used_by="150.0.1.2")[:2] == (path / "chromium", "no_headless_shell")


@pytest.mark.parametrize("used_by", [None, "150.0.1.2", "9" * 5000 + ".0"])
def test_a_headless_shell_that_does_not_run_is_the_last_resort(here: Callable[..., Path], used_by: str | None) -> None:
    """As halfway through an update of packages; a note of a version that can be none counts for nothing."""
    path = here(chromium=150)
    program(path / "chromium-headless-shell", "#!/bin/sh\necho cannot open shared object file >&2; exit 127\n")
    assert choose_browser("", used_by=used_by)[:2] == (path / "chromium", "no_headless_shell")
    assert choose_browser("", used_by="151.0.1.2").path == path / "chromium-headless-shell"


@pytest.mark.parametrize(("shell", "chromium", "name"), [(149, 150, "chromium"), (150, 149, "chromium-headless-shell")])
def test_what_the_newer_of_the_two_has_opened_the_older_one_never_opens(
    here: Callable[..., Path], shell: int, chromium: int, name: str
) -> None:
    """Their packages may differ. An older browser may lose the session, so the newer one goes on."""
    path = here(chromium_headless_shell=shell, chromium=chromium)
    assert choose_browser("", used_by="Chromium 150.0.1.2 built on Debian").path == path / name
    assert choose_browser("", used_by="149.0.1.2").path == path / "chromium-headless-shell"
    assert newest_version("") == "Chromium 150.0.1.2"


def test_a_session_that_is_newer_than_every_browser_here_is_refused_in_one_sentence(here: Callable[..., Path]) -> None:
    """Nothing is opened, so nothing is lost; the sentence names the versions."""
    path = here(chromium_headless_shell=149, chromium=150)
    with pytest.raises(CannotUseProgram) as refused:
        choose_browser("", used_by="151.0.1.2")
    assert str(refused.value) == (
        "cannot open the session with an older browser, which may lose it: version 151 has used it, and here is "
        f"{path}/chromium-headless-shell: 149, {path}/chromium: 150; install version 151 or newer"
    )
    with pytest.raises(CannotUseProgram, match="version 151 has used it"):
        choose_browser(str(path / "chromium"), used_by="151.0.1.2")
    assert choose_browser(str(path / "chromium"), used_by=None)[:2] == (path / "chromium", "configured")
