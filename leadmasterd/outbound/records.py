"""The sender's records: requests and what became of them, consent, suppression, templates, the kill switch.

Every method is one transaction, or part of the one that `transaction` holds. In the tables times are UTC, ISO 8601 with
milliseconds; arguments `now` are times with their zone. `actor`: who does it, `person:LOGIN` or `system`.
"""

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from leadmasterd.errors import Refused
from leadmasterd.outbound.database import IdentityKey, cannot_use, is_defect, open_database
from leadmasterd.outbound.decision import (
    DAY,
    Consent,
    Facts,
    FreeText,
    Inbound,
    Purpose,
    Request,
    Template,
    TemplateRecord,
    TemplateStatus,
)
from leadmasterd.text import _
from leadmasterd.times import iso

_PLACE: Final = re.compile(r"{{(\d+)}}")
"""A place for a value in the text of a template: its number counts from 1."""


class State(StrEnum):
    """The state of a request: that of its last row in `statuses`."""

    DRAFT = "draft"
    APPROVED = "approved"
    CANCELLED = "cancelled"
    SENDING = "sending"
    """Handed to the gateway, which has not answered yet."""
    RECORDED = "recorded"
    """Handed to the null gateway: nothing was sent."""
    ACCEPTED = "accepted"
    """By the provider."""
    FAILED = "failed"
    """Refused by the provider."""
    UNKNOWN = "unknown"
    """The program or the gateway died before the answer, so nobody knows whether it was sent. Never sent again."""


@dataclass(frozen=True, slots=True)
class NewRequest:
    """What a person or a program asks for. `recipient`: digits with the country code.

    `person`: the key of the recipient, as `Records.person` makes it.
    """

    account: str
    person: str
    recipient: str
    purpose: Purpose
    content: FreeText | Template
    not_after: datetime
    not_before: datetime | None = None
    lead_id: int | None = None


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """A request with its state. `recipient` and `text` are None once the person was forgotten.

    `actor`: who drafted it. `text`: as the person would read it, or as they read it. It is None too if the template is
    not recorded, or now takes another number of values.
    """

    request_id: int
    created_at: datetime
    actor: str
    request: Request
    person: str
    recipient: str | None
    lead_id: int | None
    state: State
    state_at: datetime
    text: str | None


@dataclass(frozen=True, slots=True)
class StoredTemplate:
    """A template as Meta has it. `approved_by`: the person of the shop who approved the text it has now, or None."""

    account: str
    name: str
    language: str
    category: Purpose
    status: TemplateStatus
    body: str
    approved_by: str | None

    def places(self) -> int:
        """How many values it takes: the highest number of a place in its text; 0: none."""
        return max((int(number) for number in _PLACE.findall(self.body)), default=0)

    def filled(self, values: Sequence[str]) -> str:
        """The text with these values in its places; there must be `places()` of them."""
        return _PLACE.sub(lambda place: values[int(place[1]) - 1], self.body)


@dataclass(frozen=True, slots=True)
class Switch:
    """The kill switch; `stopped`: it is on. `at`, `actor`: when and by whom it was last turned; None: never yet."""

    stopped: bool
    at: datetime | None = None
    actor: str | None = None


class Records:
    """One connection to `outbound.db`."""

    def __init__(self, connection: sqlite3.Connection, key: IdentityKey) -> None:
        self._connection = connection
        self._key = key

    @classmethod
    def open(cls, path: Path) -> "Records":
        """Open the records, or make them if there is no file. Raises CannotUseDatabase, CannotUseState."""
        return cls(*open_database(path))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction that holds the write lock from its beginning; inside another one, a part of that.

        Nobody else writes meanwhile, so what a decision has read is still true when its result is written.
        """
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with suppress(sqlite3.OperationalError):  # SQLite has ended it by itself where the disk is bad
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def person(self, match_key: str) -> str:
        """The key of a person, by their phone as `identity.phone_from_text` gives it."""
        return self._key.of(match_key)

    # ------------------------------------------------------------------ the kill switch

    def switch(self) -> Switch:
        """The kill switch as it was last turned; on if it never was."""
        row = self._row("SELECT stopped, at, actor FROM kill_switch ORDER BY switch_id DESC LIMIT 1")
        if row is None:
            return Switch(stopped=True)
        return Switch(stopped=bool(row["stopped"]), at=_time(row["at"]), actor=row["actor"])

    def turn_switch(self, *, stopped: bool, actor: str, now: datetime) -> None:
        """Turn the kill switch on (`stopped`) or off."""
        self._write(
            "INSERT INTO kill_switch (at, stopped, actor) VALUES (:at, :stopped, :actor)",
            at=iso(now),
            stopped=stopped,
            actor=actor,
        )

    # ------------------------------------------------------------------ people

    def add_consent(self, person: str, consent: Consent, *, actor: str) -> None:
        """Append that a person gave or withdrew consent. Raises Refused without evidence, also for a withdrawal."""
        if not consent.evidence.strip():
            raise Refused(_("cannot record consent without evidence: say where it can be seen"))
        self._write(
            "INSERT INTO consents (person, purpose, granted, at, evidence, actor) "
            "VALUES (:person, :purpose, :granted, :at, :evidence, :actor)",
            person=person,
            purpose=consent.purpose.value,
            granted=consent.granted,
            at=iso(consent.at),
            evidence=consent.evidence.strip(),
            actor=actor,
        )

    def suppress(self, person: str, *, actor: str, now: datetime, lift: bool = False) -> None:
        """Append that a person asked not to be written to; with `lift`, that they may be written to again."""
        self._append_suppression(person, "lifted" if lift else "asked", actor=actor, now=now)

    def forget(self, person: str, *, actor: str, now: datetime) -> int:
        """Suppress a person, and erase their number, words and consents. Returns how many requests were emptied."""
        with self.transaction():
            self._append_suppression(person, "forgotten", actor=actor, now=now)
            self._write("DELETE FROM consents WHERE person = :person", person=person)
            self._write("UPDATE attempts SET text = NULL WHERE person = :person", person=person)
            return self._write(
                "UPDATE requests SET recipient = NULL, text = NULL, template = NULL, language = NULL, "
                "values_json = NULL, lead_id = NULL WHERE person = :person",
                person=person,
            )

    def _append_suppression(self, person: str, cause: str, *, actor: str, now: datetime) -> None:
        """`cause`: `asked`, `forgotten`, or `lifted`, which ends the suppression."""
        self._write(
            "INSERT INTO suppressions (person, cause, at, actor) VALUES (:person, :cause, :at, :actor)",
            person=person,
            cause=cause,
            at=iso(now),
            actor=actor,
        )

    # ------------------------------------------------------------------ templates

    def put_template(self, template: StoredTemplate, *, now: datetime) -> None:
        """Record a template as Meta has it now, or change what is recorded.

        Our own approval stays with the text that was approved: after a change of the text it does not hold.
        """
        self._write(
            "INSERT INTO templates (account, name, language, category, status, body, updated_at) "
            "VALUES (:account, :name, :language, :category, :status, :body, :at) ON CONFLICT DO UPDATE SET "
            "category = excluded.category, status = excluded.status, body = excluded.body, "
            "updated_at = excluded.updated_at",
            account=template.account,
            name=template.name,
            language=template.language,
            category=template.category.value,
            status=template.status.value,
            body=template.body,
            at=iso(now),
        )

    def approve_template(self, template: StoredTemplate, *, actor: str | None, now: datetime) -> None:
        """Approve this text of a recorded template; with `actor` None, take the approval back."""
        self._write(
            "UPDATE templates SET approved_body = iif(:actor IS NULL, NULL, :body), approved_by = :actor, "
            "approved_at = iif(:actor IS NULL, NULL, :at) "
            "WHERE (account, name, language) = (:account, :name, :language)",
            actor=actor,
            body=template.body,
            at=iso(now),
            account=template.account,
            name=template.name,
            language=template.language,
        )

    def template(self, account: str, name: str, language: str) -> StoredTemplate | None:
        """The recorded template with this name and language; None if there is none."""
        found = self._templates("(account, name, language) = (?, ?, ?)", account, name, language)
        return found[0] if found else None

    def templates(self) -> list[StoredTemplate]:
        """All recorded templates, sorted by account, name and language."""
        return self._templates("1")  # true of all

    def _templates(self, condition: str, *values: str) -> list[StoredTemplate]:
        """The templates for which an SQL condition with these values holds, sorted as in `templates`."""
        rows = self._connection.execute(
            "SELECT account, name, language, category, status, body, iif(body = approved_body, approved_by, NULL) "
            f"AS approved_by FROM templates WHERE {condition} ORDER BY account, name, language",
            values,
        )
        return [
            StoredTemplate(
                account=row["account"],
                name=row["name"],
                language=row["language"],
                category=Purpose(row["category"]),
                status=TemplateStatus(row["status"]),
                body=row["body"],
                approved_by=row["approved_by"],
            )
            for row in rows
        ]

    # ------------------------------------------------------------------ requests

    def add_request(self, new: NewRequest, *, actor: str, now: datetime) -> int:
        """Write a request as a draft. Returns its id.

        Raises Refused for an empty text, and for a template that is not recorded or takes more or fewer values.
        """
        text = template = language = values = None  # the columns of free text, or of a template
        if isinstance(new.content, Template):
            template, language = new.content.name, new.content.language
            values = json.dumps(new.content.values, ensure_ascii=False)
            self._check_values(new.account, new.content)
        else:
            text = new.content.text
            if not text.strip():
                raise Refused(_("cannot send nothing: the text is empty"))
        with self.transaction():
            cursor = self._connection.execute(
                "INSERT INTO requests (created_at, actor, account, person, recipient, lead_id, purpose, text, "
                "template, language, values_json, not_before, not_after) VALUES (:at, :actor, :account, :person, "
                ":recipient, :lead_id, :purpose, :text, :template, :language, :values, :not_before, :not_after)",
                {
                    "at": iso(now),
                    "actor": actor,
                    "account": new.account,
                    "person": new.person,
                    "recipient": new.recipient,
                    "lead_id": new.lead_id,
                    "purpose": new.purpose.value,
                    "text": text,
                    "template": template,
                    "language": language,
                    "values": values,
                    "not_before": iso(new.not_before) if new.not_before else None,
                    "not_after": iso(new.not_after),
                },
            )
            request_id = cursor.lastrowid
            assert request_id is not None
            self.add_status(request_id, State.DRAFT, actor=actor, now=now)
        return request_id

    def _check_values(self, account: str, content: Template) -> None:
        """Raise Refused unless this template is recorded, and takes as many values as `content` gives."""
        template = self.template(account, content.name, content.language)
        if template is None:
            raise Refused(
                _("cannot use the template {name} ({language}): it is not recorded; `template` records it").format(
                    name=content.name, language=content.language
                )
            )
        if template.places() != len(content.values):
            raise Refused(
                _("cannot use the template {name}: it takes {n} values and was given {given}").format(
                    name=content.name, n=template.places(), given=len(content.values)
                )
            )

    def add_status(
        self, request_id: int, state: State, *, actor: str, now: datetime, detail: str | None = None
    ) -> None:
        """Append a state of the request. `detail`: the provider's id of the message, or what went wrong."""
        self._write(
            "INSERT INTO statuses (request_id, at, state, actor, detail) VALUES (:id, :at, :state, :actor, :detail)",
            id=request_id,
            at=iso(now),
            state=state.value,
            actor=actor,
            detail=detail,
        )

    def move(self, request_id: int, state: State, *, allowed: Sequence[State], actor: str, now: datetime) -> None:
        """Append this state if the request is in an allowed one. Raises Refused if it is not, or there is none."""
        with self.transaction():
            before = self.request(request_id).state
            if before not in allowed:
                raise Refused(
                    _("cannot change request {id}: it is {state}, and must be {allowed}").format(
                        id=request_id, state=before.value, allowed=" or ".join(each.value for each in allowed)
                    )
                )
            self.add_status(request_id, state, actor=actor, now=now)

    def request(self, request_id: int) -> StoredRequest:
        """The request with this id. Raises Refused if there is none."""
        found = self._requests("WHERE request_id = :id", id=request_id)
        if not found:
            raise Refused(_("cannot find request {id}: `leadmaster-outbound list` shows them").format(id=request_id))
        return found[0]

    def requests(self, state: State | None = None, *, limit: int = -1) -> list[StoredRequest]:
        """Requests in this state, or all, the newest first. `limit`: at most so many; negative: no limit."""
        if state is None:
            return self._requests("ORDER BY request_id DESC LIMIT :limit", limit=limit)
        condition = "WHERE state = :state ORDER BY request_id DESC LIMIT :limit"
        return self._requests(condition, state=state.value, limit=limit)

    def counts(self) -> dict[str, int]:
        """How many requests are in each state; states with none are left out."""
        rows = self._connection.execute(
            "SELECT state, count(*) AS n FROM statuses WHERE status_id IN "
            "(SELECT max(status_id) FROM statuses GROUP BY request_id) GROUP BY state ORDER BY state"
        )
        return {row["state"]: row["n"] for row in rows}

    def _requests(self, clauses: str, **values: object) -> list[StoredRequest]:
        """The requests that SQL clauses (WHERE, ORDER BY, LIMIT) with these values choose, with their last states."""
        rows = self._connection.execute(
            "SELECT * FROM (SELECT r.*, s.state, s.at AS state_at, s.actor AS state_actor, a.text AS attempted_text "
            "FROM requests r JOIN statuses s ON s.status_id = (SELECT max(status_id) FROM statuses "
            f"WHERE request_id = r.request_id) LEFT JOIN attempts a USING (request_id)) {clauses}",
            values,
        ).fetchall()
        return [self._stored(row) for row in rows]

    def _stored(self, row: sqlite3.Row) -> StoredRequest:
        """A row of `_requests` as a value. The text that was attempted wins over what its template says today."""
        state = State(row["state"])
        content: FreeText | Template = FreeText(row["text"] or "")
        text: str | None = row["text"]
        if row["template"] is not None:
            content = Template(row["template"], row["language"], tuple(json.loads(row["values_json"])))
            template = self.template(row["account"], content.name, content.language)
            if template is not None and template.places() == len(content.values):
                text = template.filled(content.values)
        return StoredRequest(
            request_id=row["request_id"],
            created_at=_time(row["created_at"]),
            actor=row["actor"],
            request=Request(
                account=row["account"],
                purpose=Purpose(row["purpose"]),
                content=content,
                not_after=_time(row["not_after"]),
                not_before=_time(row["not_before"]) if row["not_before"] else None,
                approved_by=row["state_actor"] if state is State.APPROVED else None,
                cancelled=state is State.CANCELLED,
            ),
            person=row["person"],
            recipient=row["recipient"],
            lead_id=row["lead_id"],
            state=state,
            state_at=_time(row["state_at"]),
            text=row["attempted_text"] or text,
        )

    # ------------------------------------------------------------------ deciding and sending

    def facts(self, stored: StoredRequest, now: datetime, inbound: Sequence[Inbound]) -> Facts:
        """What the decision on this request depends on. `inbound`: the person's messages to us: no table here has them.

        A person is suppressed if the last row about them in `suppressions` does not lift it, or if they were forgotten.
        """
        request = stored.request
        last_suppression = self._row(
            "SELECT cause FROM suppressions WHERE person = :person ORDER BY suppression_id DESC LIMIT 1",
            person=stored.person,
        )
        is_suppressed = last_suppression is not None and last_suppression["cause"] != "lifted"
        is_forgotten = stored.recipient is None
        # The rules count what was sent in the last day; two days are read so that none of that is missing.
        attempts = self._connection.execute(
            "SELECT account, person, started_at FROM attempts "
            "WHERE started_at > :since AND (account = :account OR person = :person)",
            {"person": stored.person, "account": request.account, "since": iso(now - 2 * DAY)},
        ).fetchall()
        attempted = self._row("SELECT 1 FROM attempts WHERE request_id = :id", id=stored.request_id)
        consents = self._connection.execute(
            "SELECT purpose, granted, at, evidence FROM consents WHERE person = :person", {"person": stored.person}
        )
        return Facts(
            stopped=self.switch().stopped,
            suppressed=is_suppressed or is_forgotten,
            attempted=attempted is not None,
            template=self._template_record(request),
            consents=[
                Consent(Purpose(row["purpose"]), bool(row["granted"]), _time(row["at"]), row["evidence"])
                for row in consents
            ],
            inbound=inbound,
            sent_by_account=[_time(row["started_at"]) for row in attempts if row["account"] == request.account],
            sent_to_person=[_time(row["started_at"]) for row in attempts if row["person"] == stored.person],
        )

    def _template_record(self, request: Request) -> TemplateRecord | None:
        """What is known of the request's template; None for free text, and for a template that is not recorded.

        If the template takes another number of values than the request has, the shop's approval does not count: it was
        given for another text than the one the request was made for.
        """
        if not isinstance(request.content, Template):
            return None
        found = self.template(request.account, request.content.name, request.content.language)
        if found is None:
            return None
        fits = found.places() == len(request.content.values)
        return TemplateRecord(found.category, found.status, found.approved_by is not None and fits)

    def begin_attempt(self, stored: StoredRequest, *, gateway: str, actor: str, now: datetime) -> None:
        """Record the attempt and the state `sending`, before the gateway is asked.

        Raises sqlite3.IntegrityError at a second attempt of a request: nothing is sent twice.
        """
        with self.transaction():
            self._write(
                "INSERT INTO attempts (request_id, account, person, started_at, gateway, text) "
                "VALUES (:id, :account, :person, :at, :gateway, :text)",
                id=stored.request_id,
                account=stored.request.account,
                person=stored.person,
                at=iso(now),
                gateway=gateway,
                text=stored.text,
            )
            self.add_status(stored.request_id, State.SENDING, actor=actor, now=now)

    def give_up_on_orphans(self, *, actor: str, now: datetime) -> list[int]:
        """Requests that are still `sending`, because their sender died, become `unknown`. Returns their ids.

        To be called only while nothing else sends.
        """
        with self.transaction():
            orphans = [each.request_id for each in self.requests(State.SENDING)]
            for request_id in orphans:
                self.add_status(request_id, State.UNKNOWN, actor=actor, now=now)
        return orphans

    # ------------------------------------------------------------------ SQL

    def _row(self, query: str, **values: object) -> sqlite3.Row | None:
        """The first row of a query, or None."""
        found: sqlite3.Row | None = self._connection.execute(query, values).fetchone()
        return found

    def _write(self, statement: str, **values: Any) -> int:
        """Run a statement in a transaction. Returns how many rows it changed."""
        with self.transaction():
            return self._connection.execute(statement, values).rowcount


@contextmanager
def open_records(path: Path) -> Iterator[Records]:
    """The records of this file, closed at the end.

    Raises CannotUseDatabase and CannotUseState; SQLite's errors while they are open become CannotUseDatabase too,
    except those that show a defect.
    """
    records = Records.open(path)
    try:
        yield records
    except sqlite3.Error as error:
        if is_defect(error):
            raise
        raise cannot_use(path, error) from error
    finally:
        records.close()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
