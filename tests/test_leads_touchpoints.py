"""Touchpoints: ads reported by WhatsApp, links in messages, and the prefilled texts of campaigns."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from leadmasterd.leads.timeline import Inbound
from leadmasterd.leads.touchpoints import Campaign, touchpoints_of
from leadmasterd.store.database import open_for_writing
from tests import stories
from tests.stories import Books, Customer, edited, iso
from tests.test_database import make_older

SUMMER = Campaign.of("Summer", "Hola! Vi la promo de verano")
HELLO = Campaign.of("Any", "hola")


@pytest.fixture
def books() -> Iterator[Books]:
    """Tables of a shop with one campaign."""
    with Books(policy=replace(stories.policy(), campaigns=(SUMMER, HELLO))) as found:
        yield found


def said(text: str, *, earlier: tuple[str, ...] = ()) -> Inbound:
    """An inbound message."""
    return Inbound(1_000, 7, 1, "A", "chat", text, edited=bool(earlier), earlier=earlier)


@pytest.mark.parametrize(
    ("text", "url", "campaign"),
    [
        ("mirá https://tienda.example/p/12?color=rojo.", "https://tienda.example/p/12?color=rojo", None),
        ("(HTTPS://tienda.example/p)", "HTTPS://tienda.example/p", None),
        (
            "va https://t.example/?utm_campaign=Dia+del+padre",
            "https://t.example/?utm_campaign=Dia+del+padre",
            "Dia del padre",
        ),
        ("https://t.example/?utm_campaign=  ", "https://t.example/?utm_campaign=", None),
        ("uno https://a.example y dos https://b.example", "https://a.example", None),
        ("https://[bad", "https://[bad", None),
    ],
)
def test_the_first_link_of_a_message_is_a_touch(text: str, url: str | None, campaign: str | None) -> None:
    """The campaign in the link is kept and a full stop after it is not; a malformed link does no harm."""
    [touch] = touchpoints_of(said(text), ())
    assert (touch.kind, touch.source_url, touch.source_id) == ("link", url, campaign)


def test_what_links_say_of_themselves_is_kept() -> None:
    """Only the utm parameters are kept, no other parameter."""
    [touch] = touchpoints_of(said("https://t.example/?UTM_Source=ig&utm_medium=bio&session=secret"), ())
    assert touch.raw == {"utm_source": "ig", "utm_medium": "bio"}


@pytest.mark.parametrize("text", ["", "hola", "tienda.example", "mailto://", "ftp://x.example", "http:// x"])
def test_words_without_a_link_are_no_touch(text: str) -> None:
    """A bare domain does not count, since it looks like a full stop without a space."""
    assert touchpoints_of(said(text), ()) == []


@pytest.mark.parametrize(
    "text",
    [
        "Hola! Vi la promo de verano",
        "hola vi la PROMO de veráno, cuánto sale?",
        "buenas\n¡Hola!   vi la promo de verano 🙌",
    ],
)
def test_a_campaigns_words_are_known_however_they_are_dressed(text: str) -> None:
    """Case, accents, punctuation and surrounding text are ignored; if two campaigns match, the longer text wins."""
    [touch] = touchpoints_of(said(text), (HELLO, SUMMER))
    assert (touch.kind, touch.source_id) == ("campaign", "Summer")


@pytest.mark.parametrize(
    "text", ["vi la promo de verano", "hola vi la promo de veranos", "hola vi una promo de verano"]
)
def test_other_words_are_another_campaign_or_none(text: str) -> None:
    """All words must be present, whole and in order."""
    assert [touch.source_id for touch in touchpoints_of(said(text), (SUMMER,))] == []


def test_an_edit_does_not_change_how_somebody_came() -> None:
    """The campaign's button wrote the first text; the customer changed it later."""
    [touch] = touchpoints_of(said("cuanto sale?", earlier=("Hola! vi la promo de verano", "hola")), (SUMMER,))
    assert touch.source_id == "Summer"


@pytest.mark.parametrize("text", ["", "  ", "¡!", "🙌"])
def test_a_campaign_without_words_is_refused(text: str) -> None:
    """An empty text would match every message."""
    with pytest.raises(ValueError, match="words to recognise customers by"):
        Campaign.of("Empty", text)


def test_touches_are_kept_once_beside_the_lead(books: Books) -> None:
    """«`touches` (ad referral, link, campaign text)»: a message may have all three, and projecting again adds none."""
    ana = Customer()
    text = "Hola! Vi la promo de verano https://t.example/?utm_campaign=v27 price"
    referral = {"source_id": "ad-1", "source_url": "https://fb.me/1", "title": "Camperas"}
    books.tell([ana.says("17 10:00", text, referral=referral), ana.says("17 10:01", "mmm")])
    books.rebuild()
    rows = books.ask("SELECT at, kind, source_id, source_url, headline FROM touches ORDER BY kind")
    assert rows == [
        (iso("17 10:00"), "ad", "ad-1", "https://fb.me/1", "Camperas"),
        (iso("17 10:00"), "campaign", "Summer", None, None),
        (iso("17 10:00"), "link", "v27", "https://t.example/?utm_campaign=v27", None),
    ]


def test_a_purged_body_takes_no_touch_along(books: Books) -> None:
    """Touchpoints are stored because bodies are purged."""
    ana = Customer()
    books.tell([ana.says("17 10:00", "hola https://t.example price")])
    before = books.ask("SELECT * FROM touches ORDER BY touch_id")
    books.db.execute("UPDATE messages SET body = NULL")
    books.rebuild()
    assert len(before) == 2
    assert books.ask("SELECT * FROM touches ORDER BY touch_id") == before


def test_an_edit_captured_late_changes_no_touch(books: Books) -> None:
    """The touchpoint comes from the original text."""
    first = Customer().says("17 10:00", "hola vi la promo de verano")
    books.tell([first])
    before = books.ask("SELECT * FROM touches")
    books.tell([edited(first, "17 10:05", "price")])
    assert books.ask("SELECT * FROM touches") == before
    assert [row[5] for row in before] == ["Summer"]


def test_a_campaign_that_is_named_later_finds_who_came_before(books: Books) -> None:
    """New settings are a new policy: everything is projected again, and rows under the old name are deleted."""
    books.projector.adopt_policy()
    books.tell([Customer().says("17 10:00", "Hola! Vi la promo de verano")])
    renamed = Campaign.of("Verano 2027", "vi la promo de verano")
    books.projector = type(books.projector)(
        books.db, lambda: books.classifier, replace(stories.policy(version="two"), campaigns=(renamed,))
    )
    assert books.projector.adopt_policy()
    books.project_all()
    assert books.column("SELECT source_id FROM touches") == ["Verano 2027"]


def test_a_campaign_renamed_after_its_words_were_edited_away_is_renamed_all_the_same(books: Books) -> None:
    """The edit emptied the caption, and projection still works."""
    books.projector.adopt_policy()
    first = Customer().says("17 10:00", "Hola! Vi la promo de verano", message_type="image")
    books.tell([first, edited(first, "17 10:05", "")])
    renamed = Campaign.of("Verano 2027", "vi la promo de verano")
    books.projector = type(books.projector)(
        books.db, lambda: books.classifier, replace(stories.policy(version="two"), campaigns=(renamed,))
    )
    books.projector.adopt_policy()
    books.project_all()
    assert books.column("SELECT source_id FROM touches") == ["Verano 2027"]


@pytest.mark.parametrize("broken", ["title", "source_id", "source_url"])
def test_half_a_character_in_an_ad_breaks_no_table(books: Books, broken: str) -> None:
    """SQLite stores a lone surrogate as unreadable bytes; rows that an earlier version stored so are rewritten."""
    ad = {"source_id": "ad-1", "source_url": "https://fb.me/1", "title": "Camperas", broken: "Camperas \ud83d"}
    books.projector.adopt_policy()
    books.tell([Customer().says("17 10:00", "price", referral=ad)])
    column = "headline" if broken == "title" else broken
    assert books.ask(f"SELECT kind, {column} FROM touches") == [("ad", "Camperas \ufffd")]
    books.db.execute(f"UPDATE touches SET {column} = (SELECT referral ->> '{broken}' FROM messages)")
    with pytest.raises(sqlite3.OperationalError, match="decode"):
        books.ask(f"SELECT {column} FROM touches")
    books.projector = type(books.projector)(books.db, lambda: books.classifier, stories.policy(version="two"))
    books.projector.adopt_policy()
    books.project_all()
    assert books.column(f"SELECT {column} FROM touches") == ["Camperas \ufffd"]


def test_ads_of_an_older_version_are_still_there(tmp_path: Path) -> None:
    """The migration that allows other kinds keeps the stored rows."""
    path = tmp_path / "old.db"
    make_older(path, 2)
    with closing(sqlite3.connect(path)) as old, old:
        old.execute("INSERT INTO accounts (wid, first_linked_at, last_ready_at) VALUES ('1@c.us', 'a', 'a')")
        old.execute("INSERT INTO conversations (account_id, chat, created_at) VALUES (1, '2@c.us', 'a')")
        old.execute(
            "INSERT INTO messages (account_id, conversation_id, direction, author, type, sent_at, captured_at, "
            "captured_via, business, truncated, forwarded, stanza_id) "
            "VALUES (1, 1, 'in', 'contact', 'chat', 'a', 'a', 'live', 0, 0, 0, 'A')"
        )
        row = (5, 1, 1, "a", "ad", "ad-1", "https://fb.me/1", "Camperas", "{}")
        old.execute("INSERT INTO touches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    with closing(open_for_writing(path)) as migrated:
        assert migrated.execute("SELECT * FROM touches").fetchall() == [row]
        assert migrated.execute("PRAGMA foreign_key_check").fetchall() == []
