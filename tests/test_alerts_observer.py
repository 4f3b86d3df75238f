"""What is found to hold, and how it is said: from a real database, a real status and real settings."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import pytest

from leadmasterd import health, times
from leadmasterd.alerts import words
from leadmasterd.alerts.episodes import Fate
from leadmasterd.alerts.kinds import TRAITS, Condition, Kind, Text
from leadmasterd.alerts.observer import KIND_OF, Observer
from leadmasterd.health import Severity
from leadmasterd.queries.alert_history import State
from leadmasterd.queries.waiting import WaitingConversation, waiting
from leadmasterd.settings.alerts import KINDS
from leadmasterd.settings.model import load
from leadmasterd.settings.paths import Paths
from leadmasterd.state.files import write_private, write_status
from leadmasterd.store.schema import SCHEMA_VERSION
from leadmasterd.text import speaking
from tests import wire
from tests.stories import Books, Customer, Line, moment, seconds

HOURS = """
[leads]
country = ""
[leads.hours]
mon = [["09:00", "13:00"], ["16:00", "20:00"]]
tue = [["09:00", "13:00"], ["16:00", "20:00"]]
wed = [["09:00", "13:00"], ["16:00", "20:00"]]
thu = [["09:00", "13:00"], ["16:00", "20:00"]]
fri = [["09:00", "13:00"], ["16:00", "20:00"]]
sat = []
"""
EVERYTHING = f"kinds = {json.dumps(KINDS)}"
AT_ANY_TIME = [*Kind][: [*Kind].index(Kind.NEW_LEAD)]


@dataclass
class Shop:
    """A state directory as the daemon keeps it, and who looks at it. Times are those of `stories`."""

    folder: Path
    alerts: str = EVERYTHING
    started: str = "17 08:00"
    paths: Paths = field(init=False)
    books: Books = field(init=False)
    observer: Observer = field(init=False)

    def __post_init__(self) -> None:
        self.configure(HOURS)
        self.paths.state_dir.mkdir(exist_ok=True)
        self.books = Books(self.paths.database)
        self.daemon_starts(self.started)
        self.says(self.started)
        self.look_anew()

    def configure(self, rest: str) -> None:
        """Write the settings file."""
        file = self.folder / "config.toml"
        file.write_text(f'state_dir = "state"\n[alerts]\nto = ["json://127.0.0.1"]\n{self.alerts}\n{rest}')
        self.settings, self.paths = load(str(file))

    def look_anew(self) -> None:
        """As after a restart of the feeds process."""
        self.observer = Observer(self.settings, self.paths)

    def daemon_starts(self, at: str) -> None:
        """Its lock says when."""
        write_private(self.paths.lock_file, b"1\n")
        self._dated(self.paths.lock_file, at)

    def says(self, at: str, phase: str = "ready", code: str = "ready", since: str = "", **fields: Any) -> None:
        """The daemon writes its status."""
        usual = {
            "v": 1, "phase": phase, "code": code, "since": times.iso(moment(since or at)), "values": {},
            "account": {"wid": wire.US, "push_name": "Tienda"}, "concerns": {}, "trouble": None, "scan": None,
        }  # fmt: skip
        write_status(self.paths, usual | fields)
        self._dated(self.paths.status_file, at)

    def _dated(self, path: Path, at: str) -> None:
        os.utime(path, (moment(at).timestamp(), moment(at).timestamp()))

    def hears(self, *lines: Line) -> None:
        """Capture it and make its leads."""
        self.books.tell(lines)

    def gap(self, begins: str, ends: str | None = None, closed: str | None = None, recovered: int = 0) -> None:
        """An outage in the ledger."""
        stored = [each and times.iso(moment(each)) for each in (begins, ends, closed)]
        self.books.db.execute("DELETE FROM gaps WHERE from_at = ?", stored[:1])
        self.books.db.execute(
            "INSERT INTO gaps (account_id, from_at, to_at, closed_at, cause, recovered) VALUES (1, ?, ?, ?, 'x', ?)",
            (*stored, recovered),
        )
        self.books.db.execute("UPDATE accounts SET first_linked_at = '2026-01-01T00:00:00.000Z'")

    def holds(self, at: str, *kinds: Kind) -> list[Condition]:
        """What holds then, of these kinds or of all that are not daily or of leads."""
        return [each for each in self.observer.look(moment(at)) if each.kind in (kinds or AT_ANY_TIME)]

    def only(self, at: str, *kinds: Kind) -> Condition:
        """The only thing that holds then."""
        [found] = self.holds(at, *kinds)
        return found

    def came_back(self, was: Condition, at: str) -> Text | None:
        """What is said of its end."""
        return self.observer.came_back(was.kind, was.subject, was.since, moment(at))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Open from 9 to 13 and from 16 to 20; 15 minutes to answer."""
    shop = Shop(tmp_path)
    yield shop
    shop.books.db.close()


def shop_with(folder: Path, alerts: str) -> Shop:
    """With other settings; its books are closed with the folder."""
    folder.mkdir(exist_ok=True)
    return Shop(folder, alerts)


MISSED, ABOUT = Kind.MISSED, Kind.ABOUT_TO_MISS
ana = Customer()


def asks(at: str, **fields: Any) -> Line:
    """A customer who asks for a price."""
    return Customer(fields.pop("chat", wire.ANA)).says(at, "price", **fields)


# ---------------------------------------------------------------------- the kinds


def test_every_kind_of_the_settings_has_its_facts() -> None:
    """And the settings name every kind."""
    assert [*KINDS] == [*Kind] == [*TRAITS]


def test_every_warning_that_a_person_should_look_at_is_told() -> None:
    """Attempts to send have a file of their own; what passes by itself is not told."""
    worth = {code for code, each in health.WARNINGS.items() if each.severity is not Severity.LOW}
    assert KIND_OF.keys() == worth - {health.SEND_REFUSED.code, health.ALERTS_UNDELIVERED.code}


# ---------------------------------------------------------------------- people


def test_who_waits_is_told_before_the_target_is_missed_and_then(shop: Shop) -> None:
    """In opening hours; the answer ends it."""
    shop.hears(asks("17 10:00"))
    assert shop.holds("17 10:09:59") == []
    soon = shop.only("17 10:10")
    assert (soon.kind, soon.since) == (ABOUT, moment("17 10:10"))
    assert soon.text == Text(
        "Ana waits: answer by 10:15",
        "Ana, +5491155550001: price, since 10:00\nThe target of 15 min of opening hours ends at 10:15.",
    )
    late = shop.only("17 10:15")
    assert (late.kind, late.subject, late.since) == (MISSED, soon.subject, moment("17 10:15"))
    assert late.text == Text(
        "Ana has waited too long",
        "Ana, +5491155550001: price, since 10:00\nThe target of 15 min of opening hours ended at 10:15.",
    )
    shop.hears(ana.hears("17 10:30"))
    assert shop.holds("17 10:31") == []
    assert shop.came_back(late, "17 10:31") is None, "whoever answered knows"


def test_the_lunch_break_does_not_count(shop: Shop) -> None:
    """Neither for the target nor for the minutes before it."""
    shop.hears(asks("17 12:56"))
    assert shop.holds("17 15:59") == []
    assert shop.only("17 16:06").kind is ABOUT
    assert shop.only("17 16:11").since == moment("17 16:11")


def test_more_minutes_than_the_target_tell_at_once_when_open(tmp_path: Path) -> None:
    """Not while the shop is closed."""
    shop = shop_with(tmp_path, "about_to_miss = 60")
    shop.hears(asks("17 07:00"))
    assert shop.holds("17 08:59") == []
    assert shop.only("17 09:00").kind is ABOUT
    shop.books.db.close()


def test_each_wait_is_its_own(shop: Shop) -> None:
    """Who was answered and asks again begins anew, also if nobody looked in between."""
    shop.hears(asks("17 10:00"))
    first = shop.only("17 10:20")
    shop.hears(ana.hears("17 10:30"), ana.says("17 10:31", "and delivery"))
    again = shop.only("17 11:00")
    assert (again.kind, again.subject != first.subject) == (MISSED, True)
    assert ": delivery, since 10:31" in again.text.body


def test_somebody_without_a_name_is_told_by_phone_or_lid(shop: Shop) -> None:
    """As in every list."""
    nobody = {"notify_name": None}
    shop.hears(asks("17 10:00", **nobody), asks("17 10:01", chat=wire.ANA_LID, **nobody))
    bodies = [each.text.body for each in shop.holds("17 10:20")]
    assert [body.partition(":")[0] for body in bodies] == ["+5491155550001", "88001122334455, no phone known"]


def test_words_are_told_only_if_the_settings_say_so(shop: Shop, tmp_path: Path) -> None:
    """They then lie where the alerts do."""
    line = asks("17 10:00")
    line["body"] = "price of the secret jacket"
    shop.hears(line)
    assert "jacket" not in repr(shop.holds("17 10:20"))
    open_shop = shop_with(tmp_path / "open", "bodies = true")
    open_shop.hears(line)
    assert open_shop.only("17 10:20").text.body.endswith("\n“price of the secret jacket”")
    open_shop.hears(ana.says("17 10:21", "x" * 9000))
    open_shop.books.db.close()


def test_a_missed_call_waits_too(shop: Shop) -> None:
    """It has no words, so what they want is the call."""
    shop.hears(ana.call("17 10:00"))
    assert ": missed call, since 10:00" in shop.only("17 10:15:05").text.body


def test_deadlines_follow_the_opening_hours_of_now(shop: Shop) -> None:
    """As those of the commands do, without a restart."""
    shop.hears(asks("17 10:00"))
    shop.configure(HOURS.replace('tue = [["09:00", "13:00"]', 'tue = [["11:00", "13:00"]'))
    assert shop.holds("17 10:20") == []
    assert shop.only("17 11:15").kind is MISSED
    shop.configure(HOURS.replace("[leads]", "[leads]\ntarget_minutes = 60"))
    assert shop.holds("17 10:40") == []
    assert shop.only("17 10:56").kind is ABOUT


def test_a_new_lead_is_told_for_a_day_if_the_settings_say_so(shop: Shop, tmp_path: Path) -> None:
    """Not one that is closed by then, nor one that is older."""
    lines = [asks("17 10:00"), asks("14 10:00", chat=wire.BETO)]
    shop.hears(*lines)
    new = shop.only("17 10:01", Kind.NEW_LEAD)
    assert (new.subject, new.since) == ("1", moment("17 10:00"))
    assert new.text == Text("New lead: Ana", "Ana, +5491155550001: price, since 10:00")
    assert shop.holds("18 10:00", Kind.NEW_LEAD) == []
    shop.hears(ana.decided("17 10:02", "junk"))
    assert shop.holds("17 10:03", Kind.NEW_LEAD) == []
    usual = shop_with(tmp_path / "usual", "")
    usual.hears(*lines)
    assert usual.holds("17 10:01", Kind.NEW_LEAD) == []
    usual.books.db.close()


@pytest.mark.parametrize("name", ["A" * 500, "Ñandú 🎉 " * 60, "a\nb\x1b[31m\u202egnirts\0", "{who} %s {at}"])
def test_names_are_cut_and_made_safe(shop: Shop, name: str) -> None:
    """Strangers choose them. The rest of the title stays."""
    shop.hears(asks("17 10:00", notify_name=name))
    for at, kind, end in (("17 10:12", ABOUT, " waits: answer by 10:15"), ("17 10:20", MISSED, " has waited too long")):
        text = shop.only(at, kind).text
        assert text.title.endswith(end)
        assert len(text.title) <= 60
        assert len(text.body.splitlines()) == 2
        assert text.body.replace("\n", "").isprintable()
        assert len(text.body) < 200


# ---------------------------------------------------------------------- many


def test_many_are_told_as_one(shop: Shop) -> None:
    """Oldest first, as many as fit, and how many more."""
    many = [Customer(f"54911555{number:05}@c.us") for number in range(300)]
    shop.hears(*(each.says(f"17 10:00:{number % 60:02}", "price") for number, each in enumerate(many)))
    text = words.digest(shop.holds("17 10:30"))
    lines = text.body.splitlines()
    assert text.title == "300 people have waited too long"
    assert lines[0] == "Ana, +5491155500000: price, since 10:00"
    assert 50 < len(lines) < 120
    assert lines[-1] == f"and {301 - len(lines)} more"
    assert len(text.body) <= 3500


def test_a_digest_of_several_kinds_has_their_titles(shop: Shop) -> None:
    """One line each."""
    shop.says("17 10:00", concerns={"disk_low": "40"})
    shop.hears(asks("17 10:00"))
    assert words.digest(shop.holds("17 10:20", MISSED, Kind.DISK)) == Text(
        "2 alerts", "Ana, +5491155550001: price, since 10:00\nOnly 40 MB of disk are free"
    )
    assert words.digest(shop.holds("17 10:20", MISSED)).title == "1 person has waited too long"


def test_a_text_is_made_once(shop: Shop) -> None:
    """Whatever else is captured; so a look costs little."""
    shop.hears(asks("17 10:00"))
    [before] = shop.holds("17 10:20")
    shop.hears(Customer(wire.BETO).says("17 10:29", "price"))
    after = shop.holds("17 10:30")
    assert [each is before for each in after] == [True]


def test_a_text_that_is_held_back_until_the_next_day_names_the_day(shop: Shop) -> None:
    """By the clock alone it would seem to be of today."""
    shop.hears(asks("17 19:40"))
    assert ", since 19:40\n" in shop.only("17 23:59").text.body
    told = shop.only("18 08:00")
    assert told.text.body.endswith(
        ", since 2026-11-17 19:40\nThe target of 15 min of opening hours ended at 2026-11-17 19:55."
    )


def test_the_database_is_read_when_it_has_changed_and_once_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at every look."""
    shop = shop_with(tmp_path, 'kinds = ["follow_ups"]')
    reader = shop.observer._reader
    ask, asked = reader.ask, Counter[str]()

    def counted(*some: Any, **more: Any) -> Any:
        asked["now"] += 1
        return ask(*some, **more)

    monkeypatch.setattr(reader, "ask", counted)

    def reads(at: str) -> int:
        asked.clear()
        shop.holds(at)
        return asked["now"]

    assert [reads("17 08:00:00"), reads("17 08:00:05"), reads("17 08:00:59")] == [1, 0, 0]
    assert [reads("17 08:01:00"), reads("17 08:01:05")] == [1, 0]
    shop.hears(asks("16 10:00"))
    assert [reads("17 08:01:06"), reads("17 08:01:07"), reads("17 07:59:00")] == [1, 0, 1]
    assert [reads("17 10:00:00"), reads("17 10:00:05")] == [2, 0], "follow-ups too"
    shop.books.db.close()


# ---------------------------------------------------------------------- once a day


def quoted(customer: Customer, at: str) -> list[Line]:
    """Somebody asked, was answered, and got a quote."""
    return [customer.says(at, "price"), customer.hears(at.replace(":00", ":02")), customer.decided(at, "quoted")]


def test_follow_ups_of_the_day_are_told_in_the_morning(shop: Shop) -> None:
    """Those of earlier days too; until the day ends."""
    shop.hears(*quoted(ana, "16 10:00"), *quoted(Customer(wire.BETO), "13 10:00"))
    assert shop.holds("17 08:29", Kind.FOLLOW_UPS) == []
    told = shop.only("17 08:30", Kind.FOLLOW_UPS)
    assert (told.subject, told.since) == ("2026-11-17", moment("17 08:30"))
    assert told.text == Text(
        "2 follow-ups are due today",
        "Ana, +5491155550002: ask about the quote (2 of 4), overdue\nAna, +5491155550001: ask about the quote (1 of 4)",
    )
    assert shop.only("17 23:59", Kind.FOLLOW_UPS) == told
    assert shop.only("18 08:30", Kind.FOLLOW_UPS).subject == "2026-11-18"


def test_a_day_without_follow_ups_tells_none(shop: Shop) -> None:
    """Nothing has to be said."""
    shop.hears(asks("17 10:00"))
    assert shop.holds("17 11:00", Kind.FOLLOW_UPS) == []


def test_the_summary_of_the_morning(shop: Shop) -> None:
    """Who waits, what is due, what is new, what was fetched, and whether everything is here."""
    shop.says("17 08:00")
    shop.gap("17 02:00", "17 02:14", "17 02:15", 6)
    shop.hears(asks("16 19:50"), *quoted(Customer(wire.BETO), "13 10:00"))
    assert shop.holds("17 08:29", Kind.MORNING) == []
    told = shop.only("17 08:30", Kind.MORNING)
    assert (told.subject, told.since) == ("2026-11-17", moment("17 08:30"))
    assert told.text == Text(
        "Good morning: 1 waits, 0 overdue",
        "Ana, +5491155550001: price, since 2026-11-16 19:50\n"
        "1 follow-up is due today.\n"
        "1 new lead in the last 24 hours.\n"
        "6 messages were fetched after outages.\n"
        "Complete: everything that WhatsApp delivered until 08:30 is here.",
    )
    shop.hears(ana.hears("17 08:40"))
    assert shop.only("17 12:29", Kind.MORNING) == told
    assert shop.holds("17 12:30", Kind.MORNING) == []


def test_the_summary_of_the_evening_names_five(shop: Shop) -> None:
    """And says how many more wait."""
    shop.says("17 08:00")
    people = [Customer(f"549115555{number:04}@c.us") for number in range(8)]
    shop.hears(*(each.says(f"17 10:0{number}", "price") for number, each in enumerate(people)))
    text = shop.only("17 20:00", Kind.EVENING).text
    lines = text.body.splitlines()
    assert text.title == "End of the day: 8 wait, 8 overdue"
    assert lines[0] == "Ana, +5491155550000: price, since 10:00, overdue"
    assert lines[5:8] == ["and 3 more", "No follow-up is due today.", "8 new leads today."]


def test_a_summary_is_of_one_moment(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number and its list agree, although somebody asks between the two."""
    shop.books.db.execute("PRAGMA journal_mode = WAL")
    shop.says("17 08:00")
    shop.hears(asks("17 19:50"))

    def asked_meanwhile(*args: Any, **more: Any) -> list[WaitingConversation]:
        shop.hears(asks("17 19:40", chat=wire.BETO))
        return waiting(*args, **more)

    monkeypatch.setattr("leadmasterd.alerts.day.waiting", asked_meanwhile)
    text = shop.only("17 20:00", Kind.EVENING).text
    assert text.title == "End of the day: 1 waits, 0 overdue"
    assert [line for line in text.body.splitlines() if "since" in line] == ["Ana, +5491155550001: price, since 19:50"]


def test_an_empty_day_is_told_calmly(shop: Shop) -> None:
    """On the first day nothing is linked."""
    shop.says("17 08:00", "waiting_for_scan", "scan_needed", account=None)
    text = shop.only("17 20:01", Kind.EVENING).text
    assert text.title == "End of the day: nobody waits"
    assert text.body.splitlines()[-1] == "No phone is linked yet."


def test_summaries_can_be_switched_off(tmp_path: Path) -> None:
    """Follow-ups are then told at nine."""
    shop = shop_with(tmp_path, 'morning = ""\nevening = ""')
    shop.hears(*quoted(ana, "13 10:00"))
    assert shop.holds("17 08:59", *Kind) == []
    assert shop.only("17 09:00", *Kind).kind is Kind.FOLLOW_UPS
    assert shop.only("17 20:00", *Kind).kind is Kind.FOLLOW_UPS
    shop.books.db.close()


@pytest.mark.parametrize(
    ("gaps", "phase", "says"),
    [
        (
            [("17 06:00", "17 06:10", None), ("17 07:00", "17 07:10", None)],
            "ready",
            "Not complete yet: what came between 06:00 and 07:10 is still being fetched.",
        ),
        (
            [("16 07:00", "16 07:10", None), ("17 06:00", None, None)],
            "backing_off",
            "Not complete: nothing has been captured since 06:00. The browser died.",
        ),
        ([], "backing_off", "Not listening now. The browser died."),
        (
            [("17 07:00", "17 07:10", "17 07:11")],
            "ready",
            "Complete: everything that WhatsApp delivered until 08:30 is here.",
        ),
    ],
)
def test_a_summary_says_whether_everything_is_here(
    shop: Shop, gaps: Sequence[tuple[str, Any, Any]], phase: str, says: str
) -> None:
    """By the ledger of outages."""
    shop.says("17 08:00", phase, "child_died", values={"bye": "browser_gone"})
    for begins, ends, closed in gaps:
        shop.gap(begins, ends, closed)
    assert shop.only("17 08:30", Kind.MORNING).text.body.splitlines()[-1] == says


# ---------------------------------------------------------------------- the session


def test_a_scan_is_asked_for_with_how_to_go_on(shop: Shop) -> None:
    """And since when codes have been shown."""
    shop.gap("17 09:00")
    shop.says(
        "17 09:05", "waiting_for_scan", "scan_needed", scan={"qr": "2@x", "valid_until": times.iso(moment("17 09:06"))}
    )
    told = shop.only("17 09:05:30")
    assert (told.kind, told.subject, told.since) == (Kind.NEEDS_SCAN, "", moment("17 09:00"))
    assert told.text.title == "WhatsApp asks for a scan"
    assert told.text.body.splitlines() == [
        "Nothing has been captured since 09:00.",
        "WhatsApp asks for a scan: on the phone, Settings > Linked devices > Link a device.",
        "`leadmasterd qr` on the server shows the code. It changes every 20 seconds or so, so have the phone in your "
        "hand. Codes have been shown since 09:05.",
    ]
    shop.says(
        "17 09:06",
        "waiting_for_scan",
        "scan_needed",
        account=None,
        scan={"pairing_code": "ABCD1234", "valid_until": times.iso(moment("17 09:08"))},
    )
    body = shop.only("17 09:06").text.body
    assert body.startswith("Nothing is captured until a phone is linked.\n")
    assert body.endswith("Type ABCD1234 there; it is good until 09:08.")


def test_a_scan_is_still_needed_while_codes_pause(shop: Shop) -> None:
    """The listener starts again between them. Also for who begins to look just then."""
    shop.gap("17 09:00")
    shop.says("17 09:05", "waiting_for_scan", "scan_needed")
    asked = shop.only("17 09:05")
    shop.books.db.execute(
        "INSERT INTO session_events (at, phase, code, value_json) VALUES (?, 'waiting_for_scan', 'scan_needed', '{}')",
        (times.iso(moment("17 09:05")),),
    )
    shop.says("17 09:12", "backing_off", "not_scanned", values={"codes": 20})
    assert shop.holds("17 09:12") == [asked]
    shop.look_anew()
    assert shop.only("17 09:13").kind is Kind.NEEDS_SCAN
    shop.says("17 09:14", "waiting_for_scan", "scan_needed")
    assert shop.only("17 09:30").kind is Kind.NEEDS_SCAN


def test_a_link_that_leads_to_nothing_is_down(shop: Shop) -> None:
    """It was scanned, so a scan is not what is needed."""
    shop.gap("17 09:00")
    shop.says("17 09:05", "waiting_for_scan", "scan_needed")
    asked = shop.only("17 09:05")
    shop.says("17 09:06", "syncing", "scanned")
    assert shop.only("17 09:14").kind is Kind.NEEDS_SCAN
    later = shop.only("17 09:16")
    assert (later.kind, later.since) == (Kind.DOWN, moment("17 09:00"))
    assert "Scanned; WhatsApp is sending the first history." in later.text.body
    assert shop.came_back(asked, "17 09:16") is None, "it is not back"


def test_a_passkey_is_asked_for_with_how_to_go_on(shop: Shop) -> None:
    """A code with its age."""
    shop.gap("17 09:00")
    shop.says("17 09:05", "needs_passkey", "passkey_asked", values={"step": "asked"})
    told = shop.only("17 09:06")
    assert (told.kind, told.text.title) == (Kind.NEEDS_PASSKEY, "WhatsApp asks for a passkey")
    assert "run `leadmasterd auth pair` on a Linux computer" in told.text.body
    shop.says("17 09:07", "needs_passkey", "passkey_asked", values={"step": "code", "code": "AB12"})
    lines = shop.only("17 09:09").text.body.splitlines()
    assert lines == [
        "It has been waiting since 09:00.",
        "WhatsApp shows the code AB12 and waits for it to be confirmed on the phone.",
        "The code has been shown since 09:07.",
    ]


@pytest.mark.parametrize(
    ("code", "values", "title", "body"),
    [
        (
            "temporary_ban",
            {"expires": seconds("18 12:00"), "message": "too many\nmessages"},
            "Banned by WhatsApp until 2026-11-18 12:00",
            "Nothing is tried before 2026-11-18 12:00 (1 d 2 h from now); then it starts by itself.\n"
            'WhatsApp says: "too many messages"\nNothing has been captured since 09:00.',
        ),
        ("temporary_ban", {}, "Banned by WhatsApp temporarily", "run `leadmasterd resume` when the ban is over."),
        ("temporary_ban", {"expires": 1e300}, "Banned by WhatsApp temporarily", "check WhatsApp on the phone"),
        ("number_at_risk", {"state": "BANNED"}, "WhatsApp warns of this number", "run `leadmasterd resume`."),
    ],
)
def test_a_ban_is_told_with_its_end(shop: Shop, code: str, values: dict[str, Any], title: str, body: str) -> None:
    """In the time of the business."""
    shop.gap("17 09:00")
    shop.says("17 09:05", "halted", code, values=values)
    told = shop.only("17 10:00")
    assert (told.kind, told.text.title) == (Kind.BANNED, title)
    assert body in told.text.body


def test_an_outage_is_told_once_it_lasts(shop: Shop) -> None:
    """Since when, and why, as it is now."""
    shop.gap("17 09:00")
    shop.says("17 09:00", "reconnecting", "connection_lost")
    assert shop.holds("17 09:04:59") == []
    told = shop.only("17 09:05")
    assert (told.kind, told.subject, told.since) == (Kind.DOWN, "", moment("17 09:00"))
    assert told.text == Text(
        "Not listening to WhatsApp since 09:00",
        "WhatsApp Web lost its connection and is reconnecting.\nWhat comes meanwhile is fetched when it is back.",
    )
    shop.says(
        "17 09:06", "backing_off", "child_died", values={"bye": "browser_gone", "wait_seconds": 30, "failures": 4}
    )
    assert shop.only("17 09:06").text.body.startswith("The browser died; 4 failures in a row, next try in 30 s.\n")


def test_time_before_the_daemon_started_is_no_outage_yet(shop: Shop) -> None:
    """A machine that was off all night has some minutes to get ready; then it was down since the evening."""
    shop.gap("16 22:00")
    shop.daemon_starts("17 08:00")
    shop.says("17 08:01", "starting", "started")
    assert shop.holds("17 08:04") == []
    assert shop.only("17 08:05", Kind.DOWN).since == moment("16 22:00")


def test_a_status_of_an_earlier_daemon_says_nothing(shop: Shop) -> None:
    """Until this one writes its own."""
    shop.says("17 07:00", "waiting_for_scan", "scan_needed")
    shop.daemon_starts("17 08:00")
    assert shop.holds("17 08:01") == []
    told = shop.only("17 08:07", Kind.DOWN)
    assert told.text.body.startswith("The daemon has not reported its state since it started.")


@pytest.mark.parametrize(("phase", "code"), [("paused", "paused"), ("stopping", "asked_to_stop")])
def test_what_a_person_stopped_is_not_told(shop: Shop, phase: str, code: str) -> None:
    """They know."""
    shop.gap("17 09:00")
    shop.says("17 09:00", phase, code)
    assert shop.holds("17 11:00") == []


def test_it_is_told_how_long_it_was_down_and_what_was_fetched(shop: Shop) -> None:
    """Once the backfill is done, or a while after the return."""
    shop.gap("17 09:00")
    shop.says("17 09:00", "reconnecting", "connection_lost")
    was = shop.only("17 09:10")
    shop.gap("17 09:00", "17 09:14")
    shop.says("17 09:14", "ready", "reconnected")
    assert shop.only("17 09:14:30").kind is Kind.DOWN
    assert shop.came_back(was, "17 09:14:30") is None
    shop.gap("17 09:00", "17 09:14", "17 09:15", 6)
    assert shop.holds("17 09:15") == []
    assert shop.came_back(was, "17 09:15") == Text(
        "It listens to WhatsApp again, after 14 min",
        "6 messages that came meanwhile were fetched.\nIt was down from 09:00 to 09:14.",
    )


def test_a_return_is_told_though_the_listener_starts_again_at_once(shop: Shop) -> None:
    """It was back: what follows is another story."""
    shop.gap("17 09:00")
    shop.says("17 09:00", "waiting_for_scan", "logged_out")
    was = shop.only("17 09:10")
    shop.gap("17 09:00", "17 09:14", "17 09:14", 6)
    shop.says("17 09:14", "ready", "ready")
    assert shop.holds("17 09:14") == []
    shop.gap("17 09:14")
    shop.says("17 09:15", "starting", "starting")
    assert shop.holds("17 09:15") == []
    told = shop.came_back(was, "17 09:15")
    assert told
    assert told.body.splitlines() == [
        "6 messages that came meanwhile were fetched.",
        "It was down from 09:00 to 09:14.",
    ]


def test_a_pause_by_a_person_is_no_return(shop: Shop) -> None:
    """It ends the wait for a scan, and nobody listens."""
    shop.gap("17 09:00")
    shop.says("17 09:00", "waiting_for_scan", "logged_out")
    was = shop.only("17 09:10")
    shop.says("17 09:11", "paused", "paused")
    assert shop.holds("17 09:11") == []
    assert shop.came_back(was, "17 09:11") is None


@pytest.mark.parametrize(
    ("closed", "recovered", "says"),
    [("17 09:15", 0, "Nothing had come meanwhile."), (None, 3, "What came meanwhile is being fetched.")],
)
def test_a_return_says_if_nothing_came_or_it_takes_longer(
    shop: Shop, closed: str | None, recovered: int, says: str
) -> None:
    """The return is not put off for long."""
    shop.gap("17 09:00")
    shop.says("17 09:00", "halted", "number_at_risk")
    was = shop.only("17 09:10")
    shop.gap("17 09:00", "17 09:14", closed, recovered)
    shop.says("17 09:14", "ready", "ready")
    assert shop.holds("17 09:17") == []
    told = shop.came_back(was, "17 09:17")
    assert told
    assert told.body.splitlines()[0] == says


def test_the_first_link_is_told(shop: Shop) -> None:
    """There is no outage before it."""
    shop.says("17 09:05", "waiting_for_scan", "scan_needed", account=None)
    was = shop.only("17 09:05")
    shop.says("17 09:10")
    assert shop.holds("17 09:10") == []
    assert shop.came_back(was, "17 09:10") == Text("WhatsApp is linked", "Listening as 5491155550100.")


def test_messages_that_one_sweep_fetched_are_counted_once(shop: Shop) -> None:
    """It closes several outages and counts for each."""
    shop.gap("17 09:00")
    shop.says("17 09:00", "reconnecting", "connection_lost")
    was = shop.only("17 09:10")
    shop.gap("17 09:00", "17 09:11", "17 09:20", 5)
    shop.gap("17 09:12", "17 09:19", "17 09:20", 4)
    shop.says("17 09:20")
    assert shop.holds("17 09:20") == []
    told = shop.came_back(was, "17 09:20")
    assert told == Text(
        "It listens to WhatsApp again, after 19 min",
        "5 messages that came meanwhile were fetched.\nIt was down from 09:00 to 09:19.",
    )


# ---------------------------------------------------------------------- warnings


@pytest.mark.parametrize("code", [code for code in KIND_OF if not health.WARNINGS[code].of_the_store])
def test_a_warning_is_told_with_what_to_do(shop: Shop, code: str) -> None:
    """Since it was seen first; its end where that is news."""
    shop.says("17 09:00")
    assert shop.holds("17 10:00") == []
    shop.says("17 10:01", concerns={code: "12"})
    told = shop.only("17 10:02")
    assert (told.kind, told.subject, told.since) == (KIND_OF[code], code, moment("17 10:02"))
    assert len(told.text.title) <= 60
    assert told.text.body.casefold() == f"{health.sentence(code, '12')}.\n{health.what_to_do(code)}.".casefold()
    assert shop.came_back(told, "17 10:03") is None, "it holds"
    shop.says("17 10:14")
    assert shop.holds("17 10:14") == []
    over = shop.came_back(told, "17 10:14")
    assert (over is not None) == TRAITS[told.kind].end_is_told
    if over:
        assert over == words.make(f"Over: {told.text.title}", "It lasted 12 min.")
    shop.look_anew()
    assert shop.holds("17 10:15") == []
    if over:
        assert shop.came_back(told, "17 10:15") == Text("What was told is over", "It lasted 13 min.")


@pytest.mark.parametrize("code", [code for code in KIND_OF if health.WARNINGS[code].of_the_store])
def test_a_database_that_cannot_be_written_is_told(shop: Shop, code: str) -> None:
    """It is one trouble, whichever it is."""
    shop.says("17 10:00", trouble={"code": code, "detail": "it is broken"})
    told = shop.only("17 10:00")
    assert (told.kind, told.subject) == (KIND_OF[code], "store")


def test_a_full_disk_is_told_even_if_no_status_can_be_written(tmp_path: Path) -> None:
    """The disk is looked at too."""
    shop = Shop(tmp_path)
    shop.configure("[supervisor]\ndisk_floor_mb = 1_000_000\n" + HOURS)
    shop.look_anew()
    told = shop.only("17 08:01")
    assert (told.kind, told.subject) == (Kind.DISK, "disk_low")
    shop.books.db.close()


def attempt(at: str, function: str = "sendMsg", where: str = "page") -> str:
    """A line of the audit file."""
    entry = {"at": times.iso(moment(at)), "module": "WAWebSend", "function": function, "where": where}
    return json.dumps(entry) + "\n"


def test_attempts_to_send_are_told(shop: Shop) -> None:
    """Each function once; again after an hour without one. What was only seen is said to be."""
    file = shop.paths.state_dir / "refused.jsonl"
    file.write_text("half a line}\n" + attempt("16 10:00") + attempt("17 10:00") + attempt("17 10:30") + '{"at": "2026')
    told = shop.only("17 10:31")
    assert (told.kind, told.subject, told.since) == (Kind.SEND_REFUSED, "WAWebSend.sendMsg", moment("17 10:00"))
    assert told.text.title == "Something tried to send: WAWebSend.sendMsg"
    assert told.text.body.startswith("2 attempts since 10:00; all were refused.\nSee `refused.jsonl`")
    assert shop.holds("17 11:30") == []
    file.write_text(attempt("17 10:30") + attempt("17 12:00") + attempt("17 12:00", "open", "seen"))
    again, seen = shop.holds("17 12:01", Kind.SEND_REFUSED)
    assert again.since == moment("17 12:00")
    assert seen.text.body.startswith("1 attempt since 12:00, NOT refused.")


@pytest.mark.parametrize(
    "damage", ["[" * 100_000, "[]", "7", "\0" * 40, attempt("17 10:00").replace("Z", ""), '{"at": [], "module": 1}\n']
)
def test_a_damaged_line_hides_no_attempt(shop: Shop, damage: str) -> None:
    """As a power cut may leave one."""
    file = shop.paths.state_dir / "refused.jsonl"
    file.write_text(attempt("17 10:00") + damage + "\n" + attempt("17 10:30"))
    assert shop.only("17 10:31").text.body.startswith("2 attempts since 10:00; all were refused.")


# ---------------------------------------------------------------------- what can't be read


def test_nothing_at_all_is_no_reason_to_fail(tmp_path: Path) -> None:
    """Before the first start of the daemon."""
    (tmp_path / "config.toml").write_text('state_dir = "state"\n[alerts]\nto = ["json://x"]\n')
    settings, paths = load(str(tmp_path / "config.toml"))
    observer = Observer(settings, paths)
    assert observer.look(moment("17 07:00")) == []
    paths.state_dir.mkdir()
    [told] = observer.look(moment("17 09:00"))
    assert told.text.title == "Good morning: nobody waits"


def test_who_waits_still_holds_while_the_database_is_locked(shop: Shop) -> None:
    """And nothing is said of it."""
    shop.hears(asks("17 10:00"))
    before = shop.holds("17 10:20", *Kind)
    shop.hears(ana.hears("17 10:21"))
    shop.books.db.execute("BEGIN EXCLUSIVE")
    assert shop.holds("17 10:25", *Kind) == before
    shop.books.db.execute("ROLLBACK")
    assert shop.holds("17 10:25:05") == []


def spoil(path: Path) -> None:
    """Damage the middle and the head of every page but the first."""
    data = bytearray(path.read_bytes())
    for page in range(4096, len(data), 4096):
        data[page : page + 64] = b"\xff" * 64
    path.write_bytes(data)


def test_a_damaged_database_is_told_and_what_held_still_holds(shop: Shop) -> None:
    """What is known of it is not known to have ended. Summaries say that nothing is known."""
    shop.says("17 08:00")
    shop.hears(asks("17 10:00"))
    before = shop.holds("17 10:20")
    shop.books.db.close()
    spoil(shop.paths.database)
    *told, trouble = sorted(shop.holds("17 10:25"), key=lambda each: each.kind is Kind.TROUBLE)
    assert told == before
    assert (trouble.subject, trouble.text.title) == ("store", "The database cannot be used")
    assert "restore a backup" in trouble.text.body
    summary = shop.only("17 20:00", Kind.EVENING).text
    assert summary.title == "Summary: who waits is not known"


def test_a_database_of_a_newer_version_is_told_if_it_lasts(shop: Shop) -> None:
    """An update takes a moment."""
    shop.books.db.execute("PRAGMA user_version = 999")
    assert shop.holds("17 08:01") == []
    assert shop.holds("17 08:01:59") == []
    told = shop.only("17 08:02")
    assert (told.kind, told.subject) == (Kind.TROUBLE, "store")
    assert "it was written by a newer leadmasterd" in told.text.body
    shop.books.db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    assert shop.holds("17 08:03") == []
    over = shop.came_back(told, "17 08:03")
    assert over
    assert over == Text("Over: The database cannot be used", "It lasted 1 min.")


@pytest.mark.parametrize("torn", [b'{"v": 1, "pha', b"", b'{"v": 2}', b"[]"])
def test_a_torn_status_changes_nothing(shop: Shop, torn: bytes) -> None:
    """What it said before still holds."""
    shop.says("17 09:05", "waiting_for_scan", "scan_needed")
    before = shop.holds("17 09:06")
    shop.paths.status_file.write_bytes(torn)
    assert shop.holds("17 09:07") == before
    shop.paths.status_file.unlink()
    assert shop.holds("17 09:08") == before


def test_a_status_of_another_form_is_no_reason_to_fail(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """As a later version may write it: what it was still holds, and the journal says it once."""
    shop.hears(asks("17 10:00"))
    shop.says("17 09:00", concerns=["disk"], values=3, trouble="bad", scan=7, phase="waiting_for_scan")
    assert shop.only("17 10:20").kind is MISSED
    shop.holds("17 10:21")
    assert len([each for each in caplog.records if each.getMessage().startswith("looking at")]) == 3


def test_a_scan_of_which_no_text_can_be_made_is_told_once_it_can(shop: Shop) -> None:
    """In a pause between codes, by a status of another form: an alert without words says nothing."""
    shop.gap("17 09:00")
    shop.books.db.execute(
        "INSERT INTO session_events (at, phase, code, value_json) VALUES (?, 'waiting_for_scan', 'scan_needed', '{}')",
        (times.iso(moment("17 09:05")),),
    )
    shop.says("17 09:06", "backing_off", "not_scanned", scan=7)
    assert shop.holds("17 09:06") == []
    assert shop.holds("17 09:07") == []
    shop.says("17 09:08", "backing_off", "not_scanned", values={"codes": 20})
    assert shop.only("17 09:08").text.title == "WhatsApp asks for a scan"


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize(
    ("code", "detail"),
    [
        ("feed_down", "bookkeeping (12 h, no answer in time)"),
        ("feed_disabled", "bookkeeping (no answer in time)"),
        ("feed_dead", "bookkeeping (1207)"),
        ("feed_overflow", "bookkeeping (1207)"),
    ],
)
def test_the_title_of_a_warning_names_the_feeds(code: str, detail: str, language: str) -> None:
    """On a lock screen the title is all that is seen."""
    with speaking(language):
        text = words.of_warning(code, detail)
    shown = detail if language == "en" else detail.replace("no answer in time", "no respondió a tiempo")
    assert "bookkeeping" in text.title
    assert shown in text.body


def test_the_history_knows_every_state_of_an_alert() -> None:
    assert {*get_args(State)} == {str(fate) for fate in Fate}
