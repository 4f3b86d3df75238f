"""What each captured record does to the tables: every message once, with its history and its owner."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadmasterd.outbox import triggers
from leadmasterd.store import sql
from leadmasterd.store.records import GapEnded, GapOpened, Item, SessionEvent
from leadmasterd.wire.events import Malformed
from tests import wire
from tests.captures import Store, account, at, item, opened
from tests.depth import examples
from tests.waiting import LIMIT


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store that knows its account."""
    with opened(tmp_path / "leadmaster.db") as fresh:
        yield fresh


def texts(store: Store) -> list[Any]:
    """The stored bodies, in order."""
    return [row[0] for row in store.rows("SELECT body FROM messages ORDER BY message_id")]


def edit(body: str | None, *, t: Any = wire.NOON, edited_t: Any = wire.NOON + 10, stanza: str = "3EB0A1") -> Any:
    return wire.line("message_edit", id=wire.key(stanza), t=t, edited_t=edited_t, body=body)


def revoke(*, t: Any = wire.NOON, stanza: str = "3EB0A1", scope: str = "everyone") -> Any:
    return wire.line("message_revoke", id=wire.key(stanza), t=t, scope=scope)


def reaction(emoji: str, *, sender: str | None = wire.ANA, from_me: bool = False, t: int = wire.NOON) -> Any:
    return wire.line("reaction", id=wire.key(), from_me=from_me, sender=sender, emoji=emoji, t=t)


def call_line(stanza: str, *, t: int = wire.NOON, answered: bool = False, **more: Any) -> Any:
    """A call's line in the chat."""
    call = {"outcome": "Missed", "answered": answered, "video": False, "seconds": None}
    return wire.message(stanza, t=t, body=None, message_type="call_log", call=call, **more)


def call(chat: str = wire.ANA, *, answered: bool = False, call_id: str = "C0FFEE") -> Any:
    return wire.line("call", call_id=call_id, chat=chat, t=wire.NOON, outgoing=False, answered=answered, video=False)


def swept(chat: str = wire.ANA, *, through: int | None = wire.NOON, error: str | None = None) -> Any:
    return wire.line("sweep_chat", sweep=1, chat=chat, found=1, through=through, error=error)


def sweep_done(*, started: float = wire.NOON + 4, failed: int = 0, looked_at: int = 1, error: str | None = None) -> Any:
    return wire.line(
        "sweep_done",
        sweep=1,
        started_at=round(started * 1000),
        chats=3,
        looked_at=looked_at,
        messages=0,
        failed=failed,
        oldest=None,
        newest=None,
        error=error,
    )


# ---------------------------------------------------------------------- exactly once


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
def test_a_message_that_comes_live_by_sweep_and_five_times_is_one_row(store: Store, together: bool) -> None:
    """The number and the order of copies make no difference."""
    copies = [item(wire.message(via=via)) for via in ("live", "sweep", "sweep", "live", "sweep")]
    for batch in [copies] if together else [[copy] for copy in copies]:
        store.write(*batch)
    assert store.rows("SELECT body, captured_via, direction, author FROM messages") == [
        ("Hola, precio?", "live", "in", "contact")
    ]
    assert (store.sum_of("live"), store.sum_of("sweep")) == (1, 0)
    assert store.one("SELECT count(*) FROM raw_events") == 1, "of a mere copy not even the line is kept"


@pytest.mark.parametrize("first", [wire.ANA, wire.ANA_LID])
def test_a_message_under_both_identities_is_one_row_with_two_aliases(store: Store, first: str) -> None:
    """`remote` may be c.us or lid for the same message, once WhatsApp has said that both are one person's."""
    second = wire.ANA if first == wire.ANA_LID else wire.ANA_LID
    known = wire.contact(phone=wire.ANA, lid=wire.ANA_LID)
    store.write(wire.message(chat=first, contact=known))
    store.write(wire.message(chat=second), wire.message(chat=second, via="sweep"))
    assert len(texts(store)) == 1
    assert store.rows("SELECT remote FROM message_aliases ORDER BY 1") == [(wire.ANA,), (wire.ANA_LID,)]


def test_a_message_comes_once_across_lives_of_the_daemon(tmp_path: Path) -> None:
    """Known messages are looked up in the file, not in memory."""
    for _ in range(3):
        with opened(tmp_path / "leadmaster.db") as life:
            life.write(wire.message(), wire.message("3EB0A2", body="y envío?"))
            assert texts(life) == ["Hola, precio?", "y envío?"]


def test_a_clearly_different_time_under_the_same_id_is_another_message(store: Store) -> None:
    """Senders choose ids; copies may differ by up to a minute."""
    store.write(wire.message(body="one"), wire.message(body="one", t=wire.NOON + 60))
    store.write(wire.message(body="two", t=wire.NOON + 3600), wire.message(body="two", t=wire.NOON + 3600))
    assert texts(store) == ["one", "two"]


def test_direction_and_group_tell_messages_with_one_id_apart(store: Store) -> None:
    """The key is account, direction, id and group."""
    store.write(
        wire.message(body="theirs"),
        wire.message(body="mine", mine=True),
        wire.message(body="in a group", chat=wire.GROUP, participant=wire.BETO),
        wire.message(body="in another", chat="120363000000000009@g.us", participant=wire.BETO),
    )
    assert texts(store) == ["theirs", "mine", "in a group", "in another"]


def test_own_messages_are_the_operators_and_out(store: Store) -> None:
    """They belong to the same conversation as the other party's."""
    store.write(wire.message(), wire.message("3EB0B1", mine=True, body="Hola Ana", t=wire.NOON + 3))
    assert store.rows("SELECT direction, author FROM messages ORDER BY 1") == [("in", "contact"), ("out", "operator")]
    assert store.rows("SELECT chat, last_inbound_at, last_outbound_at FROM conversations") == [
        (wire.ANA, at(wire.NOON), at(wire.NOON + 3))
    ]


def test_the_wire_line_is_kept_beside_its_row(store: Store) -> None:
    """It is stored once, as text, with the row's id."""
    store.write(item(wire.message(), text="la primera línea 👍"), item(wire.message(), text="a copy"))
    assert store.rows("SELECT message_id, problem, line, typeof(line) FROM raw_events") == [
        (1, None, "la primera línea 👍", "text")
    ]


def test_a_contacts_names_are_written_and_silence_erases_nothing(store: Store) -> None:
    """A later message without names erases none, and our own messages say nothing about the contact."""
    store.write(wire.message("1", notify_name="Ana"))
    store.write(wire.message("2", notify_name=None, contact=wire.contact(name="Ana Tienda")))
    store.write(wire.message("3", notify_name="Tienda", mine=True))
    assert store.rows("SELECT saved_name, push_name FROM contacts") == [("Ana Tienda", "Ana")]


# ---------------------------------------------------------------------- ciphertext


@pytest.mark.parametrize("via", ["live", "sweep"])
@pytest.mark.parametrize("together", [True, False])
def test_a_ciphertext_is_filled_in_by_its_text(store: Store, via: str, together: bool) -> None:
    """It stays one row and becomes readable."""
    cipher, text = item(wire.ciphertext()), item(wire.message(via=via, quoted={"id": "Q"}))
    if together:
        store.write(cipher, text)
    else:
        store.write(cipher)
        assert store.rows("SELECT type, body, readable_at FROM messages") == [("ciphertext", None, None)]
        store.write(text)
    [[type_, body, readable_at, quoted]] = store.rows("SELECT type, body, readable_at, quoted FROM messages")
    assert (type_, body, quoted) == ("chat", "Hola, precio?", '{"id": "Q"}')
    assert readable_at is not None
    assert store.one("SELECT count(*) FROM raw_events") == 2, "the text's line is kept beside the ciphertext's"


def test_a_late_ciphertext_does_not_erase_the_text(store: Store) -> None:
    """The stored row knows more."""
    store.write(wire.message())
    store.write(wire.ciphertext(via="sweep"))
    store.write(wire.message(), wire.ciphertext())
    assert store.rows("SELECT type, body FROM messages") == [("chat", "Hola, precio?")]
    assert store.rows("SELECT * FROM message_versions") == []


# ---------------------------------------------------------------------- edits, revokes


def test_an_edit_changes_the_text_and_keeps_what_it_was(store: Store) -> None:
    """Every version is stored, in order."""
    store.write(wire.message(body="uno"), edit("dos"), edit("tres", edited_t=wire.NOON + 20))
    assert store.rows("SELECT body, edited_at, revoked_at FROM messages") == [("tres", at(wire.NOON + 20), None)]
    assert store.rows("SELECT change, body_before, changed_at FROM message_versions ORDER BY version_id") == [
        ("edit", "uno", at(wire.NOON + 10)),
        ("edit", "dos", at(wire.NOON + 20)),
    ]


def test_the_same_edit_twice_is_one_version(store: Store) -> None:
    """After a reload the page may send it again."""
    store.write(wire.message(body="uno"), edit("dos"))
    store.write(edit("dos"))
    assert store.one("SELECT count(*) FROM message_versions") == 1


def test_a_revoked_message_keeps_its_text(store: Store) -> None:
    """It is marked once, and later edits do not change it."""
    store.write(wire.message(body="uno"), revoke(), revoke(), edit("dos"))
    [[body, revoked_at]] = store.rows("SELECT body, revoked_at FROM messages")
    assert body == "uno"
    assert revoked_at is not None
    assert store.rows("SELECT change, body_before FROM message_versions") == [("revoke", "uno")]


def test_a_message_deleted_on_our_side_only_is_not_revoked(store: Store) -> None:
    """The other party can still read it, so only the wire line is stored."""
    deleted = item(revoke(scope="me"), text="deleted for me")
    store.write(wire.message(body="uno"), deleted, edit("dos"))
    assert store.rows("SELECT body, revoked_at FROM messages") == [("dos", None)]
    assert store.rows("SELECT change FROM message_versions") == [("edit",)]
    [[message_id]] = store.rows("SELECT message_id FROM raw_events WHERE line = 'deleted for me'")
    assert message_id == store.one("SELECT message_id FROM messages")


def test_a_sweep_comes_upon_an_edit_made_while_we_were_away(store: Store) -> None:
    """The page has the newer text."""
    store.write(wire.message(body="uno"))
    store.write(wire.message(body="dos", via="sweep"), wire.message(body="dos", via="sweep"))
    assert store.rows("SELECT body FROM messages WHERE edited_at IS NOT NULL") == [("dos",)]
    assert store.rows("SELECT change, body_before FROM message_versions") == [("edit", "uno")]


def test_a_cut_copy_is_no_edit(store: Store) -> None:
    """The body was cut because its line was too long, not by its author."""
    store.write(wire.message(body="whole"), wire.message(body="wh", truncated=True, via="sweep"))
    assert texts(store) == ["whole"]


def test_a_sweep_comes_upon_a_message_revoked_while_we_were_away(store: Store) -> None:
    """The text stays, and the message is marked once."""
    gone = wire.message(body=None, via="sweep", message_type="revoked")
    store.write(wire.message(body="uno"))
    store.write(gone, gone)
    store.write(gone, wire.message(body="uno"))
    [[type_, body, revoked_at]] = store.rows("SELECT type, body, revoked_at FROM messages")
    assert (type_, body) == ("chat", "uno")
    assert revoked_at is not None
    assert store.rows("SELECT change, body_before FROM message_versions") == [("revoke", "uno")]


def test_a_ciphertext_that_was_revoked_is_marked_once(store: Store) -> None:
    """A later sweep that reads it again adds no version, no line and no new time."""
    gone = wire.message(body=None, via="sweep", message_type="revoked")
    store.write(wire.ciphertext())
    store.write(gone)
    before = store.rows("SELECT revoked_at FROM messages")
    lines = store.one("SELECT count(*) FROM raw_events")
    store.write(gone)
    assert store.rows("SELECT change FROM message_versions") == [("revoke",)]
    assert store.rows("SELECT revoked_at FROM messages") == before
    assert store.one("SELECT count(*) FROM raw_events") == lines


def test_a_message_first_seen_revoked_is_a_row_that_says_so(store: Store) -> None:
    """A message existed, but its text is not known."""
    store.write(wire.message(body=None, via="sweep", message_type="revoked"))
    [[type_, revoked_at]] = store.rows("SELECT type, revoked_at FROM messages")
    assert type_ == "revoked"
    assert revoked_at is not None


def test_an_edit_or_revoke_of_an_unknown_message_is_no_error(store: Store) -> None:
    """A sweep will bring the message with its current text."""
    store.write(edit("dos"), revoke(), wire.message("other"))
    assert texts(store) == ["Hola, precio?"]
    assert store.sum_of("rejected") == 0


def test_an_edit_finds_its_variant_by_time(store: Store) -> None:
    """Of two messages with one id, the time selects the right one."""
    store.write(wire.message(body="one"), wire.message(body="two", t=wire.NOON + 3600))
    store.write(edit("one!", t=wire.NOON), edit("two!", t=wire.NOON + 3600, edited_t=wire.NOON + 3700))
    assert texts(store) == ["one!", "two!"]


# ---------------------------------------------------------------------- reactions, calls


def test_a_reaction_is_kept_changed_and_taken_back(store: Store) -> None:
    """It is one row with the latest state."""
    store.write(wire.message(), reaction("👍"))
    assert store.rows("SELECT emoji, message_id, from_me FROM reactions") == [("👍", 1, 0)]
    store.write(reaction("❤️", t=wire.NOON + 1))
    store.write(reaction("", t=wire.NOON + 2))
    assert store.rows("SELECT emoji, reacted_at FROM reactions") == [("", at(wire.NOON + 2))]


def test_a_reaction_under_the_other_identity_is_the_same_persons(store: Store) -> None:
    """Each of the two parties has one reaction, whichever id WhatsApp uses."""
    store.write(wire.message(), reaction("👍", sender=wire.ANA_LID), reaction("👎", sender=f"{wire.ANA[:-5]}:3@c.us"))
    store.write(reaction("🎉", from_me=True, sender=wire.US), reaction("", from_me=True, sender=None))
    assert store.rows("SELECT from_me, emoji FROM reactions ORDER BY 1") == [(0, "👎"), (1, "")]


def test_a_reaction_that_is_known_changes_nothing(store: Store) -> None:
    """Sweeps bring it repeatedly, and one read before a change arrives too late to count."""
    store.write(wire.message(), reaction("👍", from_me=True, sender=wire.US))
    store.rows("SELECT 1")
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("DELETE FROM unjudged")
    store.write(reaction("👍", from_me=True, sender=wire.US))
    assert store.rows("SELECT * FROM unjudged") == [], "nothing is to be judged again"
    store.write(reaction("❤️", from_me=True, t=wire.NOON + 5), reaction("👍", from_me=True, sender=wire.US))
    assert store.rows("SELECT emoji FROM reactions") == [("❤️",)]
    assert store.rows("SELECT conversation_id FROM unjudged") == [(1,)]


def test_in_a_group_everybody_has_a_reaction_of_their_own(store: Store) -> None:
    """Members are distinguished by their ids."""
    for sender in (wire.ANA, wire.BETO):
        store.write(
            wire.line("reaction", id=wire.key(chat=wire.GROUP), from_me=False, sender=sender, emoji="👍", t=wire.NOON)
        )
    assert store.one("SELECT count(*) FROM reactions") == 2


def test_a_reaction_before_its_message_waits_for_nothing(store: Store) -> None:
    """It is stored at once, and linked to its message when it changes."""
    store.write(reaction("👍"))
    assert store.rows("SELECT message_id, emoji FROM reactions") == [(None, "👍")]
    store.write(wire.message(), reaction("❤️"))
    assert store.rows("SELECT message_id, emoji FROM reactions") == [(1, "❤️")]


def test_a_call_is_one_row_that_learns_of_its_answer(store: Store) -> None:
    """It rings first and is answered later; a late `ringing` does not undo that."""
    store.write(wire.message(), call(), call(answered=True), call())
    assert store.rows("SELECT conversation_id, answered, started_at FROM calls") == [(1, 1, at(wire.NOON))]


@pytest.mark.parametrize("order", [1, -1])
def test_a_ringing_and_its_line_are_one_call(store: Store, order: int) -> None:
    """They match by call id; the line in the chat says how the call ended."""
    store.write(*[call(), call_line("C0FFEE", t=wire.NOON + 40, answered=True)][::order])
    assert store.rows("SELECT call_id, started_at, answered, rang FROM calls") == [("C0FFEE", at(wire.NOON), 1, 1)]


@pytest.mark.parametrize("order", [1, -1])
def test_a_line_of_another_id_is_a_row_of_its_own(store: Store, order: int) -> None:
    """Which call it belongs to depends on what else comes, so it is decided when leads are derived."""
    store.write(*[call(), call_line("3EB0AA", t=wire.NOON + 40, answered=True)][::order])
    assert store.rows("SELECT call_id, answered, rang FROM calls ORDER BY 1") == [("3EB0AA", 1, 0), ("C0FFEE", 0, 1)]


def test_a_call_that_only_its_line_tells_of_is_a_call(store: Store) -> None:
    """It was missed while we were away; each sweep reads its line again."""
    for _ in range(2):
        store.write(call_line("3EB0AA", via="sweep"), call_line("3EB0AB", t=wire.NOON + 60, mine=True, via="sweep"))
    assert store.rows("SELECT call_id, started_at, outgoing, answered FROM calls ORDER BY 1") == [
        ("3EB0AA", at(wire.NOON), 0, 0),
        ("3EB0AB", at(wire.NOON + 60), 1, 0),
    ]


def test_each_line_is_a_call_of_its_own(store: Store) -> None:
    """The customer called three times, and we saw one of the calls ring."""
    store.write(call(call_id="3EB0A1"), *[call_line(f"3EB0A{n}", t=wire.NOON + 60 * n) for n in range(3)])
    assert store.rows("SELECT call_id, rang FROM calls ORDER BY 1") == [("3EB0A0", 0), ("3EB0A1", 1), ("3EB0A2", 0)]


def test_a_call_in_a_group_belongs_to_the_group(store: Store) -> None:
    """A group is no contact, with or without stored messages."""
    store.write(call(wire.GROUP, call_id="1"), wire.message(chat=wire.GROUP), call(wire.GROUP, call_id="2"))
    assert store.rows("SELECT DISTINCT conversation_id FROM calls") == [(1,)]
    assert store.rows("SELECT chat, contact_id FROM conversations") == [(wire.GROUP, None)]
    assert store.rows("SELECT * FROM contacts") == []


# ---------------------------------------------------------------------- owners


def test_two_contacts_that_whatsapp_says_are_one_become_one(store: Store) -> None:
    """The older stays, with the conversations, messages and calls of both."""
    store.write(wire.message("1", chat=wire.ANA, t=wire.NOON))
    store.write(wire.message("2", chat=wire.ANA_LID, t=wire.NOON + 9), call(wire.ANA_LID))
    assert store.one("SELECT count(*) FROM conversations") == 2
    store.write(wire.message("3", chat=wire.ANA_LID, t=wire.NOON + 5, contact=wire.contact(phone=wire.ANA)))
    assert store.rows("SELECT conversation_id, contact_id, chat, last_inbound_at FROM conversations") == [
        (1, 1, wire.ANA, at(wire.NOON + 9))
    ]
    assert store.rows("SELECT DISTINCT conversation_id FROM messages") == [(1,)]
    assert store.rows("SELECT conversation_id FROM calls") == [(1,)]
    assert store.rows("SELECT contact_id, kind, value FROM contact_identities ORDER BY value") == [
        (1, "phone", "+5491155550001"),
        (1, "wa_jid", wire.ANA),
        (1, "lid", wire.ANA_LID),
    ]
    assert store.sum_of("rejected") == 0


@pytest.mark.parametrize("rang_in", [wire.ANA, wire.ANA_LID])
def test_a_call_and_its_line_under_two_ids_of_a_person_become_one_row(store: Store, rang_in: str) -> None:
    """With the time of its ringing and the outcome that either knew."""
    [line_in] = {wire.ANA, wire.ANA_LID} - {rang_in}
    line = call_line("C0FFEE", t=wire.NOON + 40, answered=True, chat=line_in)
    store.write(wire.message("1"), wire.message("2", chat=wire.ANA_LID), call(rang_in), line)
    assert store.one("SELECT count(*) FROM calls") == 2
    store.write(wire.message("3", chat=wire.ANA_LID, contact=wire.contact(phone=wire.ANA)))
    assert store.rows("SELECT call_id, started_at, answered, rang FROM calls") == [("C0FFEE", at(wire.NOON), 1, 1)]


def test_a_merge_within_one_batch_moves_what_is_not_yet_written(store: Store) -> None:
    """Rows of the same batch move along."""
    both = wire.contact(phone=wire.ANA)
    store.write(
        wire.message("1", chat=wire.ANA, t=wire.NOON),
        wire.message("2", chat=wire.ANA_LID, t=wire.NOON + 9),
        wire.message("3", chat=wire.ANA_LID, t=wire.NOON + 5, contact=both),
        wire.message("4", chat=wire.ANA, t=wire.NOON + 7),
    )
    assert store.rows("SELECT conversation_id, count(*) FROM messages GROUP BY 1") == [(1, 4)]
    assert store.one("SELECT last_inbound_at FROM conversations") == at(wire.NOON + 9)
    assert len(store.batches) == 2, "and in one transaction"


def test_a_copy_can_tell_that_two_contacts_are_one(store: Store) -> None:
    """The live copy had no phone, and the sweep's copy has it."""
    store.write(wire.message("1", chat=wire.ANA), wire.message("2", chat=wire.ANA_LID))
    store.write(wire.message("2", chat=wire.ANA_LID, contact=wire.contact(phone=wire.ANA), via="sweep"))
    assert store.rows("SELECT DISTINCT conversation_id FROM messages") == [(1,)]
    assert store.one("SELECT count(*) FROM contacts") == 1


def test_a_merge_has_no_watermark(store: Store) -> None:
    """Each half had its own, and the page may make one chat of both: what was read of one says nothing about that."""
    store.write(wire.message("1", chat=wire.ANA), swept(wire.ANA, through=wire.NOON - 5))
    store.write(wire.message("2", chat=wire.ANA_LID), swept(wire.ANA_LID, through=wire.NOON - 60))
    store.write(wire.message("3", chat=wire.ANA_LID, contact=wire.contact(phone=wire.ANA)))
    assert store.rows("SELECT swept_through_at, swept_chat FROM conversations") == [(None, None)]


def test_another_number_has_its_own_history(store: Store) -> None:
    """The same customer and message id under two accounts are two conversations and two messages."""
    store.write(wire.message(), swept())
    store.write(account("5491155550200@c.us"), wire.message(body="to the new number"))
    assert store.rows("SELECT account_id, body FROM messages") == [(1, "Hola, precio?"), (2, "to the new number")]
    assert store.rows("SELECT account_id, swept_through_at FROM conversations") == [(1, at(wire.NOON)), (2, None)]
    assert [batch.new_account_beside for batch in store.batches if batch.new_account_beside] == [
        ("5491155550200@c.us", wire.US)
    ]


def test_the_first_number_is_no_other_number_and_neither_is_its_return(store: Store) -> None:
    """A restart raises no alarm."""
    store.write(account("5491155550200@c.us"))
    store.write(account())
    assert sum(batch.new_account_beside is not None for batch in store.batches) == 1


def test_one_number_in_two_spellings_is_one_account(store: Store) -> None:
    """The id may have a device number or not."""
    store.write(account("5491155550100:7@s.whatsapp.net"))
    assert store.rows("SELECT wid FROM accounts") == [(wire.US,)]


def test_messages_before_and_after_another_number_in_one_failed_batch_stay_apart(store: Store) -> None:
    """When the batch is retried, the new number must not get the old number's messages."""
    poison = wire.message("\ud800")
    store.write(item(wire.message("old")), item(poison), account("5491155550200@c.us"), item(wire.message("new")))
    assert store.rows("SELECT stanza_id, account_id FROM messages ORDER BY 2") == [("old", 1), ("new", 2)]
    assert store.sum_of("rejected") == 1


# ---------------------------------------------------------------------- watermarks and gaps


def test_a_watermark_only_moves_forward(store: Store) -> None:
    """A sweep that looked less far does not move it back."""
    store.write(wire.message(via="sweep"), swept(through=wire.NOON), swept(through=wire.NOON - 100), sweep_done())
    store.write(wire.message("older", t=wire.NOON - 100, via="sweep"), sweep_done(), sweep_done())
    assert store.one("SELECT swept_through_at FROM conversations") == at(wire.NOON)
    assert store.one("SELECT swept_through_at FROM accounts") == at(wire.NOON)


def test_a_watermark_is_never_in_the_future(store: Store) -> None:
    """A message may be dated slightly ahead of our clock."""
    ahead = wire.NOON + 300
    store.write(wire.message(t=ahead, via="sweep"), swept(through=ahead), sweep_done(started=wire.NOON + 4))
    assert store.one("SELECT swept_through_at FROM conversations") == at(wire.NOON + 5)
    assert store.one("SELECT swept_through_at FROM accounts") == at(wire.NOON + 4)


@pytest.mark.parametrize("absurd", [0, 4_102_444_700])
def test_an_absurd_date_counts_for_no_watermark(store: Store, absurd: int) -> None:
    """One message dated in 2099 would stop catch-up for years, and our own time may be wrong."""
    store.write(wire.message("1", via="sweep"), wire.message("2", t=absurd, via="sweep"))
    store.write(swept(through=absurd), sweep_done())
    assert store.one("SELECT swept_through_at FROM conversations") is None
    assert store.one("SELECT swept_through_at FROM accounts") == at(wire.NOON)


def test_when_all_that_was_read_lies_ahead_it_is_our_clock_that_is_behind(store: Store) -> None:
    """Our time is earlier, so it hides nothing, and without a watermark each sweep would read everything since the
    link.
    """
    store.write(wire.message(t=wire.NOON + 3 * 86400, via="sweep"), sweep_done(started=wire.NOON + 4))
    assert store.one("SELECT swept_through_at FROM accounts") == at(wire.NOON + 4)


def test_a_sweep_that_read_nothing_moves_no_watermark_but_tells_that_we_listened(store: Store) -> None:
    """No message gave a trusted time; that the page was there is known by our clock."""
    store.write(wire.message(), sweep_done(started=wire.NOON + 4))
    assert store.rows("SELECT swept_through_at, last_ready_at FROM accounts") == [(None, at(wire.NOON + 4))]


def test_what_a_sweep_read_for_one_number_draws_no_line_for_another(store: Store) -> None:
    """A scan with another number cut the sweep short."""
    store.write(wire.message(via="sweep"), account("5491155550200@c.us"), sweep_done())
    assert store.rows("SELECT swept_through_at FROM accounts") == [(None,), (None,)]


def test_a_chat_that_failed_or_was_empty_moves_no_watermark(store: Store) -> None:
    """Only a chat that was read counts."""
    store.write(wire.message(), swept(error="timeout"), swept(through=None))
    assert store.one("SELECT swept_through_at FROM conversations") is None


@pytest.mark.parametrize("broken", [sweep_done(failed=1), sweep_done(error="page gone")])
def test_a_sweep_that_failed_moves_no_watermark_and_closes_no_gap(store: Store, broken: Any) -> None:
    """The next one starts from the same place."""
    store.write(
        Item(GapOpened("child_died", at(wire.NOON)), None, at(wire.NOON)), Item(GapEnded(), None, at(wire.NOON + 1))
    )
    store.write(broken)
    assert store.one("SELECT swept_through_at FROM accounts") is None
    assert store.rows("SELECT closed_at FROM gaps") == [(None,)]


def test_live_messages_move_no_watermark(store: Store) -> None:
    """One arrived message says nothing about earlier ones."""
    store.write(wire.message())
    assert store.rows("SELECT swept_through_at FROM conversations") == [(None,)]


def test_a_watermark_is_found_under_the_other_identity(store: Store) -> None:
    """The page may know the chat by its LID."""
    store.write(wire.message(contact=wire.contact(lid=wire.ANA_LID)), swept(wire.ANA_LID))
    assert store.one("SELECT swept_through_at FROM conversations") == at(wire.NOON)


def test_a_watermark_is_never_there_before_its_messages(tmp_path: Path) -> None:
    """No commit claims to be complete up to a message that is not stored."""
    path = tmp_path / "leadmaster.db"
    with opened(path) as store:
        for n in range(20):
            last = wire.NOON + n
            store.writer.put([item(wire.message(f"{n}", t=last, via="sweep")), item(swept(through=last))])
            [[newest, through]] = store.rows(
                "SELECT max(sent_at), (SELECT swept_through_at FROM conversations) FROM messages"
            )
            assert through is None or through <= newest


def test_a_gap_is_closed_by_the_sweep_that_began_after_it_and_counts_what_it_found(store: Store) -> None:
    """It is opened and ended once, and closed by a complete sweep."""
    store.write(
        Item(GapOpened("child_died", at(wire.NOON)), None, at(wire.NOON)),
        Item(GapOpened("heartbeat_lost", at(wire.NOON + 1)), None, at(wire.NOON + 1)),
    )
    assert store.rows("SELECT from_at, to_at, cause, closed_at FROM gaps") == [
        (at(wire.NOON), None, "child_died", None)
    ]
    store.write(Item(GapEnded(), None, at(wire.NOON + 2)))
    for n in range(3):
        store.write(wire.message(f"{n}", via="sweep"), wire.message(f"{n}", via="sweep"))
    store.write(wire.message("live one"), sweep_done(started=wire.NOON + 4, looked_at=2))
    assert store.rows("SELECT to_at, closed_at, recovered, chats FROM gaps") == [
        (at(wire.NOON + 2), at(wire.NOON + 4), 3, 2)
    ]
    store.write(wire.message("later", via="sweep"), sweep_done(started=wire.NOON + 9))
    assert store.one("SELECT recovered FROM gaps") == 3, "a closed gap counts no more"


def test_a_sweep_that_began_before_the_live_path_was_back_closes_nothing(store: Store) -> None:
    """It may have missed messages that came after it started."""
    store.write(Item(GapOpened("child_died", at(wire.NOON)), None, at(wire.NOON)))
    store.write(sweep_done(started=wire.NOON + 1))
    store.write(Item(GapEnded(), None, at(wire.NOON + 2)), sweep_done(started=wire.NOON + 1.5))
    assert store.rows("SELECT closed_at FROM gaps") == [(None,)]


def test_nor_does_it_move_the_accounts_watermark(store: Store) -> None:
    """It may have read one chat before the live path was back, and another one's newest message after that."""
    store.write(wire.message("1", via="sweep"), sweep_done(started=wire.NOON + 1))
    store.write(Item(GapOpened("child_died", at(wire.NOON + 2)), None, at(wire.NOON + 2)))
    store.write(wire.message("2", t=wire.NOON + 1, via="sweep"), sweep_done(started=wire.NOON + 2))
    assert store.one("SELECT swept_through_at FROM accounts") == at(wire.NOON)
    store.write(Item(GapEnded(), None, at(wire.NOON + 3)))
    store.write(wire.message("3", t=wire.NOON + 2, via="sweep"), sweep_done(started=wire.NOON + 2.5))
    assert store.one("SELECT swept_through_at FROM accounts") == at(wire.NOON)
    store.write(wire.message("3", t=wire.NOON + 2, via="sweep"), sweep_done(started=wire.NOON + 4))
    assert store.one("SELECT swept_through_at FROM accounts") == at(wire.NOON + 2)


def test_what_a_sweep_found_is_counted_across_a_batch_tried_again(store: Store) -> None:
    """A retried batch does not reset the count of earlier ones."""
    store.write(
        Item(GapOpened("child_died", at(wire.NOON)), None, at(wire.NOON)), Item(GapEnded(), None, at(wire.NOON + 1))
    )
    store.write(wire.message("1", via="sweep"), wire.message("2", via="sweep"))
    store.write(wire.message("3", via="sweep"), wire.message("\ud800", via="sweep"), sweep_done())
    assert store.one("SELECT recovered FROM gaps") == 3


def test_a_phase_change_is_a_code_with_values(store: Store) -> None:
    """Sentences are not stored."""
    store.write(Item(SessionEvent("ready", "ready", {"account": wire.US}), None, at(wire.NOON)))
    assert store.rows("SELECT at, phase, code, value_json FROM session_events") == [
        (at(wire.NOON), "ready", "ready", f'{{"account": "{wire.US}"}}')
    ]


# ---------------------------------------------------------------------- what can't be stored


POISON = [
    wire.message("\ud800"),
    wire.message("P", chat="\ud800@c.us"),
    wire.message("P", participant="\udfff"),
    wire.message("P", message_type="\ud800"),
    wire.message("P", author="\ud800"),
    wire.line("reaction", id=wire.key("\ud800"), from_me=False, sender=None, emoji="x", t=1),
    {**call(), "call_id": "\ud800"},
    sweep_done(started=1e12),
    sweep_done(looked_at=(1 << 53) - 1, started=-1e11),
]


@pytest.mark.parametrize("poison", POISON)
def test_a_record_that_sqlite_refuses_is_kept_raw_and_the_others_go_on(store: Store, poison: Any) -> None:
    """One bad record stops nothing and is not lost."""
    bad = item(poison, text="the bad line \0")
    store.write(item(wire.message("before")), bad, item(wire.message("after"), text=None))
    assert store.rows("SELECT stanza_id FROM messages ORDER BY 1") == [("after",), ("before",)]
    [[problem, line]] = store.rows("SELECT problem, line FROM raw_events WHERE problem IS NOT NULL")
    assert problem.startswith("cannot store it: ")
    assert line == "the bad line \ufffd"
    assert (store.sum_of("live"), store.sum_of("rejected")) == (2, 1)
    assert store.errors == []


def test_a_bad_record_in_a_statement_of_many_rows_is_kept_raw_too(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those beside it are stored one by one, in order."""
    monkeypatch.setattr(sql, "ROWS_TOGETHER", 2)
    one, two, three, four = (item(wire.message(name)) for name in "ABCD")
    store.write(one, two, item(POISON[0], text="bad"), three, four)
    assert store.rows("SELECT stanza_id FROM messages ORDER BY message_id") == [("A",), ("B",), ("C",), ("D",)]
    assert store.rows("SELECT line FROM raw_events WHERE problem IS NOT NULL") == [("bad",)]


def test_a_malformed_line_is_kept_with_its_reason(store: Store) -> None:
    """A line is stored whole, so that its message is not lost, and a very long one by its beginning."""
    bad = Malformed("is not JSON", "the head", 10_000)
    store.write(
        Item(bad, b"x" * 5_000, at(wire.NOON)), Item(bad, b"x" * 70_000, at(wire.NOON)), Item(bad, None, at(wire.NOON))
    )
    assert store.rows("SELECT problem, line FROM raw_events") == [
        ("the line is not JSON", "x" * 5_000),
        ("the line is not JSON", "the head"),
        ("the line is not JSON", "the head"),
    ]
    assert store.sum_of("rejected") == 3


def test_a_message_before_any_account_is_known_is_kept_raw(tmp_path: Path) -> None:
    """It has no account to belong to yet."""
    store = Store(tmp_path / "leadmaster.db")
    store.write(item(wire.message(), text="whose?"))
    assert store.rows("SELECT line FROM raw_events") == [("whose?",)]
    assert store.writer.stop(5)


# ---------------------------------------------------------------------- order does not matter


def arrival(stanza: str, chat: str, t: int, via: str, cipher: bool, mapped: bool) -> Any:
    """One way in which a message may arrive."""
    other = {wire.ANA: wire.contact(lid=wire.ANA_LID), wire.ANA_LID: wire.contact(phone=wire.ANA)}
    told = other.get(chat, wire.contact()) if mapped else wire.contact()
    if cipher:
        return wire.ciphertext(stanza, chat=chat, t=t, via=via, contact=told)
    return wire.message(stanza, chat=chat, t=t, body=f"{stanza} at {t}", via=via, contact=told)


ARRIVALS = st.lists(
    st.builds(
        arrival,
        st.sampled_from(["A", "B", "C"]),
        st.sampled_from([wire.ANA, wire.ANA_LID, wire.BETO]),
        st.sampled_from([wire.NOON, wire.NOON + 7200]),
        st.sampled_from(["live", "sweep"]),
        st.booleans(),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


def outcome(store: Store) -> list[tuple[Any, ...]]:
    """What must not depend on the order: the messages and their texts."""
    return store.rows(
        "SELECT direction, stanza_id, group_id, wire_t, type, body FROM messages ORDER BY 1, 2, 3, 4, 5, 6"
    )


@settings(max_examples=examples(20))
@given(ARRIVALS, st.randoms(use_true_random=False), st.integers(1, 5))
def test_shuffling_and_repeating_gives_the_same_messages(
    tmp_path_factory: pytest.TempPathFactory, lines: list[dict[str, Any]], chance: random.Random, size: int
) -> None:
    """Any order, repetition and batch size gives the same rows."""
    shuffled = [*lines, *lines]
    chance.shuffle(shuffled)
    folder = tmp_path_factory.mktemp("orders")
    with opened(folder / "straight.db", [item(line) for line in lines]) as straight:
        expected = outcome(straight)
    with opened(folder / "shuffled.db") as other:
        for start in range(0, len(shuffled), size):
            other.writer.put([item(line) for line in shuffled[start : start + size]])
        other.settle()
        assert outcome(other) == expected
        assert other.sum_of("rejected") == 0
        contacts = {
            row[0]
            for row in other.rows(
                "SELECT contact_id FROM contact_identities WHERE value IN (?, ?)", wire.ANA, wire.ANA_LID
            )
        }
        told = any(line["contact"]["phone"] or line["contact"]["lid"] for line in lines)
        assert not told or len(contacts) == 1, "whoever was said to be one is one"


TABLES = ("contacts", "contact_identities", "conversations", "messages", "message_aliases", "message_versions")


@settings(max_examples=examples(30))
@given(ARRIVALS, st.integers(1, 4))
def test_rows_are_the_same_however_many_go_into_one_statement(
    tmp_path_factory: pytest.TempPathFactory, lines: list[dict[str, Any]], together: int
) -> None:
    """The ids, the raw lines and what the outbox tells of them included."""
    folder = tmp_path_factory.mktemp("statements")

    def rows(at_once: int) -> list[list[tuple[Any, ...]]]:
        with pytest.MonkeyPatch.context() as patch, opened(folder / f"{at_once}.db") as store:
            patch.setattr(sql, "ROWS_TOGETHER", at_once)
            store.writer.call(lambda connection, _: triggers.sync(connection, "full")).result(LIMIT)
            store.write(*(item(line, text=repr(line)) for line in lines))
            tables = [store.rows(f"SELECT * FROM {table}") for table in (*TABLES, "raw_events", "unjudged")]
            return [*tables, store.rows("SELECT event_id, kind, stream, data FROM outbox")]

    assert rows(together) == rows(100)
