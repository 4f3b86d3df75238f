"""What is read here, in words that commands and alerts share: who it is, what they want, what there is to do."""

from typing import TYPE_CHECKING

from leadmasterd.text import _, ngettext

if TYPE_CHECKING:  # commands that have to answer at once need the words alone
    from leadmasterd.queries.alerts import NewLead
    from leadmasterd.queries.lead_detail import Person, RecordEntry
    from leadmasterd.queries.leads import Lead, LeadTouch
    from leadmasterd.queries.today import DueFollowUp
    from leadmasterd.queries.waiting import WaitingConversation


def person(row: "Lead | NewLead | WaitingConversation | DueFollowUp") -> tuple[str, str]:
    """A name, and below it how to reach them; either can be typed as an ID."""
    who = row["who"]
    if row["phone"]:
        return who, row["phone"] if row["phone"] != who else ""
    number = row["chat"].removesuffix("@lid")
    return (number, _("no phone known")) if who == row["chat"] else (who, number)


def best_name(contact: "Person") -> str | None:
    """The best name that is known, or else the phone."""
    from leadmasterd.queries.people import is_blank

    names = (contact["saved_name"], contact["verified_name"], contact["push_name"], contact["phone"])
    return next((each for each in names if each and not is_blank(each)), None)


def names(contact: "Person") -> list[str]:
    """Every name and what it is."""
    from leadmasterd.queries.people import is_blank

    found = []
    if contact["saved_name"]:
        found.append(_("{name} in the address book").format(name=contact["saved_name"]))
    if contact["verified_name"]:
        found.append(_("{name} as a business").format(name=contact["verified_name"]))
    if contact["push_name"] and not is_blank(contact["push_name"]):
        found.append(_("calls themselves {name}").format(name=contact["push_name"]))
    if contact["business"]:
        found.append(_("a business account"))
    return found


def opened_by(source: str) -> str:
    """How a lead began."""
    return {"message": _("by a message"), "ad": _("by an ad"), "person": _("by hand")}.get(source, source)


def answered_by(machine: str) -> str:
    """Which machine of ours has answered, where nobody of the operator's has."""
    return {
        "assistant": _("answered by the assistant, nobody of yours yet"),
        "api": _("answered by a program, nobody of yours yet"),
        "auto_reply": _("answered automatically, nobody of yours yet"),
    }[machine]


def recorded(entry: "RecordEntry") -> str:
    """What a line of a lead's record says: what changed, and why."""
    from leadmasterd.sentences import lead_event

    return lead_event(
        kind=entry["kind"],
        before=entry["before"],
        after=entry["after"],
        code=entry["code"],
        values=entry["values"],
        actor=entry["actor"],
    )


def only_called(row: "WaitingConversation") -> bool:
    """Whether all that is known of somebody who waits is a call that nobody took."""
    return row["missed_call"] and not row["intent"]


def wanted(row: "WaitingConversation") -> str:
    """What somebody is waiting for."""
    from leadmasterd.classify.reasons import intent_name

    return _("missed call") if only_called(row) else intent_name(row["intent"] or "unknown")


def came_by(touch: "LeadTouch") -> str:
    """`a campaign: Verano 2027`."""
    from leadmasterd.queries.leads import touch_name

    return f"{kind_of_touch(touch['kind'])}: {touch_name(touch)}"


def kind_of_touch(kind: str) -> str:
    """`a campaign`."""
    kinds = {
        "ad": _("an ad"),
        "link": _("a link"),
        "campaign": _("a campaign"),
        "product": _("a product"),
        "status": _("our status"),
    }
    return kinds.get(kind, kind)


def follow_up(kind: str, number: int) -> str:
    """What there is to do. `number`: its place in the series."""
    from leadmasterd.leads.fold import QUOTE_DAYS

    known = {
        "quote_silent": _("ask about the quote ({n} of {all})").format(n=number, all=len(QUOTE_DAYS)),
        "after_sale": _("look into their after-sale question"),
    }
    return known.get(kind, kind)


def pending_note(number: int) -> str:
    """Warns that somebody may be waiting in conversations whose leads are not up to date."""
    return ngettext(
        "{n} conversation is not processed yet: somebody may be waiting there.",
        "{n} conversations are not processed yet: somebody may be waiting there.",
        number,
    ).format(n=number)


def feed_state(state: str) -> str:
    """How a feed is, in a word or two."""
    return {
        "new": _("not begun"),
        "active": _("active"),
        "down": _("down"),
        "paused": _("paused"),
        "disabled": _("disabled"),
        "unusable": _("unusable"),
    }[state]


def alert_state(state: str) -> str:
    """What became of an alert, in a word or two."""
    return {
        "held": _("held by quiet hours"),
        "gathered": _("in the next digest"),
        "due": _("not yet"),
        "told": _("told"),
        "over": _("over before"),
        "in_digest": _("in a digest"),
        "given_up": _("given up"),
    }[state]
