"""What a person looks for: messages by words and beginnings of words, people by a name or a part of their phone.

Whatever is typed is only ever words and digits, never a query language. The work is bounded at any size: the newest
messages that fit are read until enough conversations are found, and `older` goes on from there.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple, TypedDict, cast

from leadmasterd.queries.database import Connection, Row, id_list, rows
from leadmasterd.queries.leads import visible_name
from leadmasterd.queries.people import DISPLAY_NAME, root_of
from leadmasterd.store.word_index import (
    Document,
    IndexBroken,
    documents,
    documents_not_indexed,
    indexed_through,
    message_of,
    places_with,
)
from leadmasterd.text import places_of, unaccented, words

CONVERSATIONS: Final = 20
"""In one answer."""
HITS: Final = 3
"""Shown of each conversation."""
PEOPLE: Final = 10
_EXAMINED: Final = 400
"""Messages that fit, read for one answer."""
_UNINDEXED: Final = 2000
"""Messages read one by one because the index lacks them: so many while it is being made, or is damaged."""
_MOST_WORDS: Final = 8
_NAMED: Final = 200
"""People that fit, the last that became known; of these, those heard of last are shown."""
_EXCERPT: Final = 160
"""Characters of a message that are shown around what was found."""
_WINDOW: Final = 2000
"""Characters of a long text that are looked at together."""
_LAST: Final = 2**63 - 1


class Piece(TypedDict):
    """A part of a text; `found`: it is what was looked for."""

    text: str
    found: bool


class Hit(TypedDict):
    """A message that fits. `where`: in what it says now, in what it said before an edit, or in what it answers."""

    message_id: int
    direction: str
    author: str
    type: str
    sent_at: str
    edited_at: str | None
    revoked_at: str | None
    where: Literal["text", "before", "quoted"]
    excerpt: list[Piece]


class FoundChat(TypedDict):
    """A conversation, and who it is with. `group`: it is a group's, which has no person. `lead`: the current one's."""

    conversation_id: int
    chat: str
    who: str
    phone: str | None
    group: bool
    waiting_since: str | None
    last_at: str | None
    lead_id: int | None
    stage: str | None


class FoundConversation(FoundChat):
    """With the newest of its messages that fit. `more`: how many others of those that were read fit too."""

    hits: list[Hit]
    more: int


class FoundPerson(FoundChat):
    """A person who fits, by the conversation in which they were heard of last."""

    name: list[Piece]


class Found(TypedDict):
    """The answer. `words`: what was looked for. `older`: for the next answer's `before`; None when that was all.

    `not_searched`: how many of the messages are neither indexed yet nor among those that were read one by one.
    `damaged`: the index can't be used, so only the newest messages were read.
    """

    words: list[str]
    people: list[FoundPerson]
    conversations: list[FoundConversation]
    older: int | None
    not_searched: int
    damaged: bool


def nothing_found(typed: str) -> Found:
    """The answer where nothing was captured yet."""
    return {
        "words": _wanted(typed),
        "people": [],
        "conversations": [],
        "older": None,
        "not_searched": 0,
        "damaged": False,
    }


def search(connection: Connection, typed: str, *, country: str, before: int | None = None) -> Found:
    """People and messages that fit all of what is typed, the newest first.

    `country`: the country of a phone typed without its code. `before`: the `older` of the answer before; then without
    people.
    """
    found = nothing_found(typed)
    if before is None:
        found["people"] = _people(connection, typed, found["words"], country)
    if found["words"]:
        fitting = _fitting(connection, found["words"], _LAST if before is None else before)
        found["not_searched"], found["damaged"] = fitting.not_searched, fitting.damaged
        found["conversations"], found["older"] = _by_conversation(connection, found["words"], fitting)
    return found


def _wanted(typed: str) -> list[str]:
    return list(dict.fromkeys(words(typed)))[:_MOST_WORDS]


# ---------------------------------------------------------------------- messages


class _Fitting(NamedTuple):
    """Messages that fit, the newest first. `cut`: there may be more below this id of the index; None: there are not."""

    documents: list[Document]
    cut: int | None
    not_searched: int
    damaged: bool


def _fitting(connection: Connection, wanted: Sequence[str], before: int) -> _Fitting:
    through, places, damaged = None, list[int](), False
    try:
        through = indexed_through(connection)
        if through is not None:
            places = places_with(connection, wanted, before=before, limit=_EXAMINED)
    except IndexBroken:
        through, damaged = None, True
    cut = places[-1] if len(places) == _EXAMINED else None
    least = cut or 0
    loose = documents_not_indexed(connection, through, _UNINDEXED)
    read = {each.message_id: each for each in loose if least <= each.place < before}
    indexed = [message for place in places if (message := message_of(place)) not in read]
    read |= {each.message_id: each for each in documents(connection, indexed)}
    fitting = [each for each in read.values() if least <= each.place < before and _fits(each, wanted)]
    missing = 0
    if len(loose) >= _UNINDEXED:
        [[behind]] = connection.execute("SELECT count(*) FROM messages WHERE message_id > ?", (through or 0,))
        missing = max(0, behind - _UNINDEXED)
    return _Fitting(sorted(fitting, reverse=True), cut, missing, damaged)


def _fits(document: Document, wanted: Sequence[str]) -> bool:
    there = document.words()
    return all(any(word.startswith(each) for word in there) for each in wanted)


def _by_conversation(
    connection: Connection, wanted: Sequence[str], fitting: _Fitting
) -> tuple[list[FoundConversation], int | None]:
    stored = {
        row["message_id"]: row
        for row in rows(
            connection,
            "SELECT message_id, conversation_id, direction, author, type, sent_at, edited_at, revoked_at "
            "FROM messages WHERE message_id IN (SELECT value FROM json_each(:ids))",
            ids=id_list(each.message_id for each in fitting.documents),
        )
    }
    hits: dict[int, list[Document]] = {}
    older = None
    for each in fitting.documents:
        conversation = stored[each.message_id]["conversation_id"]
        if conversation not in hits and len(hits) == CONVERSATIONS:
            older = each.place + 1
            break
        hits.setdefault(conversation, []).append(each)
    else:
        older = fitting.cut
    chats = _chats(connection, hits)
    return [
        cast(
            "FoundConversation",
            chats[conversation]
            | {
                "hits": [_hit(each, stored[each.message_id], wanted) for each in found[:HITS]],
                "more": len(found[HITS:]),
            },
        )
        for conversation, found in hits.items()
    ], older


def _hit(document: Document, row: Row, wanted: Sequence[str]) -> Hit:
    places: list[tuple[Literal["text", "before", "quoted"], str]] = [
        ("text", document.text),
        *(("before", each) for each in document.before),
        ("quoted", document.quoted),
    ]
    fits = [len(_begun(text, wanted)) for _where, text in places]
    where, text = places[fits.index(max(fits))]
    shown = {key: value for key, value in row.items() if key != "conversation_id"}
    return cast("Hit", shown | {"where": where, "excerpt": excerpt(text, wanted)})


def _begun(text: str, wanted: Sequence[str]) -> set[str]:
    """Which of them begin a word of the text."""
    there = set(words(text))
    return {each for each in wanted if any(word.startswith(each) for word in there)}


def excerpt(text: str, wanted: Sequence[str]) -> list[Piece]:
    """The text, cut to a bearable length around the first place that was looked for, in one line."""
    text = next(
        (
            part
            for at in range(0, max(1, len(text)), _WINDOW - _EXCERPT)
            if _begun(part := text[at : at + _WINDOW], wanted)
        ),
        text[:_WINDOW],
    )
    text = " ".join(text.split())
    places = places_of(text, wanted)
    first = places[0][0] if places else 0
    begin = max(0, min(first - _EXCERPT // 3, len(text) - _EXCERPT))
    end = begin + _EXCERPT
    pieces = pieces_of(text[:end], [place for place in places if place[1] <= end], begin)
    if begin:
        pieces.insert(0, {"text": "…", "found": False})
    if end < len(text):
        pieces.append({"text": "…", "found": False})
    return pieces


def pieces_of(text: str, places: Iterable[tuple[int, int]], begin: int = 0) -> list[Piece]:
    """The text from `begin` on, with these places told from the rest."""
    pieces: list[Piece] = []
    for start, end in (*places, (len(text), len(text))):
        if start > begin:
            pieces.append({"text": text[begin:start], "found": False})
        if end > start:
            pieces.append({"text": text[start:end], "found": True})
        begin = max(begin, end)
    return pieces


# ---------------------------------------------------------------------- people


_NAMES: Final = ("saved_name", "verified_name", "push_name")
_CHATS: Final = f"""
    SELECT v.conversation_id, v.chat, {DISPLAY_NAME} AS who, coalesce(c.phone, r.phone) AS phone,
           v.contact_id IS NULL AS "group", v.waiting_since,
           nullif(max(coalesce(v.last_inbound_at, ''), coalesce(v.last_outbound_at, '')), '') AS last_at,
           (SELECT lead_id FROM leads l WHERE l.contact_id = coalesce(c.merged_into_id, c.contact_id)
               AND stage <> 'merged' ORDER BY closed_at IS NULL DESC, opened_at DESC, lead_id DESC LIMIT 1) AS lead_id
    FROM conversations v LEFT JOIN contacts c ON c.contact_id = v.contact_id
    LEFT JOIN contacts r ON r.contact_id = c.merged_into_id
    WHERE v.conversation_id IN (SELECT value FROM json_each(:ids))
"""
_LAST_HEARD: Final = """
    SELECT conversation_id, contact_id FROM conversations WHERE contact_id IN (SELECT value FROM json_each(:ids))
    ORDER BY max(coalesce(last_inbound_at, ''), coalesce(last_outbound_at, '')) DESC, conversation_id DESC
"""
_NUMBER: Final = re.compile(r"[\d\s+()./-]+")
_LEAST_DIGITS: Final = 3
_MOBILE: Final = "15"
"""Dialled before the number of a mobile in Argentina, after the area; WhatsApp's ids do not have it."""


def _chats(connection: Connection, conversations: Iterable[int]) -> dict[int, FoundChat]:
    """By id, in the order asked for."""
    wanted = list(conversations)
    found = {row["conversation_id"]: row for row in rows(connection, _CHATS, ids=id_list(wanted))}
    stages = {
        row["lead_id"]: row["stage"]
        for row in rows(
            connection,
            "SELECT lead_id, stage FROM leads WHERE lead_id IN (SELECT value FROM json_each(:ids))",
            ids=id_list(row["lead_id"] for row in found.values() if row["lead_id"]),
        )
    }
    return {
        each: cast(
            "FoundChat",
            found[each]
            | {
                "who": visible_name(found[each]),
                "group": bool(found[each]["group"]),
                "stage": stages.get(found[each]["lead_id"]),
            },
        )
        for each in wanted
        if each in found
    }


def _people(connection: Connection, typed: str, wanted: Sequence[str], country: str) -> list[FoundPerson]:
    """Those heard of last."""
    contacts = _with_number(connection, typed, country) + (_named(connection, wanted) if wanted else [])
    roots: dict[int, int] = {}
    for row in rows(connection, _LAST_HEARD, ids=id_list(dict.fromkeys(contacts))):
        roots.setdefault(root_of(connection, row["contact_id"]), row["conversation_id"])
        if len(roots) == PEOPLE:
            break
    return [
        cast("FoundPerson", chat | {"name": pieces_of(chat["who"], places_of(chat["who"], wanted))})
        for chat in _chats(connection, roots.values()).values()
    ]


def _named(connection: Connection, wanted: Sequence[str]) -> list[int]:
    """Contacts of whose names one has words that begin with all of these.

    SQLite compares letters of ASCII only, so names with others are compared here.
    """
    likes = {f"like{number}": f"%{each}%" for number, each in enumerate(wanted)}
    fits = [" AND ".join(f"{name} LIKE :{like}" for like in likes) for name in _NAMES]
    others = [f"length({name}) < length(CAST({name} AS BLOB))" for name in _NAMES]
    query = f"SELECT contact_id, {', '.join(_NAMES)} FROM contacts WHERE {' OR '.join((*fits, *others))} "
    found: list[int] = []
    for contact, *names in connection.execute(query + "ORDER BY contact_id DESC", likes):
        for name in names:
            parts = words(name) if name else []
            if parts and all(any(part.startswith(each) for part in parts) for each in wanted):
                found.append(contact)
                break
        if len(found) == _NAMED:
            break
    username = connection.execute(
        "SELECT contact_id FROM contact_identities WHERE kind = 'username' AND value LIKE ? LIMIT ?",
        (f"%{''.join(wanted)}%", _NAMED),
    )
    return found + [contact for (contact,) in username]


def _with_number(connection: Connection, typed: str, country: str) -> list[int]:
    """Contacts in whose phone these digits stand together, or whose LID begins with them."""
    digits = "".join(char for char in unaccented(typed) if char in "0123456789")
    if len(digits) < _LEAST_DIGITS or not _NUMBER.fullmatch(unaccented(typed)):
        return []
    found: dict[int, None] = {}
    key = None
    if len(digits) > 6:
        from leadmasterd.identity import phone_from_text

        key = phone_from_text(typed, country.partition("-")[0] or "AR")
    for form in _forms(digits, country):
        for (contact,) in connection.execute(
            "SELECT contact_id FROM contacts WHERE match_key = :key OR phone LIKE :part OR match_key LIKE :part "
            "ORDER BY match_key = :key DESC, contact_id DESC LIMIT :most",
            {"key": key, "part": f"%{form}%", "most": _NAMED},
        ):
            found[contact] = None
    for (contact,) in connection.execute(
        "SELECT contact_id FROM contact_identities WHERE kind = 'lid' AND value >= ? AND value < ? LIMIT ?",
        (digits, f"{digits}:", _NAMED),
    ):
        found[contact] = None
    return list(found)


def _forms(digits: str, country: str) -> list[str]:
    """As WhatsApp's ids may have them: without what is dialled inside the country only."""
    national = digits.lstrip("0")
    forms = [digits, national]
    if country.startswith("AR"):
        forms += [national[:at] + national[at + 2 :] for at in (0, 2, 3, 4) if national[at : at + 2] == _MOBILE]
    return [form for form in dict.fromkeys(forms) if len(form) >= _LEAST_DIGITS]
