"""The demo: start everything for real, let customers write while we listen and during outages, and count.

Prints nothing itself: `say` gets lines for people; `Outcome` compares what was written with what was captured.
"""

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psutil

from leadmasterd.apart import python_module
from leadmasterd.demo import page
from leadmasterd.demo.conversations import CONVERSATIONS, Conversation, When
from leadmasterd.demo.standin import StandIn
from leadmasterd.errors import DemoFailed
from leadmasterd.leads.calendar import WEEKDAYS
from leadmasterd.queries.database import open_for_reading
from leadmasterd.queries.leads import count_pending
from leadmasterd.queries.messages import captured_texts
from leadmasterd.settings.model import LeadsSettings
from leadmasterd.settings.paths import resolve_paths
from leadmasterd.state.files import read_status
from leadmasterd.text import _, ngettext, spoken_language

OUR_PHONE: Final = "5491155550100"
_LEADMASTERD: Final = python_module("leadmasterd")
_LIMIT: Final = 90.0
_LOOK_EVERY: Final = 0.05


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was written, what was captured, and the differences."""

    expected: int
    live: int
    sweep: int
    missing: tuple[str, ...]
    doubled: tuple[str, ...]
    attempts_to_send: int

    @property
    def good(self) -> bool:
        """Everything exactly once, nothing sent, and both live capture and backfill took part."""
        return not self.missing and not self.doubled and not self.attempts_to_send and bool(self.live and self.sweep)


class Demo:
    """One run, with its state in `folder`."""

    def __init__(
        self,
        folder: Path,
        node: Path,
        *,
        key_shape: str,
        wait_for_enter: Callable[[], None] | None,
        say: Callable[[str], None],
    ) -> None:
        self._paths = resolve_paths(None, str(folder.absolute()), "leadmaster.db")
        self._node = node
        self._key_shape = key_shape
        self._wait_for_enter = wait_for_enter
        self._environment: dict[str, str] = {}
        self._say = say
        self._standin: StandIn

    def run(self, at_end: Callable[[Outcome], None]) -> Outcome:
        """Play it; `at_end` is called while everything still runs. Raises DemoFailed and StandInError."""
        # As after a long outage: what waited is stored, and a sweep brings it. The page might emit a few by itself.
        with StandIn(self._node, "--way", "resume=blocking", key_shape=self._key_shape) as self._standin:
            self._environment = self._settings()
            with self._daemon():
                self._scan()
                self._say(_("1. Customers write while we listen."))
                self._play("live")
                self._await_captured("live")
                self._say(_("2. The Node child is killed. Customers keep writing."))
                self._kill_node()
                self._play("node_down")
                self._await_captured("live", "node_down")
                self._say(_("   It restarted by itself and backfilled what it had missed."))
            self._say(_("3. The daemon is stopped. Customers keep writing."))
            self._play("daemon_down")
            self._say(_("   It is started again: no scan needed."))
            with self._daemon():
                self._await_captured("live", "node_down", "daemon_down")
                self._await(_("the last gap to be closed"), lambda: self._status()["capture"]["open_gaps"] == 0)
                self._await(_("leads to be made"), lambda: self._pending() == 0)
                outcome = self._outcome()
                at_end(outcome)
            return outcome

    def show(self, *words: str) -> None:
        """Run a command on the demo's state."""
        subprocess.run([*_LEADMASTERD, *words], env=self._environment, cwd=self._paths.state_dir, check=True)

    def page(self) -> AbstractContextManager[str]:
        """A link to the page on the demo's data, which is served meanwhile."""
        return page.served(_LEADMASTERD, self._environment, self._paths.state_dir)

    def take_picture(self, browser: Path, file: Path) -> None:
        """A picture of that page."""
        with self.page() as link:
            page.take_picture(self._node, browser, link, file)

    # ------------------------------------------------------------------ the parts

    def _settings(self) -> dict[str, str]:
        """The environment of the demo's daemon and commands."""
        always = [["00:00", "24:00"]]
        return {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).resolve().parent.parent.parent),
            "LEADMASTERD_STATE_DIR": str(self._paths.state_dir),
            "LEADMASTERD_GENERAL__LANGUAGE": spoken_language(),
            "LEADMASTERD_LISTENER__BROWSER_ARGS": json.dumps(self._standin.browser_args),
            # The stand-in does not unlink us for an early backfill, and a demo should be short.
            "LEADMASTERD_LISTENER__SETTLE_AFTER_PAIRING": "0",
            "LEADMASTERD_LISTENER__SWEEP_INTERVAL": "3",
            # Some messages are dated before the scan, and the demo's shop never closes.
            "LEADMASTERD_CAPTURE__FIRST_LINK_DAYS": "1",
            "LEADMASTERD_LEADS__COUNTRY": "",
            "LEADMASTERD_LEADS__TIMEZONE": zone_here(),
            "LEADMASTERD_LEADS__HOURS": json.dumps(dict.fromkeys(WEEKDAYS, always)),
        }

    @contextmanager
    def _daemon(self) -> Iterator[None]:
        """The real daemon in its own process. Its output goes straight to the terminal."""
        # In the state folder, so that a config.toml in the current one changes nothing.
        process = subprocess.Popen(
            [*_LEADMASTERD, "run"], env=self._environment, cwd=self._paths.state_dir, start_new_session=True
        )
        self._process = process
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(25)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise DemoFailed(_("the daemon did not stop within 25 seconds")) from None

    def _scan(self) -> None:
        self._await(_("the QR code"), lambda: self._phase() == "waiting_for_scan")
        if self._wait_for_enter:
            self._wait_for_enter()
        self._standin.act("scan", phone=OUR_PHONE, name="Tienda Demo", lid="100000100")
        self._await(_("the session"), lambda: self._phase() == "ready")

    def _play(self, when: When) -> None:
        for conversation in CONVERSATIONS:
            if conversation.when == when:
                for said in conversation.said:
                    who = _("the shop, to {name}").format(name=conversation.name) if said.own else conversation.name
                    what = said.body or _("[location]")
                    self._say(f"   {who}: {what}")
                self._speak(conversation)

    def _speak(self, conversation: Conversation) -> None:
        # A second apart: WhatsApp's times are whole seconds, and within one the order is unknown.
        began = int(time.time()) - conversation.minutes_ago * 60 - len(conversation.said)
        for second, said in enumerate(conversation.said, 1):
            at = {"t": began + second}
            who = (
                {"to": conversation.phone}
                if said.own
                else {"from": conversation.phone, "notifyName": conversation.name}
            )
            lid = {"lid": conversation.lid} if conversation.lid else {}
            body = {} if said.body is None else {"body": said.body}
            self._standin.act("own" if said.own else "deliver", **{**who, **lid, **body, **at, **said.fields})

    def _kill_node(self) -> None:
        node = next(child for child in psutil.Process(self._process.pid).children() if "node" in Path(child.exe()).name)
        node.kill()
        self._await(_("the loss to be noticed"), lambda: self._phase() != "ready")

    # ------------------------------------------------------------------ looking

    def _status(self) -> dict[str, Any]:
        return read_status(self._paths) or {"phase": "", "capture": {"live": 0, "sweep": 0, "open_gaps": 0}}

    def _phase(self) -> str:
        return str(self._status()["phase"])

    def _pending(self) -> int:
        with closing(open_for_reading(self._paths)) as connection:
            return count_pending(connection)

    def _await_captured(self, *when: When) -> None:
        wanted = sum(len(each.said) for each in CONVERSATIONS if each.when in when)

        def captured() -> bool:
            capture = self._status()["capture"]
            return bool(capture["live"] + capture["sweep"] >= wanted)

        self._await(ngettext("{n} message", "{n} messages", wanted).format(n=wanted), captured)

    def _await(self, what: str, test: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _LIMIT
        while not test():
            if self._process.poll() is not None:
                raise DemoFailed(_("the daemon exited while the demo waited for {what}").format(what=what))
            if time.monotonic() > deadline:
                raise DemoFailed(_("timed out after {n} s waiting for {what}").format(n=round(_LIMIT), what=what))
            time.sleep(_LOOK_EVERY)

    def _outcome(self) -> Outcome:
        expected: Counter[tuple[str | None, bool, str | None]] = Counter(
            (each.phone, said.own, said.body) for each in CONVERSATIONS for said in each.said
        )
        with closing(open_for_reading(self._paths)) as connection:
            captured = captured_texts(connection)
        found: Counter[tuple[str | None, bool, str | None]] = Counter(
            (each["phone"], each["direction"] == "out", each["body"]) for each in captured
        )
        via = Counter(each["captured_via"] for each in captured)
        return Outcome(
            expected=expected.total(),
            live=via["live"],
            sweep=via["sweep"],
            missing=tuple(map(_named, (expected - found).elements())),
            doubled=tuple(map(_named, (found - expected).elements())),
            attempts_to_send=len(self._standin.state()["sent"]),
        )


def zone_here() -> str:
    """A zone with the machine's offset, so that logs and tables agree; Argentina's for offsets that have none."""
    hours, rest = divmod(datetime.now().astimezone().utcoffset() or timedelta(), timedelta(hours=1))
    return LeadsSettings().timezone if rest else f"Etc/GMT{-hours:+d}" if hours else "UTC"


def _named(said: tuple[str | None, bool, str | None]) -> str:
    phone, own, body = said
    return f"{phone} {'->' if own else '<-'} {body}"
