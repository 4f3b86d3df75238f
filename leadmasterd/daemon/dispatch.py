"""Carries out what `lifecycle` decides about a line of the child. Nothing is decided here."""

import logging
from typing import Final

from leadmasterd.daemon import lifecycle
from leadmasterd.daemon.audit import AuditFile
from leadmasterd.daemon.ban import BanFile
from leadmasterd.daemon.child_report import ChildReport
from leadmasterd.daemon.live_path import LivePath
from leadmasterd.daemon.page_report import PageReport
from leadmasterd.daemon.pairing import Pairing
from leadmasterd.daemon.profile import BrowserProfile
from leadmasterd.daemon.session import SessionLog
from leadmasterd.daemon.status import Counters
from leadmasterd.daemon.warnings import ActiveWarnings
from leadmasterd.health import BROWSER_STORAGE, CONTRACT, DIALOG, SCREEN, SEND_REFUSED
from leadmasterd.supervisor.inbox import Inbox
from leadmasterd.text import printable
from leadmasterd.wire.events import Lifecycle

log = logging.getLogger(__name__)

_LEVELS: Final = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Dispatch:
    """Carries out the commands for one lifecycle line after the other, each by the part that it concerns."""

    def __init__(
        self,
        inbox: Inbox,
        *,
        report: ChildReport,
        session: SessionLog,
        profile: BrowserProfile,
        ban: BanFile,
        audit: AuditFile,
        pairing: Pairing,
        live_path: LivePath,
        page: PageReport,
        warnings: ActiveWarnings,
        counters: Counters,
    ) -> None:
        self._inbox = inbox
        self._report = report
        self._session = session
        self._profile = profile
        self._ban = ban
        self._audit = audit
        self._pairing = pairing
        self._live_path = live_path
        self._page = page
        self._warnings = warnings
        self._counters = counters

    def new_child(self) -> None:
        """Another child starts: nothing that the last one said of itself or its page holds any longer."""
        self._report.forget_child()
        for warning in (CONTRACT, DIALOG, SCREEN, BROWSER_STORAGE):
            self._warnings.clear(warning)

    def handle(self, event: Lifecycle) -> None:
        """Carry out what follows from this line."""
        known = lifecycle.Known(
            session_lost=self._profile.session_lost,
            send_refused=SEND_REFUSED.code in self._warnings.concerns(),
            passkey_asked=self._report.passkey_asked,
            trying_again=self._session.trying_again,
        )
        for command in lifecycle.translate(event, known):
            self._carry_out(command)

    def _carry_out(self, command: lifecycle.Command) -> None:
        """Hand the command to the part that it concerns; the command's own docstring says what it asks for."""
        match command:
            case lifecycle.Post(happened, values):
                self._inbox.post(happened, **values)
            case lifecycle.ShowCode(kind, text, valid_seconds):
                self._pairing.show(kind, text, valid_seconds)
            case lifecycle.HideCode():
                self._pairing.forget()
            case lifecycle.KeepVersions(versions, whole):
                self._report.versions = versions if whole else {**self._report.versions, **versions}
            case lifecycle.KeepBrowser(pid):
                self._report.browser_pid = pid
                self._profile.opened_by(self._report.versions.get("browser"))
            case lifecycle.KeepBye(bye):
                self._report.bye = bye
            case lifecycle.KeepStorageBroken():
                self._report.storage_broken = True
            case lifecycle.KeepPasskey(asked):
                self._report.passkey_asked = asked
            case lifecycle.KeepBan(ban):
                self._ban.keep(ban)
            case lifecycle.KeepPage(page):
                self._page.heard(page)
            case lifecycle.MarkLinked(wid, fresh):
                self._profile.session_works(wid, browser=self._report.versions.get("browser"), fresh=fresh)
            case lifecycle.AttachLivePath(account, fresh):
                self._live_path.attached(account, fresh=fresh)
            case lifecycle.Beat(stream_dead, history):
                self._live_path.beat(stream_dead=stream_dead, history=history)
            case lifecycle.Count(counter):
                self._counters.bump(counter)
            case lifecycle.SetCounter(counter, to):
                self._counters.set(counter, to)
            case lifecycle.Warn(warning, detail):
                self._warnings.set(warning, detail)
            case lifecycle.ClearWarning(warning):
                self._warnings.clear(warning)
            case lifecycle.Record(code, values):
                self._session.note(code, dict(values))
            case lifecycle.Audit(module, function, where):
                self._audit.append(module, function, where)
            case lifecycle.Log(level, action, text):
                log.log(_LEVELS[level], "%s", printable(text), extra={"action": action})
