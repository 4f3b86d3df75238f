"""The tables, as migrations that run by themselves when the daemon opens the database.

A migration is a function in this file; it runs once, in a transaction together with its record. `SCHEMA_VERSION` is
kept in SQLite's `user_version` too, so that a command can tell an older or newer database at a glance and without
importing the migration machinery (76 ms).

Times are UTC ISO-8601 text with milliseconds in columns named `*_at`. Tables that other programs read are listed in
README.md; their columns change only with a migration and a changelog line.
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlite_utils import Database

SCHEMA_VERSION: Final = 1

_FIRST: Final = """
CREATE TABLE accounts (
    account_id       INTEGER PRIMARY KEY AUTOINCREMENT,
    wid              TEXT NOT NULL UNIQUE,          -- the listening number, 5491155550100@c.us
    lid              TEXT,
    push_name        TEXT,
    platform         TEXT,
    first_linked_at  TEXT NOT NULL,
    last_ready_at    TEXT NOT NULL,
    swept_through_at TEXT                           -- every chat is known to be complete up to here
) STRICT;

CREATE TABLE contacts (
    contact_id INTEGER PRIMARY KEY AUTOINCREMENT,
    saved_name TEXT,                                -- as the operator's address book has it
    push_name  TEXT,                                -- as they call themselves
    business   INTEGER NOT NULL DEFAULT 0 CHECK (business IN (0, 1)),
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

CREATE TABLE contact_identities (
    identity_id   INTEGER PRIMARY KEY AUTOINCREMENT,
    contact_id    INTEGER NOT NULL REFERENCES contacts ON DELETE CASCADE,
    kind          TEXT NOT NULL CHECK (kind IN ('wa_jid', 'lid', 'phone', 'bsuid', 'username')),
    value         TEXT NOT NULL,                    -- verbatim; a lid is never parsed as a phone
    first_seen_at TEXT NOT NULL,
    UNIQUE (kind, value)
) STRICT;
CREATE INDEX contact_identities_by_contact ON contact_identities (contact_id);

CREATE TABLE conversations (
    conversation_id  INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id       INTEGER NOT NULL REFERENCES accounts,
    contact_id       INTEGER REFERENCES contacts,   -- null for groups
    chat             TEXT NOT NULL,                 -- the chat's id as first seen
    created_at       TEXT NOT NULL,
    last_inbound_at  TEXT,
    last_outbound_at TEXT,
    swept_through_at TEXT,                          -- this chat is known to be complete up to here
    UNIQUE (account_id, chat)
) STRICT;
CREATE UNIQUE INDEX conversations_by_contact ON conversations (account_id, contact_id) WHERE contact_id IS NOT NULL;

CREATE TABLE messages (
    message_id      INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id      INTEGER NOT NULL REFERENCES accounts,
    conversation_id INTEGER NOT NULL REFERENCES conversations,
    direction       TEXT NOT NULL CHECK (direction IN ('in', 'out')),
    author          TEXT NOT NULL CHECK (author IN ('contact', 'operator', 'auto_reply', 'api')),
    type            TEXT NOT NULL,                  -- chat, image, location, ciphertext (not readable yet), ...
    body            TEXT,
    sent_at         TEXT NOT NULL,                  -- WhatsApp's time, or the capture's if that is absurd
    captured_at     TEXT NOT NULL,
    captured_via    TEXT NOT NULL CHECK (captured_via IN ('live', 'sweep')),
    readable_at     TEXT,                           -- null while it is ciphertext
    edited_at       TEXT,
    revoked_at      TEXT,
    sender          TEXT,                           -- the sender's id as the page gave it
    notify_name     TEXT,                           -- the sender's names and kind when it was received
    saved_name      TEXT,
    business        INTEGER NOT NULL CHECK (business IN (0, 1)),
    truncated       INTEGER NOT NULL CHECK (truncated IN (0, 1)),
    forwarded       INTEGER NOT NULL CHECK (forwarded IN (0, 1)),
    media           TEXT,                           -- JSON: mimetype, filename, size, ...
    quoted          TEXT,                           -- JSON: the message it answers
    referral        TEXT,                           -- JSON: the ad that led here
    details         TEXT,                           -- JSON: location, contact_cards, order, reply, ...
    stanza_id       TEXT NOT NULL,                  -- the message's own id, chosen by its sender
    group_id        TEXT NOT NULL DEFAULT '',
    variant         INTEGER NOT NULL DEFAULT 0,     -- above 0: another message under the same id (its time differs)
    wire_t          INTEGER,                        -- WhatsApp's time as it came, seconds
    UNIQUE (account_id, stanza_id, direction, group_id, variant)
) STRICT;
CREATE INDEX messages_by_conversation ON messages (conversation_id, sent_at);
CREATE INDEX messages_unreadable ON messages (account_id, sent_at) WHERE readable_at IS NULL;

CREATE TABLE message_aliases (
    message_id  INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE,
    remote      TEXT NOT NULL,
    participant TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (message_id, remote, participant)
) STRICT, WITHOUT ROWID;

CREATE TABLE message_versions (                     -- what a message was before it changed
    version_id  INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id  INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE,
    changed_at  TEXT NOT NULL,
    change      TEXT NOT NULL CHECK (change IN ('edit', 'revoke')),
    type_before TEXT NOT NULL,
    body_before TEXT
) STRICT;
CREATE INDEX message_versions_by_message ON message_versions (message_id);

CREATE TABLE reactions (
    account_id INTEGER NOT NULL REFERENCES accounts,
    stanza_id  TEXT NOT NULL,                       -- of the message reacted to
    group_id   TEXT NOT NULL DEFAULT '',
    sender     TEXT NOT NULL,
    from_me    INTEGER NOT NULL CHECK (from_me IN (0, 1)),
    message_id INTEGER REFERENCES messages ON DELETE CASCADE,   -- null when that message is not known
    emoji      TEXT NOT NULL,                       -- empty: taken back
    reacted_at TEXT NOT NULL,
    PRIMARY KEY (account_id, stanza_id, group_id, sender)
) STRICT;

CREATE TABLE calls (
    call_row_id     INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id      INTEGER NOT NULL REFERENCES accounts,
    conversation_id INTEGER NOT NULL REFERENCES conversations,
    call_id         TEXT NOT NULL,
    started_at      TEXT NOT NULL,
    outgoing        INTEGER NOT NULL CHECK (outgoing IN (0, 1)),
    answered        INTEGER NOT NULL CHECK (answered IN (0, 1)),
    video           INTEGER NOT NULL CHECK (video IN (0, 1)),
    UNIQUE (account_id, call_id)
) STRICT;

CREATE TABLE raw_events (                           -- the wire line behind every row; purged after some days
    raw_id      INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id  INTEGER REFERENCES accounts,
    message_id  INTEGER,
    captured_at TEXT NOT NULL,
    problem     TEXT,                               -- why the line could not be used; null when it was
    line        TEXT NOT NULL
) STRICT;

CREATE TABLE session_events (                       -- every phase change, as a code with values
    event_id   INTEGER PRIMARY KEY AUTOINCREMENT,
    at         TEXT NOT NULL,
    phase      TEXT NOT NULL,
    code       TEXT NOT NULL,
    value_json TEXT NOT NULL
) STRICT;

CREATE TABLE gaps (                                 -- every stretch without a live path
    gap_id     INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES accounts,
    from_at    TEXT NOT NULL,
    to_at      TEXT,                                -- live again
    cause      TEXT NOT NULL,                       -- a code, as in session_events
    closed_at  TEXT,                                -- a sweep has fetched all of it
    recovered  INTEGER NOT NULL DEFAULT 0,          -- messages that sweep found
    chats      INTEGER NOT NULL DEFAULT 0           -- chats it looked into
) STRICT;
CREATE INDEX gaps_open ON gaps (account_id) WHERE closed_at IS NULL;
"""


def migrate(db: "Database") -> None:
    """Bring a database to `SCHEMA_VERSION`. Safe to call at any version up to it."""
    from sqlite_utils.migrations import Migrations

    migrations = Migrations("leadmasterd")

    @migrations()
    def m001_capture(db: "Database") -> None:
        for statement in _statements(_FIRST):
            db.execute(statement)
        db.execute("PRAGMA user_version = 1")

    migrations.apply(db)


def _statements(script: str) -> list[str]:
    """One statement each: `executescript` would commit the transaction that a migration runs in."""
    return [statement for statement in script.split(";\n") if statement.strip()]
