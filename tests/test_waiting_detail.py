"""What it takes to answer somebody who waits, read without regard to who does not."""

from contextlib import closing
from datetime import UTC, datetime

from leadmasterd.queries.database import Connection
from leadmasterd.queries.waiting import count_waiting, waiting
from leadmasterd.queries.waiting_detail import wa_number, waiting_details
from leadmasterd.store.database import open_for_writing
from tests.captures import reading
from tests.test_cli_leads import PRICE, Shop
from tests.test_cli_leads import shop as shop

NUMBERS = "WITH RECURSIVE n (i) AS (VALUES (1000) UNION ALL SELECT i + 1 FROM n WHERE i < 4000)"
OTHERS = (
    "INSERT INTO contacts (contact_id, created_at, updated_at) SELECT i, '2026', '2026' FROM n",
    "INSERT INTO contact_identities (contact_id, kind, value, first_seen_at) "
    "SELECT i, 'wa_jid', '54911' || (55560000 + i) || '@c.us', '2026' FROM n",
    "INSERT INTO conversations (conversation_id, account_id, contact_id, chat, created_at) "
    "SELECT i, 1, i, '54911' || (55560000 + i) || '@c.us', '2026' FROM n",
    "INSERT INTO messages (account_id, conversation_id, direction, author, type, body, sent_at, captured_at, "
    "captured_via, readable_at, business, truncated, forwarded, stanza_id) "
    "SELECT 1, i, 'in', 'contact', 'chat', 'hola', '2026', '2026', 'live', '2026', 0, 0, 0, 'X' || i FROM n",
    "INSERT INTO waiting_cycles (conversation_id, kind, started_at, ended_at, ended_by) "
    "SELECT i, 'first', '2026-01-01', '2026-01-02', 'reply' FROM n",
)
"""Three thousand people who do not wait; `n` has their numbers."""


def test_an_answer_is_written_where_whatsapp_knows_the_phone() -> None:
    """In Argentina a mobile has a 9 that people leave out; a LID is no phone."""
    assert wa_number("1@lid", "+5491155550001", ["541155550001@c.us", "5491155550001@c.us"]) == "5491155550001"
    assert wa_number("541155550001@c.us", "+541155550001", ["541155550001@c.us"]) == "541155550001"
    assert wa_number("1@lid", "+5491155550001", []) == "5491155550001"
    assert wa_number("5491155550009@c.us", None, []) == "5491155550009"
    assert wa_number("88001122334455@lid", None, []) is None


def test_their_last_words_are_those_since_they_wait(shop: Shop) -> None:
    """Three of them, the oldest first; what was said before our answer is not shown."""
    shop.hears((1, 90, PRICE), (1, 80, "> $ 5"), *((1, 50 - n, f"y {n}?") for n in range(5)))
    with reading(shop.database) as connection:
        [detail] = waiting_details(connection, [1]).values()
        assert [message["body"] for message in detail["words"]] == ["y 2?", "y 3?", "y 4?"]
        assert detail["last_at"] == detail["words"][-1]["sent_at"]
        assert detail["classified"]
        assert waiting_details(connection, [99]) == {}


def steps(connection: Connection) -> int:
    """About how much SQLite works for the list and its details; one is a hundred instructions."""
    counted = 0

    def count() -> None:
        nonlocal counted
        counted += 1

    connection.set_progress_handler(count, 100)
    now = datetime.now(UTC)
    count_waiting(connection, now)
    rows = waiting(connection, now, limit=25, target_seconds=900, business_seconds=None)
    assert len(waiting_details(connection, [row["conversation_id"] for row in rows])) == 5
    connection.set_progress_handler(None, 0)
    return counted


def test_it_takes_no_longer_with_thousands_of_others(shop: Shop) -> None:
    """Whoever does not wait, and how much was said, cost nothing."""
    shop.hears(*((customer, 60, PRICE) for customer in range(1, 6)))
    with reading(shop.database) as connection:
        few = steps(connection)
    with closing(open_for_writing(shop.database)) as connection:
        connection.execute("BEGIN")
        for statement in OTHERS:
            connection.execute(
                f"WITH RECURSIVE n (i) AS (VALUES (1000) UNION ALL SELECT i + 1 FROM n WHERE i < 4000) {statement}"
            )
        connection.execute("COMMIT")
    with reading(shop.database) as connection:
        assert steps(connection) <= 1.2 * few + 5
