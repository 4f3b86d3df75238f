"""Finds Node and the browser, and checks that they can be used. Asked at start and by `doctor`."""

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
"""Node 20 is out of support since April 2026 (support.py), so a newer one is taken before it. As in tools/setup.sh."""
NODES: Final = ("node", "node-24", "node24", "nodejs-24", "node-22", "node22", "nodejs-22")
"""Its names on PATH: distributions that have several name the others like this."""
HEADLESS_SHELLS: Final = ("chromium-headless-shell", "chrome-headless-shell")
"""Browsers that can open no window, and so take a quarter less memory: Debian's and Google's."""
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
LONGEST_TMPDIR: Final = 107 - len("/org.chromium.Chromium.XXXXXX/SingletonSocket")
"""Bytes. The browser opens a socket in a folder of its own there, or aborts: "Socket path too long" (Chromium 150)."""
_TRIES: Final = 3
_DOWNLOADED: Final = "{name}/linux*/{name}-linux64/{name}"
"""Where puppeteer puts a browser under its cache folder."""
_CHECKOUT: Final = Path(__file__).resolve().parent.parent.parent


def find_node(configured: str) -> Path:
    """The node to run: the configured one, or the best one on PATH. Raises CannotUseProgram when missing or too old.

    One that was ended before it told its version counts as usable: an error here ends the service for good.
    """
    if configured:
        found = [Path(configured)]
        if not _is_program(found[0]):
            raise CannotUseProgram(
                _("cannot use listener.node = {path}: there is no such program").format(path=configured)
            )
    else:
        found = [Path(path) for name in NODES if (path := shutil.which(name))]
    if not found:
        raise CannotUseProgram(
            _("cannot find node on PATH: install Node.js {oldest} or newer, or set listener.node").format(
                oldest=OLDEST_NODE
            )
        )
    versions: dict[Path, str | None] = {}
    for node in found:
        versions[node] = node_version(node)
        if (node_major(versions[node]) or 0) >= SUPPORTED_NODE:
            return node
    node = found[0]
    if versions[node] is not None and (node_major(versions[node]) or 0) < OLDEST_NODE:
        raise CannotUseProgram(
            _("cannot use {node}: it is version {version}, and {oldest} or newer is needed").format(
                node=node, version=versions[node] or "?", oldest=OLDEST_NODE
            )
        )
    return node


def node_version(node: Path) -> str | None:
    """What `--version` says, such as v22.12.0, or an empty text; None if it was ended before it said anything."""
    return _output(node, "--version")


def node_major(version: str | None) -> int | None:
    """22 of v22.12.0; None if that is no version of node."""
    match = re.match(r"v(\d+)\.", version or "")
    return int(match[1]) if match else None


Why = Literal["configured", "headless_shell", "no_headless_shell", "newer"]


class Browser(NamedTuple):
    """A browser and why it is the one. `newer`: what would come first is older than what has used the session.

    `version`: what it says of itself, or an empty text.
    """

    path: Path
    why: Why
    version: str


def choose_browser(configured: str, *, used_by: str | None) -> Browser:
    """The browser for a session that this version has used last (None: none has): never an older one.

    One that does not tell its version (a library is missing, say) would hardly start, so it is the last resort.
    Raises CannotUseProgram.
    """
    found = _browsers(configured, window=False)
    needed = major(used_by) or 0
    older: list[str] = []
    silent: list[tuple[Path, str]] = []
    for path in found:
        version = browser_version(path)
        its_major = major(version)
        if its_major is None:
            silent.append((path, version))
        elif its_major >= needed:
            return Browser(path, "newer" if older else _why(path, configured), version)
        else:
            older.append(f"{path}: {its_major}")
    if silent:
        path, version = silent[0]
        return Browser(path, "newer" if older else _why(path, configured), version)
    raise CannotUseProgram(
        _(
            "cannot open the session with an older browser, which may lose it: version {needed} has used it, and here "
            "is {older}; install version {needed} or newer"
        ).format(needed=needed, older=", ".join(older))
    )


def find_browser(configured: str, *, window: bool = False) -> Path:
    """The browser to run: the configured one, the system's, or puppeteer's download. Raises CannotUseProgram.

    `window`: one that can open a window.
    """
    return _browsers(configured, window=window)[0]


def newest_version(configured: str) -> str:
    """What the newest browser that may be run says of its version; empty if none does. Raises CannotUseProgram."""
    return max((browser_version(path) for path in _browsers(configured, window=False)), key=lambda v: major(v) or 0)


def _browsers(configured: str, *, window: bool) -> list[Path]:
    """The configured one alone, or else all that are here, the best first; never none."""
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
    """On PATH by one of these names, then what puppeteer has downloaded under its own name, the newest first."""
    found = [Path(path) for name in names if (path := shutil.which(name)) and not is_snap(Path(path))]
    for cache in (os.environ.get("PUPPETEER_CACHE_DIR"), _CHECKOUT / ".browser", Path.home() / ".cache" / "puppeteer"):
        if cache:
            found += sorted(Path(cache).glob(_DOWNLOADED.format(name=download)), reverse=True)
    return found


def _why(browser: Path, configured: str) -> Why:
    if configured:
        return "configured"
    return "headless_shell" if is_headless_shell(browser) else "no_headless_shell"


def is_headless_shell(browser: Path) -> bool:
    """By its name: Debian's, Google's, or `headless_shell` as Chromium's own build calls it."""
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
    """Ubuntu's chromium is a snap: confined, so that it can't open a profile under our state directory."""
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
    """What `--version` says, or an empty text."""
    return _output(browser, "--version") or ""


def major(version: str | None) -> int | None:
    """156 of `Chromium 156.0.8078.79 built on Debian` and of `156.0.8078.79`; None if there is none."""
    found = re.search(r"(?<!\d)(\d{1,9})\.\d", version or "")
    return int(found[1]) if found else None


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _output(program: Path, argument: str) -> str | None:
    """What it prints, or an empty text; None if it took too long, or was killed each time, as when memory is short."""
    for _try in range(_TRIES):
        try:
            answer = subprocess.run(
                [program, argument], capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired:
            return None
        except (OSError, UnicodeDecodeError):
            return ""
        if answer.returncode >= 0:
            return answer.stdout.strip()
    return None
