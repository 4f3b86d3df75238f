"""Plays a plan against real processes and returns the result.

The driver restarts a daemon that has ended, as systemd would, and scans a code that stays on the screen, as a person
would. Restarting a daemon that does not come back in time counts as a failure. From everything else it must recover by
itself.
"""

import gzip
import json
import math
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from leadmasterd.demo.standin import StandIn, StandInError
from leadmasterd.times import iso
from tests.chaos.faults import CannotPlay, EndedBadly, NotBack
from tests.chaos.mix import MIX, OF_PAGE, Value
from tests.chaos.plan import SECRET, Act, Plan, Round
from tests.chaos.product import Played, Product
from tests.chaos.verdict import Found, Row
from tests.e2e.daemon import OUR_PHONE, ROTATION

_END_LIMIT: Final = 300.0
_HELPED_AT_THE_END: Final = 2
"""How often a daemon is restarted before what is waited for at the end is given up."""
_SMALL: Final = "512m"
_DAY: Final = 24 * 3600.0
_DAY_BEGINS: Final = 50 * 3600.0
"""Seconds ago. Of a chat that was last active more than a day ago the page has only the newest message in memory; and
most of the day is older than the six hours that a sweep looks back after an outage."""
_NOTHING_READABLE: Final = ("load_404", "find_fails")
_SWEEPS_OF_THE_DAY: Final = 8.0
_PROGRESS_EVERY: Final = 5.0
_POLL: Final = 0.1
_LONGEST_LOCK: Final = 1.0
_REPORTED_BY_THEN: Final = 3.0
"""Seconds from a commit to a status that tells what the feed has not delivered of it."""
_RESTORED_BY_THEN: Final = 4.0
"""Seconds after which only a person can help: a snapshot would have been restored long before."""
_BLIND: Final = Path(__file__).with_name("without_sweeps.mjs")
# Faults come too close together to be forgiven: with the usual ceiling a run would mostly wait. Divided: 1 s.
# The day away is before the first link.
_SETTINGS: Final = {"LEADMASTERD_SUPERVISOR__BACKOFF_MAX": "20", "LEADMASTERD_CAPTURE__FIRST_LINK_DAYS": "3"}


_FEED: Final = {"LEADMASTERD_FEEDS": '{"storm": {"kind": "jsonl", "keep": 0}}'}


class _Stuck(Exception):
    """Something required did not happen; the text says what."""


def run(
    plan: Plan,
    folder: Path,
    *,
    product: Product,
    without_sweeps: bool = False,
    feed: bool = False,
    say: Callable[[str], None],
) -> Found:
    """Play the plan with this product's daemon and our stand-in. State and log stay in `folder`."""
    node = shutil.which("node")
    assert node, "node is needed: run `make test`"
    settings = {**_SETTINGS, **_FEED} if feed else dict(_SETTINGS)
    if without_sweeps:
        settings["LEADMASTERD_LISTENER__NODE"] = str(_blind_node(node, folder))
    with (
        StandIn(Path(node), *ROTATION, "--ways", "page", key_shape="dollar") as standin,
        _small_file_system(folder) as small,
    ):
        database = small / "leadmaster.db"
        settings["LEADMASTERD_DATABASE__PATH"] = str(database)
        daemon = Played(folder / "state", standin, {})
        daemon.places = daemon.places._replace(database=database)
        known = product.known(settings, daemon.environment)
        if left_out := settings.keys() - known.keys():
            say(f"{product.label} does not have {', '.join(sorted(left_out))}")
        daemon.environment |= known
        daemon.python, daemon.root, daemon.patience = product.python, product.root, product.patience
        try:
            return _Storm(plan, daemon, say, feed="LEADMASTERD_FEEDS" in known).run()
        finally:
            daemon.end()


@contextmanager
def _small_file_system(folder: Path) -> Iterator[Path]:
    """A small file system for the database; without root a plain folder. Its files stay in `folder`."""
    small = folder / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_SMALL}", "leadmasterd-chaos", str(small)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        yield small
        return
    try:
        yield small
    finally:
        shutil.copytree(small, folder / "database")
        subprocess.run(["umount", "-l", small], check=True)


def _blind_node(node: str, folder: Path) -> Path:
    """A node program whose sweeps find nothing."""
    wrapper = folder / "node-without-sweeps"
    wrapper.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && exec {node} --version\nexec {node} --import {_BLIND} "$@"\n'
    )
    wrapper.chmod(0o755)
    return wrapper


class _Storm:
    def __init__(self, plan: Plan, daemon: Played, say: Callable[[str], None], *, feed: bool) -> None:
        self._plan = plan
        self._feed = feed
        self._daemon = daemon
        self._say = say
        self._faults: Counter[str] = Counter()
        self._unasked: list[str] = []
        self._helped: list[str] = []
        self._relinked: list[str] = []
        self._asks_for_a_scan_since: float | None = None
        self._moments: dict[int, str] = {}
        self._number = 0
        self._told_at = 0.0
        self._ways: Mapping[str, Value] = {}
        self._lacking_until = -1.0
        """The number of the last page without `find_local`; infinite while the next one may be such a page."""

    def run(self) -> Found:
        daemon = self._daemon
        self._set_ways(OF_PAGE if self._plan.day else self._plan.rounds[0].ways)
        daemon.start()
        daemon.pair()
        began = time.monotonic()
        stuck = None
        try:
            self._day_away()
            for each in self._plan.rounds:
                self._number += 1
                self._round(each)
            self._settle()
        except _Stuck as never:
            stuck = str(never)
        except subprocess.TimeoutExpired:
            stuck = f"the daemon to stop when asked (round {self._number})"
        seconds = time.monotonic() - began
        gaps = daemon.query("SELECT * FROM gaps")  # before the stop, which begins another
        sent = len(daemon.standin.state()["sent"])
        daemon.end()
        return Found(
            messages=daemon.query("SELECT * FROM messages"),
            chats=self._chats(),
            waiting=frozenset(
                each["conversation_id"]
                for each in daemon.query("SELECT conversation_id FROM conversations WHERE waiting_since IS NOT NULL")
            ),
            kept_lines=[
                each["line"] for each in daemon.query("SELECT line FROM raw_events WHERE line LIKE ?", f"%{SECRET}%")
            ],
            gaps=gaps,
            events=daemon.query("SELECT * FROM session_events"),
            told=self._told() if self._feed else None,
            open_waits=frozenset(
                each["cycle_id"] for each in daemon.query("SELECT cycle_id FROM waiting_cycles WHERE ended_at IS NULL")
            ),
            stages={each["lead_id"]: each["stage"] for each in daemon.query("SELECT lead_id, stage FROM leads")},
            sent=sent,
            faults=self._faults,
            unasked_ends=self._unasked,
            helped=self._helped,
            relinked=self._relinked,
            moments=self._moments,
            seconds=seconds,
            stuck=stuck,
        )

    def _chats(self) -> dict[int, frozenset[str]]:
        """The ids of whose each conversation is, of a group its own."""
        ids: dict[int, set[str]] = {}
        for row in self._daemon.query(
            "SELECT conversation_id, coalesce(value, chat) AS id FROM conversations LEFT JOIN contact_identities "
            "ON contact_identities.contact_id = conversations.contact_id AND kind IN ('wa_jid', 'lid')"
        ):
            ids.setdefault(row["conversation_id"], set()).add(row["id"])
        return {number: frozenset(those) for number, those in ids.items()}

    def _told(self) -> list[Row]:
        """The lines of the feed's file, oldest first."""
        folder = self._daemon.places.state_dir / "feeds"
        lines: list[Row] = []
        for file in (*sorted(folder.glob("storm.jsonl.*")), folder / "storm.jsonl"):
            data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
            lines += [json.loads(line) for line in data.splitlines()]
        return lines

    def _delivered(self) -> bool:
        """Whether the feed is done with what is in the outbox."""
        feeds = self._daemon.status.get("feeds") or []
        return bool(feeds) and all(feed["behind"] == 0 for feed in feeds)

    def _day_away(self) -> None:
        """The daemon is down for a day with a thousand messages, and when it returns nothing can be read back at first.

        A daemon that takes this for the end of its chats moves its watermark past the day, and nothing later looks so
        far back: what is lost in other rounds may still be found again, because a storm lasts minutes.
        """
        if not self._plan.day:
            return
        standin = self._daemon.standin
        evening, *day = self._plan.day
        at = time.time() - _DAY_BEGINS
        self._moments[-1] = f"from {datetime.fromtimestamp(at, UTC):%d %H:%M} UTC on, nothing ran"
        standin.act(evening.action, **evening.body, t=int(at))
        moment = iso(datetime.now(UTC))
        self._await(lambda: self._swept_since(moment), "a whole sweep", self._daemon.patience)
        self._daemon.stop()
        for number, act in enumerate(day, 1):
            t = at + number * _DAY / len(day)
            standin.act(act.action, **act.body, t=int(t), t_step=60)
        for action in _NOTHING_READABLE:
            standin.act(action, on=True)
        self._daemon.start()
        self._await(lambda: self._phase == "ready", "ready after a day", self._daemon.patience)
        time.sleep(_SWEEPS_OF_THE_DAY)
        for action in _NOTHING_READABLE:
            standin.act(action, on=False)

    def _round(self, each: Round) -> None:
        began = time.monotonic()
        self._progress(each.fault)
        if each.patient:
            self._await(lambda: self._phase == "ready", "ready", self._daemon.patience)
        self._set_ways(each.ways)
        self._tell(each.calm, 2 * self._number - 2)
        self._keep_alive()
        waited = time.monotonic() - began
        self._fault(each)
        lasted = time.monotonic() - began - waited
        self._say(f"round {self._number}: {each.fault} after {waited:.1f} s, in {lasted:.1f} s")

    def _fault(self, each: Round) -> None:
        during = 2 * self._number - 1
        seconds = min(each.seconds, _LONGEST_LOCK) if each.fault == "database locked" else each.seconds
        try:
            with MIX[each.fault].play(self._daemon, each.seconds):
                until = time.monotonic() + seconds
                self._faults[each.fault] += 1
                self._tell(each.during, during)
                time.sleep(max(0.0, until - time.monotonic()))
        except NotBack as what:
            self._help(f"{what} ({each.fault})")
            if during not in self._moments:
                self._tell(each.during, during)
        except CannotPlay as why:
            self._faults[f"{each.fault}: left out, {why}"] += 0
            self._tell(each.during, during)
        except EndedBadly as badly:
            self._unasked.append(f"round {self._number}: asked to stop it ended with code {badly}")
            self._daemon.start()

    def _set_ways(self, ways: Mapping[str, Value]) -> None:
        ways = {**ways, "paging": self._paging(ways)}
        self._daemon.standin.act("ways", **dict(ways.items() - self._ways.items()))
        self._ways = ways

    def _paging(self, ways: Mapping[str, Value]) -> Value:
        """How the page pages back: its own way needs `find_local`, which a page has or lacks from its load on."""
        loads: int = self._daemon.standin.state()["page_loads"]
        if not ways["find_local"]:
            self._lacking_until = math.inf
        elif self._lacking_until == math.inf:
            self._lacking_until = loads
        return ways["paging"] if loads > self._lacking_until else "old"

    def _tell(self, acts: tuple[Act, ...], slot: int) -> None:
        self._moments[slot] = f"{datetime.now(UTC):%H:%M:%S} UTC, the daemon said {self._phase}"
        for act in acts:
            body = dict(act.body)
            if ago := body.pop("ago", 0):
                body["t"] = int(time.time()) - ago
            self._daemon.standin.act(act.action, **body)

    def _settle(self) -> None:
        """End all faults and wait for ready, for all deliveries, two complete sweeps, and every gap closed."""
        standin = self._daemon.standin
        for action in ("online", "slow", "release"):
            standin.act(action)
        standin.act("lose_acks", on=False)
        standin.act("failure", code=None)
        standin.act("history_late")
        self._await(lambda: self._phase == "ready", "ready after the last fault", _END_LIMIT)
        self._await(lambda: not standin.state()["undelivered"], "everything to be delivered", _END_LIMIT)
        for what in ("a whole sweep after the last fault", "another whole sweep"):
            moment = iso(datetime.now(UTC))
            self._await(lambda since=moment: self._swept_since(since), what, _END_LIMIT)  # type: ignore[misc]
        self._await(lambda: self._count("gaps WHERE closed_at IS NULL") == 0, "every gap to be closed", _END_LIMIT)
        self._await(lambda: self._count("unjudged") == 0, "all leads to be made", _END_LIMIT)
        if self._feed:
            time.sleep(_REPORTED_BY_THEN)
            self._await(self._delivered, "every event to be delivered", _END_LIMIT)

    def _swept_since(self, moment: str) -> bool:
        return bool(self._daemon.query("SELECT 1 FROM accounts WHERE last_ready_at > ?", moment))

    def _await(self, test: Callable[[], bool], what: str, limit: float) -> None:
        """Wait for a condition; restart the daemon after each `limit` seconds, and give up in the end."""
        for _ in range(_HELPED_AT_THE_END + 1):
            deadline = time.monotonic() + limit
            while time.monotonic() < deadline:
                if test():
                    return
                self._keep_alive()
                self._progress(f"waiting for {what}")
                time.sleep(_POLL)
            self._help(f"{what} after {limit:.0f} s")
        raise _Stuck(f"{what} (round {self._number}, the daemon says {self._phase})")

    def _help(self, what: str) -> None:
        """Restart a daemon that does not come back."""
        if self._ended():
            return
        self._helped.append(f"round {self._number}: waited for {what}; the daemon said {self._phase}")
        self._say(self._helped[-1])
        self._daemon.end()
        self._daemon.start()

    def _ended(self) -> bool:
        """Restart a daemon that ended unasked, and count it; False if it runs."""
        process = self._daemon.process
        assert process is not None
        if (code := process.poll()) is None:
            return False
        self._unasked.append(f"round {self._number}: exit code {code}")
        self._daemon.start()
        return True

    def _keep_alive(self) -> None:
        """Start the daemon or scan a code if needed, and count it."""
        self._ended()
        if self._phase != "waiting_for_scan":
            self._asks_for_a_scan_since = None
            return
        now = time.monotonic()
        self._asks_for_a_scan_since = self._asks_for_a_scan_since or now
        if now - self._asks_for_a_scan_since > _RESTORED_BY_THEN:
            self._relinked.append(f"round {self._number}")
            with suppress(StandInError):  # that page is gone
                self._daemon.standin.act("scan", phone=OUR_PHONE, name="Tienda", wait=1000)

    @property
    def _phase(self) -> str:
        """The phase of the running daemon; status.json may still be the previous one's."""
        assert self._daemon.process is not None
        status = self._daemon.status
        return str(status["phase"]) if status.get("pid") == self._daemon.process.pid else "beginning"

    def _count(self, what: str) -> int:
        return int(self._daemon.query(f"SELECT count(*) AS n FROM {what}")[0]["n"])

    def _progress(self, doing: str) -> None:
        now = time.monotonic()
        if now - self._told_at < _PROGRESS_EVERY:
            return
        self._told_at = now
        with suppress(Exception):
            self._say(
                f"round {self._number} of {len(self._plan.rounds)}, {self._count('messages')} of "
                f"{len(self._plan.expected)} messages captured, {self._phase}; {doing}"
            )


def to_stderr(line: str) -> None:
    """Print progress, which does not belong to the result."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
