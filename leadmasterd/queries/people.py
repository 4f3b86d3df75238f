"""People: finding one by what somebody types, what they are called, and which contacts may be one person.

A person is a root contact and all contacts that were merged into it.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple, TypedDict

from leadmasterd.errors import Refused
from leadmasterd.queries.database import Connection, id_list, records, rows
from leadmasterd.text import _, printable, unaccented

if TYPE_CHECKING:
    from leadmasterd.store import duplicates as store_duplicates

DISPLAY_NAME: Final = (
    "coalesce(nullif(trim(r.saved_name), ''), nullif(trim(c.saved_name), ''), nullif(trim(r.verified_name), ''), "
    "nullif(trim(c.verified_name), ''), nullif(trim(r.push_name), ''), nullif(trim(c.push_name), ''), c.phone, "
    "r.phone, v.chat)"
)
"""SQL over a contact `c`, the root it was merged into `r` and a conversation `v`; never null.

The name in the operator's address book, else a business's verified one, else the one they call themselves by, else the
phone, else the chat id.
"""

_INVISIBLE: Final = "\u115f\u1160\u2800\u3164\uffa0"
"""Hangul fillers and the empty Braille cell: letters that are invisible."""


def is_blank(name: str) -> bool:
    """Whether a name is empty to the eye: only spaces, controls and invisible letters, as some people's names are."""
    return not any(_is_visible(char) for char in name)


def _is_visible(char: str) -> bool:
    return char.isprintable() and not char.isspace() and char not in _INVISIBLE


# ---------------------------------------------------------------------- who is meant


class Subject(NamedTuple):
    """The person behind an id: their root contact, all their conversations, and the lead if one was named.

    `conversation_id`: the lead's or the chat's, to which a decision belongs. `opened_by`: the message that opened the
    lead; also known for a withdrawn lead, which has no `lead_id` any more.
    """

    contact_id: int
    conversations: tuple[int, ...]
    conversation_id: int
    lead_id: int | None = None
    opened_by: int | None = None


_TOO_LONG_FOR_AN_ID: Final = 19
"""A number with so many digits may not fit into SQLite's 64-bit integers."""
_PHONE_DIGITS: Final = 7
"""A phone has at least so many digits."""


def find(connection: Connection, text: str, country: str) -> Subject | None:
    """Who is meant by the id of a lead (even a withdrawn one), else by a phone in any spelling or a chat id.

    None if nobody is. `country`: the country of a phone typed without a country code.
    """
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) < _TOO_LONG_FOR_AN_ID:
        subject = _by_lead(connection, int(text))
        if subject:
            return subject
    return _by_identity(connection, text) or _by_spelled_phone(connection, text, country)


def _by_lead(connection: Connection, lead: int) -> Subject | None:
    """The person of this lead. A withdrawn lead has no row: its person is found by the event that opened it."""
    found = rows(
        connection,
        "SELECT contact_id, conversation_id, lead_id, opened_by_message_id AS opened_by FROM leads "
        "WHERE lead_id = :id UNION ALL SELECT contact_id, conversation_id, NULL, message_id FROM lead_events "
        "JOIN messages USING (message_id) JOIN conversations USING (conversation_id) "
        "WHERE lead_id = :id AND kind = 'opened' AND contact_id IS NOT NULL LIMIT 1",
        id=lead,
    )
    if not found:
        return None
    row = found[0]
    return _subject(
        connection, row["contact_id"], row["conversation_id"], lead=row["lead_id"], opened_by=row["opened_by"]
    )


def _by_identity(connection: Connection, text: str) -> Subject | None:
    """The person with this chat id or identity, or with an identity that has the same digits.

    If several conversations fit, the one in which the customer wrote last. Groups are left out: their conversations
    have no `contact_id`.
    """
    digits = "".join(filter(str.isdigit, text))
    found = rows(
        connection,
        "SELECT contact_id, conversation_id, last_inbound_at FROM conversations WHERE contact_id IN "
        "(SELECT contact_id FROM contact_identities WHERE value IN (:text, :chat, :lid, :phone)) "
        "UNION SELECT contact_id, conversation_id, last_inbound_at FROM conversations "
        "WHERE chat = :text AND contact_id IS NOT NULL ORDER BY last_inbound_at DESC",
        text=text,
        chat=f"{digits}@c.us",
        lid=f"{digits}@lid",
        phone=f"+{digits}",
    )
    return _subject(connection, found[0]["contact_id"], found[0]["conversation_id"]) if found else None


def _by_spelled_phone(connection: Connection, text: str, country: str) -> Subject | None:
    """The person with this phone, however it is spelled, also as it is dialled inside the country."""
    digits = "".join(filter(str.isdigit, text))
    if len(digits) < _PHONE_DIGITS or "@" in text:
        return None
    from leadmasterd.identity import phone_from_text

    without_region = country.partition("-")[0]  # the setting may name a region, as `AR-B`
    found = rows(
        connection,
        "SELECT contact_id, conversation_id FROM contacts JOIN conversations USING (contact_id) "
        "WHERE match_key = :key ORDER BY last_inbound_at DESC",
        key=phone_from_text(text, without_region or "AR"),  # the same for every spelling of a phone
    )
    return _subject(connection, found[0]["contact_id"], found[0]["conversation_id"]) if found else None


def find_or_refuse(connection: Connection, text: str, country: str) -> Subject:
    """The person behind an id, as `find`, or else the only one with that name.

    Raises Refused, which says how to find the right id, or lists those who have that name.
    """
    subject = find(connection, text, country) or find_named(connection, text)
    if subject:
        return subject
    if text.strip().endswith("@g.us"):
        raise Refused(_("{chat} is a group, and groups have no leads").format(chat=text))
    raise Refused(
        _(
            "cannot find {text}: no lead, phone or chat has that id, and nobody that name; "
            "`leadmasterd leads list --all` shows them"
        ).format(text=repr(text))
    )


def of_conversation(connection: Connection, conversation: int) -> Subject:
    """The person of this conversation, or of the one that it was merged into. `conversation`: its id.

    Raises Refused if there is none, and for a group.
    """
    found = rows(
        connection,
        "SELECT contact_id, conversation_id FROM conversations WHERE conversation_id = coalesce("
        "(SELECT kept_id FROM conversation_merges WHERE merged_id = :id), :id) AND contact_id IS NOT NULL",
        id=conversation,
    )
    if not found:
        raise Refused(_("there is no conversation {n} with a person").format(n=conversation))
    return _subject(connection, found[0]["contact_id"], found[0]["conversation_id"])


_MOST_LISTED: Final = 10
"""People with one name whom a refusal lists."""


def find_named(connection: Connection, text: str) -> Subject | None:
    """The only person with this name, or a part of it: each word begins one of theirs, whatever its case and accents.

    None if nobody has it, or if the text has no letter or has an `@`. Raises Refused with a list where several have it.
    """
    has_a_letter = any(char.isalpha() for char in text)
    if not has_a_letter or "@" in text:
        return None
    wanted = unaccented(text).split()
    roots: dict[int, None] = {}  # a set that keeps its order
    query = "SELECT contact_id, saved_name, verified_name, push_name FROM contacts"
    for contact, *names in connection.execute(query):
        if any(_begin_words_of(name, wanted) for name in names if name):
            roots[root_of(connection, contact)] = None
    found = [subject for root in roots if (subject := _with_latest_conversation(connection, root))]
    if len(found) < 2:
        return found[0] if found else None
    lines = [_("{n} people are called {text}; say which one by an id:").format(n=len(found), text=repr(text))]
    for each in found[:_MOST_LISTED]:
        lines += _listed(connection, each)
    if len(found) > _MOST_LISTED:
        lines.append(_("  and {n} more").format(n=len(found) - _MOST_LISTED))
    raise Refused("\n".join(lines))


def _begin_words_of(name: str, wanted: Iterable[str]) -> bool:
    """Whether each wanted word, in lower case without accents, begins some word of the name."""
    parts = unaccented(name).split()
    return all(any(part.startswith(word) for part in parts) for word in wanted)


def _with_latest_conversation(connection: Connection, root: int) -> Subject | None:
    """The person of this root, with the conversation in which they wrote last; None if they have no conversation."""
    chats = conversations_of(connection, root)
    found = rows(
        connection,
        "SELECT conversation_id FROM conversations WHERE conversation_id IN (SELECT value FROM json_each(:chats)) "
        "ORDER BY last_inbound_at DESC LIMIT 1",
        chats=id_list(chats),
    )
    return Subject(root, chats, found[0]["conversation_id"]) if found else None


def _listed(connection: Connection, subject: Subject) -> list[str]:
    """A line with an id that finds this person, their name and their latest lead: `  5491155550001  Ana Gómez, lead 5`.

    The lead is left out where there is none. No line if the daemon has merged the conversation into another since it
    was read.
    """
    found = rows(
        connection,
        f"SELECT {DISPLAY_NAME} AS who, coalesce(c.phone, r.phone, v.chat) AS id, (SELECT max(lead_id) FROM leads "
        "WHERE contact_id = r.contact_id) AS lead FROM conversations v JOIN contacts c USING (contact_id) "
        "JOIN contacts r ON r.contact_id = :root WHERE v.conversation_id = :chat",
        root=subject.contact_id,
        chat=subject.conversation_id,
    )
    lines = []
    for row in found:
        lead = ", " + _("lead {lead}").format(lead=row["lead"]) if row["lead"] else ""
        lines.append(f"  {printable(row['id'].removesuffix('@c.us'))}  {printable(row['who'])}{lead}")
    return lines


def _subject(
    connection: Connection, contact: int, conversation: int, *, lead: int | None = None, opened_by: int | None = None
) -> Subject:
    """The person of a contact, which need not be a root."""
    root = root_of(connection, contact)
    return Subject(root, conversations_of(connection, root), conversation, lead_id=lead, opened_by=opened_by)


def conversations_of(connection: Connection, root: int) -> tuple[int, ...]:
    """The ids of all conversations of the person with this root contact; empty if there are none."""
    found = rows(
        connection,
        "SELECT conversation_id FROM conversations WHERE contact_id IN (SELECT value FROM json_each(:members)) "
        "ORDER BY conversation_id",
        members=id_list(members_of(connection, root)),
    )
    return tuple(row["conversation_id"] for row in found)


def root_of(connection: Connection, contact: int) -> int:
    """The contact that stands for the person: this one itself, unless it was merged into another."""
    from leadmasterd.store import merges

    return merges.root_of(connection, contact)


def members_of(connection: Connection, root: int) -> list[int]:
    """All contacts of the person with this root, the root itself among them."""
    from leadmasterd.store import merges

    return merges.members_of(connection, root)


def name_of_conversation(connection: Connection, conversation: int) -> str:
    """What lists show as the name of the person of this conversation: a visible name, else the phone, else the chat id.

    Empty if there is no such conversation, and for a group.
    """
    found = rows(
        connection,
        f"SELECT {DISPLAY_NAME} AS who, coalesce(c.phone, r.phone, v.chat) AS id FROM conversations v "
        "JOIN contacts c USING (contact_id) LEFT JOIN contacts r ON r.contact_id = c.merged_into_id "
        "WHERE conversation_id = :id",
        id=conversation,
    )
    if not found:
        return ""
    row = found[0]
    return str(row["id"] if is_blank(row["who"]) else row["who"])


# ---------------------------------------------------------------------- contacts


class ContactSummary(TypedDict):
    """Enough of one contact to recognise it. `chat`: the id of the chat that they wrote in last."""

    contact_id: int
    name: str | None
    phone: str | None
    chat: str | None


def contact_summaries(connection: Connection, contacts: Iterable[int]) -> list[ContactSummary]:
    """The summaries of these contacts, in the order of the ids; an id without a contact is left out."""
    return records(
        ContactSummary,
        connection,
        "SELECT contact_id, coalesce(saved_name, verified_name, push_name) AS name, phone, "
        "(SELECT chat FROM conversations v WHERE v.contact_id = c.contact_id ORDER BY last_inbound_at DESC LIMIT 1) "
        "AS chat FROM json_each(:contacts) JOIN contacts c ON c.contact_id = value ORDER BY key",
        contacts=id_list(contacts),
    )


class Duplicate(TypedDict):
    """Two contacts that may be one person; with the code `changed_hands`, one contact that may be two people now.

    `code`: why. `name`: the name that they share, or the new one with `changed_hands`.
    """

    code: str
    name: str | None
    contacts: list[ContactSummary]


class DuplicateList(TypedDict):
    """The answer of `leads merge --proposals`."""

    proposals: list[Duplicate]


def duplicates(connection: Connection, *, limit: int) -> DuplicateList:
    """At most `limit` likely duplicates. Contacts that are merged already, or whose merge was undone, are none."""
    from leadmasterd.store.duplicates import possible_duplicates

    return {"proposals": _summaries(connection, possible_duplicates(connection, limit))}


def duplicates_of(connection: Connection, root: int) -> list[Duplicate]:
    """Likely duplicates of the person with this root: contacts with the same name, by the rules of `duplicates`."""
    from leadmasterd.store.duplicates import namesakes_of

    return _summaries(connection, namesakes_of(connection, root))


def _summaries(connection: Connection, found: "Iterable[store_duplicates.Duplicate]") -> list[Duplicate]:
    """Each duplicate with what a person needs to recognise its contacts."""
    return [
        {
            "code": each.code,
            "name": each.name,
            # With `changed_hands` both ids are the same, so that there is one contact.
            "contacts": contact_summaries(connection, dict.fromkeys((each.contact_id, each.other_id))),
        }
        for each in found
    ]
