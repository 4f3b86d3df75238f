"""The real daemon as a process, with a listener that only shows a code: no browser, no page."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.forked import Forked
from tests.waiting import LIMIT

CHECKOUT = Path(__file__).parent.parent
NODE = r"""#!/bin/bash
# A listener that shows a code and waits for its end.
if [ "$1" = --version ]; then echo v22.12.0; exit; fi
at=$(date +%s%3N)
printf '{"v":1,"type":"hello","seq":1,"at":%s,"pid":%s,"versions":{"listener":"0.1.0",' $at $$
echo '"whatsapp_web_js":"1.34.7","puppeteer":"24.38.0","browser":null,"node":"22.12.0"},"profile_new":true}'
echo '{"v":1,"type":"qr","seq":2,"at":'"$at"',"qr":"2@AbCd,Ef==,Gh==,Ij==,1","valid_seconds":60}'
exec head -n 1 >/dev/null # the first command it gets is to stop
"""


class Running:
    """A daemon with a listener that only shows a code."""

    def __init__(self, folder: Path, process: Forked, log: Path, state: Path) -> None:
        self.folder, self.process, self.log, self.state = folder, process, log, state

    @property
    def status(self) -> dict[str, Any]:
        """What the daemon wrote last."""
        try:
            found: dict[str, Any] = json.loads((self.state / "status.json").read_text())
        except (OSError, ValueError):
            return {}
        return found

    @property
    def trouble(self) -> str | None:
        """The code of what keeps the store from writing."""
        return (self.status.get("trouble") or {}).get("code")

    def lives(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None


@contextmanager
def running(folder: Path, state: Path, **environment: str) -> Iterator[Running]:
    """`leadmasterd run` on this state, and its end."""
    node = folder / "node"
    node.write_text(NODE)
    node.chmod(0o755)
    log = folder / "log"
    log.write_bytes(b"")
    process = Forked(
        "run",
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("LEADMASTERD_")},
            "LEADMASTERD_STATE_DIR": str(state),
            "LEADMASTERD_LISTENER__NODE": str(node),
            "LEADMASTERD_LISTENER__BROWSER": "/bin/true",
            **environment,
        },
        output=log,
    )
    try:
        yield Running(folder, process, log, state)
        assert process.poll() is None, log.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT) == 0, log.read_text()
        assert "Traceback" not in log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
