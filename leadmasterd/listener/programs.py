"""Finds Node and the browser, and checks that they can be used. Used at each start of the child and by `doctor`."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final, Literal, NamedTuple

from leadmasterd.errors import CannotUseProgram
from leadmasterd.text import _

OLDEST_NODE: Final = 20
SUPPORTED_NODE: Final = 22
"""Node 20 is out of support since April 2026 (support.py), so this or a newer one is preferred, as in
tools/setup.sh."""
NODES: Final = ("node", "node-24", "node24", "nodejs-24", "node-22", "node22", "nodejs-22")
"""Node's names on PATH: a distribution with several versions gives the others such names."""
HEADLESS_SHELLS: Final = ("chromium-headless-shell", "chrome-headless-shell")
"""Browsers that can open no window, and so take a quarter less memory: Debian's and Google's."""
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
LONGEST_TMPDIR: Final = 107 - len("/org.chromium.Chromium.XXXXXX/SingletonSocket")
"""Bytes of TMPDIR. The browser creates a socket in a folder there, or aborts: "Socket path too long" (Chromium 150)."""
_TRIES: Final = 3
"""How often a program is asked for its version if it is killed meanwhile."""
_DOWNLOADED: Final = "{name}/linux*/{name}-linux64/{name}"
"""Where puppeteer puts a browser under its cache folder."""
_CHECKOUT: Final = Path(__file__).resolve().parent.parent.parent


def find_node(configured: str) -> Path:
    """The node to run: the configured one (`listener.node`), else the first on PATH that is supported, else the first.

    Raises CannotUseProgram if there is none, or if it is too old. One that was killed before it printed its version
    counts as usable, because an error here ends the service for good.
    """
    nodes = _nodes(configured)
    versions: dict[Path, str | None] = {}
    for node in nodes:
        versions[node] = node_version(node)
        if (node_major(versions[node]) or 0) >= SUPPORTED_NODE:
            return node
    node = nodes[0]
    version = versions[node]
    if version is not None and (node_major(version) or 0) < OLDEST_NODE:
        raise CannotUseProgram(
            _("cannot use {node}: it is version {version}, and {oldest} or newer is needed").format(
                node=node, version=version or "?", oldest=OLDEST_NODE
            )
        )
    return node


def _nodes(configured: str) -> list[Path]:
    """The configured node alone, else all on PATH, in the order of `NODES`; never empty. Raises CannotUseProgram."""
    if configured:
        node = Path(configured)
        if not _is_program(node):
            raise CannotUseProgram(
                _("cannot use listener.node = {path}: there is no such program").format(path=configured)
            )
        return [node]
    found = [Path(path) for name in NODES if (path := shutil.which(name))]
    if not found:
        raise CannotUseProgram(
            _("cannot find node on PATH: install Node.js {oldest} or newer, or set listener.node").format(
                oldest=OLDEST_NODE
            )
        )
    return found


def node_version(node: Path) -> str | None:
    """What `--version` prints, such as v22.12.0; an empty text if it fails; None if it was killed or took too long."""
    return _output(node, "--version")


def node_major(version: str | None) -> int | None:
    """22 for v22.12.0; None for None, and for what is not a version of Node."""
    match = re.match(r"v(\d+)\.", version or "")
    return int(match[1]) if match else None


Why = Literal["configured", "headless_shell", "no_headless_shell", "newer"]
"""Why a browser was chosen. `newer`: those that come first are older than the browser that has used the session."""


class Browser(NamedTuple):
    """A browser that was chosen, and why."""

    path: Path
    why: Why
    version: str
    """What its `--version` prints, or an empty text."""


def choose_browser(configured: str, *, used_by: str | None) -> Browser:
    """The best browser that is not older than the newest one that has used the session: an older one may lose it.

    `configured`: `listener.browser`. `used_by`: that newest version (`Auth.used_by`); None: none has used it, or it is
    not known. A browser that does not tell its version, as when a library is missing, would hardly start, so it is the
    last resort. Raises CannotUseProgram.
    """
    needed = major(used_by) or 0
    older: list[str] = []
    without_version: list[tuple[Path, str]] = []
    for path in _browsers(configured, window=False):
        version = browser_version(path)
        its_major = major(version)
        if its_major is None:
            without_version.append((path, version))
        elif its_major >= needed:
            return Browser(path, "newer" if older else _why(path, configured), version)
        else:
            older.append(f"{path}: {its_major}")
    if without_version:
        path, version = without_version[0]
        return Browser(path, "newer" if older else _why(path, configured), version)
    raise CannotUseProgram(
        _(
            "cannot open the session with an older browser, which may lose it: version {needed} has used it, and here "
            "is {older}; install version {needed} or newer"
        ).format(needed=needed, older=", ".join(older))
    )


def find_browser(configured: str, *, window: bool = False) -> Path:
    """The best browser: the configured one, else one on PATH, else puppeteer's download. Raises CannotUseProgram.

    `window`: it must be able to open a window.
    """
    return _browsers(configured, window=window)[0]


def newest_version(configured: str) -> str:
    """What the newest usable browser's `--version` prints; empty if none tells. Raises CannotUseProgram."""
    versions = [browser_version(path) for path in _browsers(configured, window=False)]
    return max(versions, key=lambda version: major(version) or 0)


def _browsers(configured: str, *, window: bool) -> list[Path]:
    """The configured browser alone, else all that are found, the best first; never empty. Raises CannotUseProgram.

    `window`: only those that can open a window; a configured one that can't is passed over.
    """
    if configured:
        browser = Path(configured)
        if not _is_program(browser):
            raise CannotUseProgram(
                _("cannot use listener.browser = {path}: there is no such program").format(path=browser)
            )
        if not (window and is_headless_shell(browser)):
            return [browser]
    found = _with_windows() if window else [*_shells(), *_with_windows()]
    if not found and window:
        raise CannotUseProgram(
            _(
                "cannot find a browser that opens windows: install one (Debian: `sudo apt-get install chromium`) or "
                "set listener.browser"
            )
        )
    if not found:
        raise CannotUseProgram(
            _(
                "cannot find a browser: install one (Debian: `sudo apt-get install chromium-headless-shell`) or set "
                "listener.browser"
            )
        )
    return found


def _shells() -> list[Path]:
    return _installed(HEADLESS_SHELLS, download="chrome-headless-shell")


def _with_windows() -> list[Path]:
    return _installed(BROWSERS, download="chrome")


def _installed(names: tuple[str, ...], *, download: str) -> list[Path]:
    """Browsers with one of these names on PATH, then puppeteer's downloads, in each cache folder the newest first.

    `download`: puppeteer's name for this kind of browser.
    """
    found = [Path(path) for name in names if (path := shutil.which(name)) and not is_snap(Path(path))]
    for cache in (os.environ.get("PUPPETEER_CACHE_DIR"), _CHECKOUT / ".browser", Path.home() / ".cache" / "puppeteer"):
        if cache:
            found += sorted(Path(cache).glob(_DOWNLOADED.format(name=download)), reverse=True)
    return found


def _why(browser: Path, configured: str) -> Why:
    """Why this browser comes first. `configured`: `listener.browser`, or an empty text."""
    if configured:
        return "configured"
    return "headless_shell" if is_headless_shell(browser) else "no_headless_shell"


def is_headless_shell(browser: Path) -> bool:
    """Whether it can open no window, by its name: Debian's, Google's, or that of Chromium's own build."""
    return "headless-shell" in browser.name.replace("_", "-")


def check_temporary_folder() -> None:
    """Raise CannotUseProgram if no browser could start with this TMPDIR."""
    folder = os.environ.get("TMPDIR", "")
    if len(os.fsencode(folder)) > LONGEST_TMPDIR:
        raise CannotUseProgram(
            _(
                "cannot start a browser with TMPDIR = {folder}: a path of at most {longest} bytes is needed; "
                "set TMPDIR=/tmp"
            ).format(folder=folder, longest=LONGEST_TMPDIR)
        )


def is_snap(browser: Path) -> bool:
    """Whether it is a snap, as Ubuntu's chromium: confined, it can't open a profile under our state directory.

    Also true for the script that starts a snap, or installs it.
    """
    real = browser.resolve()
    if real.parts[1:2] == ("snap",) or real == Path("/usr/bin/snap"):
        return True
    try:
        with real.open("rb") as file:
            head = file.read(2000)
    except OSError:
        return False
    return head.startswith(b"#!") and (b"/snap/bin/" in head or b"snap install" in head)


def browser_version(browser: Path) -> str:
    """What `--version` prints; an empty text if it fails or tells nothing."""
    return _output(browser, "--version") or ""


def major(version: str | None) -> int | None:
    """The major version of a browser: 156 for `Chromium 156.0.8078.79 built on Debian` and for `156.0.8078.79`.

    None for None, and for text without a version.
    """
    found = re.search(r"(?<!\d)(\d{1,9})\.\d", version or "")
    return int(found[1]) if found else None


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _output(program: Path, argument: str) -> str | None:
    """What a program prints; an empty text if it can't be run or prints none.

    None if it took too long, or was killed each time, as when memory is short.
    """
    for _try in range(_TRIES):
        try:
            answer = subprocess.run(
                [program, argument], capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired:
            return None
        except (OSError, UnicodeDecodeError):
            return ""
        if answer.returncode >= 0:  # not killed by a signal
            return answer.stdout.strip()
    return None
