"""Phases and reasons in words. Stored are stable codes with values; the sentences are made here when a person reads.

Warnings have their words in `health`.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from leadmasterd import health
from leadmasterd.reasons import person_name
from leadmasterd.text import _, name_of, ngettext, printable

Values = Mapping[str, Any]

PHASES: Final[Mapping[str, Callable[[], str]]] = {
    "ready": lambda: _("ready"),
    "starting": lambda: _("starting"),
    "waiting_for_scan": lambda: _("waiting for a scan"),
    "syncing": lambda: _("syncing"),
    "reconnecting": lambda: _("reconnecting"),
    "needs_passkey": lambda: _("waiting for a passkey"),
    "stopping": lambda: _("stopping"),
    "backing_off": lambda: _("waiting to start again"),
    "paused": lambda: _("paused"),
    "halted": lambda: _("halted"),
    "stopped": lambda: _("stopped"),
}

NEEDS_A_PERSON: Final = frozenset({"waiting_for_scan", "needs_passkey", "halted"})


def phase(name: str) -> str:
    """A phase in words."""
    return PHASES.get(name, lambda: name)()


def _account(values: Values) -> str:
    """The number of the account, without its server."""
    return str(values.get("account") or "?").partition("@")[0]


def _detail(values: Values) -> str:
    """The stored detail in brackets, to append; empty if there is none."""
    detail = values.get("detail")
    return f" ({detail})" if detail else ""


_NO_NETWORK: Final = ("ERR_NAME_NOT_RESOLVED", "ERR_INTERNET_DISCONNECTED", "ERR_CONNECTION", "ERR_ADDRESS_UNREACHABLE")
"""Chromium's errors when the network, and not WhatsApp, is down."""


def _child_died(values: Values) -> str:
    """Why the Node child ended. `bye`: the reason in its last line; missing if it ended without such a line."""
    match values.get("bye"):
        case "browser_gone":
            return _("the browser died")
        case "page_crashed":
            return _("the page crashed")
        case "page_closed":
            return _("the page was closed")
        case "browser_failed" if "sandbox" in str(values.get("detail")).lower():
            return _("the browser did not start: no usable sandbox; `leadmasterd doctor` says what to allow")
        case "browser_failed":
            return _("the browser did not start") + _detail(values)
        case "browser_missing":
            return _("the browser is missing") + _detail(values)
        case "initialize_failed" if any(sign in str(values.get("detail")) for sign in _NO_NETWORK):
            return _("web.whatsapp.com cannot be reached; check the network")
        case "initialize_failed":
            return _("WhatsApp Web did not load") + _detail(values)
        case None:
            code = values.get("exit_code")
            return _("the Node child died") + ("" if code is None else _(" (exit code {code})").format(code=code))
        case other:
            return _("the Node child left: {reason}").format(reason=other) + _detail(values)


JOBS: Final[Mapping[str, Callable[[], str]]] = {
    "sweep": lambda: _("sweep"),
    "restart": lambda: _("nightly restart"),
    "learn": lambda: _("training"),
}


def job(name: str) -> str:
    """A job of `next_jobs` in words."""
    return JOBS.get(name, lambda: name)()


def restart(reason: str) -> str:
    """Why the listener was restarted, as `history` counts it: a code, or the reason in a child's `bye`."""
    return because(reason, {}) if reason in REASONS else because("child_died", {"bye": reason})


def _until(values: Values) -> str | None:
    """When a temporary ban ends, or None if that is not known. In UTC, because the reader's zone is not known here."""
    try:
        return datetime.fromtimestamp(float(values["expires"]), UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


def _temporary_ban(values: Values) -> str:
    until, words = _until(values), values.get("message")
    said = f' ("{words}")' if words else ""
    if until is None:
        return _(
            "WhatsApp has banned this number temporarily{said}, and nothing is tried; check WhatsApp on the phone, and "
            "run `leadmasterd resume` when the ban is over"
        ).format(said=said)
    return _(
        "WhatsApp has banned this number until {until}{said}; nothing is tried before that, then it starts by itself"
    ).format(until=until, said=said)


def _logged_out(values: Values) -> str:
    """What happened at a logout. WhatsApp Web gives a reason for few of them (WAWebLogoutReason, 2026-04-27)."""
    match values.get("logout_reason"):
        case "2":
            return _("WhatsApp Web unlinked itself because the first history did not come in time; scan again")
        case "3":
            return _("WhatsApp locked this number and unlinked this device: look at the phone, then scan again")
        case _:
            return _(
                "this device was unlinked, or the number was banned: look at WhatsApp on the phone. The old session is "
                "kept aside, and a new scan is needed"
            )


def _passkey_asked(values: Values) -> str:
    if values.get("step") == "code":
        return _("WhatsApp shows the code {code} and waits for it to be confirmed on the phone").format(
            code=values.get("code") or "?"
        )
    return _(
        "WhatsApp asks for a passkey, which cannot be answered here; run `leadmasterd auth pair` on a Linux computer "
        "with a screen, and then `leadmasterd auth import FILE` here"
    )


_RECYCLE: Final[Mapping[str, Callable[[], Any]]] = {
    "nightly": lambda: _("once a night, with a snapshot of the session"),
    "memory": lambda: _("the browser uses too much memory"),
    "browser_changed": lambda: _("the browser was upgraded"),
    "snapshot": lambda: _("the operator asked for a snapshot"),
}

REASONS: Final[Mapping[str, Callable[[Values], str]]] = {
    "not_started": lambda v: _("not started yet"),
    "started": lambda v: _("just started"),
    "trying_again": lambda v: _("starting again"),
    "resumed": lambda v: _("resumed by the operator"),
    "scan_needed": lambda v: _("WhatsApp asks for a scan: on the phone, Settings > Linked devices > Link a device"),
    "syncing": lambda v: _("WhatsApp is sending what this device has missed"),
    "ready": lambda v: _("listening as {account}").format(account=_account(v)),
    "connection_lost": lambda v: _("WhatsApp Web lost its connection and is reconnecting"),
    "reconnected": lambda v: _("the connection is back"),
    "scanned": lambda v: _("scanned; WhatsApp is sending the first history"),
    "stream_lost": lambda v: _(
        "WhatsApp no longer delivers on this connection, though the page says that it is connected; another listener "
        "may hold the session"
    ),
    "session_elsewhere": lambda v: _("WhatsApp stopped delivering here; another listener may hold the same session"),
    "unavailable": lambda v: _("WhatsApp's servers are not available ({status})").format(status=v.get("status") or "?"),
    "temporary_ban": _temporary_ban,
    "ban_over": lambda v: _("the temporary ban is over"),
    "passkey_asked": _passkey_asked,
    "passkey_check": lambda v: _(
        "WhatsApp checks this linked device and asks for a passkey, which cannot be answered here; run "
        "`leadmasterd auth pair` on a Linux computer with a screen, and then `leadmasterd auth import FILE` here"
    ),
    "passkey_done": lambda v: _("the passkey was answered"),
    "passkey_failed": lambda v: _("the passkey step was refused or not answered in time; scan again"),
    "conflict": lambda v: _("the same session is open elsewhere"),
    "disconnected": lambda v: _("WhatsApp ended the connection: {reason}").format(reason=v.get("reason")),
    "number_at_risk": lambda v: _(
        "WhatsApp shows a warning for this number ({state}) and nothing is retried; "
        "check WhatsApp on the phone, then run `leadmasterd resume`"
    ).format(state=v.get("state")),
    "logged_out": _logged_out,
    "unlinked_or_banned": lambda v: _(
        "this device was unlinked, or the number was banned: look at WhatsApp on the phone; if all is well there, "
        "scan: Settings > Linked devices > Link a device"
    ),
    "start_took_too_long": lambda v: _("the start timed out"),
    "sync_took_too_long": lambda v: _("the sync timed out"),
    "reconnect_took_too_long": lambda v: _("the connection did not come back"),
    "heartbeat_lost": lambda v: _("the page stopped answering for {seconds} s").format(seconds=v.get("silent_seconds")),
    "child_died": _child_died,
    "cannot_spawn": lambda v: _("the Node child could not be started") + _detail(v),
    "session_lost": lambda v: _("the session was lost without a logout; restoring its newest snapshot"),
    "profile_broken": lambda v: _("the browser profile does not open; restoring the newest snapshot of the session"),
    "code_stopped": lambda v: _("WhatsApp Web stopped showing new codes"),
    "not_scanned": lambda v: _(
        "nobody scanned {codes} codes; a new one follows later, or with `leadmasterd restart-listener`"
    ).format(codes=v.get("codes")),
    "contract": lambda v: health.sentence("contract", f"{v.get('costs')} ({v.get('names')})"),
    "screen": lambda v: _("WhatsApp Web shows a full screen ({name}): {text}").format(
        name=v.get("name"), text=v.get("text")
    ),
    "browser_storage": lambda v: _("WhatsApp Web has no room left on the disk: {text}").format(text=v.get("text")),
    "send_refused": lambda v: _("something tried to send: {function}").format(function=v.get("function")),
    "dialog": lambda v: _("WhatsApp Web shows a dialog: {text}").format(text=v.get("text")),
    "dialog_dismissed": lambda v: _("acknowledged a dialog of WhatsApp Web with {button}: {text}").format(
        button=v.get("button"), text=v.get("text")
    ),
    "page_reloaded": lambda v: _("the page reloaded"),
    "deaf": lambda v: _("messages arrived that were not delivered live"),
    "recycle": lambda v: _("planned restart: {why}").format(
        why=_RECYCLE.get(str(v.get("why")), lambda: v.get("why"))()
    ),
    "paused": lambda v: _("paused by the operator; `leadmasterd resume` continues"),
    "restart_asked": lambda v: _("the operator asked for a restart"),
    "asked_to_stop": lambda v: _("asked to stop"),
    "daemon_died": lambda v: _("the daemon died"),
    "not_listening": lambda v: _("the daemon was not running"),
}


def because(code: str, values: Values) -> str:
    """The reason for a phase in one sentence, with the wait before the next try if there is one.

    An unknown code (from a newer version) is shown as it is.
    """
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
"""Spanish names of the stages. Commands in English show them too, beside the id: whoever answers customers reads
Spanish. Either can be typed."""


def stage_name(stage: str) -> str:
    """A stage's name in the language of this process."""
    return name_of(stage, STAGES_ES)


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
    "note_withdrawn": lambda v: _("a note was withdrawn"),
    "undone": lambda v: _("what {who} had decided").format(who=person_name(str(v.get("actor") or "?"))),
}


REASONS_BY_A_PERSON: Final[Mapping[str, Callable[[str], str]]] = {
    "withdrawn": lambda who: _("a change by {who} shows that this was not a lead").format(who=who),
    "recomputed": lambda who: _("after a change by {who}").format(who=who),
}
"""The sentences to use in place of `LEAD_REASONS` where a person's label, merge or decision was the cause."""


def lead_event(
    *, kind: str, before: str | None, after: str | None, code: str, values: Values, actor: str = "system"
) -> str:
    """One line of a lead's record: what changed and why.

    `kind`, `before`, `after`: as in `lead_events`. `code`, `values`: the reason. `actor`: `system` or `person:LOGIN`.
    """
    why = _why(code, values, actor)
    match kind:
        case "note" | "note_withdrawn":
            return printable(why)
        case "dismissed":
            what = _("no answer needed")
        case "undone":
            decided = values.get("decision")
            what = _("undone: {decision}").format(
                decision=_("no answer needed") if decided == "dismissed" else _stage(decided)
            )
        case "opened":
            what = _("opened as {stage}").format(stage=_stage(after))
        case "reopened":
            what = _("reopened: {before} -> {after}").format(before=_stage(before), after=_stage(after))
        case "decision":
            what = _stage(after)
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


def _why(code: str, values: Values, actor: str) -> str:
    """The reason of a lead's event in words. An unknown code (from a newer version) is shown as it is."""
    if actor.startswith("person:") and code in REASONS_BY_A_PERSON:
        return REASONS_BY_A_PERSON[code](person_name(actor))
    return LEAD_REASONS[code](values) if code in LEAD_REASONS else code


def _stage(stage: str | None) -> str:
    return stage_name(stage) if stage else "?"


def _intent(intent: object) -> str:
    from leadmasterd.classify.reasons import intent_name  # `status` has no need of it

    return intent_name(str(intent)) if intent else "?"
