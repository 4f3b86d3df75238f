"""The feeds process beside a real child tree: it survives the listener, ends with the daemon, and loses nothing."""

import asyncio
import base64
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psutil
import pytest
from pyee.asyncio import AsyncIOEventEmitter
from standardwebhooks.webhooks import Webhook as Judge

from leadmasterd.daemon.feeds import FeedsProcess
from leadmasterd.daemon.warnings import ActiveWarnings
from leadmasterd.feeds.books import Books, State
from leadmasterd.feeds.events import Outbox
from leadmasterd.feeds.process import Feeds, Process
from leadmasterd.listener import tree
from leadmasterd.listener.child import Child, environment_for
from leadmasterd.outbox import room
from leadmasterd.settings.model import Settings, load
from leadmasterd.settings.paths import Paths
from leadmasterd.supervisor.timing import Timing
from tests.feeds import Committer
from tests.processes import adopting_orphans
from tests.receivers import answers, receiving
from tests.waiting import LIMIT, until, until_true

PROGRAMS = Path(__file__).parent / "programs"
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(autouse=True)
def _subreaper() -> Iterator[None]:
    with adopting_orphans():
        yield


def settings_in(folder: Path, text: str) -> Paths:
    """A settings file with these feeds; the schedule's waits are a thousandth."""
    file = folder / "config.toml"
    file.write_text(f'state_dir = "state"\n[general]\nlanguage = "en"\n[supervisor]\ntime_divisor = 1000\n{text}\n')
    paths = load(str(file))[1]
    paths.state_dir.mkdir(mode=0o700, exist_ok=True)
    return paths


JSONL = '[feeds.all]\nkind = "jsonl"'


@asynccontextmanager
async def delivering(paths: Paths) -> AsyncIterator[FeedsProcess]:
    """As the daemon runs it."""
    warnings = ActiveWarnings(lambda: None)
    mine = FeedsProcess(paths, warnings=warnings, changed=lambda: None)
    task = asyncio.create_task(mine.run())
    try:
        yield mine
    finally:
        mine.stop()
        async with asyncio.timeout(LIMIT):
            await task
        assert mine.pid is None


class _Told(Process):
    """Reports to what the daemon has of it, instead of writing lines."""

    def __init__(self, settings: Settings, paths: Paths, daemon: FeedsProcess) -> None:
        super().__init__(settings, paths)
        self._daemon = daemon

    async def _report(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._daemon._reported(json.loads(json.dumps(self.report())))
            await asyncio.sleep(0.02)


@asynccontextmanager
async def delivering_here(paths: Paths) -> AsyncIterator[FeedsProcess]:
    """The same work within this process, where it is not about the process: its start takes a second of a processor."""
    daemon = FeedsProcess(paths, warnings=ActiveWarnings(lambda: None), changed=lambda: None)
    stop = asyncio.Event()
    task = asyncio.create_task(_Told(*load(str(paths.file)), daemon).run(stop))
    try:
        yield daemon
    finally:
        stop.set()
        async with asyncio.timeout(LIMIT):
            await task


NO_REPORTS = [
    "[" * 100_000, "[]", "7", "null", '{"low_water": 1e999}', '{"low_water": 9, "crowded": 9, "feeds": ["all"]}',
    '{"low_water": 9, "crowded": 9, "feeds": [], "trouble": ""}',
]  # fmt: skip
REPORT: dict[str, object] = {"low_water": 5, "crowded": 0, "trouble": None, "feeds": [], "alerts": ""}


async def test_lines_that_are_no_reports_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A library may print there. The next report counts, in the same life of the process."""
    (tmp_path / "lines").write_text("\n".join([*NO_REPORTS, json.dumps(REPORT)]))
    code = "import sys; print(open(sys.argv[1]).read(), flush=True); sys.stdin.read()"
    process = [sys.executable, "-c", code, str(tmp_path / "lines")]
    monkeypatch.setattr("leadmasterd.daemon.feeds.python_module", lambda *_: process)
    seen: list[int] = []
    async with delivering(settings_in(tmp_path, JSONL)) as feeds:
        feeds._changed = lambda: seen.append(feeds.low_water)
        await until(lambda: seen)
        assert (feeds.low_water, feeds.crowded, feeds.section()) == (5, 0, [])
    assert seen == [5]
    skipped = [record for record in caplog.records if record.__dict__.get("action") == "feeds_line"]
    assert len(skipped) == len(NO_REPORTS)


def warnings_of(feeds: FeedsProcess) -> dict[str, str]:
    """Those that are active."""
    return feeds._warnings.concerns()


def lines(paths: Paths) -> list[dict[str, Any]]:
    """What the feed `all` has written."""
    file = paths.state_dir / "feeds" / "all.jsonl"
    return [json.loads(line) for line in file.read_bytes().splitlines()] if file.exists() else []


async def test_events_reach_a_file_and_a_webhook_while_the_listener_restarts(tmp_path: Path) -> None:
    """A restart kills every younger descendant of the daemon but this one."""
    async with receiving(answers("200 OK")) as hub:
        paths = settings_in(
            tmp_path,
            f'{JSONL}\n[feeds.hub]\nkind = "webhook"\nurl = "http://127.0.0.1:{hub.port}/"\n'
            f'secret_file = "secret"\nprivate_hosts = ["127.0.0.1"]\nevents = ["lead.*"]',
        )
        (tmp_path / "secret").write_text(f"{SECRET}\n")
        with closing(Committer(paths.database)) as committer:
            child = await Child.start(
                [sys.executable, str(PROGRAMS / "hides_grandchildren.py")],
                environment=environment_for({}),
                marker="lm-test-of-the-feeds",
                on_lines=lambda _lines: None,
                on_oversize=lambda _head, _length: None,
                on_cut=lambda _head: None,
            )
            async with delivering(paths) as feeds:
                await until(lambda: feeds.section())
                pid = feeds.pid
                assert pid is not None
                assert psutil.Process(pid).create_time() >= child._born
                committer.commit(1, 2)
                committer.commit(1, kind="lead.opened")
                await until(lambda: len(lines(paths)) == 3 and hub.requests)
                await child.stop(replace(Timing(), stop_ask=0.2, stop_term=0.3, stop_kill=5))
                assert feeds.pid == pid
                committer.commit(1, kind="lead.stage")
                await until(lambda: len(lines(paths)) == 4 and len(hub.requests) == 2)
                assert feeds.pid == pid
                await until(lambda: feeds.low_water == 4)
                assert [(feed["name"], feed["state"], feed["behind"]) for feed in feeds.section()] == [
                    ("all", "active", 0),
                    ("hub", "active", 0),
                ]
                assert warnings_of(feeds) == {}
        kinds = [Judge(SECRET).verify(each.body, dict(each.headers))["type"] for each in hub.requests]
        assert kinds == ["lead.opened", "lead.stage"]


async def test_a_process_that_is_killed_is_started_again_and_loses_nothing(tmp_path: Path) -> None:
    """A warning tells it until it reports again."""
    paths = settings_in(tmp_path, JSONL)
    with closing(Committer(paths.database)) as committer:
        committer.commit(*[1] * 50)
        async with delivering(paths) as feeds:
            await until(lambda: lines(paths))
            pid = feeds.pid
            assert pid is not None
            psutil.Process(pid).kill()
            committer.commit(*[1] * 50)
            await until(lambda: "feeds_down" in warnings_of(feeds))
            await until(lambda: feeds.pid not in (None, pid) and feeds.low_water == 100)
            assert warnings_of(feeds) == {}
    assert list(dict.fromkeys(each["id"] for each in lines(paths))) == sorted(
        {each["id"] for each in lines(paths)}, key=lambda text: int(text.split("_")[1])
    )
    assert len({each["id"] for each in lines(paths)}) == 100


def test_it_ends_with_the_daemon_however_that_ends(tmp_path: Path) -> None:
    """Its stdin is a pipe whose other end only the daemon has."""
    paths = settings_in(tmp_path, JSONL)
    with closing(Committer(paths.database)):
        daemon = subprocess.Popen(
            [
                *(sys.executable, "-c"),
                "import asyncio, sys\n"
                "from leadmasterd.daemon.feeds import FeedsProcess\n"
                "from leadmasterd.daemon.warnings import ActiveWarnings\n"
                "from leadmasterd.settings.model import load\n"
                "paths = load(sys.argv[1])[1]\n"
                "feeds = FeedsProcess(paths, warnings=ActiveWarnings(lambda: None), changed=lambda: print(feeds.pid))\n"
                "asyncio.run(feeds.run())",
                str(paths.file),
            ],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert daemon.stdout
        pid = int(daemon.stdout.readline())
        feeds = psutil.Process(pid)
        daemon.kill()
        daemon.wait(LIMIT)
        daemon.stdout.close()
        until_true(lambda: not feeds.is_running() or feeds.status() == psutil.STATUS_ZOMBIE)
        tree.reap_orphans(frozenset())


async def test_a_second_process_waits_for_the_first(tmp_path: Path) -> None:
    """Two would deliver everything twice, and out of order."""
    paths = settings_in(tmp_path, JSONL)
    with closing(Committer(paths.database)) as committer:
        async with delivering(paths) as first:
            await until(lambda: first.section())
            async with delivering(paths) as second:
                committer.commit(1)
                await until(lambda: lines(paths))
                assert second.section() == []
                first.stop()
                committer.commit(1)
                await until(lambda: second.section())
                await until(lambda: len(lines(paths)) == 2)


async def test_a_feed_that_can_not_be_used_leaves_the_others_alone(tmp_path: Path) -> None:
    """It is told, and the events are kept for it."""
    paths = settings_in(
        tmp_path, f'{JSONL}\n[feeds.hub]\nkind = "webhook"\nurl = "https://hub.example/"\nsecret_file = "none"'
    )
    with closing(Committer(paths.database)) as committer:
        async with delivering_here(paths) as feeds:
            committer.commit(1, 1)
            await until(lambda: len(lines(paths)) == 2)
            await until(lambda: feeds.section() and feeds.section()[1]["behind"] == 2)
            assert feeds.section()[1]["state"] == "unusable"
            assert feeds.low_water == 0
            assert "hub (cannot read the secret file" in warnings_of(feeds)["feed_disabled"]


async def test_410_is_told_and_forgotten_by_a_restart(tmp_path: Path) -> None:
    """Whoever restarts the daemon has mended the receiver."""
    async with receiving(answers("410 Gone")) as hub:
        paths = settings_in(
            tmp_path,
            f'[feeds.hub]\nkind = "webhook"\nurl = "http://127.0.0.1:{hub.port}/"\nsecrets = ["{SECRET}"]\n'
            'private_hosts = ["127.0.0.1"]',
        )
        with closing(Committer(paths.database)) as committer:
            committer.commit(1)
            async with delivering_here(paths) as feeds:
                await until(lambda: warnings_of(feeds).get("feed_disabled") == "hub (HTTP 410)")
            hub.behaviour = answers("200 OK")
            async with delivering_here(paths) as feeds:
                await until(lambda: feeds.low_water == 1)
                assert warnings_of(feeds) == {}
    assert len(hub.requests) == 2


async def test_a_receiver_that_is_down_for_an_hour_is_told_until_the_first_delivery(tmp_path: Path) -> None:
    """One event is enough: a quiet shop has no ten failures in a row. The others deliver meanwhile."""
    async with receiving(answers("500 Internal Server Error")) as hub:
        paths = settings_in(
            tmp_path,
            f'{JSONL}\n[feeds.hub]\nkind = "webhook"\nurl = "http://127.0.0.1:{hub.port}/"\n'
            f'secrets = ["{SECRET}"]\nprivate_hosts = ["127.0.0.1"]',
        )
        with closing(Committer(paths.database)) as committer:
            committer.commit(1)
            async with delivering_here(paths) as feeds:
                await until(lambda: feeds.section() and feeds.section()[1]["retrying"])
                assert warnings_of(feeds) == {}
                await until(lambda: warnings_of(feeds).get("feed_down") == "hub (1 h, HTTP 500)")
                assert [feed["state"] for feed in feeds.section()] == ["active", "down"]
                hub.behaviour = answers("200 OK")
                await until(lambda: feeds.low_water == 1)
                await until(lambda: warnings_of(feeds) == {})
                assert feeds.section()[1]["state"] == "active"


async def test_settings_that_became_wrong_are_told(tmp_path: Path) -> None:
    """It reads them anew at each start; the daemon goes on with what it has."""
    paths = settings_in(tmp_path, JSONL)
    assert paths.file
    paths.file.write_text("[feeds.all]\nkind = 5\n")
    async with delivering(paths) as feeds:
        await until(lambda: warnings_of(feeds) == {"feeds_down": "exit code 78"})


async def test_a_feed_that_is_paused_for_weeks_does_not_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does one that can't be used. The oldest events are given up and told, and the daemon may delete them."""
    monkeypatch.setattr(room, "LEAST", 20_000)
    paths = settings_in(
        tmp_path, f'{JSONL}\n[feeds.hub]\nkind = "webhook"\nurl = "https://hub.example/"\nsecret_file = "none"'
    )
    settings = load(str(paths.file))[0]
    stop = asyncio.Event()
    with closing(Committer(paths.database)) as committer, closing(Outbox(paths.database)) as outbox:
        committer.commit(*[1, 2] * 500)
        with closing(Books(paths.state_dir / "feeds.db")) as books:
            books.register(settings.feeds, last_id=0, now="x")
            books.set_state("all", State.PAUSED, reason="", now="x")
            process = Feeds(settings, paths, outbox=outbox, books=books, emitter=AsyncIOEventEmitter(), free=lambda: 0)
            task = asyncio.create_task(process.run(stop))
            await until(lambda: process.report()["low_water"] and process.report()["feeds"][0]["given_up"])
            report = process.report()
            stop.set()
            await task
    assert 0 < report["low_water"] == report["crowded"] < 1000
    given_up = report["low_water"]
    assert [(feed["state"], feed["given_up"], feed["behind"]) for feed in report["feeds"]] == [
        ("paused", given_up, 1000 - given_up),
        ("unusable", given_up, 1000 - given_up),
    ]
    warnings = ActiveWarnings(lambda: None)
    daemon = FeedsProcess(paths, warnings=warnings, changed=lambda: None)
    daemon._reported(json.loads(json.dumps(report)))
    assert (daemon.low_water, daemon.crowded) == (given_up, given_up)
    assert warnings.concerns()["feed_overflow"] == f"all ({given_up}), hub ({given_up})"


async def test_a_line_that_is_longer_than_any_report_is_skipped(tmp_path: Path) -> None:
    """A feed of another package may print what it likes; the reports after it count, and the daemon goes on."""
    daemon = FeedsProcess(settings_in(tmp_path, JSONL), warnings=ActiveWarnings(lambda: None), changed=lambda: None)
    report: dict[str, object] = {"low_water": 7, "crowded": 0, "trouble": None, "feeds": [], "alerts": ""}
    stdout = asyncio.StreamReader(limit=100)
    stdout.feed_data(b"x" * 1000 + b"\n" + json.dumps(report).encode() + b"\n")
    stdout.feed_eof()
    await daemon._read(cast("asyncio.subprocess.Process", SimpleNamespace(stdout=stdout)))
    assert daemon.low_water == 7
