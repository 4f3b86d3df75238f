"""The stand-in of WhatsApp Web as a process, and its control interface over HTTP.

The stand-in itself, and what it can do, is in node_listener/standin (README.md there).
"""

import json
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from leadmasterd.text import _

ENTRY: Final = Path(__file__).resolve().parent.parent.parent / "node_listener" / "standin" / "main.js"


class StandInError(Exception):
    """The stand-in refused an action (in its own words) or did not start."""


class StandIn:
    """A local imitation of WhatsApp Web, with a phone that acts on request. It runs during a `with`.

    `node`: the Node to run. `options`: of its command line. `browser_args`: make a browser load it instead of WhatsApp.
    """

    def __init__(self, node: Path, *options: str, key_shape: str) -> None:
        self._argv = [str(node), str(ENTRY), "--key-shape", key_shape, *options]
        self._process: subprocess.Popen[bytes]
        self.browser_args: list[str] = []
        self._control = ""

    def __enter__(self) -> Self:
        """Start the process and read where it listens, which it prints. Raises StandInError if it does not start."""
        # Its own session: the demo handles Ctrl-C and stops things in order.
        self._process = subprocess.Popen(
            self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        assert self._process.stdout is not None
        try:
            said = json.loads(self._process.stdout.readline())
        except ValueError as error:
            self.__exit__(None, None, None)
            raise StandInError(_("the stand-in did not start; see its output above")) from error
        self.browser_args = said["browser_args"]
        self._control = said["control"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the process: it exits when its stdin closes, or is killed after 5 seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def act(self, action: str, **body: object) -> dict[str, Any]:
        """Have the stand-in do something (as `scan`, `deliver`), with these arguments, and return its answer.

        Raises StandInError with its reason if it refuses.
        """
        request = urllib.request.Request(
            f"{self._control}/{action}",
            data=json.dumps(body).encode(),
            headers={"content-type": "application/json"},
            method="POST",
        )
        return self._answer(request)

    def state(self) -> dict[str, Any]:
        """The stand-in's state: what is queued, what is acknowledged, and attempts to send (`sent`)."""
        return self._answer(urllib.request.Request(f"{self._control}/state"))

    @staticmethod
    def _answer(request: urllib.request.Request) -> dict[str, Any]:
        """The JSON object that the stand-in answers with. Raises StandInError with the text of a refusal."""
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                answer: dict[str, Any] = json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise StandInError(error.read().decode("utf-8", "replace").strip()) from error
        return answer
