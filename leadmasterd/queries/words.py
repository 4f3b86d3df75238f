"""Records of `queries` in words, in the user's language, for commands, alerts and the page: who it is, what they want.

A code that has no words here, as from a newer version, is shown as it is. But an unknown state raises KeyError: states
are closed unions.
"""

from typing import TYPE_CHECKING

from leadmasterd.text import _, ngettext

if TYPE_CHECKING:  # commands that have to answer at once need the words alone
    from leadmasterd.queries.alerts import NewLead
    from leadmasterd.queries.lead_detail import Person, RecordEntry
    from leadmasterd.queries.leads import Lead, LeadTouch
    from leadmasterd.queries.today import DueFollowUp
    from leadmasterd.queries.waiting import WaitingConversation


def person(row: "Lead | NewLead | WaitingConversation | DueFollowUp") -> tuple[str, str]:
    """A name and, for the line below it, how to reach them: the phone, else the chat id.

    A command finds the person by either of the two. The second is empty if the name is already the phone. Where even
    the name is only a chat id, the second says that no phone is known.
    """
    who, phone = row["who"], row["phone"]
    if phone:
        return who, "" if phone == who else phone
    number = row["chat"].removesuffix("@lid")
    if who == row["chat"]:
        return number, _("no phone known")
    return who, number


def best_name(contact: "Person") -> str | None:
    """The visible name to trust most: the operator's, the verified one, their own, else the phone. None without any."""
    from leadmasterd.queries.people import is_blank

    names = (contact["saved_name"], contact["verified_name"], contact["push_name"], contact["phone"])
    return next((each for each in names if each and not is_blank(each)), None)


def names(contact: "Person") -> list[str]:
    """Every name that is known, each with where it comes from, and whether it is a business account. May be empty."""
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
    """How a lead began, from its `source`."""
    return {"message": _("by a message"), "ad": _("by an ad"), "person": _("by hand")}.get(source, source)


def answered_by(machine: str) -> str:
    """That only a machine has answered so far, no person. `machine`: the author of its message, as it is stored."""
    return {
        "assistant": _("answered by the assistant, nobody of yours yet"),
        "api": _("answered by a program, nobody of yours yet"),
        "auto_reply": _("answered automatically, nobody of yours yet"),
    }[machine]


def recorded(entry: "RecordEntry") -> str:
    """An event of a lead's record as a sentence: what changed, and why."""
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
    """Whether only a missed call is known: they wrote nothing that tells what they want."""
    return row["missed_call"] and not row["intent"]


def wanted(row: "WaitingConversation") -> str:
    """What somebody who waits wants: the intent of their messages, or `missed call`."""
    from leadmasterd.classify.reasons import intent_name

    return _("missed call") if only_called(row) else intent_name(row["intent"] or "unknown")


def came_by(touch: "LeadTouch") -> str:
    """What brought a customer here, with its name: `a campaign: Verano 2027`."""
    from leadmasterd.queries.leads import touch_name

    return f"{kind_of_touch(touch['kind'])}: {touch_name(touch)}"


def kind_of_touch(kind: str) -> str:
    """The kind of touchpoint in words: `a campaign`."""
    kinds = {
        "ad": _("an ad"),
        "link": _("a link"),
        "campaign": _("a campaign"),
        "product": _("a product"),
        "status": _("our status"),
    }
    return kinds.get(kind, kind)


def follow_up(kind: str, number: int) -> str:
    """What to do about a customer. `number`: which one this is, from 1, in the series of follow-ups on one quote."""
    from leadmasterd.leads.fold import QUOTE_DAYS

    known = {
        "quote_silent": _("ask about the quote ({n} of {all})").format(n=number, all=len(QUOTE_DAYS)),
        "after_sale": _("look into their after-sale question"),
    }
    return known.get(kind, kind)


def pending_note(number: int) -> str:
    """A warning that `number` conversations are not processed yet, so lists may lack somebody who waits."""
    return ngettext(
        "{n} conversation is not processed yet: somebody may be waiting there.",
        "{n} conversations are not processed yet: somebody may be waiting there.",
        number,
    ).format(n=number)


def feed_state(state: str) -> str:
    """A `FeedState` in a word or two."""
    return {
        "new": _("not begun"),
        "active": _("active"),
        "down": _("down"),
        "paused": _("paused"),
        "disabled": _("disabled"),
        "unusable": _("unusable"),
    }[state]


def alert_state(state: str) -> str:
    """An alert's `State` in a word or two."""
    return {
        "held": _("held by quiet hours"),
        "gathered": _("in the next digest"),
        "due": _("not yet"),
        "told": _("told"),
        "over": _("over before"),
        "in_digest": _("in a digest"),
        "given_up": _("given up"),
    }[state]
