"""What operators ask over the control socket."""

from collections.abc import Mapping
from string import digits
from typing import Any

from leadmasterd.daemon.page_report import PageReport
from leadmasterd.daemon.session import SessionLog
from leadmasterd.daemon.spawner import Spawner
from leadmasterd.supervisor.inbox import Inbox
from leadmasterd.supervisor.machine import Happened, Phase
from leadmasterd.text import _


class Control:
    """Carries out commands by handing them to the supervisor or to the child, or says why it refuses."""

    def __init__(self, inbox: Inbox, *, session: SessionLog, spawner: Spawner, page: PageReport) -> None:
        self._inbox = inbox
        self._session = session
        self._spawner = spawner
        self._page = page

    async def answer(self, command: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a command: `{"ok": true, "phase": …}` once handed on, or `{"ok": false, "error": …}`.

        `request`: its whole JSON object, such as the `phone` of a pairing code.
        """
        match command:
            case "pause":
                self._inbox.post(Happened.PAUSE)
            case "resume":
                self._inbox.post(Happened.RESUME)
            case "snapshot":
                if self._session.phase is not Phase.READY:
                    return {"ok": False, "error": _("cannot take a snapshot: the session is not ready")}
                self._inbox.post(Happened.PLANNED_RESTART, why="snapshot")
            case "restart-listener":
                if self._session.banned:
                    return {"ok": False, "error": _("cannot restart: {why}").format(why=self._session.sentence)}
                self._inbox.post(Happened.RESTART)
            case "pairing-code":
                phone = "".join(each for each in str(request.get("phone", "")) if each in digits)
                cannot_pair = _("cannot ask for a pairing code: {why}")
                if self._session.phase in (Phase.SYNCING, Phase.READY, Phase.RECONNECTING):
                    return {"ok": False, "error": cannot_pair.format(why=_("no scan is needed now"))}
                if self._session.phase is not Phase.WAITING_FOR_SCAN:
                    return {"ok": False, "error": cannot_pair.format(why=self._session.sentence)}
                self._spawner.send("pairing_code", phone=phone)
            case "check-page":
                return await self._check_page()
            case other:
                return {"ok": False, "error": _("unknown command {command!r}").format(command=other)}
        return {"ok": True, "phase": self._session.phase.value}

    async def _check_page(self) -> dict[str, Any]:
        """Have the child look up in the live page what capture relies on. The answer's `page` says what was found."""
        cannot = _("cannot check the page: {why}")
        if self._session.phase is Phase.WAITING_FOR_SCAN:
            return {
                "ok": False,
                "error": cannot.format(why=_("no phone is linked yet; scan the code first (`leadmasterd qr`)")),
            }
        if self._session.phase is not Phase.READY:
            return {
                "ok": False,
                "error": cannot.format(why=_("the session is not ready; `leadmasterd status` says why")),
            }
        if problem := await self._page.ask():
            return {
                "ok": False,
                "error": cannot.format(why=_("{problem}; try again in a minute").format(problem=problem)),
            }
        return {"ok": True, "phase": self._session.phase.value, "page": self._page.section()}
