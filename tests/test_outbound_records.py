"""The sender's records: append-only, a file of their own, and nothing sent twice, whoever dies in between."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from leadmasterd.errors import CannotUseDatabase, CannotUseState, Refused
from leadmasterd.outbound.core import Core
from leadmasterd.outbound.database import key_file, open_database
from leadmasterd.outbound.decision import (
    Consent,
    FreeText,
    Inbound,
    Policy,
    Purpose,
    Reason,
    Source,
    Template,
    TemplateStatus,
)
from leadmasterd.outbound.gateway import Accepted, ApprovedMessage, Gateway, NullGateway, Recorded, Rejected
from leadmasterd.outbound.records import NewRequest, Records, State, StoredRequest, StoredTemplate
from leadmasterd.outbound.sender import Outcome, Sender, only_sender
from leadmasterd.store.database import open_for_writing

DIES: Final = Path(__file__).parent / "programs" / "dies_while_sending.py"
ACCOUNT: Final = "100200300"
PHONE: Final = "5491155550001"
NOW: Final = datetime(2026, 11, 30, 15, 0, tzinfo=UTC)
ANA: Final = "person:ana"
POLICY: Final = Policy(enabled=True, account=ACCOUNT, zone=ZoneInfo("UTC"), quiet=None, account_cap=50, contact_cap=50)
READY: Final = StoredTemplate(
    account=ACCOUNT,
    name="pedido_listo",
    language="es_AR",
    category=Purpose.UTILITY,
    status=TemplateStatus.APPROVED,
    body="Hola {{1}}, ya está: {{2}}.",
    approved_by=None,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mine" / "outbound.db"


@pytest.fixture
def records(path: Path) -> Iterator[Records]:
    """With the kill switch off."""
    with closing(Records.open(path)) as opened:
        opened.turn_switch(stopped=False, actor=ANA, now=NOW)
        yield opened


def drafted(records: Records, *, phone: str = PHONE, **changes: object) -> int:
    """An answer in free text."""
    new = NewRequest(
        account=ACCOUNT,
        person=records.person(phone),
        recipient=phone,
        purpose=Purpose.SERVICE,
        content=FreeText("Sí, tenemos."),
        not_after=NOW + timedelta(days=3650),
    )
    return records.add_request(replace(new, **changes), actor=ANA, now=NOW)  # type: ignore[arg-type]


def approved(records: Records, **changes: object) -> int:
    request_id = drafted(records, **changes)  # type: ignore[arg-type]
    records.move(request_id, State.APPROVED, allowed=[State.DRAFT], actor=ANA, now=NOW)
    return request_id


@dataclass
class Remembers:
    """A gateway that keeps what it got, and does what the test says."""

    answer: Callable[[ApprovedMessage], Recorded | Accepted | Rejected] = lambda message: Accepted(
        f"wamid.{message.request_id}"
    )
    name: str = "remembers"
    got: list[ApprovedMessage] = field(default_factory=list)

    def send(self, message: ApprovedMessage) -> Recorded | Accepted | Rejected:
        self.got.append(message)
        return self.answer(message)


def sender(records: Records, gateway: Gateway, *, policy: Policy = POLICY, now: datetime = NOW) -> Sender:
    """To people who have just written to the account."""

    def inbound_of(_stored: StoredRequest) -> Sequence[Inbound]:
        return [Inbound(Source.CLOUD_API, ACCOUNT, now)]

    return Sender(records=records, gateway=gateway, policy=policy, inbound_of=inbound_of, clock=lambda: now)


# ---------------------------------------------------------------------- the file


def test_the_records_are_a_private_file_of_their_own(path: Path, records: Records) -> None:
    """Only its owner reads them; every table is STRICT."""
    assert [oct(each.stat().st_mode & 0o777) for each in (path.parent, path, key_file(path))] == [
        "0o700",
        "0o600",
        "0o600",
    ]
    del records
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main'").fetchall()
        assert {name for name, strict in tables if not strict} == {"sqlite_schema", "sqlite_sequence"}
        assert len(tables) == 10


def test_the_same_records_are_opened_again(path: Path) -> None:
    """With the same keys of people."""
    with closing(Records.open(path)) as first:
        key = first.person(PHONE)
        first.turn_switch(stopped=False, actor=ANA, now=NOW)
    with closing(Records.open(path)) as second:
        assert second.person(PHONE) == key
        assert not second.switch().stopped


def test_a_new_file_is_stopped(path: Path) -> None:
    """A lost file sends nothing either, until a person says so."""
    with closing(Records.open(path)) as records:
        assert records.switch().stopped


def test_the_listeners_database_is_never_taken_for_the_senders(tmp_path: Path) -> None:
    """Nor is a file that is no database; both are left as they are."""
    core = tmp_path / "leadmaster.db"
    open_for_writing(core).close()
    before = core.read_bytes()
    with pytest.raises(CannotUseDatabase, match="database of another program"):
        Records.open(core)
    assert core.read_bytes() == before
    rubbish = tmp_path / "rubbish.db"
    rubbish.write_text("no database at all" * 100)
    with pytest.raises(CannotUseDatabase, match="cannot use"):
        Records.open(rubbish)


def test_records_of_a_newer_program_are_refused(path: Path) -> None:
    """As those of the listener are."""
    connection, _ = open_database(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(CannotUseDatabase, match="newer leadmaster-outbound"):
        Records.open(path)


@pytest.mark.parametrize("change", [lambda file: file.unlink(), lambda file: file.write_bytes(b"x" * 32)])
def test_without_its_secret_nothing_works(path: Path, change: Callable[[Path], object]) -> None:
    """With another one, everybody who is suppressed could be written to."""
    Records.open(path).close()
    change(key_file(path))
    with pytest.raises(CannotUseState, match=r"outbound\.db\.key is"):
        Records.open(path)
    assert not key_file(path).exists() or key_file(path).read_bytes() == b"x" * 32


@pytest.mark.parametrize("loss", [lambda file: file.write_bytes(b""), lambda file: file.unlink()])
def test_records_that_are_gone_are_no_new_file(path: Path, loss: Callable[[Path], object]) -> None:
    """Their secret is still there, so somebody may have been suppressed in them."""
    Records.open(path).close()
    loss(path)
    for _ in range(2):
        with pytest.raises(CannotUseDatabase, match=r"it is empty, although .*outbound\.db\.key is there"):
            Records.open(path)
    key_file(path).unlink()
    Records.open(path).close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE consents SET granted = 1",
        "DELETE FROM consents",
        "UPDATE suppressions SET cause = 'lifted'",
        "DELETE FROM suppressions",
        "UPDATE statuses SET state = 'approved'",
        "DELETE FROM statuses",
        "UPDATE requests SET text = 'another'",
        "UPDATE attempts SET text = 'another'",
        "DELETE FROM attempts",
        "UPDATE kill_switch SET stopped = 0",
        "DELETE FROM kill_switch",
    ],
)
def test_what_was_recorded_stays(path: Path, records: Records, statement: str) -> None:
    """SQLite itself refuses, whoever asks."""
    person = records.person(PHONE)
    records.add_consent(person, Consent(Purpose.UTILITY, True, NOW, "form"), actor=ANA)
    approved(records)
    list(sender(records, NullGateway()).send_approved())
    records.suppress(person, actor=ANA, now=NOW)
    with closing(sqlite3.connect(path)) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)


# ---------------------------------------------------------------------- sending


def test_the_null_gateway_records_what_would_have_been_sent(path: Path, records: Records) -> None:
    """The recipient, the very words, when, and that nothing was sent."""
    records.put_template(READY, now=NOW)
    records.approve_template(READY, actor=ANA, now=NOW)
    records.add_consent(records.person(PHONE), Consent(Purpose.UTILITY, True, NOW, "form"), actor=ANA)
    request_id = approved(records, content=Template("pedido_listo", "es_AR", ("Ana", "azul")), purpose=Purpose.UTILITY)
    assert list(sender(records, NullGateway()).send_approved()) == [Outcome(request_id, State.RECORDED)]
    with closing(sqlite3.connect(path)) as connection:
        attempts = connection.execute("SELECT request_id, gateway, text FROM attempts").fetchall()
    assert attempts == [(request_id, "null", "Hola Ana, ya está: azul.")]
    assert records.counts() == {"recorded": 1}
    assert list(sender(records, NullGateway()).send_approved()) == []


def test_nothing_leaves_that_a_person_has_not_approved(records: Records) -> None:
    """Drafts and what was cancelled stay here."""
    drafted(records)
    taken_back = approved(records)
    records.move(taken_back, State.CANCELLED, allowed=[State.APPROVED], actor=ANA, now=NOW)
    gateway = Remembers()
    assert list(sender(records, gateway).send_approved()) == []
    assert gateway.got == []


def test_what_is_denied_stays_approved_and_goes_when_it_may(records: Records) -> None:
    """The decision is taken anew each time."""
    request_id = approved(records, not_before=NOW + timedelta(hours=1))
    gateway = Remembers()
    [held] = sender(records, gateway).send_approved()
    assert (held.state, held.denied and held.denied.reason) == (State.APPROVED, Reason.TOO_EARLY)
    assert gateway.got == []
    later = sender(records, gateway, now=NOW + timedelta(hours=1))
    assert list(later.send_approved()) == [Outcome(request_id, State.ACCEPTED)]
    assert [each.recipient for each in gateway.got] == [PHONE]


def test_the_kill_switch_stops_between_two_messages(records: Records) -> None:
    """It is looked at for each."""
    approved(records, phone="5491155550001")
    second = approved(records, phone="5491155550002")

    def stops(message: ApprovedMessage) -> Accepted:
        records.turn_switch(stopped=True, actor=ANA, now=NOW)
        return Accepted(f"wamid.{message.request_id}")

    gateway = Remembers(stops)
    outcomes = list(sender(records, gateway).send_approved())
    assert len(gateway.got) == 1
    assert outcomes[1].request_id == second
    assert outcomes[1].denied is not None
    assert outcomes[1].denied.reason is Reason.KILL_SWITCH


def test_attempts_are_the_ledger_of_the_caps(records: Records) -> None:
    """Whatever came of them: a refused message was sent towards Meta too."""
    for _ in range(3):
        approved(records)
    gateway = Remembers(lambda _message: Rejected("131026"))
    policy = replace(POLICY, contact_cap=1)
    outcomes = list(sender(records, gateway, policy=policy).send_approved())
    assert [each.state for each in outcomes] == [State.FAILED, State.APPROVED, State.APPROVED]
    assert {each.denied.reason for each in outcomes if each.denied} == {Reason.CONTACT_CAP}
    policy = replace(POLICY, account_cap=1)
    [first, _second] = sender(records, gateway, policy=policy, now=NOW + timedelta(minutes=1)).send_approved()
    assert first.denied is not None
    assert first.denied.reason is Reason.ACCOUNT_CAP
    next_day = NOW + timedelta(days=1)
    assert (
        len([each for each in sender(records, gateway, policy=policy, now=next_day).send_approved() if not each.denied])
        == 1
    )


def test_a_gateway_that_does_not_answer_leaves_unknown_and_ends_the_run(records: Records) -> None:
    """A time-out may have been a delivery, so a person looks first."""
    lost, waits = approved(records), approved(records, phone="5491155550002")

    def times_out(_message: ApprovedMessage) -> Accepted:
        raise TimeoutError

    gateway = Remembers(times_out)
    with pytest.raises(TimeoutError):
        list(sender(records, gateway).send_approved())
    assert [records.request(each).state for each in (lost, waits)] == [State.UNKNOWN, State.APPROVED]
    assert len(gateway.got) == 1


def test_who_dies_between_sending_and_the_answer_is_never_sent_again(path: Path, records: Records) -> None:
    """A real process, killed in the gateway: `unknown`, however often it is tried, even if it is approved anew."""
    request_id = approved(records)
    died = subprocess.run([sys.executable, str(DIES), str(path)], capture_output=True, text=True, check=False)
    assert (died.returncode, died.stdout) == (-9, f"sent {request_id} to {PHONE}\n")
    assert records.request(request_id).state is State.SENDING
    gateway = Remembers()
    later = NOW + timedelta(minutes=5)
    assert list(sender(records, gateway, now=later).send_approved()) == [Outcome(request_id, State.UNKNOWN)]
    assert list(sender(records, gateway, now=later).send_approved()) == []
    with pytest.raises(Refused, match="it is unknown, and must be draft"):
        records.move(request_id, State.APPROVED, allowed=[State.DRAFT], actor=ANA, now=later)
    records.add_status(request_id, State.APPROVED, actor=ANA, now=later)  # as no command does
    [held] = sender(records, gateway, now=later).send_approved()
    assert held.denied is not None
    assert held.denied.reason is Reason.ALREADY_ATTEMPTED
    with pytest.raises(sqlite3.IntegrityError):
        records.begin_attempt(records.request(request_id), gateway="x", actor=ANA, now=later)
    assert gateway.got == []


def test_two_senders_at_once_are_one(path: Path, records: Records) -> None:
    """The second gives up: what the first is sending is not lost."""
    del records
    with only_sender(path), pytest.raises(Refused, match="sending now"), only_sender(path):
        pass
    with only_sender(path):
        pass


# ---------------------------------------------------------------------- people and templates


def test_a_forgotten_person_stays_suppressed_without_their_number(path: Path, records: Records) -> None:
    """No number, word or consent of theirs is left in any file; any spelling of the phone is still refused."""
    person = records.person(PHONE)
    records.add_consent(person, Consent(Purpose.MARKETING, True, NOW, "formulario de Zulema"), actor=ANA)
    sent = approved(records, content=FreeText("Zulema, ya está"))
    waiting = approved(records, content=FreeText("Zulema, otra cosa"))
    list(sender(records, Remembers(), policy=replace(POLICY, contact_cap=1)).send_approved())
    assert records.forget(person, actor=ANA, now=NOW) == 2
    assert [records.request(each).recipient for each in (sent, waiting)] == [None, None]
    left = b"".join(each.read_bytes() for each in path.parent.iterdir())
    assert b"Zulema" not in left
    assert PHONE.encode() not in left
    again = approved(records)
    outcomes = {each.request_id: each.denied for each in sender(records, Remembers()).send_approved()}
    assert {each and each.reason for each in outcomes.values()} == {Reason.SUPPRESSED}
    assert outcomes.keys() == {waiting, again}


def test_who_asked_not_to_be_written_to_may_ask_again(records: Records) -> None:
    """The last word counts."""
    request_id = approved(records)
    records.suppress(records.person(PHONE), actor=ANA, now=NOW)
    [held] = sender(records, Remembers()).send_approved()
    assert held.denied is not None
    records.suppress(records.person(PHONE), actor=ANA, now=NOW, lift=True)
    assert list(sender(records, Remembers()).send_approved()) == [Outcome(request_id, State.ACCEPTED)]


def test_our_approval_is_of_the_text_that_was_read(records: Records) -> None:
    """Meta's text changes: it is approved by nobody here until somebody reads it."""
    records.put_template(READY, now=NOW)
    records.approve_template(READY, actor=ANA, now=NOW)
    found = records.template(ACCOUNT, "pedido_listo", "es_AR")
    assert found is not None
    assert found.approved_by == ANA
    records.put_template(replace(READY, body="Hola {{1}}: {{2}}. ¡Oferta!"), now=NOW)
    found = records.template(ACCOUNT, "pedido_listo", "es_AR")
    assert found is not None
    assert found.approved_by is None


@pytest.mark.parametrize("values", [(), ("Ana",), ("Ana", "azul", "más")])
def test_a_template_gets_as_many_values_as_it_takes(records: Records, values: tuple[str, ...]) -> None:
    """Neither fewer nor more, also when Meta's text changes after the request was made."""
    with pytest.raises(Refused, match="not recorded"):
        drafted(records, content=Template("pedido_listo", "es_AR", values))
    records.put_template(READY, now=NOW)
    with pytest.raises(Refused, match="takes 2 values"):
        drafted(records, content=Template("pedido_listo", "es_AR", values))
    request_id = approved(records, content=Template("pedido_listo", "es_AR", ("a", "b")))
    changed = replace(READY, body="{{1}} {{2}} {{3}}")
    records.put_template(changed, now=NOW)
    records.approve_template(changed, actor=ANA, now=NOW)
    records.add_consent(records.person(PHONE), Consent(Purpose.UTILITY, True, NOW, "form"), actor=ANA)
    [held] = sender(records, Remembers()).send_approved()
    assert held.request_id == request_id
    assert held.denied is not None
    assert held.denied.reason is Reason.TEMPLATE_NOT_APPROVED_HERE


@pytest.mark.parametrize("evidence", ["", "  "])
def test_consent_without_evidence_is_not_recorded(records: Records, evidence: str) -> None:
    """Nor is an empty message."""
    with pytest.raises(Refused, match="evidence"):
        records.add_consent(records.person(PHONE), Consent(Purpose.MARKETING, True, NOW, evidence), actor=ANA)
    with pytest.raises(Refused, match="empty"):
        drafted(records, content=FreeText(evidence))


def test_a_look_at_an_emptied_database_leaves_what_its_log_holds(tmp_path: Path) -> None:
    """To open it would delete the WAL, from which messages may still be saved."""
    database, log = tmp_path / "leadmaster.db", tmp_path / "leadmaster.db-wal"
    database.touch()
    log.write_bytes(b"what was not yet in the file")
    assert not Core(database).readable()
    assert log.read_bytes() == b"what was not yet in the file"
