"""The schema, as migrations that run when the daemon opens the database.

Each migration runs once, in one transaction with its own record. SQLite's `user_version` holds the version too, so that
a command can recognise an older or newer database without importing sqlite-utils (76 ms).

Times are UTC ISO-8601 text with milliseconds, in columns named `*_at`. The tables that other programs may read are
listed in docs/operations.md; their columns change only with a migration and a changelog line.
"""

from sqlite3 import Connection, complete_statement
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlite_utils import Database

SCHEMA_VERSION: Final = 15

_CAPTURE: Final = """
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

CREATE TABLE raw_events (                           -- the wire line behind every row; after a day in raw_blocks
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

_LEADS: Final = """
ALTER TABLE contacts ADD COLUMN phone TEXT;          -- E.164, for people to read; null when WhatsApp does not tell it
ALTER TABLE contacts ADD COLUMN match_key TEXT;      -- equal for two spellings of one phone number
ALTER TABLE contacts ADD COLUMN merged_into_id INTEGER REFERENCES contacts ON DELETE SET NULL;
CREATE INDEX contacts_by_match_key ON contacts (match_key) WHERE match_key IS NOT NULL;
CREATE INDEX contacts_merged ON contacts (merged_into_id) WHERE merged_into_id IS NOT NULL;
CREATE INDEX contacts_by_saved_name ON contacts (saved_name COLLATE NOCASE) WHERE saved_name <> '';
CREATE INDEX contacts_by_push_name ON contacts (push_name COLLATE NOCASE, phone) WHERE push_name <> '';

ALTER TABLE conversations ADD COLUMN waiting_since TEXT;    -- the customer spoke and nobody has answered
ALTER TABLE conversations ADD COLUMN due_at TEXT;           -- when that is longer than the target, in business time
ALTER TABLE conversations ADD COLUMN category TEXT;         -- an intent's group
ALTER TABLE conversations ADD COLUMN category_by TEXT CHECK (category_by IN ('person', 'rule', 'model', 'none'));
CREATE INDEX conversations_waiting ON conversations (waiting_since, due_at) WHERE waiting_since IS NOT NULL;
DROP INDEX conversations_by_contact;                 -- the other way round it also finds all of a contact's
CREATE UNIQUE INDEX conversations_by_contact ON conversations (contact_id, account_id) WHERE contact_id IS NOT NULL;

CREATE INDEX calls_by_conversation ON calls (conversation_id);
CREATE INDEX reactions_by_message ON reactions (message_id);

CREATE TABLE unjudged (                              -- something came here that leads have not been made from yet
    conversation_id INTEGER PRIMARY KEY REFERENCES conversations ON DELETE CASCADE
) STRICT;

CREATE TABLE contact_merges (                        -- two contacts that are one person; undone_at takes it back
    merge_id   INTEGER PRIMARY KEY AUTOINCREMENT,
    kept_id    INTEGER NOT NULL REFERENCES contacts ON DELETE CASCADE,
    merged_id  INTEGER NOT NULL REFERENCES contacts ON DELETE CASCADE,
    at         TEXT NOT NULL,
    actor      TEXT NOT NULL,                        -- system, or person:NAME
    code       TEXT NOT NULL,
    undone_at  TEXT,
    undone_by  TEXT
) STRICT;
CREATE INDEX contact_merges_by_kept ON contact_merges (kept_id);
CREATE INDEX contact_merges_by_merged ON contact_merges (merged_id);

CREATE TABLE leads (
    lead_id                         INTEGER PRIMARY KEY AUTOINCREMENT,
    contact_id                      INTEGER NOT NULL REFERENCES contacts,
    conversation_id                 INTEGER NOT NULL REFERENCES conversations,
    stage                           TEXT NOT NULL CHECK (stage IN ('unsorted', 'new', 'contacted', 'qualified',
                                        'quoted', 'won', 'lost', 'junk', 'dormant', 'merged')),
    intent                          TEXT NOT NULL,
    topics                          TEXT NOT NULL,   -- JSON: every commercial intent of it, in order of appearance
    source                          TEXT NOT NULL CHECK (source IN ('message', 'ad', 'person')),
    opened_at                       TEXT NOT NULL,
    opened_by_message_id            INTEGER REFERENCES messages ON DELETE SET NULL,
    stage_at                        TEXT NOT NULL,
    closed_at                       TEXT,
    reopened                        INTEGER NOT NULL DEFAULT 0,
    previous_lead_id                INTEGER REFERENCES leads ON DELETE SET NULL,
    merged_into_id                  INTEGER REFERENCES leads ON DELETE SET NULL,
    proposed                        TEXT,            -- the closing intent somebody should look at
    first_response_at               TEXT,
    first_response_seconds          REAL,
    first_response_business_seconds REAL,
    last_message_at                 TEXT NOT NULL,
    created_at                      TEXT NOT NULL,
    updated_at                      TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX leads_one_open ON leads (contact_id) WHERE closed_at IS NULL;
CREATE INDEX leads_by_contact ON leads (contact_id);
CREATE INDEX leads_by_conversation ON leads (conversation_id);
CREATE INDEX leads_by_opening ON leads (opened_by_message_id);
CREATE INDEX leads_by_previous ON leads (previous_lead_id) WHERE previous_lead_id IS NOT NULL;
CREATE INDEX leads_by_merge ON leads (merged_into_id) WHERE merged_into_id IS NOT NULL;
CREATE INDEX leads_open ON leads (last_message_at) WHERE closed_at IS NULL;

CREATE TABLE lead_events (                           -- append-only: who or what changed what, and why
    event_id    INTEGER PRIMARY KEY AUTOINCREMENT,
    lead_id     INTEGER NOT NULL,                    -- stays when a lead is withdrawn
    at          TEXT NOT NULL,                       -- when it happened
    recorded_at TEXT NOT NULL,                       -- when we knew
    actor       TEXT NOT NULL,                       -- system, or person:NAME
    kind        TEXT NOT NULL,                       -- opened, stage, new_topic, reopened, proposed, note, merged, ...
    before      TEXT,
    after       TEXT,
    message_id  INTEGER,
    code        TEXT NOT NULL,                       -- the reason, a code with values
    value_json  TEXT NOT NULL
) STRICT;
CREATE INDEX lead_events_by_lead ON lead_events (lead_id, at);
CREATE INDEX lead_events_of_opening ON lead_events (message_id) WHERE kind = 'opened';

CREATE TABLE decisions (                             -- what people decided on leads; kept by every rebuild
    decision_id     INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
    at              TEXT NOT NULL,
    actor           TEXT NOT NULL,
    stage           TEXT NOT NULL,
    note            TEXT
) STRICT;
CREATE INDEX decisions_by_conversation ON decisions (conversation_id);

CREATE TABLE classifications (                       -- what a burst was taken for; only reclassifying changes it
    classification_id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id   INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
    burst             TEXT NOT NULL,                 -- which messages, in which state
    first_message_id  INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE,
    intent            TEXT NOT NULL,
    method            TEXT NOT NULL CHECK (method IN ('rule', 'model', 'none')),
    confidence        REAL NOT NULL,
    source            TEXT NOT NULL,                 -- the rule's id, or the model's version
    code              TEXT NOT NULL,
    value_json        TEXT NOT NULL,
    classified_at     TEXT NOT NULL,
    UNIQUE (conversation_id, burst)
) STRICT;
CREATE INDEX classifications_by_message ON classifications (first_message_id);

CREATE TABLE corrections (                           -- what a person said a burst is: training truth
    correction_id   INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
    message_ids     TEXT NOT NULL,                   -- JSON
    intent          TEXT NOT NULL,
    at              TEXT NOT NULL,
    actor           TEXT NOT NULL,
    undone_at       TEXT
) STRICT;
CREATE INDEX corrections_by_conversation ON corrections (conversation_id);

CREATE TABLE waiting_cycles (
    cycle_id         INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id  INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
    lead_id          INTEGER REFERENCES leads ON DELETE SET NULL,
    kind             TEXT NOT NULL CHECK (kind IN ('first', 'next')),
    started_at       TEXT NOT NULL,
    message_id       INTEGER REFERENCES messages ON DELETE SET NULL,   -- null: a missed call
    due_at           TEXT,                           -- null: no opening hours ahead
    ended_at         TEXT,
    ended_by         TEXT CHECK (ended_by IN ('reply', 'call', 'reaction', 'closed')),
    wall_seconds     REAL,
    business_seconds REAL,
    UNIQUE (conversation_id, started_at)
) STRICT;
CREATE INDEX waiting_cycles_by_lead ON waiting_cycles (lead_id);
CREATE INDEX waiting_cycles_by_message ON waiting_cycles (message_id);

CREATE TABLE follow_ups (                            -- for a person to do
    follow_up_id    INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
    lead_id         INTEGER REFERENCES leads ON DELETE SET NULL,
    kind            TEXT NOT NULL CHECK (kind IN ('quote_silent', 'after_sale')),
    planned_at      TEXT NOT NULL,
    number          INTEGER NOT NULL,
    due_at          TEXT NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('planned', 'done', 'cancelled')),
    ended_at        TEXT,
    ended_by        TEXT,
    UNIQUE (conversation_id, kind, planned_at, number)
) STRICT;
CREATE INDEX follow_ups_by_lead ON follow_ups (lead_id);
CREATE INDEX follow_ups_planned ON follow_ups (due_at) WHERE state = 'planned';

CREATE TABLE touches (                               -- the ads that led here
    touch_id        INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
    message_id      INTEGER NOT NULL UNIQUE REFERENCES messages ON DELETE CASCADE,
    at              TEXT NOT NULL,
    kind            TEXT NOT NULL CHECK (kind IN ('ad')),
    source_id       TEXT,
    source_url      TEXT,
    headline        TEXT,
    raw             TEXT NOT NULL
) STRICT;
CREATE INDEX touches_by_conversation ON touches (conversation_id);

CREATE TABLE quick_replies (                         -- own messages within seconds of an inbound one
    message_id      INTEGER PRIMARY KEY REFERENCES messages ON DELETE CASCADE,
    conversation_id INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
    body_key        TEXT NOT NULL
) STRICT;
CREATE INDEX quick_replies_by_body ON quick_replies (body_key, conversation_id);
CREATE INDEX quick_replies_by_conversation ON quick_replies (conversation_id);

CREATE TABLE derived_with (                          -- what the derived tables were made with
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

INSERT INTO unjudged SELECT conversation_id FROM conversations WHERE contact_id IS NOT NULL;
"""

_TOUCHES: Final = """
CREATE TABLE touches_of_all_kinds (                  -- how people came here
    touch_id        INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
    message_id      INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE,
    at              TEXT NOT NULL,
    kind            TEXT NOT NULL CHECK (kind IN ('ad', 'link', 'campaign')),
    source_id       TEXT,                            -- the ad's id, or the campaign's name
    source_url      TEXT,
    headline        TEXT,
    raw             TEXT NOT NULL,                   -- JSON: the ad as it was told, or what a link says of itself
    UNIQUE (message_id, kind)
) STRICT;
INSERT INTO touches_of_all_kinds SELECT * FROM touches;
DROP TABLE touches;
ALTER TABLE touches_of_all_kinds RENAME TO touches;
CREATE INDEX touches_by_conversation ON touches (conversation_id, at);
"""

_MORE_TOUCHES: Final = """
CREATE TABLE touches_of_more_kinds (                 -- how people came here
    touch_id        INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
    message_id      INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE,
    at              TEXT NOT NULL,
    kind            TEXT NOT NULL CHECK (kind IN ('ad', 'link', 'campaign', 'product', 'status')),
    source_id       TEXT,                            -- of the ad, product or status, or the campaign's name
    source_url      TEXT,
    headline        TEXT,
    raw             TEXT NOT NULL,                   -- JSON: what was told of it, or what a link says of itself
    UNIQUE (message_id, kind)
) STRICT;
INSERT INTO touches_of_more_kinds SELECT * FROM touches;
DROP TABLE touches;
ALTER TABLE touches_of_more_kinds RENAME TO touches;
CREATE INDEX touches_by_conversation ON touches (conversation_id, at);
"""

_IDENTITY: Final = """
CREATE TABLE messages_of_chats (
    message_id      INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id      INTEGER NOT NULL REFERENCES accounts,
    conversation_id INTEGER NOT NULL REFERENCES conversations,
    direction       TEXT NOT NULL CHECK (direction IN ('in', 'out')),
    author          TEXT NOT NULL CHECK (author IN ('contact', 'operator', 'auto_reply', 'mailing', 'assistant', 'api',
                        'system')),
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
    marks           TEXT,                           -- JSON: what the record shows about its sender
    stanza_id       TEXT NOT NULL,                  -- the message's own id, chosen by its sender
    group_id        TEXT NOT NULL DEFAULT '',
    participant     TEXT NOT NULL DEFAULT '',       -- in a group, who wrote it: an id as first seen; empty for our own
    wire_t          INTEGER,                        -- WhatsApp's time as it came, seconds
    variant         INTEGER NOT NULL DEFAULT 0,     -- 0, or its own message_id: another has this id and time too
    UNIQUE (conversation_id, stanza_id, participant, wire_t, direction, variant)
) STRICT;
INSERT INTO sqlite_sequence (name, seq) SELECT 'messages_of_chats', seq FROM sqlite_sequence WHERE name = 'messages';
INSERT INTO messages_of_chats
SELECT message_id, account_id, conversation_id, direction, author, type, body, sent_at, captured_at, captured_via,
       readable_at, edited_at, revoked_at, sender, notify_name, saved_name, business, truncated, forwarded, media,
       quoted, referral, details, marks, stanza_id, group_id,
       iif(group_id = '' OR direction = 'out', '', canonical(coalesce(
           (SELECT min(participant) FROM message_aliases a WHERE a.message_id = m.message_id AND participant <> ''),
           sender, ''))),
       wire_t, 0
FROM messages m;
DROP TABLE messages;
ALTER TABLE messages_of_chats RENAME TO messages;
CREATE INDEX messages_by_conversation ON messages (conversation_id, sent_at);
CREATE INDEX messages_unreadable ON messages (account_id, sent_at) WHERE readable_at IS NULL;
CREATE INDEX messages_by_participant ON messages (participant) WHERE participant <> '';

CREATE TABLE reactions_in_chats (
    account_id      INTEGER NOT NULL REFERENCES accounts,
    conversation_id INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
    stanza_id       TEXT NOT NULL,                  -- of the message reacted to
    direction       TEXT NOT NULL CHECK (direction IN ('in', 'out')),   -- of that message
    participant     TEXT NOT NULL DEFAULT '',       -- in a group, who wrote that message
    sender          TEXT NOT NULL,
    from_me         INTEGER NOT NULL CHECK (from_me IN (0, 1)),
    message_id      INTEGER REFERENCES messages ON DELETE CASCADE,   -- null when that message is not known
    emoji           TEXT NOT NULL,                  -- empty: taken back
    reacted_at      TEXT NOT NULL,
    PRIMARY KEY (conversation_id, stanza_id, direction, participant, sender)
) STRICT;
INSERT OR IGNORE INTO reactions_in_chats
SELECT r.account_id, m.conversation_id, r.stanza_id, m.direction, m.participant, r.sender, r.from_me, r.message_id,
       r.emoji, r.reacted_at
FROM reactions r JOIN messages m ON m.message_id = coalesce(r.message_id, (SELECT min(message_id) FROM messages other
    JOIN conversations v USING (conversation_id) WHERE other.account_id = r.account_id
    AND other.stanza_id = r.stanza_id AND other.group_id = r.group_id));
DROP TABLE reactions;
ALTER TABLE reactions_in_chats RENAME TO reactions;
CREATE INDEX reactions_by_message ON reactions (message_id);

CREATE TABLE calls_in_chats (
    call_row_id     INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id      INTEGER NOT NULL REFERENCES accounts,
    conversation_id INTEGER NOT NULL REFERENCES conversations,
    call_id         TEXT NOT NULL,                  -- chosen by who calls
    started_at      TEXT NOT NULL,
    outgoing        INTEGER NOT NULL CHECK (outgoing IN (0, 1)),
    answered        INTEGER NOT NULL CHECK (answered IN (0, 1)),
    video           INTEGER NOT NULL CHECK (video IN (0, 1)),
    UNIQUE (conversation_id, call_id)
) STRICT;
INSERT INTO calls_in_chats SELECT * FROM calls;
DROP TABLE calls;
ALTER TABLE calls_in_chats RENAME TO calls;

CREATE INDEX raw_events_by_message ON raw_events (message_id, problem);
CREATE INDEX raw_events_problems ON raw_events (captured_at) WHERE problem IS NOT NULL;
DROP INDEX lead_events_of_opening;
CREATE INDEX lead_events_by_message ON lead_events (message_id) WHERE message_id IS NOT NULL;
"""
"""A message's id is its sender's choice, so it is unique only in its chat; the same holds for reactions and calls.

Reactions to messages that are not known, of which the chat is not known either, are dropped: sweeps bring a message's
reactions again with the message.
"""


_SENT_BODIES: Final = """
DROP TABLE quick_replies;
CREATE TABLE sent_bodies (                           -- own messages by what they say: what machines send shows here
    message_id      INTEGER PRIMARY KEY REFERENCES messages ON DELETE CASCADE,
    conversation_id INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
    body_key        TEXT NOT NULL,                   -- equal for equal texts or files
    sent_at         TEXT NOT NULL,
    long            INTEGER NOT NULL CHECK (long IN (0, 1)),
    signs           INTEGER NOT NULL                 -- 1: within seconds of an inbound one; 2: of the same elsewhere
) STRICT;
CREATE INDEX sent_bodies_by_body ON sent_bodies (body_key, sent_at);
CREATE INDEX sent_bodies_with_signs ON sent_bodies (body_key, sent_at) WHERE signs > 0;
CREATE INDEX sent_bodies_by_conversation ON sent_bodies (conversation_id);
CREATE TABLE automatic_bodies (                      -- those of sent_bodies that are no person's
    body_key TEXT PRIMARY KEY
) STRICT;
INSERT OR IGNORE INTO unjudged SELECT conversation_id FROM conversations WHERE contact_id IS NOT NULL;
"""

_MARKS: Final = """
ALTER TABLE messages ADD COLUMN marks TEXT;          -- JSON: what the record shows about its sender
ALTER TABLE contacts ADD COLUMN verified_name TEXT;  -- of a business, as WhatsApp shows it

-- What nobody typed was taken for an answer until now, or for somebody's words.
UPDATE messages SET author = 'system' WHERE type = 'automated_greeting_message' OR type IN ('e2e_notification',
    'notification', 'notification_template', 'group_notification', 'broadcast_notification', 'newsletter_notification',
    'gp2', 'protocol', 'ciphertext_placeholder', 'debug', 'debug_placeholder', 'pin_message', 'pinned_message',
    'keep_in_chat', 'poll_update', 'reaction', 'reaction_enc', 'loading_media', 'biz_content_placeholder',
    'message_history_notice', 'group-history', 'history_bundle', 'status_notification', 'guest_upsell_system_msg',
    'message_edit_encrypted', 'event_edit_encrypted', 'poll_edit_encrypted', 'poll_add_option_encrypted',
    'poll_add_option_decrypted');
UPDATE messages SET author = 'api' WHERE direction = 'out' AND type IN ('hsm', 'list', 'interactive');
"""

_OUTBOX: Final = """
CREATE TABLE outbox (                                -- what feeds and alerts tell; written by triggers, if there is any
    event_id INTEGER PRIMARY KEY AUTOINCREMENT,      -- in the order of commits
    kind     TEXT NOT NULL,                          -- message.stored, lead.opened, ... (docs/events)
    stream   INTEGER NOT NULL,                       -- the conversation whose order it keeps; 0: none
    at       TEXT NOT NULL,                          -- when it was written
    data     TEXT NOT NULL,                          -- JSON
    feed     TEXT                                    -- replayed for this one alone; null: for all
) STRICT;
CREATE TABLE told (                                  -- what time alone has made an event of: once each
    kind   TEXT NOT NULL,
    row_id INTEGER NOT NULL,
    PRIMARY KEY (kind, row_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE message_merges (                        -- ids that are gone, and which message is meant
    merged_id INTEGER PRIMARY KEY,
    kept_id   INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE,
    at        TEXT NOT NULL
) STRICT;
CREATE INDEX message_merges_by_kept ON message_merges (kept_id);
CREATE TABLE conversation_merges (                   -- the same of conversations
    merged_id INTEGER PRIMARY KEY,
    kept_id   INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
    at        TEXT NOT NULL
) STRICT;
CREATE INDEX conversation_merges_by_kept ON conversation_merges (kept_id);
"""

_DECISIONS: Final = """
ALTER TABLE decisions ADD COLUMN undone_at TEXT;     -- a person took it back: it counts no more
ALTER TABLE decisions ADD COLUMN undone_by TEXT;
ALTER TABLE decisions ADD COLUMN seen_at TEXT;       -- of `dismissed` in place of a stage: what came later waits on
"""

_WORDS: Final = """
CREATE TABLE word_index (                            -- message_words is there; no row: it is to be made (anew)
    through_id INTEGER NOT NULL                      -- it holds the words of messages up to this one
) STRICT;
CREATE TABLE reworded (                              -- it lacks words that these have by now
    message_id INTEGER PRIMARY KEY
) STRICT;
CREATE TRIGGER messages_reworded AFTER UPDATE OF type, body, media, quoted, details ON messages BEGIN
    INSERT OR IGNORE INTO reworded VALUES (new.message_id);
END;
CREATE TRIGGER versions_moved AFTER UPDATE OF message_id ON message_versions BEGIN
    INSERT OR IGNORE INTO reworded VALUES (new.message_id);
END;
"""
"""Triggers, so that no writer forgets it. The index itself is made by `word_index`: capture opens without it."""

_CHECKPOINTS: Final = """
ALTER TABLE unjudged ADD COLUMN since TEXT;          -- the earliest time of what came; null: not known

CREATE TABLE checkpoints (                           -- where the folding of a contact's history may begin
    checkpoint_id INTEGER PRIMARY KEY AUTOINCREMENT,
    contact_id    INTEGER NOT NULL REFERENCES contacts ON DELETE CASCADE,   -- a root
    at            TEXT NOT NULL,                     -- all before this time is in the state
    position      INTEGER NOT NULL,                  -- how many events that is
    made_with     TEXT NOT NULL,                     -- the settings and the build that it holds for
    state         TEXT NOT NULL,                     -- JSON
    checksum      TEXT NOT NULL,
    UNIQUE (contact_id, at)
) STRICT;

-- Only what is later than a checkpoint is read.
CREATE INDEX calls_by_time ON calls (conversation_id, started_at);
CREATE INDEX reactions_of_ours ON reactions (conversation_id, reacted_at) WHERE from_me = 1;
DROP INDEX decisions_by_conversation;
CREATE INDEX decisions_by_conversation ON decisions (conversation_id, at);
DROP INDEX leads_by_contact;
CREATE INDEX leads_by_contact ON leads (contact_id, opened_at);
DROP INDEX leads_by_conversation;
CREATE INDEX leads_by_conversation ON leads (conversation_id, opened_at);
"""

_RAW_BLOCKS: Final = """
CREATE TABLE raw_blocks (                            -- lines of raw_events that are over a day old, many in each
    block_id  INTEGER PRIMARY KEY,                   -- the raw_id of its first line
    lines     INTEGER NOT NULL,
    oldest_at TEXT NOT NULL,                         -- captured_at of its lines
    newest_at TEXT NOT NULL,
    packed    BLOB NOT NULL
) STRICT;
CREATE TABLE database_sizes (                        -- about one a day, by which its growth is told
    at    TEXT PRIMARY KEY,
    bytes INTEGER NOT NULL                           -- in use
) STRICT, WITHOUT ROWID;
"""

_RANG: Final = """
ALTER TABLE calls ADD COLUMN rang INTEGER NOT NULL DEFAULT 1 CHECK (rang IN (0, 1));   -- 0: only its line tells of it
UPDATE calls SET rang = 0 WHERE EXISTS (
    SELECT 1 FROM messages m WHERE m.conversation_id = calls.conversation_id AND m.stanza_id = calls.call_id
    AND m.type = 'call_log' AND m.sent_at = calls.started_at
    AND calls.answered = coalesce(m.details ->> '$.call.answered', 0)
);
"""
"""A row of an older version that says no more than a line in the chat does is taken for that line."""

_AUTHORS: Final = (
    "author IN ('contact', 'operator', 'auto_reply', 'api')",
    "author IN ('contact', 'operator', 'auto_reply', 'mailing', 'assistant', 'api', 'system')",
)
"""The constraint on `messages.author` before and after migration 6, for `_widen`."""
_ENDS_OF_WAITING: Final = (
    "ended_by IN ('reply', 'call', 'reaction', 'closed')",
    "ended_by IN ('reply', 'call', 'reaction', 'closed', 'dismissed')",
)
"""The constraint on `waiting_cycles.ended_by` before and after migration 10, for `_widen`."""

_SCRIPTS: Final = (
    _CAPTURE, _LEADS, _TOUCHES, _MORE_TOUCHES, _IDENTITY, _SENT_BODIES, _MARKS, _OUTBOX, _DECISIONS, _WORDS,
    _CHECKPOINTS, _RAW_BLOCKS, _RANG,
)  # fmt: skip


def is_table(name: str) -> bool:
    """Whether some version of the schema has a table of this name."""
    return any(f"CREATE TABLE {name} (" in script for script in _SCRIPTS)


def migrate(db: "Database", *, stop_before: str | None = None) -> None:
    """Bring a database to `SCHEMA_VERSION` from any earlier version, 0 (empty) included.

    `stop_before`, for tests: the name of the first migration that is not run. Foreign keys are not enforced meanwhile:
    a table is changed by making a new one and dropping the old one, which would delete all rows that refer to it.
    """
    from sqlite_utils.migrations import Migrations

    migrations = Migrations("leadmasterd")

    @migrations()
    def m001_capture(db: "Database") -> None:
        for statement in _statements(_CAPTURE):
            db.execute(statement)
        db.execute("PRAGMA user_version = 1")

    @migrations()
    def m002_leads(db: "Database") -> None:
        for statement in _statements(_LEADS):
            db.execute(statement)
        _fill_phones(db.conn)
        db.execute("PRAGMA user_version = 2")

    @migrations()
    def m003_touches(db: "Database") -> None:
        for statement in _statements(_TOUCHES):
            db.execute(statement)
        db.execute("PRAGMA user_version = 3")

    @migrations()
    def m004_touches_of_more_kinds(db: "Database") -> None:
        for statement in _statements(_MORE_TOUCHES):
            db.execute(statement)
        db.execute("PRAGMA user_version = 4")

    @migrations()
    def m005_sent_bodies(db: "Database") -> None:
        for statement in _statements(_SENT_BODIES):
            db.execute(statement)
        db.execute("PRAGMA user_version = 5")

    @migrations()
    def m006_marks(db: "Database") -> None:
        _widen(db.conn, "messages", _AUTHORS)
        for statement in _statements(_MARKS):
            db.execute(statement)
        db.execute("PRAGMA user_version = 6")

    @migrations()
    def m007_identity(db: "Database") -> None:
        from leadmasterd.identity import canonical_id

        db.conn.create_function("canonical", 1, canonical_id)
        for statement in _statements(_IDENTITY):
            db.execute(statement)
        db.execute("PRAGMA user_version = 7")

    @migrations()
    def m008_outbox(db: "Database") -> None:
        for statement in _statements(_OUTBOX):
            db.execute(statement)
        db.execute("PRAGMA user_version = 8")

    @migrations()
    def m009_swept_chat(db: "Database") -> None:
        # It is not known to which of a person's chats a stored watermark belongs. So swept_chat stays null, and the
        # watermark does not count. Nothing is lost: sweeps then start at the account's watermark, which is not later.
        db.execute("ALTER TABLE conversations ADD COLUMN swept_chat TEXT")  # the page's chat of swept_through_at
        db.execute("PRAGMA user_version = 9")

    @migrations()
    def m010_decisions(db: "Database") -> None:
        _widen(db.conn, "waiting_cycles", _ENDS_OF_WAITING)
        for statement in _statements(_DECISIONS):
            db.execute(statement)
        db.execute("PRAGMA user_version = 10")

    @migrations()
    def m011_stages(db: "Database") -> None:
        # The board counts open leads by stage, and shows those that have been in one longest.
        db.execute("CREATE INDEX leads_by_stage ON leads (closed_at, stage, stage_at)")
        db.execute("PRAGMA user_version = 11")

    @migrations()
    def m012_words(db: "Database") -> None:
        for statement in _statements(_WORDS):
            db.execute(statement)
        db.execute("PRAGMA user_version = 12")

    @migrations()
    def m013_checkpoints(db: "Database") -> None:
        for statement in _statements(_CHECKPOINTS):
            db.execute(statement)
        db.execute("PRAGMA user_version = 13")

    @migrations()
    def m014_raw_blocks(db: "Database") -> None:
        # What is in raw_events is packed later, in the writer's idle time (`disk_upkeep`).
        for statement in _statements(_RAW_BLOCKS):
            db.execute(statement)
        db.execute("PRAGMA user_version = 14")

    @migrations()
    def m015_rang(db: "Database") -> None:
        for statement in _statements(_RANG):
            db.execute(statement)
        db.execute("PRAGMA user_version = 15")

    [(enforced,)] = db.execute("PRAGMA foreign_keys").fetchall()
    db.execute("PRAGMA foreign_keys = OFF")
    try:
        migrations.apply(db, stop_before=stop_before)
    finally:
        db.execute(f"PRAGMA foreign_keys = {enforced}")


def _widen(connection: Connection, table: str, constraint: tuple[str, str]) -> None:
    """Replace a CHECK constraint of a table, (before, after), by editing the text of the schema; no row is touched.

    SQLite documents this (lang_altertable.html, section 7). Copying the table instead would take minutes and its size
    again on the disk, and dropping the old one would delete all rows that refer to it. Raises RuntimeError if the table
    has no such constraint.
    """
    [(version,)] = connection.execute("PRAGMA schema_version")
    connection.execute("PRAGMA writable_schema = ON")
    try:
        changed = connection.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, ?1, ?2) WHERE name = ?3 AND instr(sql, ?1)",
            (*constraint, table),
        )
        if changed.rowcount != 1:
            raise RuntimeError(f"the table {table} has no constraint {constraint[0]}")
        connection.execute(f"PRAGMA schema_version = {version + 1}")
    finally:
        connection.execute("PRAGMA writable_schema = OFF")


def _fill_phones(connection: Connection) -> None:
    """Fill the new columns for phones from the contacts' ids, and merge contacts that have the same phone."""
    from leadmasterd.identity import phone_of

    phones = [
        (contact, phone, at)
        for contact, wid, at in connection.execute(
            "SELECT contact_id, value, first_seen_at FROM contact_identities WHERE kind = 'wa_jid' ORDER BY identity_id"
        )
        if (phone := phone_of(wid))
    ]
    connection.executemany(
        "UPDATE contacts SET phone = ?, match_key = ? WHERE contact_id = ?",
        [(phone.e164, phone.match_key, contact) for contact, phone, _ in phones],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO contact_identities (contact_id, kind, value, first_seen_at) VALUES (?, 'phone', ?, ?)",
        [(contact, phone.e164, at) for contact, phone, at in phones],
    )
    connection.execute(
        "INSERT INTO contact_merges (kept_id, merged_id, at, actor, code) "
        "SELECT oldest, contact_id, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), 'system', 'same_phone' FROM contacts JOIN "
        "(SELECT match_key, min(contact_id) AS oldest FROM contacts WHERE match_key IS NOT NULL "
        "GROUP BY match_key HAVING count(*) > 1) USING (match_key) WHERE contact_id <> oldest ORDER BY contact_id"
    )
    connection.execute("UPDATE contacts SET merged_into_id = kept_id FROM contact_merges WHERE merged_id = contact_id")


def _statements(script: str) -> list[str]:
    """The statements of a script one by one: `executescript` would commit the migration's transaction."""
    statements = [""]
    for line in script.splitlines(keepends=True):
        statements[-1] += line
        if complete_statement(statements[-1]):
            statements.append("")
    return [statement for statement in statements if statement.strip()]
