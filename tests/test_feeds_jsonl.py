"""The file of JSON lines: whole lines only, rotated and compressed, private, and none lost on a full disk."""

import gzip
import json
import os
import stat
from pathlib import Path

import pytest

from leadmasterd.errors import CannotUseSettings
from leadmasterd.feeds import envelope
from leadmasterd.feeds.kinds.jsonl import JsonLines
from leadmasterd.feeds.schedule import DELIVERED, Outcome, Result
from leadmasterd.outbox.reading import Event
from tests.feeds import AT


def event(number: int) -> Event:
    """One of many."""
    return Event(number, "message.stored", 3, AT, {"text": "ñ 🎉\n" + "x" * 100}, None)


async def write(receiver: JsonLines, *numbers: int) -> None:
    """Deliver these."""
    for number in numbers:
        assert await receiver.deliver(event(number), after_gap=False) == DELIVERED


def files(folder: Path, ending: str = "") -> list[Path]:
    """Sorted by name, so by time."""
    return sorted(each for each in folder.iterdir() if each.name.endswith(ending))


def ids(data: bytes) -> list[str]:
    """Of the lines."""
    return [json.loads(line)["id"] for line in data.splitlines()]


async def test_an_event_is_one_line_for_whatever_splits_lines(tmp_path: Path) -> None:
    """JSON may hold separators that many readers take for the end of a line."""
    text = "quince\x85quinientos\u2028mil\u2029y\x0bpico\x1c"
    path = tmp_path / "all.jsonl"
    receiver = JsonLines(path, rotate_bytes=10**6, keep=0)
    await receiver.deliver(Event(1, "message.stored", 3, AT, {"text": text}, None), after_gap=False)
    receiver.flush()
    await receiver.close()
    [line] = path.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["data"]["text"] == text


async def test_a_line_is_an_event_and_the_file_is_private(tmp_path: Path) -> None:
    """The same members as a webhook's body, and the id."""
    path = tmp_path / "feeds" / "all.jsonl"
    receiver = JsonLines(path, rotate_bytes=10**6, keep=0)
    await receiver.deliver(event(1), after_gap=True)
    await write(receiver, 2)
    receiver.flush()
    await receiver.close()
    first, second = (json.loads(line) for line in path.read_bytes().splitlines())
    assert first == {
        "id": envelope.id_of(event(1)),
        "type": "message.stored",
        "timestamp": AT,
        "data": event(1).data,
        "after_gap": True,
    }
    assert "after_gap" not in second
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_files_are_rotated_compressed_and_counted(tmp_path: Path) -> None:
    """No line is torn or lost on the way; only as many files are kept as asked for."""
    path = tmp_path / "all.jsonl"
    receiver = JsonLines(path, rotate_bytes=1_000, keep=3)
    seen: list[str] = []
    for number in range(1, 41):
        await write(receiver, number)
        if number % 2 == 0:
            receiver.flush()
        packed = files(tmp_path, ".gz")
        assert len(packed) <= 3 + (number % 2)
        seen += [each for file in packed for each in ids(gzip.decompress(file.read_bytes())) if each not in seen]
        assert all(stat.S_IMODE(each.stat().st_mode) == 0o600 for each in files(tmp_path))
        assert path.stat().st_size <= 1_000
    await receiver.close()
    seen += [each for each in ids(path.read_bytes()) if each not in seen]
    assert seen == [envelope.id_of(event(number)) for number in range(1, 41)]
    assert files(tmp_path, ".new") == []


async def test_a_line_larger_than_a_file_has_one_of_its_own(tmp_path: Path) -> None:
    """Nothing is refused for its length here."""
    path = tmp_path / "all.jsonl"
    receiver = JsonLines(path, rotate_bytes=10, keep=0)
    await write(receiver, 1, 2, 3)
    receiver.flush()
    await receiver.close()
    assert len(ids(path.read_bytes())) == 1
    assert len(files(tmp_path, ".gz")) == 2


@pytest.mark.parametrize("torn", [b'{"id":"evt_3', b"\xff" * 200_000])
async def test_a_line_that_a_crash_left_half_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    """Its event was not noted, so it comes again."""
    path = tmp_path / "all.jsonl"
    receiver = JsonLines(path, rotate_bytes=10**6, keep=0)
    await write(receiver, 1, 2)
    await receiver.close()
    with path.open("ab") as file:
        file.write(torn)
    again = JsonLines(path, rotate_bytes=10**6, keep=0)
    await write(again, 3)
    await again.close()
    assert ids(path.read_bytes()) == [envelope.id_of(event(number)) for number in (1, 2, 3)]


@pytest.mark.parametrize("content", [b"SQLite format 3\x00\n\x00", b"a person's\nnotes", b'{"id":1}\n{'])
def test_a_file_of_anything_else_is_left_alone(tmp_path: Path, content: bytes) -> None:
    """Such as the database, if somebody names it in `path`: its end would be cut off like half a line."""
    path = tmp_path / "leadmaster.db"
    path.write_bytes(content)
    with pytest.raises(CannotUseSettings, match="it holds something else"):
        JsonLines(path, rotate_bytes=10**6, keep=0)
    assert path.read_bytes() == content


@pytest.mark.parametrize("length", [0, 1, 5, 12, 40])
async def test_the_first_line_may_be_the_half_one(tmp_path: Path, length: int) -> None:
    """However little of it there is."""
    path = tmp_path / "all.jsonl"
    path.write_bytes((b'{"id":"evt_1_' + b"0" * 100)[:length])
    receiver = JsonLines(path, rotate_bytes=10**6, keep=0)
    await write(receiver, 1)
    await receiver.close()
    assert ids(path.read_bytes()) == [envelope.id_of(event(1))]


async def test_what_a_crash_left_uncompressed_is_compressed_later(tmp_path: Path) -> None:
    """The plain file stays until the compressed one is whole."""
    path = tmp_path / "all.jsonl"
    plain = tmp_path / "all.jsonl.20261123T120000.000000Z"
    plain.write_text("{}\n")
    (tmp_path / f".{plain.name}.new").write_text("half")
    other = tmp_path / "all.jsonl.mine"
    other.write_text("a person's")
    receiver = JsonLines(path, rotate_bytes=10**6, keep=1)
    receiver.flush()
    await receiver.close()
    assert gzip.decompress((tmp_path / f"{plain.name}.gz").read_bytes()) == b"{}\n"
    assert not plain.exists()
    assert other.exists()


async def test_a_clock_that_was_set_back_makes_no_new_file_the_oldest(tmp_path: Path) -> None:
    """It would go at once, with lines that nobody has read yet."""
    path = tmp_path / "all.jsonl"
    (tmp_path / "all.jsonl.20991123T120000.000000Z.gz").write_bytes(gzip.compress(b"{}\n"))
    receiver = JsonLines(path, rotate_bytes=400, keep=1)
    for number in (1, 2, 3):
        await write(receiver, number)
        receiver.flush()
    await receiver.close()
    [kept] = files(tmp_path, ".gz")
    assert ids(gzip.decompress(kept.read_bytes())) == [envelope.id_of(event(2))]
    assert ids(path.read_bytes()) == [envelope.id_of(event(3))]


async def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event is tried again, and the file goes on where its last whole line ends."""
    path = tmp_path / "all.jsonl"
    receiver = JsonLines(path, rotate_bytes=10**6, keep=0)
    await write(receiver, 1)
    real_write, calls = os.write, []

    def full(file: int, data: bytes) -> int:
        calls.append(data)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return real_write(file, data[:10])

    monkeypatch.setattr(os, "write", full)
    assert await receiver.deliver(event(2), after_gap=False) == Outcome(Result.AGAIN, "the disk is full")
    monkeypatch.undo()
    await write(receiver, 2)
    await receiver.close()
    assert ids(path.read_bytes()) == [envelope.id_of(event(1)), envelope.id_of(event(2))]


async def test_a_file_that_cannot_be_begun_leaves_the_old_one_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What did not fit comes again, and finds its place when there is one."""
    path = tmp_path / "all.jsonl"
    receiver = JsonLines(path, rotate_bytes=400, keep=0)
    await write(receiver, 1)
    real_open = os.open

    def full(file: str | Path, flags: int, mode: int = 0o777) -> int:
        if not Path(file).exists():
            raise OSError(28, "No space left on device")
        return real_open(file, flags, mode)

    with monkeypatch.context() as disk:
        disk.setattr(os, "open", full)
        for _again in range(2):
            assert await receiver.deliver(event(2), after_gap=False) == Outcome(Result.AGAIN, "the disk is full")
    await write(receiver, 2)
    receiver.flush()
    await receiver.close()
    [rotated] = files(tmp_path, ".gz")
    assert ids(gzip.decompress(rotated.read_bytes())) == [envelope.id_of(event(1))]
    assert ids(path.read_bytes()) == [envelope.id_of(event(2))]


async def test_what_cannot_be_compressed_yet_holds_up_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk the books of all feeds would wait for it; nothing half is left there."""
    path = tmp_path / "all.jsonl"
    receiver = JsonLines(path, rotate_bytes=400, keep=0)
    await write(receiver, 1, 2)

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        receiver.flush()
    assert len(files(tmp_path)) == 2
    receiver.flush()
    await receiver.close()
    [rotated] = files(tmp_path, ".gz")
    assert ids(gzip.decompress(rotated.read_bytes())) == [envelope.id_of(event(1))]


async def test_a_file_that_a_person_has_removed_begins_anew(tmp_path: Path) -> None:
    """At the latest when it would be rotated."""
    path = tmp_path / "all.jsonl"
    receiver = JsonLines(path, rotate_bytes=400, keep=0)
    await write(receiver, 1)
    path.unlink()
    await write(receiver, 2)
    await receiver.close()
    assert ids(path.read_bytes()) == [envelope.id_of(event(2))]
