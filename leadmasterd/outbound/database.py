"""`outbound.db`: the schema, and opening it. It belongs to the sender; nothing that listens opens it.

People are stored by a key: the HMAC of their phone with a secret. So a person who was forgotten stays suppressed
although their number is gone. The secret is in a file next to the database, not in it, so a copy of the database alone
names nobody.
"""

import hashlib
import hmac
import os
import secrets
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from leadmasterd import causes
from leadmasterd.errors import CannotUseDatabase, CannotUseState
from leadmasterd.text import _

SCHEMA_VERSION: Final = 1
PATIENCE: Final = 10.0
"""Seconds to wait for another process that writes."""
_APPLICATION: Final = 0x6C6D6F62
"""`lmob`, SQLite's application_id: another program's file is never taken for ours."""

_SCHEMA: Final = """
CREATE TABLE identity_key (                          -- which secret the keys of people were made with
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    digest   TEXT NOT NULL
) STRICT;

CREATE TABLE kill_switch (                           -- append-only; no row: on
    switch_id INTEGER PRIMARY KEY AUTOINCREMENT,
    at        TEXT NOT NULL,
    stopped   INTEGER NOT NULL CHECK (stopped IN (0, 1)),
    actor     TEXT NOT NULL
) STRICT;

CREATE TABLE templates (                             -- as Meta has them; approved_body: what a person of ours approved
    account       TEXT NOT NULL,
    name          TEXT NOT NULL,
    language      TEXT NOT NULL,
    category      TEXT NOT NULL CHECK (category IN ('utility', 'marketing')),
    status        TEXT NOT NULL CHECK (status IN ('approved', 'pending', 'rejected', 'paused', 'disabled')),
    body          TEXT NOT NULL,
    updated_at    TEXT NOT NULL,
    approved_body TEXT,
    approved_by   TEXT,
    approved_at   TEXT,
    PRIMARY KEY (account, name, language)
) STRICT;

CREATE TABLE consents (                              -- append-only
    consent_id INTEGER PRIMARY KEY AUTOINCREMENT,
    person     TEXT NOT NULL,
    purpose    TEXT NOT NULL CHECK (purpose IN ('utility', 'marketing')),
    granted    INTEGER NOT NULL CHECK (granted IN (0, 1)),
    at         TEXT NOT NULL,
    evidence   TEXT NOT NULL CHECK (trim(evidence) <> ''),
    actor      TEXT NOT NULL
) STRICT;
CREATE INDEX consents_by_person ON consents (person);

CREATE TABLE suppressions (                          -- append-only; the last row of a person counts
    suppression_id INTEGER PRIMARY KEY AUTOINCREMENT,
    person         TEXT NOT NULL,
    cause          TEXT NOT NULL CHECK (cause IN ('asked', 'forgotten', 'lifted')),
    at             TEXT NOT NULL,
    actor          TEXT NOT NULL
) STRICT;
CREATE INDEX suppressions_by_person ON suppressions (person);

CREATE TABLE requests (                              -- never changed, but emptied when the person is forgotten
    request_id  INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at  TEXT NOT NULL,
    actor       TEXT NOT NULL,
    account     TEXT NOT NULL,
    person      TEXT NOT NULL,
    recipient   TEXT,                                -- digits with the country code; null: forgotten
    lead_id     INTEGER,                             -- of the listener's database, if it came from one
    purpose     TEXT NOT NULL CHECK (purpose IN ('service', 'utility', 'marketing')),
    text        TEXT,                                -- free text; else a template
    template    TEXT,
    language    TEXT,
    values_json TEXT,
    not_before  TEXT,
    not_after   TEXT NOT NULL,
    CHECK (recipient IS NULL OR (text IS NULL) <> (template IS NULL)),
    CHECK ((template IS NULL) = (language IS NULL) AND (template IS NULL) = (values_json IS NULL))
) STRICT;
CREATE INDEX requests_by_person ON requests (person);

CREATE TABLE statuses (                              -- append-only; the last row of a request is its state
    status_id  INTEGER PRIMARY KEY AUTOINCREMENT,
    request_id INTEGER NOT NULL REFERENCES requests,
    at         TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN
               ('draft', 'approved', 'cancelled', 'sending', 'recorded', 'accepted', 'failed', 'unknown')),
    actor      TEXT NOT NULL,
    detail     TEXT                                  -- the provider's id of the message, or its error
) STRICT;
CREATE INDEX statuses_by_request ON statuses (request_id);

CREATE TABLE attempts (                              -- one row a request and never two; caps are counted from here
    request_id INTEGER PRIMARY KEY REFERENCES requests,
    account    TEXT NOT NULL,
    person     TEXT NOT NULL,
    started_at TEXT NOT NULL,
    gateway    TEXT NOT NULL,
    text       TEXT                                  -- as they would have read it; null: forgotten
) STRICT;
CREATE INDEX attempts_by_account ON attempts (account, started_at);
CREATE INDEX attempts_by_person ON attempts (person, started_at);

CREATE TRIGGER kill_switch_stays BEFORE UPDATE ON kill_switch BEGIN SELECT raise(ABORT, 'append-only'); END;
CREATE TRIGGER kill_switch_is_kept BEFORE DELETE ON kill_switch BEGIN SELECT raise(ABORT, 'append-only'); END;
CREATE TRIGGER consents_stay BEFORE UPDATE ON consents BEGIN SELECT raise(ABORT, 'append-only'); END;
CREATE TRIGGER consents_are_kept BEFORE DELETE ON consents
WHEN NOT EXISTS (SELECT 1 FROM suppressions WHERE person = old.person AND cause = 'forgotten')
BEGIN SELECT raise(ABORT, 'append-only'); END;
CREATE TRIGGER suppressions_stay BEFORE UPDATE ON suppressions BEGIN SELECT raise(ABORT, 'append-only'); END;
CREATE TRIGGER suppressions_are_kept BEFORE DELETE ON suppressions BEGIN SELECT raise(ABORT, 'append-only'); END;
CREATE TRIGGER statuses_stay BEFORE UPDATE ON statuses BEGIN SELECT raise(ABORT, 'append-only'); END;
CREATE TRIGGER statuses_are_kept BEFORE DELETE ON statuses BEGIN SELECT raise(ABORT, 'append-only'); END;
CREATE TRIGGER requests_stay BEFORE UPDATE ON requests WHEN new.recipient IS NOT NULL
BEGIN SELECT raise(ABORT, 'what was approved is what is sent'); END;
CREATE TRIGGER attempts_stay BEFORE UPDATE ON attempts WHEN new.text IS NOT NULL
BEGIN SELECT raise(ABORT, 'append-only'); END;
CREATE TRIGGER attempts_are_kept BEFORE DELETE ON attempts BEGIN SELECT raise(ABORT, 'append-only'); END;
"""


@dataclass(frozen=True, slots=True)
class IdentityKey:
    """The secret, which makes the key of a person from their phone."""

    secret: bytes

    def of(self, match_key: str) -> str:
        """The key of the person with this match key (`identity.phone_from_text`), the same for all spellings."""
        return self._hmac(f"phone:{match_key}")

    def digest(self) -> str:
        """Identifies the secret without revealing it, to notice a wrong one."""
        return self._hmac("which secret")

    def _hmac(self, text: str) -> str:
        return hmac.new(self.secret, text.encode(), hashlib.sha256).hexdigest()


def key_file(path: Path) -> Path:
    """The file with the secret of this database."""
    return path.with_name(f"{path.name}.key")


def open_database(path: Path) -> tuple[sqlite3.Connection, IdentityKey]:
    """Open the database for reading and writing, and read its secret; both are made if there is no database.

    Raises CannotUseDatabase, and CannotUseState if the secret is missing or not the one that the database was made
    with.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))  # for its owner only
        connection = sqlite3.connect(path, isolation_level=None, timeout=PATIENCE)
    except (OSError, sqlite3.Error) as error:
        raise cannot_use(path, error) from error
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous = FULL")  # no power cut undoes an attempt
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")  # overwrites what is forgotten
        connection.execute("BEGIN IMMEDIATE")
        key = _prepare(connection, path)
        connection.execute("COMMIT")
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error | OSError):
            raise cannot_use(path, error) from error
        raise
    return connection, key


def _prepare(connection: sqlite3.Connection, path: Path) -> IdentityKey:
    """Make the tables and the secret in an empty file, or check both, inside the caller's transaction.

    Raises CannotUseDatabase for another program's file or one of a newer version, and what `_new_key` and `_key_of` do.
    """
    [version] = connection.execute("PRAGMA user_version").fetchone()
    [application] = connection.execute("PRAGMA application_id").fetchone()
    [tables] = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and application != _APPLICATION:
        raise CannotUseDatabase(
            _("cannot use {path}: it is a database of another program; set outbound.database to another file").format(
                path=path
            )
        )
    if version > SCHEMA_VERSION:
        raise CannotUseDatabase(
            _(
                "cannot use {path}: it was written by a newer leadmaster-outbound (schema {version}, this one knows "
                "{ours}); install that version again"
            ).format(path=path, version=version, ours=SCHEMA_VERSION)
        )
    if not tables:
        key = _new_key(path)
        for statement in _statements(_SCHEMA):
            connection.execute(statement)
        connection.execute("INSERT INTO identity_key VALUES (1, ?)", (key.digest(),))
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        return key
    return _key_of(connection, path)


def _statements(script: str) -> list[str]:
    """The statements of a script, to be executed one by one: `executescript` would commit the transaction first."""
    statements: list[str] = []
    begun = ""
    for line in script.splitlines(keepends=True):
        begun += line
        if sqlite3.complete_statement(begun):
            statements.append(begun)
            begun = ""
    return statements


def _new_key(path: Path) -> IdentityKey:
    """Make the secret, and have it on the disk before any key is made with it.

    Raises CannotUseDatabase if there is one already: then the database was lost, and with it the record of who must not
    be written to.
    """
    file = key_file(path)
    if file.exists():
        raise CannotUseDatabase(
            _(
                "cannot use {path}: it is empty, although its secret {file} is there; put it back from a backup, or "
                "remove the secret too if nobody was ever suppressed"
            ).format(path=path, file=file)
        )
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as written:
        written.write(secrets.token_bytes(32))
        written.flush()
        os.fsync(fd)
    return IdentityKey(file.read_bytes())


def _key_of(connection: sqlite3.Connection, path: Path) -> IdentityKey:
    """Read the secret that belongs to this database.

    Raises CannotUseState if it is missing or another one: people would then have other keys, so that those who are
    suppressed could be written to.
    """
    file = key_file(path)
    [digest] = connection.execute("SELECT digest FROM identity_key").fetchone()
    key = IdentityKey(file.read_bytes()) if file.exists() else None
    if key is None or not hmac.compare_digest(key.digest(), digest):
        what = _("is not the one it was made with") if key else _("is missing")
        raise CannotUseState(
            _(
                "cannot use {path}: its secret {file} {what}, so nobody could be told who must not be written to; put "
                "it back from a backup"
            ).format(path=path, file=file, what=what)
        )
    return key


_DEFECTS: Final = ("SQLITE_ERROR", "SQLITE_MISUSE", "SQLITE_RANGE", "SQLITE_CONSTRAINT", "SQLITE_MISMATCH")
"""Beginnings of SQLite's names for errors in a statement, so in our code; all others are about the file or its disk."""


def is_defect(error: sqlite3.Error) -> bool:
    """Whether the error shows a defect in our code rather than something wrong with the file."""
    return str(getattr(error, "sqlite_errorname", "")).startswith(_DEFECTS)


def cannot_use(path: Path, error: Exception) -> CannotUseDatabase:
    """The error to raise instead of this one (sqlite3.Error or OSError): a sentence with what to do about it."""
    match str(getattr(error, "sqlite_errorname", "")):
        case "SQLITE_BUSY" | "SQLITE_LOCKED":
            return CannotUseDatabase(
                _("cannot use {path}: another leadmaster-outbound is writing to it; try again").format(path=path)
            )
        case "SQLITE_FULL":
            return CannotUseDatabase(_("cannot use {path}: the disk is full; free some space").format(path=path))
        case "SQLITE_CORRUPT" | "SQLITE_NOTADB":
            return CannotUseDatabase(
                _("cannot use {path}: it is damaged ({what}); put it back from a backup").format(
                    path=path, what=causes.of_sqlite(str(error))
                )
            )
        case _:
            return CannotUseDatabase(
                _("cannot use {path}: {why}; check the folder, the file and who may write to them").format(
                    path=path,
                    why=causes.of_system(error) if isinstance(error, OSError) else causes.of_sqlite(str(error)),
                )
            )
