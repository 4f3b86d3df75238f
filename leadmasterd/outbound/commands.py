"""What the subcommands of `leadmaster-outbound` do. Each prints sentences, or one JSON object (docs/outbound.md)."""

import argparse
import json
import os
import pwd
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextlib import suppress as ignored
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from leadmasterd.errors import NO, CannotUseArgument, CannotUseSettings, Refused
from leadmasterd.identity import phone_from_text, phone_of
from leadmasterd.outbound import sentences
from leadmasterd.outbound.core import Core
from leadmasterd.outbound.decision import (
    Consent,
    Denied,
    FreeText,
    Inbound,
    Policy,
    Purpose,
    QuietHours,
    Reason,
    Source,
    Template,
    TemplateStatus,
    obstacles,
)
from leadmasterd.outbound.gateway import NullGateway
from leadmasterd.outbound.records import NewRequest, Records, State, StoredRequest, StoredTemplate, open_records
from leadmasterd.outbound.sender import Sender, only_sender
from leadmasterd.settings.leads_light import read_leads_settings
from leadmasterd.settings.paths import find_paths
from leadmasterd.settings.sending import OutboundSettings, outbound_database, read_outbound
from leadmasterd.text import _, ngettext, printable, spoken_language
from leadmasterd.times import iso

_LIFETIME: Final = timedelta(hours=24)
"""A request that nobody approves in time is out of date."""


@dataclass(frozen=True, slots=True)
class _Desk:
    """What most commands need."""

    records: Records
    core: Core
    settings: OutboundSettings
    policy: Policy
    database: Path
    country: str
    now: datetime

    def person(self, text: str) -> str:
        """The key of the person with this phone."""
        return self.records.person(_match_key(text, self.country))

    def inbound_of(self, stored: StoredRequest) -> Sequence[Inbound]:
        """What is known of their messages to us."""
        return self.core.inbound(_match_key(stored.recipient, self.country)) if stored.recipient else ()

    def shown(self, at: datetime) -> str:
        """`2026-11-30 14:03`, in the shop's zone."""
        return f"{at.astimezone(self.policy.zone):%Y-%m-%d %H:%M}"


@contextmanager
def _desk(arguments: argparse.Namespace) -> Iterator[_Desk]:
    """Raises CannotUseSettings rather than to decide by a default that nobody chose."""
    paths = find_paths(arguments.config)
    settings, leads = read_outbound(paths), read_leads_settings(paths)
    zone = leads.zone()
    if "leads.timezone" in leads.wrong() or not isinstance(zone, ZoneInfo):
        raise CannotUseSettings(
            _("cannot use `leads.timezone` = {zone}: `leadmasterd config check` says what is allowed").format(
                zone=repr(leads.timezone)
            )
        )
    quiet = settings.quiet()
    policy = Policy(
        enabled=settings.enabled,
        account=settings.account,
        zone=zone,
        quiet=QuietHours(*quiet) if quiet else None,
        account_cap=settings.account_cap,
        contact_cap=settings.contact_cap,
    )
    database = paths.state_dir / settings.database
    with open_records(database) as records:
        yield _Desk(
            records=records,
            core=Core(paths.database),
            settings=settings,
            policy=policy,
            database=database,
            country=leads.country.partition("-")[0] or "AR",
            now=datetime.now(UTC),
        )


def _actor() -> str:
    """The login of the person at the terminal, even through sudo."""
    with ignored(KeyError):
        if os.environ.get("SUDO_USER"):
            return f"person:{os.environ['SUDO_USER']}"
        return f"person:{pwd.getpwuid(os.getuid()).pw_name}"
    return f"person:uid {os.getuid()}"


def _match_key(text: str, country: str) -> str:
    key = phone_from_text(text, country)
    if key is None:
        raise CannotUseArgument(_("cannot use {text}: it is no phone number").format(text=repr(text)))
    return key


# ---------------------------------------------------------------------- status and the kill switch


def status(arguments: argparse.Namespace) -> int:
    """What is on and what is off."""
    with _desk(arguments) as desk:
        switch, counts = desk.records.switch(), desk.records.counts()
        core = desk.core.readable()
        if arguments.json:
            return _print(
                gateway=NullGateway.name,
                enabled=desk.settings.enabled,
                account=desk.settings.account or None,
                stopped=switch.stopped,
                stopped_at=iso(switch.at) if switch.at else None,
                stopped_by=switch.actor,
                requests=counts,
                database=str(desk.database),
                listener_readable=core,
            )
        print(_("Nothing is sent: there is no gateway yet that sends. Approved messages are only recorded."))
        print(_("  settings     sending is {on}, account {account}").format(
            on=_("on") if desk.settings.enabled else _("off"), account=desk.settings.account or _("none")
        ))  # fmt: skip
        if switch.at and switch.actor:
            since = _("{on} since {at}, by {who}").format(
                on=_("on") if switch.stopped else _("off"), at=desk.shown(switch.at), who=_who(switch.actor)
            )
        else:
            since = _("on; nobody has lifted it yet")
        print(_("  kill switch  {since}").format(since=since))
        told = ", ".join(f"{n} {state}" for state, n in counts.items()) or _("none yet")
        print(_("  requests     {told}").format(told=told))
        print(_("  records      {path}").format(path=desk.database))
        if not core:
            print(_("  listener     its database can't be read: people are known by their phones only"))
        return 0


def stop(arguments: argparse.Namespace) -> int:
    """The kill switch. Turning it on works whatever is wrong in the settings."""
    with open_records(outbound_database(find_paths(arguments.config))) as records:
        records.turn_switch(stopped=not arguments.lift, actor=_actor(), now=datetime.now(UTC))
    if arguments.json:
        return _print(stopped=not arguments.lift)
    if arguments.lift:
        print(_("The kill switch is off: what is approved may go out."))
    else:
        print(_("The kill switch is on: nothing is sent until `leadmaster-outbound stop --lift`."))
    return 0


# ---------------------------------------------------------------------- requests


def request(arguments: argparse.Namespace) -> int:
    """Draft one."""
    with _desk(arguments) as desk:
        lead, recipient = _recipient(desk, arguments.to)
        content: FreeText | Template = FreeText(arguments.text or "")
        if arguments.template:
            content = Template(arguments.template, arguments.language, tuple(arguments.value))
        elif arguments.value:
            raise CannotUseArgument(_("cannot use --value: free text takes none"))
        new = NewRequest(
            account=desk.settings.account,
            person=desk.person(recipient),
            recipient=recipient,
            purpose=arguments.purpose,
            content=content,
            not_after=_time(desk, arguments.not_after) or desk.now + _LIFETIME,
            not_before=_time(desk, arguments.not_before),
            lead_id=lead,
        )
        request_id = desk.records.add_request(new, actor=_actor(), now=desk.now)
        return _show(desk, [request_id], arguments)


def _recipient(desk: _Desk, text: str) -> tuple[int | None, str]:
    """The lead, if one was named, and the digits to write to."""
    if text.isascii() and text.isdigit() and len(text) < 7:
        phone = desk.core.phone_of_lead(int(text))
        if phone is None:
            raise Refused(_("cannot write to lead {lead}: there is none, it has no phone, or the listener's database "
                            "can't be read; name a phone").format(lead=text))  # fmt: skip
        return int(text), phone
    key = _match_key(text, desk.country)
    digits = "".join(filter(str.isdigit, text))
    whole = phone_of(f"{digits}@c.us")
    typed = digits if whole and whole.match_key == key else key  # else without the country's code, or with a 15
    return None, desk.core.phone_as_known(key) or typed


def _time(desk: _Desk, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise CannotUseArgument(
            _("cannot use the time {text}: write it as 2026-11-23 or 2026-11-23T14:30").format(text=repr(text))
        ) from error
    return (at if at.tzinfo else at.replace(tzinfo=desk.policy.zone)).astimezone(UTC)


def check(arguments: argparse.Namespace) -> int:
    """0 if all may be sent now, else 1."""
    with _desk(arguments) as desk:
        _show(desk, arguments.requests, arguments)
        return NO if any(_obstacles(desk, desk.records.request(each)) for each in arguments.requests) else 0


def approve(arguments: argparse.Namespace) -> int:
    """All of them or none."""
    return _move(arguments, State.APPROVED, allowed=(State.DRAFT,))


def cancel(arguments: argparse.Namespace) -> int:
    """All of them or none."""
    return _move(arguments, State.CANCELLED, allowed=(State.DRAFT, State.APPROVED))


def _move(arguments: argparse.Namespace, state: State, *, allowed: Sequence[State]) -> int:
    with _desk(arguments) as desk:
        with desk.records.transaction():
            for request_id in arguments.requests:
                desk.records.move(request_id, state, allowed=allowed, actor=_actor(), now=desk.now)
        return _show(desk, arguments.requests, arguments)


def list_requests(arguments: argparse.Namespace) -> int:
    """Without decisions: `check` has those."""
    with _desk(arguments) as desk:
        found = desk.records.requests(arguments.state, limit=arguments.limit)
        if arguments.json:
            return _print(requests=[_as_json(each) for each in found])
        for stored in found:
            _print_request(desk, stored)
        if not found:
            print(_("No requests."))
        return 0


def send(arguments: argparse.Namespace) -> int:
    """Everything approved that may be sent now. What is held back stays approved, and its reason is told."""
    with _desk(arguments) as desk, only_sender(desk.database):
        sender = Sender(
            records=desk.records,
            gateway=NullGateway(),
            policy=desk.policy,
            inbound_of=desk.inbound_of,
            clock=lambda: datetime.now(UTC),
        )
        outcomes = list(sender.send_approved())
        if arguments.json:
            return _print(
                outcomes=[
                    {
                        "request_id": each.request_id,
                        "state": each.state.value,
                        "reason": each.denied.reason.value if each.denied else None,
                    }
                    for each in outcomes
                ]
            )
        for each in outcomes:
            print(_("Request {id}: {what}").format(id=each.request_id, what=_outcome(each.state, each.denied)))
            if each.denied:
                _print_denied(desk, each.denied)
        if not outcomes:
            print(_("Nothing is approved."))
        return 0


def _outcome(state: State, denied: Denied | None) -> str:
    if denied:
        return _("held back ({code})").format(code=denied.reason.value)
    return {
        State.RECORDED: _("recorded; nothing was sent"),
        State.ACCEPTED: _("accepted"),
        State.FAILED: _("refused by the provider"),
        State.UNKNOWN: _("unknown: the program died while it was sent; it is not sent again"),
    }.get(state, state.value)


def _obstacles(desk: _Desk, stored: StoredRequest) -> list[Denied]:
    facts = desk.records.facts(stored, desk.now, desk.inbound_of(stored))
    return obstacles(stored.request, facts, desk.policy, desk.now)


def _show(desk: _Desk, ids: Sequence[int], arguments: argparse.Namespace) -> int:
    """Requests with the decision of this moment."""
    found = [desk.records.request(each) for each in ids]
    if arguments.json:
        return _print(requests=[_as_json(each) | _decision(desk, _obstacles(desk, each)) for each in found])
    for stored in found:
        _print_request(desk, stored)
        denied = _obstacles(desk, stored)
        print(_("  may be sent now") if not denied else _("  may not be sent now:"))
        for each in denied:
            _print_denied(desk, each)
            if each.reason is Reason.TEMPLATE_NEEDED:
                _print_elsewhere(desk, stored)
    return 0


def _print_elsewhere(desk: _Desk, stored: StoredRequest) -> None:
    """They did write, and it opens nothing."""
    for each in desk.inbound_of(stored):
        if each.source is not Source.CLOUD_API:
            number = each.account.partition("@")[0]
            text = _("    (their message of {at} came to {number}, the number we listen to, and opens no window)")
            print(text.format(at=desk.shown(each.at), number=number))


def _print_request(desk: _Desk, stored: StoredRequest) -> None:
    whom = f"+{stored.recipient}" if stored.recipient else _("somebody forgotten")
    print(
        _("Request {id}: {state}, {purpose} to {whom}, of {at} by {who}").format(
            id=stored.request_id,
            state=stored.state.value,
            purpose=stored.request.purpose.value,
            whom=whom,
            at=desk.shown(stored.created_at),
            who=_who(stored.actor),
        )
    )
    if stored.text:
        print(f"  «{printable(stored.text)}»")


def _print_denied(desk: _Desk, denied: Denied) -> None:
    spanish = printable(sentences.spanish(denied, desk.policy.zone))
    if spoken_language() == "es":
        print(f"  {denied.reason.value}: {spanish}")
        return
    print(f"  {denied.reason.value}: {printable(sentences.english(denied, desk.policy.zone))}")
    print(f"    {spanish}")


def _as_json(stored: StoredRequest) -> dict[str, object]:
    content = stored.request.content
    return {
        "request_id": stored.request_id,
        "state": stored.state.value,
        "state_at": iso(stored.state_at),
        "to": stored.recipient,
        "lead_id": stored.lead_id,
        "account": stored.request.account,
        "purpose": stored.request.purpose.value,
        "template": content.name if isinstance(content, Template) else None,
        "text": stored.text,
        "created_at": iso(stored.created_at),
        "created_by": stored.actor,
        "not_before": iso(stored.request.not_before) if stored.request.not_before else None,
        "not_after": iso(stored.request.not_after),
    }


def _decision(desk: _Desk, found: Sequence[Denied]) -> dict[str, object]:
    return {
        "allowed": not found,
        "obstacles": [
            {
                "reason": each.reason.value,
                "until": iso(each.until) if each.until else None,
                "en": sentences.english(each, desk.policy.zone),
                "es": sentences.spanish(each, desk.policy.zone),
            }
            for each in found
        ],
    }


# ---------------------------------------------------------------------- templates and people


def template(arguments: argparse.Namespace) -> int:
    """Record one, approve one, or list all."""
    with _desk(arguments) as desk:
        if arguments.name:
            _change_template(desk, arguments)
        found = [each for each in desk.records.templates() if not arguments.name or each.name == arguments.name]
        if arguments.json:
            return _print(
                templates=[
                    {
                        "account": each.account,
                        "name": each.name,
                        "language": each.language,
                        "category": each.category.value,
                        "status": each.status.value,
                        "body": each.body,
                        "approved_by": each.approved_by,
                    }
                    for each in found
                ]
            )
        for each in found:
            ours = _("approved by {who}").format(who=_who(each.approved_by)) if each.approved_by else _("not approved")
            print(
                _("{name} ({language}): {category}; Meta: {status}; we: {ours}").format(
                    name=printable(each.name),
                    language=printable(each.language),
                    category=each.category.value,
                    status=each.status.value,
                    ours=ours,
                )
            )
            print(f"  «{printable(each.body)}»")
        if not found:
            print(_("No templates."))
        return 0


def _change_template(desk: _Desk, arguments: argparse.Namespace) -> None:
    with desk.records.transaction():
        known = desk.records.template(desk.settings.account, arguments.name, arguments.language)
        if known is None and not (arguments.body and arguments.category):
            raise Refused(
                _("cannot find the template {name} ({language}); to record it, give --category and --body").format(
                    name=arguments.name, language=arguments.language
                )
            )
        new = StoredTemplate(
            account=desk.settings.account,
            name=arguments.name,
            language=arguments.language,
            category=arguments.category or (known.category if known else Purpose.MARKETING),
            status=arguments.status or (known.status if known else TemplateStatus.PENDING),
            body=arguments.body or (known.body if known else ""),
            approved_by=None,
        )
        if arguments.body or arguments.category or arguments.status:
            desk.records.put_template(new, now=desk.now)
        if arguments.approve or arguments.disapprove:
            desk.records.approve_template(new, actor=_actor() if arguments.approve else None, now=desk.now)


def consent(arguments: argparse.Namespace) -> int:
    """Append what somebody said."""
    with _desk(arguments) as desk:
        said = Consent(arguments.purpose, not arguments.withdraw, desk.now, arguments.evidence)
        desk.records.add_consent(desk.person(arguments.phone), said, actor=_actor())
        if arguments.json:
            return _print(purpose=said.purpose.value, granted=said.granted, at=iso(said.at))
        recorded = (
            _("Recorded: they agreed to {purpose} messages.")
            if said.granted
            else _("Recorded: they no longer agree to {purpose} messages.")
        )
        print(recorded.format(purpose=said.purpose.value))
        return 0


def suppress(arguments: argparse.Namespace) -> int:
    """Append, and tell."""
    with _desk(arguments) as desk:
        desk.records.suppress(desk.person(arguments.phone), actor=_actor(), now=desk.now, lift=arguments.lift)
        if arguments.json:
            return _print(suppressed=not arguments.lift)
        print(_("They may be written to again.") if arguments.lift else _("Nothing will be sent to them."))
        return 0


def forget(arguments: argparse.Namespace) -> int:
    """Erase them here. The listener's database has its own way."""
    with _desk(arguments) as desk:
        emptied = desk.records.forget(desk.person(arguments.phone), actor=_actor(), now=desk.now)
        if arguments.json:
            return _print(suppressed=True, emptied=emptied)
        print(
            ngettext(
                "Forgotten, and never to be written to. {n} request was emptied.",
                "Forgotten, and never to be written to. {n} requests were emptied.",
                emptied,
            ).format(n=emptied)
        )
        return 0


# ---------------------------------------------------------------------- printing


def _who(actor: str) -> str:
    return printable(actor.removeprefix("person:"))


def _print(**answer: object) -> int:
    print(json.dumps(answer))
    return 0
