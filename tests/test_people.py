"""Contacts: their phone as soon as WhatsApp reveals it, and two spellings of one phone as one person."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from leadmasterd.errors import Refused
from leadmasterd.queries import people
from leadmasterd.queries.database import rows
from leadmasterd.store.database import open_for_writing
from leadmasterd.store.schema import migrate
from tests import wire
from tests.captures import Store, account, item, opened

NINE, NO_NINE = "5491155550003@c.us", "541155550003@c.us"
SPELLINGS = {
    "Argentina": (NINE, NO_NINE),
    "Mexico": ("5215512345678@c.us", "525512345678@c.us"),
    "Brazil": ("5511987650001@c.us", "551187650001@c.us"),
}
PHONES = "SELECT contact_id, phone, match_key FROM contacts ORDER BY contact_id"
IDENTITIES = "SELECT contact_id, kind, value FROM contact_identities ORDER BY identity_id"
MERGES = "SELECT kept_id, merged_id, actor, code, undone_at FROM contact_merges"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store that knows its account."""
    with opened(tmp_path / "leadmaster.db") as fresh:
        yield fresh


def test_a_new_contact_has_its_phone_its_key_and_the_phone_as_an_identity(store: Store) -> None:
    """People see E.164, the match key is for equality, and WhatsApp's id is kept as it is."""
    store.write(wire.message())
    assert store.rows(PHONES) == [(1, "+5491155550001", "541155550001")]
    assert store.rows(IDENTITIES) == [(1, "wa_jid", wire.ANA), (1, "phone", "+5491155550001")]


@pytest.mark.parametrize("chat", [wire.ANA_LID, "12345@c.us", "garbage"])
def test_a_contact_without_phone_and_name_is_a_contact_all_the_same(store: Store, chat: str) -> None:
    """Neither a LID nor a short code nor garbage is read as a phone."""
    store.write(wire.message(chat=chat, notify_name=None))
    assert store.rows("SELECT phone, match_key, saved_name, push_name FROM contacts") == [(None, None, None, None)]
    assert store.one("SELECT count(*) FROM contact_identities") == 1
    assert store.one("SELECT count(*) FROM messages") == 1


@pytest.mark.parametrize("first", [wire.ANA, wire.ANA_LID])
def test_a_phone_and_a_lid_seen_apart_and_then_mapped_are_one_contact_with_a_phone(store: Store, first: str) -> None:
    """The order makes no difference, and known names are kept."""
    by_phone = wire.message("1", chat=wire.ANA, notify_name=None, contact=wire.contact(name="Ana Tienda"))
    by_lid = wire.message("2", chat=wire.ANA_LID, notify_name="Ana")
    for each in (by_phone, by_lid) if first == wire.ANA else (by_lid, by_phone):
        store.write(each)
    store.write(wire.message("3", chat=wire.ANA_LID, mine=True, contact=wire.contact(phone=wire.ANA)))
    assert store.rows(PHONES) == [(1, "+5491155550001", "541155550001")]
    assert store.rows("SELECT saved_name, push_name FROM contacts") == [("Ana Tienda", "Ana")]
    assert store.rows("SELECT conversation_id, count(*) FROM messages GROUP BY 1") == [(1, 3)]
    assert store.rows(MERGES) == []


def test_a_lid_whose_phone_is_told_later_gets_it(store: Store) -> None:
    """This needs no second contact."""
    store.write(wire.message("1", chat=wire.ANA_LID))
    store.write(wire.message("2", chat=wire.ANA_LID, contact=wire.contact(phone=wire.ANA)))
    assert store.rows(PHONES) == [(1, "+5491155550001", "541155550001")]


def test_the_phone_shown_is_the_one_that_whatsapp_named_last(store: Store) -> None:
    """The customer took the account to a new number; the old one stays an identity."""
    store.write(wire.message("1", contact=wire.contact(lid=wire.ANA_LID)))
    store.write(wire.message("2", chat=wire.ANA_LID, contact=wire.contact(phone=wire.BETO)))
    store.write(wire.message("3"))
    assert store.rows(PHONES) == [(1, "+5491155550002", "541155550002")]
    assert store.rows("SELECT value FROM contact_identities WHERE kind = 'phone'") == [
        ("+5491155550001",),
        ("+5491155550002",),
    ]


def test_of_two_phones_that_became_one_contact_the_one_named_last_is_shown(store: Store) -> None:
    """WhatsApp maps Beto's LID to Ana's phone."""
    store.write(wire.message("1", chat=wire.BETO, contact=wire.contact(lid=wire.ANA_LID)), wire.message("2"))
    store.write(wire.message("3", chat=wire.ANA_LID, contact=wire.contact(phone=wire.ANA)))
    assert store.rows(PHONES) == [(1, "+5491155550001", "541155550001")]


def test_a_phone_known_of_one_lid_is_not_forgotten_for_another(store: Store) -> None:
    """WhatsApp says that two LIDs are one person, without a phone."""
    store.write(wire.message("1", chat=wire.ANA_LID))
    store.write(wire.message("2", contact=wire.contact(lid="88001122334466@lid")))
    store.write(wire.message("3", chat=wire.ANA_LID, contact=wire.contact(lid="88001122334466@lid")))
    assert store.rows(PHONES) == [(1, "+5491155550001", "541155550001")]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("spellings", SPELLINGS.values(), ids=SPELLINGS)
def test_two_spellings_of_one_phone_are_one_person_by_a_pointer(
    store: Store, spellings: tuple[str, str], together: bool
) -> None:
    """The younger contact points to the older; each keeps its conversation, since replies go to that id."""
    messages = [wire.message(f"{n}", chat=chat) for n, chat in enumerate(spellings)]
    for batch in [messages] if together else [[each] for each in messages]:
        store.write(*batch)
    assert store.rows("SELECT contact_id, merged_into_id FROM contacts") == [(1, None), (2, 1)]
    assert store.rows(MERGES) == [(1, 2, "system", "same_phone", None)]
    assert store.rows("SELECT chat, contact_id FROM conversations ORDER BY 2") == [(spellings[0], 1), (spellings[1], 2)]
    assert store.rows("SELECT conversation_id FROM unjudged") == [(1,), (2,)]
    assert store.sum_of("rejected") == 0


def test_different_phones_stay_apart(store: Store) -> None:
    """Nothing is guessed."""
    store.write(wire.message("1"), wire.message("2", chat=wire.BETO), wire.message("3", chat=wire.ANA_LID))
    assert store.one("SELECT count(*) FROM contacts WHERE merged_into_id IS NULL") == 3
    assert store.rows(MERGES) == []


def make_older(path: Path, chats: list[str]) -> None:
    """A database of the first version, with a contact for each of these ids."""
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        migrate(Database(old, execute_plugins=False), stop_before="m002_leads")
        old.execute("BEGIN")
        old.execute("INSERT INTO accounts (wid, first_linked_at, last_ready_at) VALUES (?, 'a', 'a')", (wire.US,))
        for chat in chats:
            old.execute("INSERT INTO contacts (created_at, updated_at) VALUES ('a', 'b')")
            old.execute(
                "INSERT INTO contact_identities (contact_id, kind, value, first_seen_at) "
                "VALUES (last_insert_rowid(), ?, ?, 'a')",
                ("lid" if chat.endswith("@lid") else "wa_jid", chat),
            )
        old.execute(
            "INSERT INTO conversations (account_id, contact_id, chat, created_at) "
            "SELECT 1, contact_id, value, 'a' FROM contact_identities"
        )
        old.execute("COMMIT")


def test_contacts_from_before_phones_were_kept_get_theirs_when_the_database_is_opened(tmp_path: Path) -> None:
    """Phones, keys, identities and merges are the same as for contacts captured today."""
    path = tmp_path / "leadmaster.db"
    chats = [wire.ANA, wire.ANA_LID, NINE, "garbage", NO_NINE, *SPELLINGS["Mexico"]]
    make_older(path, chats)
    with opened(tmp_path / "new.db", [item(wire.message(f"{n}", chat=chat)) for n, chat in enumerate(chats)]) as new:
        expected = {query: new.rows(query) for query in (PHONES, MERGES)}
    with opened(path) as migrated:
        assert {query: migrated.rows(query) for query in (PHONES, MERGES)} == expected
        assert [row[:2] for row in expected[MERGES]] == [(3, 5), (6, 7)]
        assert migrated.rows("SELECT contact_id, merged_into_id FROM contacts WHERE merged_into_id IS NOT NULL") == [
            (5, 3),
            (7, 6),
        ]
        assert migrated.rows("SELECT value FROM contact_identities WHERE kind = 'phone' ORDER BY 1") == [
            ("+525512345678",),
            ("+541155550003",),
            ("+5491155550001",),
            ("+5491155550003",),
        ]
        assert migrated.rows("PRAGMA foreign_key_check") == []
        migrated.write(account(), wire.message("later"))
        assert migrated.rows(PHONES) == expected[PHONES]


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    """The migration fills in phones only once."""
    path = tmp_path / "leadmaster.db"
    make_older(path, [NINE, NO_NINE])
    open_for_writing(path).close()
    with closing(open_for_writing(path)) as connection:
        assert connection.execute(MERGES).fetchall() == [(1, 2, "system", "same_phone", None)]


def test_of_several_with_one_name_who_is_merged_away_meanwhile_is_not_listed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon may merge two chats between two queries of one command: each sees what is committed."""
    for number, chat in enumerate(("5491155550001@c.us", "5491155550002@c.us")):
        store.write(wire.message(f"m{number}", chat=chat, body="hola", notify_name="Ana"))

    def rows_after_a_merge(connection: sqlite3.Connection, query: str, **named: Any) -> list[dict[str, Any]]:
        if " AS lead " in query and named["chat"] == 2:
            with closing(sqlite3.connect(store.path, isolation_level=None)) as daemon:
                daemon.execute("DELETE FROM conversations WHERE conversation_id = 2")
        return rows(connection, query, **named)

    monkeypatch.setattr(people, "rows", rows_after_a_merge)
    with closing(sqlite3.connect(store.path)) as connection, pytest.raises(Refused) as refused:
        people.find_named(connection, "ana")
    assert str(refused.value).splitlines()[1:] == ["  +5491155550001  Ana"]
