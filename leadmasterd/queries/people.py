"""People: finding one by an id that somebody types, and what they are called."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple, TypedDict

from leadmasterd.errors import Refused
from leadmasterd.queries.database import Connection, id_list, records, rows
from leadmasterd.text import _, printable, unaccented

if TYPE_CHECKING:
    from leadmasterd.store import duplicates as possible

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
    """Whether a name is invisible: only spaces, controls and invisible letters, as some people's names are."""
    return not any(char.isprintable() and not char.isspace() and char not in _INVISIBLE for char in name)


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


def find(connection: Connection, text: str, country: str) -> Subject | None:
    """By the id of a lead (even a withdrawn one), a phone in any spelling, or a chat id. None if there is none.

    `country`: the country of a phone typed without a country code.
    """
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) < 19:
        found = rows(
            connection,
            "SELECT contact_id, conversation_id, lead_id, opened_by_message_id AS opened_by FROM leads "
            "WHERE lead_id = :id UNION ALL SELECT contact_id, conversation_id, NULL, message_id FROM lead_events "
            "JOIN messages USING (message_id) JOIN conversations USING (conversation_id) "
            "WHERE lead_id = :id AND kind = 'opened' AND contact_id IS NOT NULL LIMIT 1",
            id=int(text),
        )
        if found:
            row = found[0]
            return _subject(
                connection, row["contact_id"], row["conversation_id"], lead=row["lead_id"], opened_by=row["opened_by"]
            )
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
    if not found and len(digits) >= 7 and "@" not in text:
        from leadmasterd.identity import phone_from_text

        found = rows(
            connection,
            "SELECT contact_id, conversation_id FROM contacts JOIN conversations USING (contact_id) "
            "WHERE match_key = :key ORDER BY last_inbound_at DESC",
            key=phone_from_text(text, country.partition("-")[0] or "AR"),
        )
    return _subject(connection, found[0]["contact_id"], found[0]["conversation_id"]) if found else None


def find_or_refuse(connection: Connection, text: str, country: str) -> Subject:
    """By an id as `find`, or by a name. Raises Refused, which says how to find the right id, or who has that name."""
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
    """The person of this conversation, by its number. Raises Refused for a group, and when there is none."""
    found = rows(
        connection,
        "SELECT contact_id, conversation_id FROM conversations WHERE conversation_id = coalesce("
        "(SELECT kept_id FROM conversation_merges WHERE merged_id = :id), :id) AND contact_id IS NOT NULL",
        id=conversation,
    )
    if not found:
        raise Refused(_("there is no conversation {n} with a person").format(n=conversation))
    return _subject(connection, found[0]["contact_id"], found[0]["conversation_id"])


_LISTED: Final = 10


def find_named(connection: Connection, text: str) -> Subject | None:
    """The only person with this name, or a part of it: each word begins one of theirs, whatever its case and accents.

    None if nobody has it. Raises Refused with a list where several do.
    """
    wanted = unaccented(text).split()
    if not any(letter.isalpha() for letter in text) or "@" in text:
        return None
    roots: dict[int, None] = {}
    query = "SELECT contact_id, saved_name, verified_name, push_name FROM contacts"
    for contact, *names in connection.execute(query):
        for name in names:
            parts = unaccented(name).split() if name else []
            if all(any(part.startswith(word) for part in parts) for word in wanted):
                roots[root_of(connection, contact)] = None
    found = [subject for root in roots if (subject := _latest(connection, root))]
    if len(found) < 2:
        return found[0] if found else None
    lines = [_("{n} people are called {text}; say which one by an id:").format(n=len(found), text=repr(text))]
    lines += [_named(connection, each) for each in found[:_LISTED]]
    if len(found) > _LISTED:
        lines.append(_("  and {n} more").format(n=len(found) - _LISTED))
    raise Refused("\n".join(lines))


def _latest(connection: Connection, root: int) -> Subject | None:
    """A person with the conversation in which they wrote last; None if they have none."""
    chats = conversations_of(connection, root)
    found = rows(
        connection,
        "SELECT conversation_id FROM conversations WHERE conversation_id IN (SELECT value FROM json_each(:chats)) "
        "ORDER BY last_inbound_at DESC LIMIT 1",
        chats=id_list(chats),
    )
    return Subject(root, chats, found[0]["conversation_id"]) if found else None


def _named(connection: Connection, subject: Subject) -> str:
    """`  5491155550001  Ana Gómez, lead 5`."""
    [row] = rows(
        connection,
        f"SELECT {DISPLAY_NAME} AS who, coalesce(c.phone, r.phone, v.chat) AS id, (SELECT max(lead_id) FROM leads "
        "WHERE contact_id = r.contact_id) AS lead FROM conversations v JOIN contacts c USING (contact_id) "
        "JOIN contacts r ON r.contact_id = :root WHERE v.conversation_id = :chat",
        root=subject.contact_id,
        chat=subject.conversation_id,
    )
    lead = ", " + _("lead {lead}").format(lead=row["lead"]) if row["lead"] else ""
    return f"  {printable(row['id'].removesuffix('@c.us'))}  {printable(row['who'])}{lead}"


def _subject(
    connection: Connection, contact: int, conversation: int, *, lead: int | None = None, opened_by: int | None = None
) -> Subject:
    root = root_of(connection, contact)
    return Subject(root, conversations_of(connection, root), conversation, lead_id=lead, opened_by=opened_by)


def conversations_of(connection: Connection, root: int) -> tuple[int, ...]:
    """All conversations of a person, by their root contact."""
    found = rows(
        connection,
        "SELECT conversation_id FROM conversations WHERE contact_id IN (SELECT value FROM json_each(:members)) "
        "ORDER BY conversation_id",
        members=id_list(members_of(connection, root)),
    )
    return tuple(row["conversation_id"] for row in found)


def root_of(connection: Connection, contact: int) -> int:
    """The root of this contact: itself, unless it was merged."""
    from leadmasterd.store import merges

    return merges.root_of(connection, contact)


def members_of(connection: Connection, root: int) -> list[int]:
    """The contacts that are this person, the root among them."""
    from leadmasterd.store import merges

    return merges.members_of(connection, root)


def name_of_conversation(connection: Connection, conversation: int) -> str:
    """What the person of this conversation is called, as lists show them; empty if there is none."""
    found = rows(
        connection,
        f"SELECT {DISPLAY_NAME} AS who, coalesce(c.phone, r.phone, v.chat) AS id FROM conversations v "
        "JOIN contacts c USING (contact_id) LEFT JOIN contacts r ON r.contact_id = c.merged_into_id "
        "WHERE conversation_id = :id",
        id=conversation,
    )
    return "" if not found else str(found[0]["id"] if is_blank(found[0]["who"]) else found[0]["who"])


# ---------------------------------------------------------------------- contacts


class ContactSummary(TypedDict):
    """Enough of one contact to recognise it. `chat`: its most recent one."""

    contact_id: int
    name: str | None
    phone: str | None
    chat: str | None


def contact_summaries(connection: Connection, contacts: Iterable[int]) -> list[ContactSummary]:
    """In the order asked for; ids without a contact are left out."""
    return records(
        ContactSummary,
        connection,
        "SELECT contact_id, coalesce(saved_name, verified_name, push_name) AS name, phone, "
        "(SELECT chat FROM conversations v WHERE v.contact_id = c.contact_id ORDER BY last_inbound_at DESC LIMIT 1) "
        "AS chat FROM json_each(:contacts) JOIN contacts c ON c.contact_id = value ORDER BY key",
        contacts=id_list(contacts),
    )


class Duplicate(TypedDict):
    """Two contacts that may be one person; with `changed_hands` one contact that may be two people now."""

    code: str
    name: str | None
    contacts: list[ContactSummary]


class DuplicateList(TypedDict):
    """The answer of `leads merge --proposals`."""

    proposals: list[Duplicate]


def duplicates(connection: Connection, *, limit: int) -> DuplicateList:
    """Likely duplicates: nothing that is merged already, or whose merge was undone."""
    from leadmasterd.store.duplicates import possible_duplicates

    return {"proposals": _summaries(connection, possible_duplicates(connection, limit))}


def duplicates_of(connection: Connection, root: int) -> list[Duplicate]:
    """Those of `duplicates` that may be this person because of a name."""
    from leadmasterd.store.duplicates import namesakes_of

    return _summaries(connection, namesakes_of(connection, root))


def _summaries(connection: Connection, found: "Iterable[possible.Duplicate]") -> list[Duplicate]:
    return [
        {
            "code": each.code,
            "name": each.name,
            "contacts": contact_summaries(connection, dict.fromkeys((each.contact_id, each.other_id))),
        }
        for each in found
    ]
