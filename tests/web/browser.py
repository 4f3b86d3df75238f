"""A real Chromium for tests, through puppeteer and browser.mjs."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from leadmasterd.listener.programs import find_node
from leadmasterd.web.access import COOKIE
from tests import browsers
from tests.waiting import LIMIT, wait_for
from tests.web.clients import Client

PHONE = 360
"""Pixels: the narrowest screen that counts."""


class Page:
    """One tab in a profile of its own. Every method fails with what the browser says."""

    def __init__(self, browser: "Browser", number: int, origin: str) -> None:
        self._browser = browser
        self._number = number
        self._origin = origin

    def _asks(self, command: str, **values: object) -> Any:
        return self._browser.asks(command, number=self._number, **values)

    def goes_to(self, path: str) -> int:
        """Load a page of the site; its status."""
        return int(self._asks("goto", url=self._origin + path if path.startswith("/") else path))

    def evaluates(self, code: str, *values: object) -> Any:
        """The answer of a JavaScript function in the page."""
        return self._asks("evaluate", code=code, values=values)

    def waits_for(self, code: str, *values: object) -> Any:
        """The first answer of a JavaScript function that is true."""
        return self._asks("until", code=code, values=values)

    def text(self, selector: str = "main") -> str:
        """What a person reads there."""
        return str(self.evaluates("(s) => document.querySelector(s)?.innerText ?? ''", selector))

    def shows(self, text: str, selector: str = "main") -> None:
        """Wait until it can be read there."""
        self.waits_for("(s, t) => document.querySelector(s)?.innerText.includes(t)", selector, text)

    def clicks(self, selector: str) -> None:
        """Where nothing is loaded by it."""
        self._asks("click", selector=selector)

    def unfolds(self, details: str) -> None:
        """Open it. A press is lost where the page puts a newer section in its place just then."""

        def is_open() -> bool:
            return bool(self.evaluates("(s) => document.querySelector(s)?.open", details))

        def pressed() -> bool:
            self.clicks(f"{details} summary")
            return is_open()

        wait_for(lambda: is_open() or pressed(), f"{details} to open")

    def follows(self, selector: str) -> None:
        """Click, and wait for the page that is loaded by it."""
        self._asks("follow", selector=selector)

    def types(self, selector: str, text: str) -> None:
        """As on a keyboard."""
        self._asks("type", selector=selector, text=text)

    def presses(self, key: str) -> None:
        """`Tab`, `Enter`, …"""
        self._asks("press", key=key)

    def pictures(self, path: Path) -> None:
        """A picture of the whole page."""
        self._asks("screenshot", path=str(path))

    def accessibility(self) -> list[str]:
        """What axe-core finds wrong."""
        return list(self._asks("axe"))

    def wrong(self) -> list[str]:
        """What the policy has refused, and errors of scripts, since the tab was opened."""
        return list(self._asks("wrong"))

    def too_wide(self) -> int:
        """By how many pixels it is wider than its window."""
        return int(self.evaluates("() => document.documentElement.scrollWidth - innerWidth"))

    def closes(self) -> None:
        """For good."""
        self._asks("close")


class Browser:
    """The browser; its tabs are `Page`s."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def asks(self, command: str, **values: object) -> Any:
        """One command of browser.mjs."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"command": command, **values}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the browser has ended"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def opens(
        self, who: Client, *, width: int = PHONE, height: int = 780, dark: bool = False, script: bool = True
    ) -> Page:
        """A new tab with this client's cookie, if it has one."""
        cookies = (
            [{"name": COOKIE, "value": who.secret, "domain": "127.0.0.1", "path": "/", "httpOnly": True}]
            if who.secret
            else []
        )
        for each in cookies:
            each["sameSite"] = "Strict"
        number = self.asks("page", width=width, height=height, dark=dark, cookies=cookies, script=script)
        return Page(self, number, who.origin)


@contextmanager
def started() -> Iterator[Browser]:
    """A browser, until the end."""
    process = subprocess.Popen(
        [str(find_node("")), str(Path(__file__).with_suffix(".mjs")), str(browsers.browser())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Browser(process)
    finally:
        assert process.stdin
        process.stdin.close()
        process.wait(LIMIT)
        assert process.stdout
        process.stdout.close()
