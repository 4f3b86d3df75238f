"""A shop whose page is served: a state directory with a small story, and the real process."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any, cast

import pytest

from leadmasterd.cli import main
from leadmasterd.settings.paths import Paths, find_paths
from tests.captures import make_database
from tests.forked import Forked
from tests.test_cli_leads import ALWAYS_OPEN, Answer, Shop
from tests.waiting import LIMIT, wait_for

CHECKOUT = Path(__file__).parent.parent.parent
_SERVING = re.compile(r"serving the page at (http://[^;\s]+)/;")


class WebShop(Shop):
    """As `Shop`, for a whole module: commands are run with this folder's settings, wherever the test stands."""

    def __init__(self, folder: Path, *, settings: str = "") -> None:
        super().__init__(folder, cast("pytest.CaptureFixture[str]", None))  # not used: `types` is our own
        self.config = folder / "config.toml"
        self.config.write_text(f'[general]\nlanguage = "en"\n{ALWAYS_OPEN}{settings}')

    @property
    def paths(self) -> Paths:
        """Where everything is."""
        return find_paths(str(self.config))

    def types(self, *words: str) -> Answer:
        """Run `leadmasterd …` on this folder."""
        out, err = (TextIOWrapper(BytesIO(), "utf-8") for _ in range(2))
        with redirect_stdout(out), redirect_stderr(err):
            try:
                code = main(["--config", str(self.config), *words])
            except SystemExit as left:
                code = int(str(left.code))
        for stream in (out, err):
            stream.seek(0)
        return Answer(code, out.read(), err.read())

    def is_new(self) -> None:
        """Give it a database in which nothing was captured."""
        make_database(self.database)


class Served:
    """A page that is served by a process of its own."""

    def __init__(self, process: Forked, url: str, log: Path) -> None:
        self.process = process
        self.url = url
        self.log = log
        self.port = int(url.rpartition(":")[2])


@contextmanager
def served(shop: WebShop, *words: str, new_python: bool = False, **variables: str) -> Iterator[Served]:
    """The page of this shop on a free port; `words` are more of `leadmasterd web`. `new_python`: see `Forked`."""
    log = shop.folder / "web.log"
    log.write_bytes(b"")
    process = Forked(
        *("--config", str(shop.config), "web", "--port", "0", *words),
        cwd=shop.folder,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), **variables},
        output=log,
        new_python=new_python,
    )
    try:
        wait_for(lambda: process.poll() is not None or _SERVING.search(log.read_text()), "the page to be served")
        found = _SERVING.search(log.read_text())
        assert found, log.read_text()
        yield Served(process, found[1], log)
    finally:
        process.terminate()
        process.wait(LIMIT)


def tell_a_story(shop: WebShop) -> None:
    """Ana (1) has waited for 40 minutes, Beto (2) was answered, and Carla (3) has just written."""
    names: dict[int, dict[str, Any]] = {
        n: {"notify_name": name, "contact": {"saved_name": name, "business": False}}
        for n, name in ((1, "Ana"), (2, "Beto"), (3, "Carla"))
    }
    shop.hears(
        (1, 40, "hola, cuánto sale la campera?", names[1]),
        (2, 90, "hacen envíos a Córdoba?", names[2]),
        (2, 80, "> sí, a todo el país"),
        (3, 1, "tenés la remera en talle L?", names[3]),
    )
