"""A dead-man's switch hears that capture works only while that is proven."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leadmasterd.alerts import ping
from leadmasterd.alerts.ping import StillAlive, unproven
from leadmasterd.times import iso
from tests.receivers import HttpReceiver, answers, receiving
from tests.waiting import until

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def status(phase: str = "ready", code: str = "ready", *, at: datetime = NOW, **more: Any) -> dict[str, Any]:
    return {"v": 1, "phase": phase, "code": code, "trouble": None, "capture": {"alive_at": iso(at)}, **more}


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (status(), ""),
        (status(at=NOW - timedelta(seconds=170)), ""),
        (status(at=NOW - timedelta(seconds=190)), "heartbeat_lost"),
        (status(at=NOW + timedelta(hours=1)), "heartbeat_lost"),
        (status(capture={"alive_at": None}), "heartbeat_lost"),
        (status(capture={}), "heartbeat_lost"),
        (status("waiting_for_scan", "scan_needed"), "scan_needed"),
        (status("reconnecting", "connection_lost"), "connection_lost"),
        (status("halted", "temporary_ban", values={"message": "Ana"}), "temporary_ban"),
        (status(trouble={"code": "disk_full", "detail": "/srv/ana"}), "disk_full"),
        (status("halted", "call Ana at +5491155550001"), "unknown"),
        (status("halted", ""), "unknown"),
        ({"v": 1}, "heartbeat_lost"),
        (None, "no_status"),
    ],
)
def test_only_a_proven_live_path_is_a_success(found: Mapping[str, Any] | None, code: str) -> None:
    """Of what it tells, everything is a code: no word and no number of people."""
    assert unproven(found, NOW) == code


@asynccontextmanager
async def pinging(url: str, **options: Any) -> AsyncIterator[dict[str, Any]]:
    """Pings as `found["status"]` says, many times a second."""
    found: dict[str, Any] = {"status": status(at=datetime.now(UTC))}
    async with asyncio.TaskGroup() as tasks:
        switch = StillAlive(url, lambda: found["status"], divisor=2000, **options)
        task = tasks.create_task(switch.run(), name="ping")
        yield found
        assert not task.done()
        task.cancel()


def lines(receiver: HttpReceiver) -> list[str]:
    return [request.line.removesuffix(" HTTP/1.1") for request in receiver.requests]


async def test_it_starts_then_says_that_it_works_and_at_once_when_a_person_is_needed() -> None:
    async with receiving(answers("200 OK")) as switch, pinging(f"http://127.0.0.1:{switch.port}/uuid") as found:
        await until(lambda: len(switch.requests) >= 3)
        assert lines(switch)[:3] == ["GET /uuid/start", "GET /uuid", "GET /uuid"]
        found["status"] = status("waiting_for_scan", "scan_needed")
        await until(lambda: lines(switch)[-1] == "POST /uuid/fail")
        assert switch.requests[-1].body == b"scan_needed"
        found["status"] = status(at=datetime.now(UTC))
        await until(lambda: lines(switch)[-1] == "GET /uuid")
        assert set(lines(switch)) == {"GET /uuid/start", "GET /uuid", "POST /uuid/fail"}


async def test_what_comes_back_by_itself_is_told_only_after_a_while() -> None:
    """Silence alone raises no alarm before the switch's own grace."""
    async with (
        receiving(answers("200 OK")) as switch,
        pinging(f"http://127.0.0.1:{switch.port}/uuid?create=1", fail_after=1e9) as found,
    ):
        await until(lambda: "GET /uuid?create=1" in lines(switch))
        told = len(switch.requests)
        looks = 0

        class Counting(dict[str, Any]):
            def __getitem__(self, key: str) -> Any:
                nonlocal looks
                looks += key == "phase"
                return super().__getitem__(key)

        found["status"] = Counting(status("reconnecting", "connection_lost"))
        await until(lambda: looks > 5)
        assert len(switch.requests) <= told + 1  # one may have been under way
        assert "POST /uuid/fail?create=1" not in lines(switch)
    async with (
        receiving(answers("200 OK")) as switch,
        pinging(f"http://127.0.0.1:{switch.port}/uuid?create=1", fail_after=1) as found,
    ):
        found["status"] = status("reconnecting", "connection_lost")
        await until(lambda: "POST /uuid/fail?create=1" in lines(switch))
        assert switch.requests[-1].body == b"connection_lost"


@pytest.mark.parametrize("answer", ["404 Not Found", "302 Found", "500 Broken"])
async def test_a_switch_that_fails_disturbs_nothing_and_is_logged_once(
    answer: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with receiving(answers("200 OK")) as elsewhere:
        location = f"location: http://127.0.0.1:{elsewhere.port}/"
        async with (
            receiving(answers(answer, location)) as switch,
            pinging(f"http://127.0.0.1:{switch.port}/secret-uuid"),
        ):
            await until(lambda: len(switch.requests) >= 4)
        assert elsewhere.requests == []
    [line] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert answer[:3] in line
    assert "secret-uuid" not in caplog.text


async def test_a_switch_that_is_not_there_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    async with receiving(answers("200 OK")) as switch:
        port = switch.port
    async with pinging(f"http://127.0.0.1:{port}/secret-uuid"):
        await until(lambda: "not reached" in caplog.text)
    assert "secret-uuid" not in caplog.text


async def test_a_name_of_a_private_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As feeds do it; one who means a host of the shop's own network writes its address."""
    async with receiving(answers("200 OK")) as switch:

        async def resolves(*_arguments: object, **_options: object) -> list[tuple[Any, ...]]:
            return [(2, 1, 6, "", ("127.0.0.1", switch.port))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolves)
        async with pinging(f"http://switch.example:{switch.port}/uuid"):
            await until(lambda: "not reached" in caplog.text)
        assert switch.requests == []
        async with pinging(f"http://localhost:{switch.port}/uuid"):
            await until(lambda: len(switch.requests) >= 2)


async def test_a_status_that_can_not_be_read_is_no_proof_and_no_end() -> None:
    def unreadable() -> None:
        raise PermissionError(13, "no")

    async with receiving(answers("200 OK")) as switch, asyncio.TaskGroup() as tasks:
        alive = StillAlive(f"http://127.0.0.1:{switch.port}/uuid", unreadable, fail_after=1, divisor=2000)
        task = tasks.create_task(alive.run(), name="ping")
        await until(lambda: "POST /uuid/fail" in lines(switch))
        assert switch.requests[-1].body == b"no_status"
        task.cancel()


async def test_a_switch_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    async def silent(_writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr(ping, "_TRY_SECONDS", 0.2)
    async with receiving(silent) as switch, pinging(f"http://127.0.0.1:{switch.port}/uuid"):
        await until(lambda: len(switch.requests) >= 2)
    assert "Timeout" in caplog.text
