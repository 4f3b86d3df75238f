"""`make soak`: its traffic, its judgement on made series, and a run of seconds with real processes."""

import json
import math
import os
import random
import signal
import sqlite3
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import takewhile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from benchmarks.soak import run as soak
from benchmarks.soak.play import Interrupted, Play
from benchmarks.soak.samples import CEILINGS, Kind, Sample, judged, series
from benchmarks.soak.traffic import DAY, HOUR, OPENING, Happening, traffic
from benchmarks.soak.trend import Ceiling, judge
from tests.processes import lives
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parent.parent
MEMORY = Ceiling("memory", "MB", 150, "")


def days_of(seed: int, days: float) -> list[Happening]:
    """The traffic of so many days."""
    return list(takewhile(lambda each: each.at < days * DAY, traffic(seed)))


def verdict(value: Callable[[float], float], *, days: float = 1, samples: int = 240, ceiling: Ceiling = MEMORY) -> str:
    """What is said of a series that has this value at each day."""
    xs = [days * number / samples for number in range(samples)]
    return judge(ceiling, xs, [value(x) for x in xs])["verdict"]


def wandering(seed: int) -> Callable[[float], float]:
    """Noise whose neighbours are alike, as memory's are: some MB around 75, with bursts."""
    chance, at = random.Random(seed), [0.0]

    def value(_day: float) -> float:
        at[0] = 0.8 * at[0] + chance.gauss(0, 0.3)
        return 75 + at[0] + (chance.random() < 0.1) * chance.uniform(0, 30)

    return value


def test_a_seed_gives_the_same_traffic_and_another_seed_another() -> None:
    """So that a run can be repeated."""
    assert days_of(7, 2) == days_of(7, 2)
    assert days_of(7, 2) != days_of(8, 2)


def test_a_day_has_its_hours_chats_media_edits_and_cuts() -> None:
    """In the order of time, each message under an id of its own, and the connection is back after each cut."""
    happenings = days_of(7, 3)
    assert [each.at for each in happenings] == sorted(each.at for each in happenings)
    messages = [each for each in happenings if each.message]
    assert len({each.message for each in messages}) == len(messages)
    assert 400 < len(messages) / 3 < 800
    at_night = [each for each in messages if 2 <= (each.at / HOUR + OPENING) % 24 < 6]
    assert 0 < len(at_night) < len(messages) / 20
    assert len({each.body.get("from") or each.body.get("to") for each in messages}) > 150
    assert {each.body.get("type", "chat") for each in messages} == {"chat", "image", "ptt", "document", "sticker"}
    actions = [each.action for each in happenings]
    assert {*actions} == {"deliver", "own", "edit", "revoke", "react", "offline", "online"}
    cuts = [each for each in actions if each in ("offline", "online")]
    assert cuts.count("offline") == cuts.count("online") > 10


def test_a_leak_passes_its_ceiling() -> None:
    """5 MB a day are 150 in 30 days, though neighbours differ by more."""
    noise = wandering(1)
    assert verdict(lambda day: noise(day) + 5 * day, days=4) == "passes"


def test_a_leak_after_a_warm_up_passes_its_ceiling() -> None:
    """Caches that fill first hide it only as long as they fill."""
    noise = wandering(2)
    assert verdict(lambda day: noise(day) + 4 * day - 20 * math.exp(-5 * day), days=4) == "passes"


def test_noise_never_passes_a_ceiling() -> None:
    """In none of fifty series of a day, however it wanders."""
    assert "passes" not in {verdict(wandering(seed)) for seed in range(50)}


def test_long_noise_holds() -> None:
    """What is too short to tell after a day is known after a month."""
    assert {verdict(wandering(seed), days=30) for seed in range(10)} == {"holds"}


@pytest.mark.parametrize("after", [0.1, 0.25, 0.5])
def test_what_levels_off_does_not_pass_a_ceiling(after: float) -> None:
    """A cache that fills by 40 MB; `after` is the part of the run in which most of it is filled."""
    for seed in range(20):
        noise = wandering(seed)
        said = verdict(lambda day, noise=noise: noise(day) + 40 * (1 - math.exp(-day / after)))  # type: ignore[misc]
        assert said != "passes", seed


def test_what_fills_up_by_design_is_not_judged_before_it_is_full() -> None:
    """A WAL grows to 4 MB before its first checkpoint: a run of a minute ended there, and failed."""
    wal = next(each for each in CEILINGS if each.name == "WAL")
    assert verdict(lambda x: 1 + 100 * x, days=0.02, ceiling=wal) == "unclear"
    assert verdict(lambda x: 4 + 100 * x, days=0.02, ceiling=wal) == "passes"


def test_what_is_freed_again_and_again_holds() -> None:
    """A garbage collector's saw teeth, each a fifth of the run, on a floor that stays."""
    assert verdict(lambda day: 60 + 50 * (day * 5 % 1), samples=480, days=30) == "holds"


def test_a_steady_value_holds_and_one_above_its_ceiling_does_not() -> None:
    """Descriptors, for one, hardly move."""
    assert verdict(lambda _: 40) == "holds"
    assert verdict(lambda _: 160) == "passes"


def test_a_message_is_judged_by_what_it_takes_and_not_by_days() -> None:
    """A database that grows by 2,000 bytes a message is as it should be, however many come."""
    ceiling = Ceiling("database", "bytes", 4000, "", by_message=True)
    steps = [float(4096 * (number // 2)) for number in range(200)]
    assert judge(ceiling, [float(number) for number in range(200)], steps)["verdict"] == "holds"
    assert judge(ceiling, [number / 3 for number in range(200)], steps)["verdict"] == "passes"


def test_a_few_samples_are_too_few() -> None:
    """Neither good nor bad is said of them."""
    assert verdict(lambda day: 75 + 1000 * day, samples=40) == "too short"
    assert judge(MEMORY, [], [])["verdict"] == "too short"


def sample(number: int, *, life: str = "1-2", ready: bool = True, node: float = 46) -> Sample:
    """One of a run, whose daemon has 75 MB."""
    kinds = {
        name: Kind(processes=1, pss=round(megabytes * 1e6), descriptors=40, threads=10)
        for name, megabytes in (("daemon", 75.0), ("node", node), ("browser", 120.0), ("renderer", 66.0))
    }
    return Sample(
        at="2026-11-30T12:00:00.000Z",
        seconds=number * 10,
        days=number / 10,
        ready=ready,
        life=life,
        delivered=number * 6,
        captured=number * 6,
        kinds=kinds,
        database=number * 6 * 2000,
        wal=4_000_000,
        beside=20_000_000,
        latency=12.0,
    )


def test_node_and_the_browser_are_judged_by_their_longest_life() -> None:
    """A new one begins with little, which is no sign that a leak is mended."""
    samples = [sample(number, life="3-4", node=20) for number in range(20)]
    samples += [sample(number, node=40 + 2 * number) for number in range(20, 200)]
    verdicts = {each["name"]: each["verdict"] for each in judged(samples)}
    assert verdicts["Node, memory"] == "passes"
    assert verdicts.pop("all, memory") == "passes"
    assert {*verdicts.values()} == {"passes", "holds"}
    assert len(series(samples, "Node, memory")) == 180
    assert len(series(samples, "daemon, memory")) == 200


def test_samples_of_an_outage_do_not_count() -> None:
    """Without its browser everything is small."""
    samples = [sample(number, ready=number % 2 == 0) for number in range(200)]
    assert len(series(samples, "all, memory")) == 100


def test_each_ceiling_is_a_series_with_a_reason() -> None:
    """The document's table is what `--ceilings` prints."""
    rows = judged([sample(number) for number in range(200)])
    assert [row["name"] for row in rows] == [each.name for each in CEILINGS]
    table = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8").splitlines()
    for each in CEILINGS:
        assert f"| {each.name} | {each.most:,g}{' ' * bool(each.unit)}{each.unit} | {each.why} |" in table
    assert {row["verdict"] for row in rows} == {"holds"}


def left_by(folder: Path, samples: Sequence[Sample], *end: object) -> Path:
    """What a run leaves: its first line, its samples, and how it ended."""
    folder.mkdir()
    first = {"seed": 7, "hours": 1.0, "speed": 20.0, "machine": "2 cores"}
    lines = [first, *samples, *end]
    (folder / "samples.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    return folder


END = {"lost": [], "doubled": [], "sent": 0}


def test_what_a_run_has_left_is_judged_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table, and a picture with a chart for each series."""
    folder = left_by(tmp_path / "it", [sample(number) for number in range(200)], END)
    assert soak.main(["--read", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "daemon, memory, MB" in said
    assert "1194 messages: 0 lost, 0 doubled, 0 sent" in said
    drawn = ET.parse(folder / "soak.svg").getroot()
    assert len([each for each in drawn if each.tag.endswith("}g")]) == len(CEILINGS)


@pytest.mark.parametrize(
    ("leak", "end"), [(0.0, {**END, "lost": ["SOAK1"]}), (0.0, {**END, "doubled": ["SOAK1"]}), (1.0, END)]
)
def test_it_fails_for_a_loss_a_double_and_a_leak(tmp_path: Path, leak: float, end: dict[str, object]) -> None:
    """Exit code 1, for a program that runs it every week."""
    folder = left_by(tmp_path / "it", [sample(number, node=40 + leak * number) for number in range(200)], end)
    assert soak.main(["--read", str(folder), "--json"]) == 1


def test_a_run_that_was_killed_is_reported_as_far_as_it_went(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its last line may be cut, and what was lost is not known."""
    folder = left_by(tmp_path / "it", [sample(number) for number in range(200)])
    with (folder / "samples.jsonl").open("a") as file:
        file.write('{"at": "2026-')
    assert soak.main(["--read", str(folder)]) == 0
    assert "as far as it went" in capsys.readouterr().out


@pytest.mark.parametrize("content", [None, "", "no json\n", '{"seed": 7}\n'])
def test_a_folder_without_samples_is_refused_in_one_sentence(
    tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing in it is touched."""
    if content is not None:
        (tmp_path / "samples.jsonl").write_text(content)
    assert soak.main(["--read", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"cannot read {tmp_path}: ")
    assert not (tmp_path / "soak.svg").exists()


@pytest.mark.parametrize("words", [["--hours", "x"], ["--speed", "0"], ["--hours", "inf"]])
def test_a_length_or_speed_that_is_none_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The error shows what was given."""
    with pytest.raises(SystemExit):
        soak.main(words)
    assert f"cannot use '{words[1]}': a number above 0 is needed" in capsys.readouterr().err


def test_a_folder_that_is_there_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It may hold the samples of another run."""
    assert soak.main(["--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"cannot make {tmp_path} (")


def started(folder: Path, *words: str) -> "subprocess.Popen[str]":
    """A soak as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.soak.run", "--out", str(folder), "--seed", "7", "--json", *words],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("LEADMASTERD_")},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.e2e
def test_a_soak_of_seconds_loses_nothing_and_reports(tmp_path: Path) -> None:
    """Four seconds at a thousand times a shop's speed."""
    said, _ = started(tmp_path / "it", "--hours", "0.0011", "--speed", "1000").communicate(timeout=200)
    report = json.loads(said)
    assert report["good"], report
    assert (report["lost"], report["doubled"], report["sent"], report["interrupted"]) == ([], [], 0, False)
    assert report["messages"] > 10
    lines = [json.loads(line) for line in (tmp_path / "it" / "samples.jsonl").read_text().splitlines()]
    kinds = {kind for line in lines[1:-1] for kind in line["kinds"]}
    assert {"daemon", "node", "browser", "renderer"} <= kinds
    assert lines[-2]["captured"] > 0
    assert any(line["latency"] for line in lines[1:-1])
    ET.parse(tmp_path / "it" / "soak.svg")


def test_a_message_whose_delivery_is_interrupted_is_not_missed() -> None:
    """Whether it came is not known."""

    def interrupted(_action: str, **_body: object) -> None:
        raise Interrupted

    parts: Any = SimpleNamespace(standin=SimpleNamespace(act=interrupted))
    process: Any = None
    play = Play(parts, process, speed=1, every=1, sampled=lambda _sample: None)
    message = next(each for each in traffic(7) if each.message)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE messages (message_id INTEGER)")
        with pytest.raises(Interrupted):
            play._happen(connection, message)
    assert play.outcome.delivered == []


@pytest.mark.e2e
def test_a_soak_that_is_interrupted_still_reports_and_leaves_nothing_running(tmp_path: Path) -> None:
    """Ctrl-C after some samples: nothing was lost so far."""
    run = started(tmp_path / "it", "--hours", "1", "--speed", "1000")
    samples = tmp_path / "it" / "samples.jsonl"
    try:
        # An hour's samples are 15 s apart.
        wait_for(lambda: samples.exists() and len(samples.read_text().splitlines()) > 1, "a sample", limit=200)
        processes = psutil.Process(run.pid).children(recursive=True)
        assert len(processes) > 5
    finally:
        run.send_signal(signal.SIGINT)
        said, _ = run.communicate(timeout=200)
    report = json.loads(said)
    assert run.returncode == 0, report
    assert report["interrupted"]
    assert report["counted"]
    assert (report["lost"], report["doubled"]) == ([], [])
    assert report["messages"] > 10
    wait_for(lambda: not any(lives(each) for each in processes), "its processes to be gone")
