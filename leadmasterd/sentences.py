"""Reasons in words. What is stored is a stable code with values; what a person reads is made here, at that moment."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from leadmasterd.text import _, ngettext, printable

Values = Mapping[str, Any]

PHASES: Final[Mapping[str, Callable[[], str]]] = {
    "ready": lambda: _("ready"),
    "starting": lambda: _("starting"),
    "waiting_for_scan": lambda: _("waiting for a scan"),
    "syncing": lambda: _("syncing"),
    "reconnecting": lambda: _("reconnecting"),
    "stopping": lambda: _("stopping"),
    "backing_off": lambda: _("waiting to start again"),
    "paused": lambda: _("paused"),
    "halted": lambda: _("halted"),
    "stopped": lambda: _("stopped"),
}

NEEDS_A_PERSON: Final = frozenset({"waiting_for_scan", "halted"})


def phase(name: str) -> str:
    """A phase as people say it."""
    return PHASES.get(name, lambda: name)()


def _account(values: Values) -> str:
    return str(values.get("account") or "?").partition("@")[0]


def _detail(values: Values) -> str:
    detail = values.get("detail")
    return f" ({detail})" if detail else ""


_NO_NETWORK: Final = ("ERR_NAME_NOT_RESOLVED", "ERR_INTERNET_DISCONNECTED", "ERR_CONNECTION", "ERR_ADDRESS_UNREACHABLE")
"""What Chromium says when the network, and not WhatsApp, is the trouble."""


def _child_died(values: Values) -> str:
    match values.get("bye"):
        case "browser_gone":
            return _("the browser died")
        case "page_crashed":
            return _("the page crashed")
        case "page_closed":
            return _("the page was closed")
        case "browser_failed":
            return _("the browser did not start") + _detail(values)
        case "browser_missing":
            return _("the browser is missing") + _detail(values)
        case "initialize_failed" if any(sign in str(values.get("detail")) for sign in _NO_NETWORK):
            return _("there is no way to web.whatsapp.com; check the network")
        case "initialize_failed":
            return _("WhatsApp Web did not load") + _detail(values)
        case None:
            code = values.get("exit_code")
            return _("the Node child died") + ("" if code is None else _(" (exit code {code})").format(code=code))
        case other:
            return _("the Node child left: {reason}").format(reason=other) + _detail(values)


def restart(reason: str) -> str:
    """Why the listener was started again, as `history` counts it: a code, or the last word of a child."""
    return because(reason, {}) if reason in REASONS else because("child_died", {"bye": reason})


_RECYCLE: Final[Mapping[str, Callable[[], Any]]] = {
    "nightly": lambda: _("once a night, with a snapshot of the session"),
    "memory": lambda: _("the browser grew too large"),
    "browser_changed": lambda: _("the browser was upgraded"),
    "snapshot": lambda: _("a person asked for a snapshot"),
}

REASONS: Final[Mapping[str, Callable[[Values], str]]] = {
    "not_started": lambda v: _("not started yet"),
    "started": lambda v: _("just started"),
    "trying_again": lambda v: _("starting again"),
    "resumed": lambda v: _("resumed by a person"),
    "scan_needed": lambda v: _(
        "WhatsApp wants the code scanned: on the phone, Settings > Linked devices > Link a device"
    ),
    "syncing": lambda v: _("WhatsApp is sending what this device has missed"),
    "ready": lambda v: _("listening as {account}").format(account=_account(v)),
    "connection_lost": lambda v: _("WhatsApp Web lost its connection and is trying to get it back"),
    "reconnected": lambda v: _("the connection is back"),
    "conflict": lambda v: _("the same session is open somewhere else"),
    "disconnected": lambda v: _("WhatsApp ended the connection: {reason}").format(reason=v.get("reason")),
    "number_at_risk": lambda v: _(
        "WhatsApp shows a warning for this number ({state}); nothing is retried. "
        "Look at WhatsApp on the phone, then `leadmasterd resume`"
    ).format(state=v.get("state")),
    "logged_out": lambda v: _("this device was logged out; the old session is kept aside, a new scan is needed"),
    "start_took_too_long": lambda v: _("the start took too long"),
    "sync_took_too_long": lambda v: _("the sync took too long"),
    "reconnect_took_too_long": lambda v: _("the connection did not come back"),
    "heartbeat_lost": lambda v: _("the page stopped answering for {seconds} s").format(seconds=v.get("silent_seconds")),
    "child_died": _child_died,
    "cannot_spawn": lambda v: _("the Node child could not be started") + _detail(v),
    "session_lost": lambda v: _("the session was lost without a logout; trying the newest snapshot of it"),
    "profile_broken": lambda v: _("the browser profile does not open; trying the newest snapshot of the session"),
    "code_stopped": lambda v: _("WhatsApp Web stopped showing new codes"),
    "not_scanned": lambda v: _(
        "nobody scanned {codes} codes; a fresh one comes later, or with `leadmasterd restart-listener`"
    ).format(codes=v.get("codes")),
    "contract": lambda v: _("WhatsApp Web changed; lost: {costs} ({names})").format(
        costs=v.get("costs"), names=v.get("names")
    ),
    "dialog": lambda v: _("WhatsApp Web shows a dialog: {text}").format(text=v.get("text")),
    "dialog_dismissed": lambda v: _("acknowledged a dialog of WhatsApp Web with {button}: {text}").format(
        button=v.get("button"), text=v.get("text")
    ),
    "page_reloaded": lambda v: _("the page was loaded anew"),
    "deaf": lambda v: _("messages arrived that were not heard live"),
    "recycle": lambda v: _("planned restart: {why}").format(
        why=_RECYCLE.get(str(v.get("why")), lambda: v.get("why"))()
    ),
    "paused": lambda v: _("paused by a person; `leadmasterd resume` goes on"),
    "restart_asked": lambda v: _("a person asked for a restart"),
    "asked_to_stop": lambda v: _("asked to stop"),
    "daemon_died": lambda v: _("the daemon ended without saying so"),
    "not_listening": lambda v: _("the daemon was not running"),
}


def because(code: str, values: Values) -> str:
    """The reason in one sentence. An unknown code (from a newer version) is shown as it is."""
    make = REASONS.get(code)
    sentence = make(values) if make else code
    wait = values.get("wait_seconds")
    if isinstance(wait, int | float) and wait < 1:
        sentence += "; " + _("trying again at once")
    elif isinstance(wait, int | float):
        failures = int(values.get("failures") or 1)
        sentence += "; " + ngettext(
            "next try in {wait} s", "{failures} failures in a row, next try in {wait} s", failures
        ).format(wait=round(wait), failures=failures)
    return printable(sentence)


CONCERNS: Final[Mapping[str, Callable[[str], str]]] = {
    "contract": lambda d: _("WhatsApp Web changed; lost: {what}. Look for a newer leadmasterd").format(what=d),
    "dialog": lambda d: _("WhatsApp Web shows a dialog that a person should look at: {text}").format(text=d),
    "disk_low": lambda d: _("only {n} MB of disk are free; a full disk stops capture and can cost the link").format(
        n=d
    ),
    "rules": lambda d: _("the rules file has a mistake, so the rules before it stay in force: {what}").format(what=d),
    "memory_high": lambda d: _("the browser and its tree use {n} MB; a restart is planned").format(n=d),
    "phone_silent": lambda d: _(
        "nothing was written from the phone for {n} days; WhatsApp unlinks its devices after 14: open WhatsApp there"
    ).format(n=d),
}


def concern(code: str, detail: str) -> str:
    """What a person should know though all goes on."""
    make = CONCERNS.get(code)
    return printable(make(detail) if make else f"{code}: {detail}")


TROUBLES: Final[Mapping[str, Callable[[str], str]]] = {
    "disk_full": lambda d: _("the disk is full: nothing can be stored until there is space; nothing is lost meanwhile"),
    "database_locked": lambda d: _("another program holds the database locked; waiting for it"),
    "database_error": lambda d: _("the database can't be written ({detail}); trying again").format(detail=d),
}


def trouble(code: str, detail: str) -> str:
    """What keeps the store from writing."""
    make = TROUBLES.get(code)
    return printable(make(detail) if make else f"{code}: {detail}")


STAGES_ES: Final[Mapping[str, str]] = {
    "unsorted": "bandeja",
    "new": "nuevo",
    "contacted": "contactado",
    "qualified": "calificado",
    "quoted": "presupuestado",
    "won": "ganado",
    "lost": "perdido",
    "junk": "descartado",
    "dormant": "en pausa",
    "merged": "unido",
}
"""Whoever answers the customers reads Spanish, in whatever language the rest is shown."""


def stage_es(stage: str) -> str:
    """A stage as the shop calls it; one of tomorrow as it is stored."""
    return STAGES_ES.get(stage, stage)


LEAD_REASONS: Final[Mapping[str, Callable[[Values], str]]] = {
    "ad": lambda v: _("they came from an ad"),
    "commercial": lambda v: _("they want {intent}").format(intent=_intent(v.get("intent"))),
    "after_junk": lambda v: _("discarded before, and now they want {intent}").format(intent=_intent(v.get("intent"))),
    "stranger": lambda v: _("a stranger wrote, and what they want is not clear yet"),
    "closing_words": lambda v: _("by their own words"),
    "answered": lambda v: _("a person answered"),
    "called": lambda v: _("a call was answered"),
    "decided": lambda v: _("a person decided"),
    "withdrawn": lambda v: _("later messages show that this was not a lead"),
    "recomputed": lambda v: _("recomputed from what is known now"),
    "merged": lambda v: _("its contact is the same person as that of lead {lead}").format(lead=v.get("into")),
    "note": lambda v: str(v.get("text") or ""),
}


REASONS_BY_A_PERSON: Final[Mapping[str, Callable[[str], str]]] = {
    "withdrawn": lambda who: _("a change by {who} shows that this was not a lead").format(who=who),
    "recomputed": lambda who: _("after a change by {who}").format(who=who),
}
"""What is said instead where a person's label, merge or decision was behind it."""


def lead_event(
    *, kind: str, before: str | None, after: str | None, code: str, values: Values, actor: str = "system"
) -> str:
    """One line of a lead's record: what changed and why. `actor`: `system` or `person:LOGIN`."""
    by_person = REASONS_BY_A_PERSON.get(code) if actor.startswith("person:") else None
    make = LEAD_REASONS.get(code)
    why = by_person(actor.removeprefix("person:")) if by_person else make(values) if make else code
    match kind:
        case "note":
            return printable(why)
        case "opened":
            what = _("opened as {stage}").format(stage=_stage(after))
        case "reopened":
            what = _("reopened: {before} -> {after}").format(before=_stage(before), after=_stage(after))
        case "stage" if before is None:
            what = _("{stage} again").format(stage=_stage(after))
        case "stage" | "merged":
            what = f"{_stage(before)} -> {_stage(after)}"
        case "new_topic":
            what = _("also about {intent}").format(intent=_intent(after))
        case "proposed":
            what = _("perhaps to close, {intent}").format(intent=_intent(after))
        case "withdrawn":
            what = _("withdrawn")
        case _:
            what = kind
    return printable(f"{what}: {why}")


def _stage(stage: str | None) -> str:
    return f"{stage} ({stage_es(stage)})" if stage else "?"


def _intent(intent: object) -> str:
    from leadmasterd.classify.reasons import intent_es  # `status` has no need of it

    return f"{intent} ({intent_es(str(intent))})" if intent else "?"
