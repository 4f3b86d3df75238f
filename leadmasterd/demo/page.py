"""The operator's page on the demo's data: its real process, a link that lets a browser in, and a screenshot."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from leadmasterd.errors import DemoFailed
from leadmasterd.text import _

_PICTURE: Final = Path(__file__).resolve().parent.parent.parent / "node_listener" / "standin" / "picture.js"
_LIMIT: Final = 30.0
"""Seconds that the page may take to start."""


@contextmanager
def served(program: Sequence[str], environment: Mapping[str, str], folder: Path) -> Iterator[str]:
    """Serve the page during the `with`, on a free port of this machine, and give a login link to it.

    `program`: the command that runs leadmasterd. Raises DemoFailed if the page does not start.
    """
    with socket.socket() as any_free_port:
        any_free_port.bind(("127.0.0.1", 0))
        port = int(any_free_port.getsockname()[1])
    environment = {**environment, "LEADMASTERD_WEB__HOST": "127.0.0.1", "LEADMASTERD_WEB__PORT": str(port)}
    page = subprocess.Popen(
        [*program, "web"],
        env=environment,
        cwd=folder,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await_open(port, page)
        said = subprocess.run(
            [*program, "web", "link"], env=environment, cwd=folder, check=True, capture_output=True, text=True
        )
        yield said.stdout.strip()
    finally:
        page.terminate()
        page.wait()


def _await_open(port: int, page: subprocess.Popen[bytes]) -> None:
    """Wait until the page accepts connections. Raises DemoFailed if it exits or takes too long."""
    deadline = time.monotonic() + _LIMIT
    while page.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise DemoFailed(_("the page was not served within {n} s").format(n=round(_LIMIT)))


def take_picture(node: Path, browser: Path, link: str, file: Path) -> None:
    """Open the link in a browser as wide as a phone, and save a screenshot to `file`, a .png or .webp.

    `node`, `browser`: the programs to use. Raises DemoFailed.
    """
    done = subprocess.run(
        [str(node), str(_PICTURE), str(browser), link, str(file)], check=False, capture_output=True, text=True
    )
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["?"])[-1]
        raise DemoFailed(_("no picture of the page could be taken: {why}").format(why=why))
