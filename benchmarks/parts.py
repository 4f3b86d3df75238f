"""What each megabyte of the daemon and each millisecond of `status` is for.

Memory is added step by step in a fresh process, and the whole is read from a real daemon with a small program in place
of Node. Time is processor time, so that what else runs counts little.
"""

import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import psutil

from benchmarks.bodies import Bodies
from benchmarks.commands import prepared_state
from benchmarks.daemon import until
from benchmarks.figures import Figure
from benchmarks.lines import message_line
from leadmasterd.apart import python_module
from leadmasterd.queries.database import open_for_reading
from leadmasterd.settings.paths import resolve_paths
from leadmasterd.state.files import read_status
from tests import wire

FEW: Final = 1_000
MANY: Final = 20_000
RUNS: Final = 15
IDLE: Final = 75.0
"""Seconds without a message before the daemon's memory is read: what is not needed is given back once a minute."""
_STEPS: Final = {
    "Python itself": "pass",
    "OpenSSL, for hashlib and asyncio": "import ssl, hashlib",
    "asyncio, with threads and subprocesses": "import asyncio.subprocess, concurrent.futures.thread",
    "other modules of Python": "import {standard}",
    "apscheduler": "import apscheduler.schedulers.asyncio",
    "psutil, watchdog, re2": "import psutil, watchdog.observers, re2",
    "our own modules": "import {ours}; from leadmasterd.daemon import memory; memory.use_little()",
    "the model": "from leadmasterd.classify import loading; model = loading.load_model(None)",
    "the rules": "rules = loading.load_rules(None)",
    f"words and phrases of {FEW:,} messages, cached": (
        "from leadmasterd.classify.classifier import Classifier; from leadmasterd.classify.intents import Signals\n"
        "classifier = Classifier(*rules, model)\n"
        "for body in open({bodies!r}): classifier.classify([body], Signals())"
    ),
    "phonenumbers, when the first chat is captured": "import phonenumbers; phonenumbers.parse('+5491155550001')",
    "segno, when a QR code is drawn": "from leadmasterd import qr; qr.draw('2@AbCd,Ef==,Gh==,Ij==,1', qr.Ink.COLOURS)",
}
_READS: Final = """
import gc; gc.set_threshold(50_000)
def megabytes():
    gc.collect()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in open('/proc/self/smaps_rollup') if line[:4] == 'Pss:')
found = []
"""
_CHILD: Final = """#!/bin/bash
# Writes what a linked listener with so many messages would, and ends when it is told anything.
if [ "$1" = --version ]; then echo v22.12.0; exit; fi
cat {lines}
exec head -n 1 >/dev/null
"""


def run() -> list[Figure]:
    """Rows in MB, then rows in ms: what each adds to those above it, and last the whole."""
    with tempfile.TemporaryDirectory(prefix="leadmasterd-bench-") as name:
        memory, milliseconds = _memory(Path(name)), _time(Path(name))
    rows = [*((each, "MB") for each in memory.items()), *((each, "ms") for each in milliseconds.items())]
    return [
        Figure(name=what, number=number, unit=unit, measured=f"{number:.1f} {unit}", promised="", held=True)
        for (what, number), unit in rows
    ]


def _memory(folder: Path) -> dict[str, float]:
    texts = Bodies()
    bodies = [" ".join(texts.asked().split()) for _ in range(MANY)]
    (folder / "bodies").write_text("\n".join(bodies[:FEW]), encoding="utf-8")
    standard, ours = _modules("import leadmasterd.cli.cmd_run", os.environ)
    code = _READS
    for step in _STEPS.values():
        filled = step.format(standard=standard, ours=ours, bodies=str(folder / "bodies"))
        code += f"{filled}\nfound.append(megabytes())\n"
    said = subprocess.run([sys.executable, "-P", "-c", f"{code}print(found)"], stdout=subprocess.PIPE, check=True)
    rows = _added(dict(zip(_STEPS, json.loads(said.stdout), strict=True)))
    few, many = (_daemon(folder / str(number), bodies[:number]) for number in (FEW, MANY))
    rows["threads, SQLite's pages, and what it keeps while it runs"] = few - sum(rows.values())
    return rows | {f"the daemon, idle after {FEW:,} messages": few, f"the same after {MANY:,}": many}


def _daemon(folder: Path, bodies: Sequence[str]) -> float:
    """Megabytes, once all of these were captured and made leads of."""
    folder.mkdir()
    where = resolve_paths(None, str(folder / "state"), "leadmaster.db")
    versions = {"listener": "0.1.0", "whatsapp_web_js": "1.34.7", "puppeteer": "24.38.0", "browser": None}
    first = [
        wire.line("hello", pid=1, versions={**versions, "node": "22.12.0"}, profile_new=True),
        wire.line("qr", seq=2, qr="2@AbCd,Ef==,Gh==,Ij==,1", valid_seconds=60),
        wire.ready(seq=3, fresh=True),
    ]
    lines = [wire.raw(each) + b"\n" for each in first]
    lines += [message_line(number, number + len(first) + 1, body) for number, body in enumerate(bodies)]
    (folder / "lines").write_bytes(b"".join(lines))
    (folder / "node").write_text(_CHILD.format(lines=shlex.quote(str(folder / "lines"))))
    (folder / "node").chmod(0o755)
    environment = {
        **os.environ,
        "LEADMASTERD_STATE_DIR": str(where.state_dir),
        "LEADMASTERD_LISTENER__NODE": str(folder / "node"),
        "LEADMASTERD_LISTENER__BROWSER": "/bin/true",
        "LEADMASTERD_SUPERVISOR__HEARTBEAT_TIMEOUT": "3600",  # the child sends none
    }

    def is_done() -> bool:
        if (read_status(where) or {}).get("phase") != "ready":
            return False
        with closing(open_for_reading(where)) as db:
            [counted] = db.execute("SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM unjudged)")
        return tuple(counted) == (len(bodies), 0)

    argv, nothing = python_module("leadmasterd", "run"), subprocess.DEVNULL
    with subprocess.Popen(argv, env=environment, stdout=nothing, stderr=nothing) as process:
        try:
            until(is_done, 600)
            time.sleep(IDLE)
            return float(psutil.Process(process.pid).memory_full_info().pss / 1e6)
        finally:
            process.terminate()


def _time(folder: Path) -> dict[str, float]:
    environment = {**os.environ, "LEADMASTERD_STATE_DIR": str(prepared_state(folder / "status"))}
    standard, ours = _modules("from leadmasterd.cli import main; main(['status'])", environment)
    imports = "import gc; gc.set_threshold(50_000); import os, {}; os._exit(0)"  # begins and ends as `status` does
    python = [sys.executable, "-P", "-c"]
    variants = {
        "`python -c pass`": [*python, "pass"],
        "other modules of Python": [*python, imports.format(standard)],
        "our own modules": [*python, imports.format(f"{standard}, {ours}")],
        "the command line, the settings, the queries and printing": python_module("leadmasterd", "status"),
    }
    taken: dict[str, list[float]] = {what: [] for what in variants}
    for _ in range(RUNS):
        for what, argv in variants.items():
            taken[what].append(_milliseconds(argv, environment))
    medians = {what: statistics.median(each) for what, each in taken.items()}
    return _added(medians) | {"all of `status`": [*medians.values()][-1]}


def _milliseconds(argv: Sequence[str], environment: Mapping[str, str]) -> float:
    process = subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in (0, 3), f"{argv} exited with {process.returncode}"  # 3: the daemon does not run
    return (used.ru_utime + used.ru_stime) * 1000


def _modules(code: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """What `code` imports, in its order: modules of Python, and ours, each with commas between."""
    listing = f"import sys\n{code}\nprint(*sys.modules, file=sys.stderr)"
    said = subprocess.run([sys.executable, "-P", "-c", listing], env=environment, capture_output=True, check=True)
    names = said.stderr.decode().split()
    standard = [name for name in names if name.partition(".")[0] in sys.stdlib_module_names]
    return ", ".join(standard), ", ".join(name for name in names if name.partition(".")[0] == "leadmasterd")


def _added(after: Mapping[str, float]) -> dict[str, float]:
    """What each adds to the one before it."""
    return {what: each - before for (what, each), before in zip(after.items(), [0.0, *after.values()], strict=False)}
