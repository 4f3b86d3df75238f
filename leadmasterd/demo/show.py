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
from typing import Any, Final, NamedTuple

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
"""The longest that the demo waits for anything, in seconds."""
_LOOK_EVERY: Final = 0.05


class _Written(NamedTuple):
    """The parts of a message that must be captured as they were written. `phone`: the customer's; None: unknown."""

    phone: str | None
    own: bool
    body: str | None

    def __str__(self) -> str:
        """`5491155550001 <- hola` if the customer wrote it, `5491155550001 -> hola` if the operator did."""
        return f"{self.phone} {'->' if self.own else '<-'} {self.body}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was written, what was captured, and the differences.

    `expected`: how many messages were written. `live`, `sweep`: how many were captured live, and by a sweep. `missing`:
    those written but not captured; `doubled`: those captured more often than written.
    """

    expected: int
    live: int
    sweep: int
    missing: tuple[str, ...]
    doubled: tuple[str, ...]
    attempts_to_send: int

    @property
    def good(self) -> bool:
        """Everything captured exactly once, nothing sent, and both live capture and backfill took part."""
        exactly_once = not self.missing and not self.doubled
        both_ways = self.live > 0 and self.sweep > 0
        return exactly_once and both_ways and self.attempts_to_send == 0


class Demo:
    """One run of the demo, with its state in `folder`.

    `node`: the Node to run. `key_shape`: how the stand-in shapes the keys of messages. `wait_for_enter`: called before
    the QR code is scanned; None: nobody waits. `say`: shows a line to the person who watches.
    """

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
        """Play the demo from the first scan to the count. Raises DemoFailed and StandInError.

        `at_end`: called with the outcome while everything still runs, so that it can use `show` and `page`.
        """
        # "resume=blocking": as after a long outage, the page stores messages that waited without an event for each, so
        # that a sweep has to bring them. Otherwise the page might emit a few of them.
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
        """Run a `leadmasterd` command, given by its words, on the demo's state. Raises CalledProcessError."""
        subprocess.run([*_LEADMASTERD, *words], env=self._environment, cwd=self._paths.state_dir, check=True)

    def page(self) -> AbstractContextManager[str]:
        """Serve the page on the demo's data during a `with`, which gives a login link to it."""
        return page.served(_LEADMASTERD, self._environment, self._paths.state_dir)

    def take_picture(self, browser: Path, file: Path) -> None:
        """Save a screenshot of the page on the demo's data."""
        with self.page() as link:
            page.take_picture(self._node, browser, link, file)

    # ------------------------------------------------------------------ the parts

    def _settings(self) -> dict[str, str]:
        """The environment of the demo's daemon and commands. The stand-in must run already."""
        always = [["00:00", "24:00"]]
        return {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).resolve().parent.parent.parent),
            "LEADMASTERD_STATE_DIR": str(self._paths.state_dir),
            "LEADMASTERD_GENERAL__LANGUAGE": spoken_language(),
            "LEADMASTERD_LISTENER__BROWSER_ARGS": json.dumps(self._standin.browser_args),
            # WhatsApp might unlink a device that backfills at once. The stand-in does not, and a demo should be short.
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
        """Run the real daemon in its own process during the `with`. Its output goes straight to the terminal.

        Raises DemoFailed if it does not stop.
        """
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
        """Link the stand-in's phone: wait for the QR code, scan it, and wait until the session is ready."""
        self._await(_("the QR code"), lambda: self._phase() == "waiting_for_scan")
        if self._wait_for_enter:
            self._wait_for_enter()
        self._standin.act("scan", phone=OUR_PHONE, name="Tienda Demo", lid="100000100")
        self._await(_("the session"), lambda: self._phase() == "ready")

    def _play(self, when: When) -> None:
        """Show and deliver all messages of one moment."""
        for conversation in CONVERSATIONS:
            if conversation.when == when:
                for said in conversation.said:
                    who = _("the shop, to {name}").format(name=conversation.name) if said.own else conversation.name
                    what = said.body or _("[location]")
                    self._say(f"   {who}: {what}")
                self._speak(conversation)

    def _speak(self, conversation: Conversation) -> None:
        """Have the stand-in deliver a conversation's messages, dated a second apart; the last is `minutes_ago` old.

        WhatsApp's times are whole seconds, and the order of messages within one second is unknown.
        """
        began = int(time.time()) - conversation.minutes_ago * 60 - len(conversation.said)
        for second, said in enumerate(conversation.said, 1):
            message: dict[str, object] = {"t": began + second}
            if said.own:
                message["to"] = conversation.phone
            else:
                message |= {"from": conversation.phone, "notifyName": conversation.name}
            if conversation.lid:
                message["lid"] = conversation.lid
            if said.body is not None:
                message["body"] = said.body
            self._standin.act("own" if said.own else "deliver", **{**message, **said.fields})

    def _kill_node(self) -> None:
        """Kill the daemon's Node child and wait until the daemon has noticed."""
        node = next(child for child in psutil.Process(self._process.pid).children() if "node" in Path(child.exe()).name)
        node.kill()
        self._await(_("the loss to be noticed"), lambda: self._phase() != "ready")

    # ------------------------------------------------------------------ looking

    def _status(self) -> dict[str, Any]:
        """The daemon's status; before it has written one, the keys that the demo reads."""
        return read_status(self._paths) or {"phase": "", "capture": {"live": 0, "sweep": 0, "open_gaps": 0}}

    def _phase(self) -> str:
        return str(self._status()["phase"])

    def _pending(self) -> int:
        """How many conversations have leads that are not up to date yet."""
        with closing(open_for_reading(self._paths)) as connection:
            return count_pending(connection)

    def _await_captured(self, *when: When) -> None:
        """Wait until as many messages are captured as were written at these moments together."""
        written = sum(len(each.said) for each in CONVERSATIONS if each.when in when)

        def all_captured() -> bool:
            capture = self._status()["capture"]
            return bool(capture["live"] + capture["sweep"] >= written)

        self._await(ngettext("{n} message", "{n} messages", written).format(n=written), all_captured)

    def _await(self, what: str, has_come: Callable[[], bool]) -> None:
        """Wait until `has_come` is true; errors call that `what`.

        Raises DemoFailed if it takes longer than `_LIMIT` seconds, or if the daemon exits.
        """
        deadline = time.monotonic() + _LIMIT
        while not has_come():
            if self._process.poll() is not None:
                raise DemoFailed(_("the daemon exited while the demo waited for {what}").format(what=what))
            if time.monotonic() > deadline:
                raise DemoFailed(_("timed out after {n} s waiting for {what}").format(n=round(_LIMIT), what=what))
            time.sleep(_LOOK_EVERY)

    def _outcome(self) -> Outcome:
        """Compare all messages that were written with those in the database."""
        expected = Counter(_Written(each.phone, said.own, said.body) for each in CONVERSATIONS for said in each.said)
        with closing(open_for_reading(self._paths)) as connection:
            captured = captured_texts(connection)
        found = Counter(_Written(each["phone"], each["direction"] == "out", each["body"]) for each in captured)
        via = Counter(each["captured_via"] for each in captured)
        return Outcome(
            expected=expected.total(),
            live=via["live"],
            sweep=via["sweep"],
            missing=tuple(map(str, (expected - found).elements())),
            doubled=tuple(map(str, (found - expected).elements())),
            attempts_to_send=len(self._standin.state()["sent"]),
        )


def zone_here() -> str:
    """The name of a zone with the machine's present offset, so that the daemon's log and tables show the same times.

    There are such zones for whole hours only: for other offsets it is the default zone, Argentina's.
    """
    hours, rest = divmod(datetime.now().astimezone().utcoffset() or timedelta(), timedelta(hours=1))
    if rest:
        return LeadsSettings().timezone
    if hours == 0:
        return "UTC"
    return f"Etc/GMT{-hours:+d}"  # their signs are reversed: Etc/GMT+3 is three hours behind UTC
