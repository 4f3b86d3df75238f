"""The page's search: messages by words and beginnings of words, people by a name or a part of their phone.

What is typed is taken as words and digits, never as a query language. The work is bounded, however many messages there
are: the newest that fit are read until there are enough conversations, and `older` continues from there. The index of
words itself is left to `store.word_index`.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple, TypedDict, cast

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
"""At most in one answer."""
HITS: Final = 3
"""Messages shown of each conversation."""
PEOPLE: Final = 10
"""At most in one answer."""
_EXAMINED: Final = 400
"""Indexed messages that are read for one answer."""
_UNINDEXED: Final = 2000
"""So many messages at most are read one by one because the index lacks them. It lacks more only while it is being made,
or is damaged."""
_MOST_WORDS: Final = 8
_MOST_CONTACTS: Final = 200
"""So many contacts at most are found by each query (names, usernames, phones, LIDs). Of all found, those who wrote or
were written to last are shown."""
_EXCERPT: Final = 160
"""Characters of a message that are shown around what was found."""
_WINDOW: Final = 2000
"""Characters of a long text that are searched at a time for the place to show."""
_AFTER_ALL: Final = 2**63 - 1
"""Above every id of the index."""


class Piece(TypedDict):
    """A part of a text; `found`: it is what was searched for, and is highlighted."""

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
    """A conversation, and who it is with. `group`: it is a group's, which has no person.

    `last_at`: when either side wrote last. `lead_id`, `stage`: of the person's open lead, or else the latest.
    """

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
    """A conversation with the newest of its messages that fit. `more`: how many others fit, of those that were read."""

    hits: list[Hit]
    more: int


class FoundPerson(FoundChat):
    """A person who fits, with their latest conversation. `name`: `who`, in pieces."""

    name: list[Piece]


class Found(TypedDict):
    """The answer. `words`: what was searched for. `older`: what to pass as `before` for the next page; None: no more.

    `not_searched`: how many messages were not looked at, because they are not indexed yet and were too many to read one
    by one. `damaged`: the index can't be used, so only the newest messages were read.
    """

    words: list[str]
    people: list[FoundPerson]
    conversations: list[FoundConversation]
    older: int | None
    not_searched: int
    damaged: bool


def nothing_found(typed: str) -> Found:
    """The empty answer to what is typed, as before anything is captured."""
    return {
        "words": _words_to_find(typed),
        "people": [],
        "conversations": [],
        "older": None,
        "not_searched": 0,
        "damaged": False,
    }


def search(connection: Connection, typed: str, *, country: str, before: int | None = None) -> Found:
    """People and messages that fit every word that is typed, the newest first.

    `country`: the country of a phone typed without its code. `before`: the `older` of an answer, for its next page,
    which has no people.
    """
    found = nothing_found(typed)
    if before is None:
        found["people"] = _people(connection, typed, found["words"], country)
    if found["words"]:
        fitting = _fitting(connection, found["words"], _AFTER_ALL if before is None else before)
        found["not_searched"] = fitting.not_searched
        found["damaged"] = fitting.damaged
        found["conversations"], found["older"] = _by_conversation(connection, found["words"], fitting)
    return found


def _words_to_find(typed: str) -> list[str]:
    return list(dict.fromkeys(words(typed)))[:_MOST_WORDS]


# ---------------------------------------------------------------------- messages


class _Fitting(NamedTuple):
    """Messages that fit, the newest first. `cut`: there may be more below this id of the index; None: that is all."""

    documents: list[Document]
    cut: int | None
    not_searched: int
    damaged: bool


def _fitting(connection: Connection, wanted: Sequence[str], before: int) -> _Fitting:
    """The newest messages with all wanted words and an id of the index (`place`) below `before`.

    Candidates come from the index and, because it lags behind, from the messages that it lacks. All are read and
    compared again, because the index may name messages that no longer have a word.
    """
    through: int | None = None  # the newest message that the index has
    places: list[int] = []
    damaged = False
    try:
        through = indexed_through(connection)
        if through is not None:
            places = places_with(connection, wanted, before=before, limit=_EXAMINED)
    except IndexBroken:
        through = None
        damaged = True
    is_full = len(places) == _EXAMINED  # then the index may have more, below the last
    cut = places[-1] if is_full else None
    lowest = cut or 0  # what is below it is left to the next page
    not_indexed = documents_not_indexed(connection, through, _UNINDEXED)
    candidates = {each.message_id: each for each in not_indexed if lowest <= each.place < before}
    from_index = [message for message in map(message_of, places) if message not in candidates]
    candidates |= {each.message_id: each for each in documents(connection, from_index)}
    fitting = [each for each in candidates.values() if lowest <= each.place < before and _fits(each, wanted)]
    not_searched = 0
    if len(not_indexed) >= _UNINDEXED:
        [[behind]] = connection.execute("SELECT count(*) FROM messages WHERE message_id > ?", (through or 0,))
        not_searched = max(0, behind - _UNINDEXED)
    return _Fitting(sorted(fitting, reverse=True), cut, not_searched, damaged)


def _fits(document: Document, wanted: Sequence[str]) -> bool:
    """Whether each wanted word begins some word of the message."""
    return _all_begin(wanted, document.words())


def _all_begin(wanted: Iterable[str], text_words: Collection[str]) -> bool:
    return all(any(word.startswith(each) for word in text_words) for each in wanted)


def _by_conversation(
    connection: Connection, wanted: Sequence[str], fitting: _Fitting
) -> tuple[list[FoundConversation], int | None]:
    """The messages grouped by conversation, the one with the newest first, and where the next page begins (`older`).

    A page ends before the message that would bring one conversation too many, or where the messages were cut. Messages
    and conversations that the daemon merges into others between these queries are left out.
    """
    stored = {
        row["message_id"]: row
        for row in rows(
            connection,
            "SELECT message_id, conversation_id, direction, author, type, sent_at, edited_at, revoked_at "
            "FROM messages WHERE message_id IN (SELECT value FROM json_each(:ids))",
            ids=id_list(each.message_id for each in fitting.documents),
        )
    }
    by_conversation: dict[int, list[Document]] = {}
    older = fitting.cut
    for document in fitting.documents:
        if document.message_id not in stored:
            continue
        conversation = stored[document.message_id]["conversation_id"]
        if conversation not in by_conversation and len(by_conversation) == CONVERSATIONS:
            older = document.place + 1  # so that the next page begins with this message
            break
        by_conversation.setdefault(conversation, []).append(document)
    chats = _chats(connection, by_conversation)
    found = []
    for conversation, chat in chats.items():
        hits = by_conversation[conversation]
        shown = [_hit(document, stored[document.message_id], wanted) for document in hits[:HITS]]
        added: dict[str, Any] = {"hits": shown, "more": len(hits) - len(shown)}
        found.append(cast("FoundConversation", chat | added))
    return found, older


def _hit(document: Document, row: Row, wanted: Sequence[str]) -> Hit:
    """A message, with an excerpt of the one of its texts that has most of the wanted words.

    Among texts with equally many, the present one wins, then those from before an edit, then the message that it
    answers. `row`: the message as stored.
    """
    texts: list[tuple[Literal["text", "before", "quoted"], str]] = [
        ("text", document.text),
        *(("before", each) for each in document.before),
        ("quoted", document.quoted),
    ]
    where, text = max(texts, key=lambda each: len(_found_in(each[1], wanted)))
    shown = {key: value for key, value in row.items() if key != "conversation_id"}
    return cast("Hit", shown | {"where": where, "excerpt": excerpt(text, wanted)})


def _found_in(text: str, wanted: Sequence[str]) -> set[str]:
    """Which of the wanted words begin a word of the text."""
    text_words = set(words(text))
    return {each for each in wanted if any(word.startswith(each) for word in text_words)}


def excerpt(text: str, wanted: Sequence[str]) -> list[Piece]:
    """Some `_EXCERPT` characters of the text around the first word that was searched for, as one line.

    The beginning of the text if none is in it. An ellipsis stands where text is left out on either side.
    """
    text = " ".join(_window_with(text, wanted).split())
    places = places_of(text, wanted)
    first = places[0][0] if places else 0
    context = _EXCERPT // 3  # characters in front of it
    begin = max(0, min(first - context, len(text) - _EXCERPT))
    end = begin + _EXCERPT
    pieces = pieces_of(text[:end], [place for place in places if place[1] <= end], begin)
    if begin:
        pieces.insert(0, {"text": "…", "found": False})
    if end < len(text):
        pieces.append({"text": "…", "found": False})
    return pieces


def _window_with(text: str, wanted: Sequence[str]) -> str:
    """The first window of a long text that has a wanted word, else the first window.

    Windows overlap by an excerpt, so that a word which one of them cuts is whole in the next.
    """
    for at in range(0, len(text), _WINDOW - _EXCERPT):
        window = text[at : at + _WINDOW]
        if _found_in(window, wanted):
            return window
    return text[:_WINDOW]


def pieces_of(text: str, places: Iterable[tuple[int, int]], begin: int = 0) -> list[Piece]:
    """The text from `begin` on in pieces: what is in these places (begin, end) is `found`, the rest is not.

    Places are in order and do not overlap; what of them is before `begin` is left out.
    """
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
_LATEST_CONVERSATIONS: Final = """
    SELECT conversation_id, contact_id FROM conversations WHERE contact_id IN (SELECT value FROM json_each(:ids))
    ORDER BY max(coalesce(last_inbound_at, ''), coalesce(last_outbound_at, '')) DESC, conversation_id DESC
"""
_LOOKS_LIKE_A_NUMBER: Final = re.compile(r"[\d\s+()./-]+")
_LEAST_DIGITS: Final = 3
_WHOLE_PHONE_DIGITS: Final = 7
"""From so many digits on, what is typed may be a whole phone."""
_AREA_CODE_DIGITS: Final = (0, 2, 3, 4)
"""How many digits an area code in Argentina may have; 0: it was left out."""
_MOBILE: Final = "15"
"""Dialled between the area code and the number of a mobile in Argentina; WhatsApp's ids do not have it."""


def _chats(connection: Connection, conversations: Iterable[int]) -> dict[int, FoundChat]:
    """These conversations by id, in the order given. An id without a conversation is left out."""
    ids = list(conversations)
    found = {row["conversation_id"]: row for row in rows(connection, _CHATS, ids=id_list(ids))}
    leads = rows(
        connection,
        "SELECT lead_id, stage FROM leads WHERE lead_id IN (SELECT value FROM json_each(:ids))",
        ids=id_list(row["lead_id"] for row in found.values() if row["lead_id"]),
    )
    stages = {lead["lead_id"]: lead["stage"] for lead in leads}
    chats: dict[int, FoundChat] = {}
    for row in (found[each] for each in ids if each in found):
        computed: dict[str, Any] = {
            "who": visible_name(row),
            "group": bool(row["group"]),
            "stage": stages.get(row["lead_id"]),
        }
        chats[row["conversation_id"]] = cast("FoundChat", row | computed)
    return chats


def _people(connection: Connection, typed: str, wanted: Sequence[str], country: str) -> list[FoundPerson]:
    """At most `PEOPLE` people who fit by number or name, those with the latest conversations, each with that one."""
    contacts = _with_number(connection, typed, country)
    if wanted:
        contacts += _with_name(connection, wanted)
    conversation_by_person: dict[int, int] = {}
    for row in rows(connection, _LATEST_CONVERSATIONS, ids=id_list(dict.fromkeys(contacts))):
        person = root_of(connection, row["contact_id"])
        conversation_by_person.setdefault(person, row["conversation_id"])
        if len(conversation_by_person) == PEOPLE:
            break
    chats = _chats(connection, conversation_by_person.values()).values()
    return [
        cast("FoundPerson", chat | {"name": pieces_of(chat["who"], places_of(chat["who"], wanted))}) for chat in chats
    ]


def _with_name(connection: Connection, wanted: Sequence[str]) -> list[int]:
    """Contacts with a name in which each wanted word begins some word, or a username with the wanted words in a row.

    SQL selects candidates, which Python compares. `LIKE` ignores the case of ASCII letters only, so each name that has
    others is a candidate.
    """
    likes = {f"like{number}": f"%{each}%" for number, each in enumerate(wanted)}
    contains_all = [" AND ".join(f"{name} LIKE :{like}" for like in likes) for name in _NAMES]
    beyond_ascii = [f"length({name}) < length(CAST({name} AS BLOB))" for name in _NAMES]  # more bytes than characters
    condition = " OR ".join((*contains_all, *beyond_ascii))
    query = f"SELECT contact_id, {', '.join(_NAMES)} FROM contacts WHERE {condition} ORDER BY contact_id DESC"
    found: list[int] = []
    for contact, *names in connection.execute(query, likes):
        if any(_all_begin(wanted, words(name)) for name in names if name):
            found.append(contact)
        if len(found) == _MOST_CONTACTS:
            break
    by_username = connection.execute(
        "SELECT contact_id FROM contact_identities WHERE kind = 'username' AND value LIKE ? LIMIT ?",
        (f"%{''.join(wanted)}%", _MOST_CONTACTS),
    )
    return found + [contact for (contact,) in by_username]


def _with_number(connection: Connection, typed: str, country: str) -> list[int]:
    """Contacts whose phone contains the typed digits, or whose LID begins with them. An id may occur twice.

    A whole phone also finds the contact with its `match_key`, however it is spelled. Nobody is found by fewer than
    `_LEAST_DIGITS` digits, or by text with letters.
    """
    folded = unaccented(typed)  # which makes plain digits of full-width ones
    digits = "".join(char for char in folded if char in "0123456789")
    if len(digits) < _LEAST_DIGITS or not _LOOKS_LIKE_A_NUMBER.fullmatch(folded):
        return []
    match_key = None
    if len(digits) >= _WHOLE_PHONE_DIGITS:
        from leadmasterd.identity import phone_from_text

        without_region = country.partition("-")[0]  # the setting may name a region, as `AR-B`
        match_key = phone_from_text(typed, without_region or "AR")
    found: list[int] = []
    for form in _forms(digits, country):
        by_phone = connection.execute(
            "SELECT contact_id FROM contacts WHERE match_key = :key OR phone LIKE :part OR match_key LIKE :part "
            "ORDER BY match_key = :key DESC, contact_id DESC LIMIT :most",
            {"key": match_key, "part": f"%{form}%", "most": _MOST_CONTACTS},
        )
        found += [contact for (contact,) in by_phone]
    by_lid = connection.execute(
        "SELECT contact_id FROM contact_identities WHERE kind = 'lid' AND value >= ? AND value < ? LIMIT ?",
        (digits, f"{digits}:", _MOST_CONTACTS),  # `:` is the character after `9`
    )
    found += [contact for (contact,) in by_lid]
    return found


def _forms(digits: str, country: str) -> list[str]:
    """The typed digits, and how WhatsApp's ids may have them: without what is dialled only inside the country.

    That is a leading zero and, in Argentina, the `15` of a mobile: a `15` wherever it may follow an area code.
    """
    national = digits.lstrip("0")
    forms = [digits, national]
    if country.startswith("AR"):
        for area_code in _AREA_CODE_DIGITS:
            number = national[area_code:]
            if number.startswith(_MOBILE):
                forms.append(national[:area_code] + number.removeprefix(_MOBILE))
    return [form for form in dict.fromkeys(forms) if len(form) >= _LEAST_DIGITS]
