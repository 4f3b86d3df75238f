"""Finds contacts for a person to look at: two that may be one person, or one that may be two people by now.

Only reads. A person decides, and `merges` writes that.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final, Literal

from leadmasterd.store.merges import members_of, root_of, was_undone

_SILENT_DAYS: Final = 180
"""After so many days out of use, a phone company may give a number to somebody else."""

_MOST_NAMESAKES: Final = 8
"""A name that more contacts share than this (Ana, Cliente) says nothing."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two contacts that may be one person, the lower id first. Or, for `changed_hands`, one contact under both ids.

    `same_name`: the operator's address book has one `name` for both. `same_push_name`: they and nobody else call
    themselves by `name`, and WhatsApp tells no phone of at least one of them. `changed_hands`: after a long silence
    somebody with another name, `name`, wrote from the contact's number, so that it may be two people by now.
    """

    code: Literal["same_name", "same_push_name", "changed_hands"]
    contact_id: int
    other_id: int
    name: str | None


def possible_duplicates(connection: sqlite3.Connection, limit: int) -> list[Duplicate]:
    """The first `limit` pairs that a person should look at. Pairs whose merge a person has undone are left out."""
    return list(islice(chain(_changed_hands(connection), _namesakes(connection)), limit))


def namesakes_of(connection: sqlite3.Connection, root: int) -> list[Duplicate]:
    """Those of `possible_duplicates` that share a name with this person, except `changed_hands`.

    Looks up the person's names only, so the number of contacts does not matter. `root`: the contact that stands for
    the person.
    """
    names = [
        name
        for row in connection.execute(
            "SELECT saved_name, push_name FROM contacts WHERE contact_id IN (SELECT value FROM json_each(?))",
            (json.dumps(members_of(connection, root)),),
        )
        for name in row
        if name
    ]
    return [each for each in _namesakes(connection, names) if root in (each.contact_id, each.other_id)]


def _namesakes(connection: sqlite3.Connection, names: Sequence[str] | None = None) -> Iterator[Duplicate]:
    """Pairs with the same saved name, then pairs with the same push name. `names`: only these; None: any."""
    paired_before: set[tuple[int, int]] = set()
    for name, contacts in _sharing(connection, "saved_name", "true", names):
        one, *others = _roots(connection, contacts)
        for other in others:
            if not was_undone(connection, one, other):
                paired_before.add((one, other))
                yield Duplicate("same_name", one, other, name)
    for name, contacts in _sharing(connection, "push_name", "count(phone) < count(*)", names):  # one lacks a phone
        people = _roots(connection, contacts)
        if len(people) != 2:
            continue  # one: they are merged already; three or more: it is not clear which two are the same
        if all(_has_phone(connection, each) for each in people):
            continue  # each has a number of their own
        one, other = people
        if (one, other) not in paired_before and not was_undone(connection, one, other):
            yield Duplicate("same_push_name", one, other, name)


def _sharing(
    connection: sqlite3.Connection, column: str, condition: str, names: Sequence[str] | None
) -> Iterator[tuple[str, list[int]]]:
    """Names that a few contacts share, each with their ids; those with the newest contacts first.

    `column`: which name; `condition`: in SQL, over the group of contacts; `names`: only these, None: any. Case is
    ignored, by SQLite for A to Z only.
    """
    only = "" if names is None else f"AND {column} COLLATE NOCASE IN (SELECT value FROM json_each(:names)) "
    for name, contacts in connection.execute(
        f"SELECT {column}, json_group_array(contact_id) FROM contacts WHERE {column} <> '' {only}"
        f"GROUP BY {column} COLLATE NOCASE HAVING count(*) BETWEEN 2 AND :most AND {condition} "
        "ORDER BY max(contact_id) DESC",
        {"names": json.dumps(names), "most": _MOST_NAMESAKES},
    ):
        yield name, json.loads(contacts)


def _roots(connection: sqlite3.Connection, contacts: list[int]) -> list[int]:
    """The contacts that stand for the persons behind these contacts, lowest id first; each once."""
    return sorted({root_of(connection, contact) for contact in contacts})


def _has_phone(connection: sqlite3.Connection, root: int) -> bool:
    """Whether the phone of this person is known, by any contact that was merged into it."""
    members = json.dumps(members_of(connection, root))
    query = "SELECT 1 FROM contacts WHERE phone IS NOT NULL AND contact_id IN (SELECT value FROM json_each(?))"
    return connection.execute(query, (members,)).fetchone() is not None


def _changed_hands(connection: sqlite3.Connection) -> Iterator[Duplicate]:
    """Contacts from whose number another LID with another name wrote after a long silence.

    In the query, `several` are contacts that had more than one LID, and `said` are their messages, each compared with
    the one before. The newest LID came after the silence if it was first seen (`last_lid_at`) after the message before
    the silence was captured (`captured_before`).
    """
    for contact, name in connection.execute(
        "WITH several AS (SELECT contact_id, max(first_seen_at) AS last_lid_at FROM contact_identities "
        "  WHERE kind = 'lid' GROUP BY contact_id HAVING count(*) > 1), "
        "said AS (SELECT contact_id, last_lid_at, notify_name AS name, "
        "  julianday(sent_at) - julianday(lag(sent_at) OVER before) AS silent_days, "
        "  lag(notify_name) OVER before AS name_before, lag(captured_at) OVER before AS captured_before "
        "  FROM several JOIN conversations USING (contact_id) JOIN messages USING (conversation_id) "
        "  WHERE direction = 'in' AND notify_name <> '' "
        "  WINDOW before AS (PARTITION BY contact_id ORDER BY sent_at, message_id)) "
        "SELECT contact_id, name FROM said WHERE silent_days > ? AND lower(name) <> lower(name_before) "
        "AND captured_before < last_lid_at GROUP BY contact_id ORDER BY contact_id",
        (_SILENT_DAYS,),
    ):
        yield Duplicate("changed_hands", contact, contact, name)
