"""Nothing that listens can reach what sends, nor the other way round: in the wheel that is installed.

The contracts in pyproject.toml say so of the checkout. Here the imports of the built wheel are followed, those inside
functions and for type checkers too, and those of the leaves that both sides share.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
SENDER: Final = "leadmasterd.outbound"

SHARED: Final = {
    "leadmasterd",
    "leadmasterd.causes",
    "leadmasterd.errors",
    "leadmasterd.identity",
    "leadmasterd.language",
    "leadmasterd.leads.calendar",
    "leadmasterd.leads.public_holidays",
    "leadmasterd.settings.language_light",
    "leadmasterd.settings.leads_light",
    "leadmasterd.settings.paths",
    "leadmasterd.settings.section",
    "leadmasterd.settings.sending",
    "leadmasterd.settings.variables",
    "leadmasterd.text",
    "leadmasterd.catalogue",
    "leadmasterd.times",
    "leadmasterd.usage",
}
"""All that the sender has in common with the rest: leaves that read a settings file at most."""

WAYS_OUT: Final = {
    "aiohttp", "asyncio", "ftplib", "http", "httpx", "multiprocessing", "pywa", "requests", "smtplib", "socket", "ssl",
    "subprocess", "urllib", "urllib3",
}  # fmt: skip
"""What could carry a message off this machine, or start something that does."""

Graph = dict[str, set[str]]
"""What each module imports."""

_DRAW: Final = """
import grimp, json
graph = grimp.build_graph("leadmasterd", include_external_packages=True, cache_dir=None)
print(json.dumps({each: sorted(graph.find_modules_directly_imported_by(each)) for each in graph.modules}))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the built wheel was unpacked to."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder / "site")
    return folder / "site"


def run(site: Path, code: str) -> str:
    """With the wheel's modules and not the checkout's."""
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=site, env=environment, check=True, capture_output=True, text=True).stdout


def graph_of(site: Path) -> Graph:
    return {module: set(imported) for module, imported in json.loads(run(site, _DRAW)).items()}


@pytest.fixture(scope="module")
def graph(site: Path) -> Graph:
    return graph_of(site)


def sends(module: str) -> bool:
    return module == SENDER or module.startswith(f"{SENDER}.")


def reached_from(graph: Graph, start: set[str]) -> set[str]:
    """All that these import, however far away."""
    found, waiting = set(start), list(start)
    while waiting:
        new = graph.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


def those_that_reach_the_sender(graph: Graph) -> set[str]:
    return {each for each in graph if not sends(each) and any(map(sends, reached_from(graph, {each})))}


def reached_by_the_sender(graph: Graph) -> set[str]:
    return {each for each in reached_from(graph, set(filter(sends, graph))) if not sends(each)}


# ---------------------------------------------------------------------- the tests


def test_nothing_that_listens_reaches_the_sender(graph: Graph) -> None:
    """Neither the daemon nor its commands, by any way round."""
    assert {"leadmasterd.cli", "leadmasterd.daemon.app", "leadmasterd.listener.child"} <= graph.keys()
    assert {f"{SENDER}.sender", f"{SENDER}.gateway"} <= graph.keys()
    assert those_that_reach_the_sender(graph) == set()


def test_the_sender_reaches_the_shared_leaves_and_no_more(graph: Graph) -> None:
    """Another one is added to SHARED on purpose, or not at all."""
    assert {each for each in reached_by_the_sender(graph) if each.startswith("leadmasterd")} == SHARED


def test_the_sender_has_no_way_off_this_machine(site: Path, graph: Graph) -> None:
    """No client, no socket, no program to start; and no address of Meta's in the wheel."""
    assert reached_by_the_sender(graph) & WAYS_OUT == set()
    sources = [*site.rglob("*.py"), *site.rglob("*.toml")]
    assert len(sources) > 100
    assert [each for each in sources if "graph.facebook.com" in each.read_text(encoding="utf-8")] == []
    own = [each.read_text(encoding="utf-8") for each in (site / "leadmasterd" / "outbound").glob("*.py")]
    assert not any(
        re.search(r"import_module|__import__|exec\(|eval\(|os\.system|os\.exec|os\.spawn", each) for each in own
    )


def test_no_name_of_the_sender_is_in_the_code_that_listens(site: Path) -> None:
    """So that nothing imports or starts it by name; only its settings say what they are for."""
    package = site / "leadmasterd"
    named = {
        each.relative_to(package).as_posix()
        for each in package.rglob("*.py")
        if re.search(r"leadmasterd[./]outbound|leadmaster-outbound", each.read_text(encoding="utf-8"))
    }
    assert {each for each in named if not each.startswith("outbound/")} == {"settings/sending.py"}


def test_what_runs_is_what_was_followed(site: Path) -> None:
    """A process of the sender has none of the listener's modules, and one of the listener's none of the sender's."""
    code = "import sys, {}; print(*(each for each in sys.modules if each.startswith('leadmasterd')))"
    loaded = set(run(site, code.format("leadmasterd.outbound.cli")).split())
    parents = {"leadmasterd.leads", "leadmasterd.settings"}
    assert {each for each in loaded if not sends(each)} <= SHARED | parents
    loaded = set(run(site, code.format("leadmasterd.cli, leadmasterd.daemon.app")).split())
    assert "leadmasterd.listener.child" in loaded
    assert set(filter(sends, loaded)) == set()


def test_the_wheel_has_both_commands(site: Path) -> None:
    """Each is a program of its own."""
    [file] = site.glob("*.dist-info/entry_points.txt")
    assert {
        "leadmasterd = leadmasterd.__main__:run",
        "leadmaster-outbound = leadmasterd.outbound.cli:main",
    } <= set(file.read_text().splitlines())


@pytest.mark.parametrize(
    ("file", "line", "found"),
    [
        (
            "daemon/app.py",
            "def _later():\n    from leadmasterd.outbound.sender import Sender",
            "leadmasterd.daemon.app",
        ),
        ("times.py", "import leadmasterd.outbound.gateway", "leadmasterd.daemon.app"),
        ("outbound/core.py", "def _later():\n    from leadmasterd.listener import child", "leadmasterd.listener.child"),
        ("text.py", "import leadmasterd.store.writer", "leadmasterd.store.writer"),
        ("outbound/gateway.py", "import http.client", "http"),
        ("identity.py", "import socket", "socket"),
    ],
)
def test_a_hole_in_the_wall_is_found(site: Path, tmp_path: Path, file: str, line: str, found: str) -> None:
    """Shows that these checks can fail: a copy of the wheel with one more import."""
    shutil.copytree(site, tmp_path / "site")
    with (tmp_path / "site" / "leadmasterd" / file).open("a", encoding="utf-8") as source:
        source.write(f"\n\n{line}\n")
    graph = graph_of(tmp_path / "site")
    assert found in those_that_reach_the_sender(graph) | (reached_by_the_sender(graph) - SHARED)


def test_the_wheel_brings_the_catalogues(site: Path) -> None:
    """What is installed speaks Spanish too."""
    code = "from leadmasterd import sentences, text; text.speak('es'); print(sentences.because('trying_again', {}))"
    assert run(site, code) == "arrancando de nuevo\n"
