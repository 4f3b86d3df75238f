"""What is read here, in words that commands and alerts share: who it is, what they want, what there is to do."""

from typing import TYPE_CHECKING

from leadmasterd.text import _, ngettext, spoken_language

if TYPE_CHECKING:  # commands that have to answer at once need the words alone
    from leadmasterd.queries.alerts import NewLead
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


def wants(row: "WaitingConversation") -> tuple[str, ...]:
    """What somebody is waiting for: as an id and in Spanish, or to who reads Spanish in Spanish alone."""
    from leadmasterd.classify.reasons import intent_lines

    if row["missed_call"] and not row["intent"]:
        return (_("missed call"),) if spoken_language() == "es" else (_("missed call"), "llamada perdida")
    return intent_lines(row["intent"] or "unknown")


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
