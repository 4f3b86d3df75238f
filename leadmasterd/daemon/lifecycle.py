"""What a child says of itself and of its page, passed on to whom it concerns. What it means is decided there."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from leadmasterd import __version__, sentences, times
from leadmasterd.daemon.live_path import LivePath
from leadmasterd.daemon.pairing import ScanCode
from leadmasterd.daemon.profile import ProfileKeeper
from leadmasterd.daemon.status import StatusBoard
from leadmasterd.store.records import Item, SessionEvent
from leadmasterd.store.writer import Writer
from leadmasterd.supervisor.machine import Happened, Phase
from leadmasterd.supervisor.runner import Runner
from leadmasterd.text import printable
from leadmasterd.wire.events import (
    Authenticated,
    BrowserStarted,
    Bye,
    CommandError,
    Contract,
    Dialog,
    Disconnected,
    Heartbeat,
    Hello,
    Lifecycle,
    Missing,
    OutboundBlocked,
    PageError,
    PairingCode,
    Qr,
    Ready,
    SocketState,
)

log = logging.getLogger(__name__)

PAGES_OWN = frozenset({"sendPresenceAvailable", "markAvailable"})
"""What the page itself calls on every connect and is refused: nobody tried to send."""
STORAGE_BROKEN = "backing store for indexedDB"
"""What Chromium's error says in the page when the databases of the profile do not open."""


class ChildNews:
    """Of one child after the other. `bye` is what the last one said as it left, if it did."""

    def __init__(
        self,
        runner: Runner,
        writer: Writer,
        board: StatusBoard,
        profile: ProfileKeeper,
        scan_code: ScanCode,
        live_path: LivePath,
    ) -> None:
        self._runner = runner
        self._writer = writer
        self._board = board
        self._profile = profile
        self._scan_code = scan_code
        self._live_path = live_path
        self.bye: Bye | None = None
        self.browser_pid: int | None = None
        self._storage_broken = False

    def new_child(self) -> None:
        """It has said nothing yet."""
        self.bye = None
        self._storage_broken = False
        self._board.page_concerns.clear()

    def facts(self) -> dict[str, object]:
        """What the profile has to do with a child's end."""
        last_words = (self.bye and self.bye.detail) or ""
        return {
            "restorable": self._profile.restorable,
            "unreachable": "net::ERR_" in last_words,
            "storage_broken": self._storage_broken,
        }

    def heard(self, event: Lifecycle) -> None:
        """It said this."""
        match event:
            case Hello(versions=versions):
                self._board.versions = {"leadmasterd": __version__, **versions}
                self._runner.tell(Happened.HELLO)
            case BrowserStarted(pid=pid, version=version):
                self.browser_pid = pid
                self._runner.tell(Happened.LAUNCHED)
                log.info("the browser runs, pid %s, %s", pid, version, extra={"action": "browser_started"})
            case Qr(qr=text, valid_seconds=seconds):
                self._scan_code.show("qr", text, seconds)
                self._runner.tell(Happened.CODE_SHOWN, session_lost=self._profile.session_lost())
            case PairingCode(code=code, valid_seconds=seconds):
                self._scan_code.show("pairing_code", code, seconds)
                self._runner.tell(Happened.CODE_SHOWN)
            case Authenticated():
                self._scan_code.forget()
                self._runner.tell(Happened.AUTHENTICATED)
            case Ready(account=account, fresh=fresh, web_version=web):
                self._scan_code.forget()
                self._board.account = {"wid": account.wid, "push_name": account.push_name}
                self._board.versions["whatsapp_web"] = web
                self._live_path.ready()
                self._profile.ready(account.wid, browser=str(self._board.versions.get("browser")))
                self._runner.tell(Happened.READY, account=account.wid)
                self._live_path.sweeper.live(fresh=fresh)
            case SocketState(state=state):
                self._runner.tell(Happened.SOCKET_STATE, state=state)
                if state == "CONNECTED" and self._runner.state.phase is Phase.RECONNECTING:
                    self._live_path.sweeper.live(fresh=False)
            case Disconnected(reason=reason, logout_reason=why):
                self._runner.tell(Happened.DISCONNECTED, reason=reason, logout_reason=why)
            case Heartbeat(dropped=dropped):
                self._live_path.heard()
                self._board.counters["dropped_lines"] = dropped
            case OutboundBlocked(function=function) if function in PAGES_OWN:
                self._board.bump("presence_refused")
            case OutboundBlocked(module=module, function=function, where=where):
                self._board.bump("outbound_blocked")
                log.error("refused an attempt to send: %s.%s (%s)", module, function, where)
            case PageError(source=source, message=message):
                self._storage_broken |= STORAGE_BROKEN in message
                self._board.bump("page_errors")
                log.warning("page error (%s): %s", source, printable(message), extra={"action": "page_error"})
            case Contract(missing=missing):
                self._contract_checked(missing)
            case Dialog(text=text, button=button, dismissed=dismissed):
                self._dialog_shown(printable(text), button, dismissed=dismissed)
            case CommandError(message=message):
                log.error("the child refused a command: %s", printable(message), extra={"action": "command_error"})
            case Bye() as bye:
                self.bye = bye
                log.info(
                    "the child says bye: %s %s", bye.reason, printable(bye.detail or ""), extra={"action": "child_bye"}
                )

    def _contract_checked(self, missing: Sequence[Missing]) -> None:
        """WhatsApp Web changes under the library; what is gone is told at once instead of going quietly deaf."""
        costs = ", ".join(sorted({each.costs for each in missing}))
        names = ", ".join(sorted({f"{each.module}.{each.function}" for each in missing}))[:300]
        self._board.page_concerns.pop("contract", None)
        if missing:
            self._board.page_concerns["contract"] = f"{costs} ({names})"
            self._note("contract", costs=costs, names=names)
        self._board.show_concerns()

    def _dialog_shown(self, text: str, button: str | None, *, dismissed: bool) -> None:
        """Some dialogs cost the link when nobody acknowledges them; the child clicks those it knows and no other."""
        if dismissed:
            self._board.page_concerns.pop("dialog", None)
            self._note("dialog_dismissed", text=text, button=button)
        else:
            self._board.page_concerns["dialog"] = text
            self._note("dialog", text=text)
        self._board.show_concerns()

    def _note(self, code: str, **values: object) -> None:
        """One line in the history and in the journal that changes no phase."""
        now = times.iso(datetime.now(UTC))
        self._writer.put([Item(SessionEvent(self._runner.state.phase.value, code, values), None, now)])
        log.warning("%s", sentences.because(code, values), extra={"action": code})
