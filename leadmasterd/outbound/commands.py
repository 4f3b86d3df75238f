"""What the subcommands of `leadmaster-outbound` do.

Each command prints sentences or, with `--json`, one object (docs/outbound.md), and returns its exit code. Errors of
`leadmasterd.errors` are printed by `cli`.
"""

import argparse
import json
import os
import pwd
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextlib import suppress as ignored
from dataclasses import dataclass, replace
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
"""How long a request can be sent by default: approved later than that, it would be out of date."""


@dataclass(frozen=True, slots=True)
class _Context:
    """What most commands need: settings, the open records, and the time at which the command began."""

    records: Records
    core: Core
    settings: OutboundSettings
    policy: Policy
    database: Path
    """The file of the records."""
    country: str
    """The country of phones that are typed without a country code: `AR`, say."""
    now: datetime

    def person(self, text: str) -> str:
        """The key of the person with this phone, in any spelling. Raises CannotUseArgument if it is no phone."""
        return self.records.person(_match_key(text, self.country))

    def inbound_of(self, stored: StoredRequest) -> Sequence[Inbound]:
        """What is known of the recipient's messages to us; nothing if they were forgotten."""
        return self.core.inbound(_match_key(stored.recipient, self.country)) if stored.recipient else ()

    def shown(self, at: datetime) -> str:
        """`2026-11-30 14:03`, in the shop's zone."""
        return f"{at.astimezone(self.policy.zone):%Y-%m-%d %H:%M}"


@contextmanager
def _open_context(arguments: argparse.Namespace) -> Iterator[_Context]:
    """Read the settings and open the records, which are closed at the end.

    Raises CannotUseSettings if their time zone is wrong: a default that nobody chose must not decide when to send.
    """
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
        yield _Context(
            records=records,
            core=Core(paths.database),
            settings=settings,
            policy=policy,
            database=database,
            country=leads.country.partition("-")[0] or "AR",
            now=datetime.now(UTC),
        )


def _actor() -> str:
    """The person at the terminal, also through sudo: `person:LOGIN`, or `person:uid N` for a user without a name."""
    with ignored(KeyError):
        if os.environ.get("SUDO_USER"):
            return f"person:{os.environ['SUDO_USER']}"
        return f"person:{pwd.getpwuid(os.getuid()).pw_name}"
    return f"person:uid {os.getuid()}"


def _match_key(text: str, country: str) -> str:
    """The match key of a phone in any spelling (`identity.phone_from_text`). Raises CannotUseArgument for no phone."""
    key = phone_from_text(text, country)
    if key is None:
        raise CannotUseArgument(_("cannot use {text}: it is no phone number").format(text=repr(text)))
    return key


# ---------------------------------------------------------------------- status and the kill switch


def status(arguments: argparse.Namespace) -> int:
    """Show what is on and what is off, and how many requests are in each state."""
    with _open_context(arguments) as context:
        switch = context.records.switch()
        counts = context.records.counts()
        listener_readable = context.core.readable()
        if arguments.json:
            return _print(
                gateway=NullGateway.name,
                enabled=context.settings.enabled,
                account=context.settings.account or None,
                stopped=switch.stopped,
                stopped_at=iso(switch.at) if switch.at else None,
                stopped_by=switch.actor,
                requests=counts,
                database=str(context.database),
                listener_readable=listener_readable,
            )
        print(_("Nothing is sent: there is no gateway yet that sends. Approved messages are only recorded."))
        print(_("  settings     sending is {on}, account {account}").format(
            on=_("on") if context.settings.enabled else _("off"), account=context.settings.account or _("none")
        ))  # fmt: skip
        if switch.at and switch.actor:
            since = _("{on} since {at}, by {who}").format(
                on=_("on") if switch.stopped else _("off"), at=context.shown(switch.at), who=_who(switch.actor)
            )
        else:
            since = _("on; nobody has lifted it yet")
        print(_("  kill switch  {since}").format(since=since))
        requests = ", ".join(f"{n} {state}" for state, n in counts.items()) or _("none yet")
        print(_("  requests     {told}").format(told=requests))
        print(_("  records      {path}").format(path=context.database))
        if not listener_readable:
            print(_("  listener     its database can't be read: people are known by their phones only"))
        return 0


def stop(arguments: argparse.Namespace) -> int:
    """Turn the kill switch on, or off with --lift. It works whatever is wrong in the settings."""
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
    """Write a request as a draft, and show it with the obstacles to sending it now."""
    with _open_context(arguments) as context:
        lead, recipient = _recipient(context, arguments.to)
        content: FreeText | Template = FreeText(arguments.text or "")
        if arguments.template:
            content = Template(arguments.template, arguments.language, tuple(arguments.value))
        elif arguments.value:
            raise CannotUseArgument(_("cannot use --value: free text takes none"))
        new = NewRequest(
            account=context.settings.account,
            person=context.person(recipient),
            recipient=recipient,
            purpose=arguments.purpose,
            content=content,
            not_after=_time(context, arguments.not_after) or context.now + _LIFETIME,
            not_before=_time(context, arguments.not_before),
            lead_id=lead,
        )
        request_id = context.records.add_request(new, actor=_actor(), now=context.now)
        return _show(context, [request_id], arguments)


def _recipient(context: _Context, text: str) -> tuple[int | None, str]:
    """The number of the lead, None if a phone was given, and the digits to write to.

    Fewer than seven digits are the number of a lead. For a phone that the listener knows, they are the digits of its
    WhatsApp id; for another one those that were typed, or its match key if these are not complete. Raises Refused for
    a lead without a phone, and CannotUseArgument for what is no phone.
    """
    if text.isascii() and text.isdigit() and len(text) < 7:
        phone = context.core.phone_of_lead(int(text))
        if phone is None:
            raise Refused(_("cannot write to lead {lead}: there is none, it has no phone, or the listener's database "
                            "can't be read; name a phone").format(lead=text))  # fmt: skip
        return int(text), phone
    key = _match_key(text, context.country)
    digits = "".join(filter(str.isdigit, text))
    typed = phone_of(f"{digits}@c.us")
    # Complete: with the country's code, and in Argentina without the 15.
    is_complete = typed is not None and typed.match_key == key
    return None, context.core.phone_as_known(key) or (digits if is_complete else key)


def _time(context: _Context, text: str | None) -> datetime | None:
    """A time from the command line as UTC; without an offset it is in the shop's zone. None if it was not given."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise CannotUseArgument(
            _("cannot use the time {text}: write it as 2026-11-23 or 2026-11-23T14:30").format(text=repr(text))
        ) from error
    return (at if at.tzinfo else at.replace(tzinfo=context.policy.zone)).astimezone(UTC)


def check(arguments: argparse.Namespace) -> int:
    """Show these requests with the obstacles to sending them now. Returns 1 if one may not be sent, else 0."""
    with _open_context(arguments) as context:
        _show(context, arguments.requests, arguments)
        requests = [context.records.request(each) for each in arguments.requests]
        all_may_be_sent = not any(_obstacles(context, each) for each in requests)
        return 0 if all_may_be_sent else NO


def approve(arguments: argparse.Namespace) -> int:
    """Approve these drafts, all of them or none."""
    return _move(arguments, State.APPROVED, allowed=(State.DRAFT,))


def cancel(arguments: argparse.Namespace) -> int:
    """Cancel these drafts and approved requests, all of them or none."""
    return _move(arguments, State.CANCELLED, allowed=(State.DRAFT, State.APPROVED))


def _move(arguments: argparse.Namespace, state: State, *, allowed: Sequence[State]) -> int:
    """Put these requests into this state, and show them.

    Raises Refused if one is not in an allowed state; then none is changed.
    """
    with _open_context(arguments) as context:
        with context.records.transaction():
            for request_id in arguments.requests:
                context.records.move(request_id, state, allowed=allowed, actor=_actor(), now=context.now)
        return _show(context, arguments.requests, arguments)


def list_requests(arguments: argparse.Namespace) -> int:
    """Show requests, the newest first; whether they may be sent now is what `check` shows."""
    with _open_context(arguments) as context:
        found = context.records.requests(arguments.state, limit=arguments.limit)
        if arguments.json:
            return _print(requests=[_as_json(each) for each in found])
        for stored in found:
            _print_request(context, stored)
        if not found:
            print(_("No requests."))
        return 0


def send(arguments: argparse.Namespace) -> int:
    """Hand over every approved request that may be sent now. The others stay approved, and the reason is shown."""
    with _open_context(arguments) as context, only_sender(context.database):
        sender = Sender(
            records=context.records,
            gateway=NullGateway(),
            policy=context.policy,
            inbound_of=context.inbound_of,
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
                _print_denied(context, each.denied)
        if not outcomes:
            print(_("Nothing is approved."))
        return 0


def _outcome(state: State, denied: Denied | None) -> str:
    """What became of a request in words: held back, if it was denied, else its new state."""
    if denied:
        return _("held back ({code})").format(code=denied.reason.value)
    return {
        State.RECORDED: _("recorded; nothing was sent"),
        State.ACCEPTED: _("accepted"),
        State.FAILED: _("refused by the provider"),
        State.UNKNOWN: _("unknown: the program died while it was sent; it is not sent again"),
    }.get(state, state.value)


def _obstacles(context: _Context, stored: StoredRequest) -> list[Denied]:
    """The obstacles to sending this request now."""
    facts = context.records.facts(stored, context.now, context.inbound_of(stored))
    return obstacles(stored.request, facts, context.policy, context.now)


def _show(context: _Context, ids: Sequence[int], arguments: argparse.Namespace) -> int:
    """Print these requests, each with the obstacles to sending it now. Returns 0."""
    found = [context.records.request(each) for each in ids]
    if arguments.json:
        return _print(
            requests=[_as_json(each) | _decision_as_json(context, _obstacles(context, each)) for each in found]
        )
    for stored in found:
        _print_request(context, stored)
        denied = _obstacles(context, stored)
        print(_("  may be sent now") if not denied else _("  may not be sent now:"))
        for each in denied:
            _print_denied(context, each)
            if each.reason is Reason.TEMPLATE_NEEDED:
                _print_messages_elsewhere(context, stored)
    return 0


def _print_messages_elsewhere(context: _Context, stored: StoredRequest) -> None:
    """Print when the person wrote to a number that we listen to: such a message opens no window."""
    for each in context.inbound_of(stored):
        if each.source is not Source.CLOUD_API:
            number = each.account.partition("@")[0]
            text = _("    (their message of {at} came to {number}, the number we listen to, and opens no window)")
            print(text.format(at=context.shown(each.at), number=number))


def _print_request(context: _Context, stored: StoredRequest) -> None:
    """Print one line about the request, and its text if it is known."""
    whom = f"+{stored.recipient}" if stored.recipient else _("somebody forgotten")
    print(
        _("Request {id}: {state}, {purpose} to {whom}, of {at} by {who}").format(
            id=stored.request_id,
            state=stored.state.value,
            purpose=stored.request.purpose.value,
            whom=whom,
            at=context.shown(stored.created_at),
            who=_who(stored.actor),
        )
    )
    if stored.text:
        print(f"  «{printable(stored.text)}»")


def _print_denied(context: _Context, denied: Denied) -> None:
    """Print the obstacle's code with its sentence: in Spanish only if that is spoken, else in English and Spanish."""
    spanish = printable(sentences.spanish(denied, context.policy.zone))
    if spoken_language() == "es":
        print(f"  {denied.reason.value}: {spanish}")
        return
    print(f"  {denied.reason.value}: {printable(sentences.english(denied, context.policy.zone))}")
    print(f"    {spanish}")


def _as_json(stored: StoredRequest) -> dict[str, object]:
    """The object `requests[]` of docs/outbound.md, without `allowed` and `obstacles`."""
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


def _decision_as_json(context: _Context, found: Sequence[Denied]) -> dict[str, object]:
    """`allowed` and `obstacles` of the object `requests[]` in docs/outbound.md."""
    return {
        "allowed": not found,
        "obstacles": [
            {
                "reason": each.reason.value,
                "until": iso(each.until) if each.until else None,
                "en": sentences.english(each, context.policy.zone),
                "es": sentences.spanish(each, context.policy.zone),
            }
            for each in found
        ],
    }


# ---------------------------------------------------------------------- templates and people


def template(arguments: argparse.Namespace) -> int:
    """Record or approve the template that is named, and show it; without a name, show all."""
    with _open_context(arguments) as context:
        if arguments.name:
            _change_template(context, arguments)
        found = [each for each in context.records.templates() if not arguments.name or each.name == arguments.name]
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


def _change_template(context: _Context, arguments: argparse.Namespace) -> None:
    """Record what the arguments say about a template, and approve its text or take that back.

    What they leave out stays as recorded. Raises Refused for a new template without a category or a text.
    """
    with context.records.transaction():
        known = context.records.template(context.settings.account, arguments.name, arguments.language)
        if known is None and not (arguments.body and arguments.category):
            raise Refused(
                _("cannot find the template {name} ({language}); to record it, give --category and --body").format(
                    name=arguments.name, language=arguments.language
                )
            )
        if known is None:
            known = StoredTemplate(
                account=context.settings.account,
                name=arguments.name,
                language=arguments.language,
                category=arguments.category,
                status=TemplateStatus.PENDING,
                body=arguments.body,
                approved_by=None,
            )
        new = replace(
            known,
            category=arguments.category or known.category,
            status=arguments.status or known.status,
            body=arguments.body or known.body,
        )
        if arguments.body or arguments.category or arguments.status:
            context.records.put_template(new, now=context.now)
        if arguments.approve or arguments.disapprove:
            context.records.approve_template(new, actor=_actor() if arguments.approve else None, now=context.now)


def consent(arguments: argparse.Namespace) -> int:
    """Record that somebody agreed to messages of a purpose, or took that back."""
    with _open_context(arguments) as context:
        said = Consent(arguments.purpose, not arguments.withdraw, context.now, arguments.evidence)
        context.records.add_consent(context.person(arguments.phone), said, actor=_actor())
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
    """Record that somebody must not be written to, or with --lift that they may be again."""
    with _open_context(arguments) as context:
        context.records.suppress(context.person(arguments.phone), actor=_actor(), now=context.now, lift=arguments.lift)
        if arguments.json:
            return _print(suppressed=not arguments.lift)
        print(_("They may be written to again.") if arguments.lift else _("Nothing will be sent to them."))
        return 0


def forget(arguments: argparse.Namespace) -> int:
    """Erase somebody from these records, and suppress them. The listener's database is not touched."""
    with _open_context(arguments) as context:
        emptied = context.records.forget(context.person(arguments.phone), actor=_actor(), now=context.now)
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
    """An actor as people read it: the login."""
    return printable(actor.removeprefix("person:"))


def _print(**answer: object) -> int:
    """Print one JSON object with these members. Returns 0, for a command to return."""
    print(json.dumps(answer))
    return 0
