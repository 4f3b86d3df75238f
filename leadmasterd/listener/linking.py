"""Links an account in a browser window, where a person can answer what WhatsApp asks for: a scan, and a passkey.

It runs the same child as the daemon, with the same guard in the page, but with a new profile and without capturing
anything. The child lives until the account is linked and its recent history is complete, so that the session can be
moved to another machine (`session_file`).
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from leadmasterd.errors import Interrupted, LeadmasterdError, Refused
from leadmasterd.listener import tree
from leadmasterd.listener.child import CannotStart, Child, command_for, environment_for
from leadmasterd.listener.options import child_options
from leadmasterd.settings.model import Settings
from leadmasterd.supervisor.timing import Timing
from leadmasterd.text import _, printable
from leadmasterd.wire import decode
from leadmasterd.wire.events import (
    Authenticated,
    Banned,
    BrowserStarted,
    Bye,
    Disconnected,
    Event,
    Heartbeat,
    Hello,
    Passkey,
    Qr,
    Ready,
)

HISTORY_LIMIT: Final = 1800.0
"""How long to wait for the recent history, in seconds from ready. After a new link the page fetches it in chunks for
many minutes, and some builds do not tell when it is complete."""
_STOPPING: Final = replace(Timing(), stop_ask=20.0)
"""A browser that is killed may leave a torn profile, and Node itself gives it ten seconds: so this waits longer."""
_SAY_EVERY: Final = 60.0
"""Seconds of silence after which a person is told that it still goes on."""

History = Literal["complete", "incoming", "unknown"]


@dataclass(frozen=True, slots=True)
class Linked:
    """A linked session. `account`: its id by phone number; `browser`: the browser's version, if it is known."""

    account: str
    browser: str | None
    history: History
    """Whether the recent history is there; `unknown` if the page did not tell in time."""
    at: datetime
    """When the phone accepted the link."""


class Progress:
    """Follows the child's lines until the account is linked, and tells a person in sentences. Does no I/O itself.

    In each method `now` is the time in seconds, always by the same monotonic clock.
    """

    def __init__(
        self, say: Callable[[str], None], *, limit: float, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """`say` gets each sentence. `limit`: seconds that the history may take. `clock`: the time of day."""
        self._say = say
        self._limit = limit
        self._clock = clock
        self._window_is_open = False
        self._asked_for_scan = False
        self._accepted_at: datetime | None = None
        self._passkey_told: tuple[str, str | None] | None = None
        self._account: str | None = None
        self._browser: str | None = None
        self._history: History = "unknown"
        self._ready_at = 0.0
        self._said_at = 0.0
        self.result: Linked | None = None
        """Set when it is done."""

    @property
    def linked(self) -> bool:
        """Whether the phone has accepted the link, so that it lists this device."""
        return self._accepted_at is not None

    def handle(self, event: Event, *, now: float) -> None:
        """Take in the child's next line. Raises Refused when linking has failed."""
        match event:
            case Hello(versions=versions):
                self._browser = versions.get("browser")
            case BrowserStarted():
                self._window_is_open = True
                self._tell(_("A browser window is open. Leave it open, and open no chat in it."), now)
            case Qr() if not self._asked_for_scan:
                self._asked_for_scan = True
                how = _(
                    "On the phone: WhatsApp > Settings > Linked devices > Link a device; scan the code in the window."
                )
                self._tell(how, now)
            case Passkey():
                self._passkey(event, now)
            case Authenticated() if not self._accepted_at:
                self._accepted_at = self._clock()
                self._tell(_("The phone has accepted. WhatsApp now prepares this device; that may take minutes."), now)
            case Ready(account=account):
                self._ready(account.wid, now)
            case Heartbeat(history=history) if self._account:
                self._heartbeat(history, self._account, now)
            case Banned():
                raise self.failure(
                    _("WhatsApp has banned this number temporarily; wait until the phone says that it is over")
                )
            case Disconnected(reason="LOGOUT"):
                raise self.failure(_("WhatsApp has ended the link; look at what the phone says"))
            case Bye(reason=reason, detail=detail):
                raise self._child_ended(reason, detail)
            case _:
                self.tick(now=now)

    def tick(self, *, now: float) -> None:
        """Time has passed: say that it still goes on, if the phone has accepted and nothing was said for a while."""
        if self._accepted_at and now - self._said_at >= _SAY_EVERY:
            since = round((now - self._ready_at) / 60) if self._account else 0
            self._tell(_("Still at it, for {n} min.").format(n=since) if since else _("Still at it."), now)

    def failure(self, why: str, kind: type[LeadmasterdError] = Refused) -> LeadmasterdError:
        """The error, of this kind, to raise when it ends before it is done. It says what to do next."""
        again = _("run `leadmasterd auth pair` again")
        if self._accepted_at:
            again = _("remove the new device on the phone (Linked devices), then {again}").format(again=again)
        return kind(_("cannot pair: {why}; {again}").format(why=why, again=again))

    def _passkey(self, event: Passkey, now: float) -> None:
        """Tell a person what a step of the passkey wants of them. A step that is reported again is told once."""
        if (event.step, event.code) == self._passkey_told:
            return
        self._passkey_told = event.step, event.code
        match event.step:
            case "asked":
                self._tell(_("WhatsApp asks for a passkey: answer in the window, as your phone or key wants it."), now)
            case "code" if event.code:
                self._tell(_("WhatsApp shows the code {code}: confirm it on the phone.").format(code=event.code), now)
            case "done" if not self.linked:
                self._tell(_("The passkey was accepted."), now)
            case "failed":
                self._tell(_("WhatsApp did not accept it: scan the next code in the window, and try again."), now)
            case _:
                pass

    def _ready(self, account: str, now: float) -> None:
        """The account is linked. This comes once a page load; the first one starts the wait for the history."""
        self._accepted_at = self._accepted_at or self._clock()
        if self._account is None:
            self._ready_at = now
            linked = _(
                "Linked: {number}. Now its recent history comes in, for {n} minutes at most; you need not do anything."
            )
            self._tell(linked.format(number=number(account), n=round(self._limit / 60)), now)
        self._account = account

    def _heartbeat(self, history: str | None, account: str, now: float) -> None:
        """Set `result` once the history is complete, or has taken too long. `history`: as in `events.Heartbeat`."""
        if history == "complete":
            self._history = "complete"
            self._tell(_("The recent history is complete."), now)
        elif now - self._ready_at < self._limit:
            self.tick(now=now)
            return
        elif history == "incoming":
            self._history = "incoming"
            self._tell(_("The history is still coming in; the other machine will get the rest."), now)
        else:
            self._tell(_("The page does not say whether the history is complete; this was long enough."), now)
        at = self._accepted_at or self._clock()
        self.result = Linked(account, self._browser, self._history, at)

    def _child_ended(self, reason: str, detail: str | None) -> LeadmasterdError:
        """The error for a child that has ended. `reason`, `detail`: of its last line (`events.Bye`)."""
        match reason:
            case "browser_gone" | "page_closed" if self._window_is_open:
                return self.failure(_("the window was closed too early"))
            case "page_crashed":
                return self.failure(_("the page crashed"))
            case "logged_out":
                return self.failure(_("WhatsApp has ended the link; look at what the phone says"))
            case "browser_failed" | "browser_gone" | "initialize_failed" if not self._window_is_open:
                said = printable(detail or reason)
                return self.failure(_("the browser opened no window here ({said})").format(said=said))
            case _:
                return self.failure(_("the browser ended ({said})").format(said=printable(detail or reason)))

    def _tell(self, sentence: str, now: float) -> None:
        """Say a sentence, and note when: `tick` speaks only after a silence."""
        self._said_at = now
        self._say(sentence)


def number(account: str) -> str:
    """The part of a chat id before the `@`, safe to print. For an id that ends in `@c.us` it is the phone number."""
    return printable(account.partition("@")[0])


async def link(settings: Settings, *, node: Path, browser: Path, profile: Path, say: Callable[[str], None]) -> Linked:
    """Link an account in a new window with this profile, and close the browser, so that the profile is whole.

    `say` gets sentences for the person. Raises Refused, or Interrupted when it is cancelled. In any case no process is
    left. Makes this process a subreaper (`tree`).
    """
    tree.become_subreaper()
    marker = tree.marker_of(profile)
    options = child_options(settings.plain(), profile=profile, browser=browser, instance=marker, headless=False)
    progress = Progress(say, limit=HISTORY_LIMIT / settings.supervisor.time_divisor)
    inbox: asyncio.Queue[Event | None] = asyncio.Queue()

    def on_lines(lines: Sequence[bytes]) -> None:
        for line in lines:
            inbox.put_nowait(decode.decode(line))

    try:
        child = await Child.start(
            command_for(node, marker),
            environment=environment_for(options),
            marker=marker,
            on_lines=on_lines,
            on_oversize=lambda _head, _length: None,
            on_cut=lambda _rest: None,
        )
    except CannotStart as error:
        raise Refused(_("cannot pair: {why}; see `leadmasterd doctor`").format(why=error)) from error
    child.ended.add_done_callback(lambda _future: inbox.put_nowait(None))
    try:
        linked = await _follow(inbox, progress)
    except asyncio.CancelledError:
        raise progress.failure(_("it was interrupted"), Interrupted) from None
    finally:
        await _stop(child)
    if not child.ended_well:
        raise progress.failure(_("the browser did not close in good order, so its session may be torn"))
    return linked


async def _stop(child: Child) -> None:
    """Stop the child, to its end even if this is cancelled: a browser that is not closed in good order costs the link.

    `_STOPPING` limits how long that takes.
    """
    stopping = asyncio.create_task(child.stop(_STOPPING), name="stop")  # noqa: TID251 - awaited right below
    while not stopping.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({stopping})
    stopping.result()


async def _follow(inbox: asyncio.Queue[Event | None], progress: Progress) -> Linked:
    """Give the child's events to `progress` until it has a result. None in the queue: the child's pipe has ended."""
    while progress.result is None:
        try:
            async with asyncio.timeout(_SAY_EVERY):
                event = await inbox.get()
        except TimeoutError:
            progress.tick(now=time.monotonic())
        else:
            if event is None:
                raise progress.failure(_("the listener ended without a word; `leadmasterd doctor` may say why"))
            progress.handle(event, now=time.monotonic())
    return progress.result
