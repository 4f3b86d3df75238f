"""Linking an account in a browser window, where a person can answer what WhatsApp asks: the scan, and a passkey.

The child is the daemon's own, with the same guard in the page and a profile of its own; nothing is captured. It lives
until the account is linked and its recent history complete, so that the session can go to another machine.
"""

import asyncio
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
"""Seconds from ready. The page fetches the recent history of a new link in chunks for many minutes, and some builds do
not tell when it is complete."""
_STOPPING: Final = replace(Timing(), stop_ask=20.0)
"""No hurry: a browser that is killed may leave a torn profile, and Node itself gives it ten seconds."""
_SAY_EVERY: Final = 60.0
"""Seconds after which a person is told that it still goes on."""

History = Literal["complete", "incoming", "unknown"]


@dataclass(frozen=True, slots=True)
class Linked:
    """A linked session. `history`: `unknown` if the page did not tell, and the limit has passed."""

    account: str
    browser: str | None
    history: History
    at: datetime
    """When the phone accepted the link."""


class Progress:
    """Follows the child's lines, tells a person in sentences, and knows when it is done. Does no I/O.

    `limit`: seconds that the history may take; all times are seconds of one monotonic clock.
    """

    def __init__(
        self, say: Callable[[str], None], *, limit: float, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._say = say
        self._limit = limit
        self._clock = clock
        self._window = False
        self._scan_asked = False
        self._accepted_at: datetime | None = None
        self._passkey_told: tuple[str, str | None] | None = None
        self._account: str | None = None
        self._browser: str | None = None
        self._history: History = "unknown"
        self._ready_at = 0.0
        self._said_at = 0.0
        self.result: Linked | None = None

    @property
    def linked(self) -> bool:
        """Whether the phone lists this device by now."""
        return self._accepted_at is not None

    def hears(self, event: Event, *, now: float) -> None:
        """The next line. Raises Refused when it ends in vain."""
        match event:
            case Hello(versions=versions):
                self._browser = versions.get("browser")
            case BrowserStarted():
                self._window = True
                self._tell(_("A browser window is open. Leave it open, and open no chat in it."), now)
            case Qr() if not self._scan_asked:
                self._scan_asked = True
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
                raise self.ended(
                    _("WhatsApp has banned this number temporarily; wait until the phone says that it is over")
                )
            case Disconnected(reason="LOGOUT"):
                raise self.ended(_("WhatsApp has ended the link; look at what the phone says"))
            case Bye(reason=reason, detail=detail):
                raise self._gone(reason, detail)
            case _:
                self.waits(now=now)

    def waits(self, *, now: float) -> None:
        """Time has passed."""
        if self._accepted_at and now - self._said_at >= _SAY_EVERY:
            since = round((now - self._ready_at) / 60) if self._account else 0
            self._tell(_("Still at it, for {n} min.").format(n=since) if since else _("Still at it."), now)

    def ended(self, why: str, kind: type[LeadmasterdError] = Refused) -> LeadmasterdError:
        """What to tell when it ends before it is done."""
        again = _("run `leadmasterd auth pair` again")
        if self._accepted_at:
            again = _("remove the new device on the phone (Linked devices), then {again}").format(again=again)
        return kind(_("cannot pair: {why}; {again}").format(why=why, again=again))

    def _passkey(self, event: Passkey, now: float) -> None:
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
        self._accepted_at = self._accepted_at or self._clock()
        if self._account is None:
            self._ready_at = now
            linked = _(
                "Linked: {number}. Now its recent history comes in, for {n} minutes at most; you need not do anything."
            )
            self._tell(linked.format(number=number(account), n=round(self._limit / 60)), now)
        self._account = account

    def _heartbeat(self, history: str | None, account: str, now: float) -> None:
        if history == "complete":
            self._history = "complete"
            self._tell(_("The recent history is complete."), now)
        elif now - self._ready_at < self._limit:
            self.waits(now=now)
            return
        elif history == "incoming":
            self._history = "incoming"
            self._tell(_("The history is still coming in; the other machine will get the rest."), now)
        else:
            self._tell(_("The page does not say whether the history is complete; this was long enough."), now)
        at = self._accepted_at or self._clock()
        self.result = Linked(account, self._browser, self._history, at)

    def _gone(self, reason: str, detail: str | None) -> LeadmasterdError:
        """By the reason of the child's last line."""
        match reason:
            case "browser_gone" | "page_closed" if self._window:
                return self.ended(_("the window was closed too early"))
            case "page_crashed":
                return self.ended(_("the page crashed"))
            case "logged_out":
                return self.ended(_("WhatsApp has ended the link; look at what the phone says"))
            case "browser_failed" | "browser_gone" | "initialize_failed" if not self._window:
                said = printable(detail or reason)
                return self.ended(_("the browser opened no window here ({said})").format(said=said))
            case _:
                return self.ended(_("the browser ended ({said})").format(said=printable(detail or reason)))

    def _tell(self, sentence: str, now: float) -> None:
        self._said_at = now
        self._say(sentence)


def number(account: str) -> str:
    """The phone number of a chat id, safe to print."""
    return printable(account.partition("@")[0])


async def link(settings: Settings, *, node: Path, browser: Path, profile: Path, say: Callable[[str], None]) -> Linked:
    """Open the window, and close the browser when the account is linked; its profile is then whole.

    Raises Refused, or Interrupted when it is cancelled, with one sentence; no process of it is left then.
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
        raise progress.ended(_("it was interrupted"), Interrupted) from None
    finally:
        await child.stop(_STOPPING)
    if not child.ended_well:
        raise progress.ended(_("the browser did not close in good order, so its session may be torn"))
    return linked


async def _follow(inbox: asyncio.Queue[Event | None], progress: Progress) -> Linked:
    while progress.result is None:
        try:
            async with asyncio.timeout(_SAY_EVERY):
                event = await inbox.get()
        except TimeoutError:
            progress.waits(now=time.monotonic())
        else:
            if event is None:
                raise progress.ended(_("the listener ended without a word; `leadmasterd doctor` may say why"))
            progress.hears(event, now=time.monotonic())
    return progress.result
