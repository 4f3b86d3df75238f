"""docs/json.md compared with what the commands print: every key of every object, with its type, and no other."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from leadmasterd.actions.dismissals import DismissRecord
from leadmasterd.actions.labels import LabelRecord
from leadmasterd.actions.merges import MergeRecord, UndoRecord
from leadmasterd.actions.notes import NoteRecord, NoteUndoRecord
from leadmasterd.actions.rebuild import RebuildRecord
from leadmasterd.actions.reclassify import ReclassifyRecord
from leadmasterd.actions.stages import StageRecord, StageUndoRecord
from leadmasterd.actions.unit_of_work import ChangeRecord
from leadmasterd.alerts.episodes import Episode, Fate, Key, What
from leadmasterd.alerts.kinds import Kind as AlertKind
from leadmasterd.alerts.kinds import Text
from leadmasterd.alerts.store import Delivery, Store
from leadmasterd.classify.measure import Figures, TrainingRecord
from leadmasterd.cli import auth_import, auth_pair, cmd_auth, cmd_config, cmd_doctor, cmd_rules, web_sessions
from leadmasterd.cli.alerts_list import AlertList
from leadmasterd.cli.alerts_test import AlertTest
from leadmasterd.cli.arguments import CommandParser, subcommands
from leadmasterd.cli.leads_export import ExportedFile
from leadmasterd.cli.parser import make_parser
from leadmasterd.daemon.status import Sections, StatusPublisher, measure
from leadmasterd.doctor import PageObject, Report
from leadmasterd.export.kinds import KINDS
from leadmasterd.feeds.books import Changes, GivenUp, PutOff
from leadmasterd.listener.profile import Auth
from leadmasterd.queries.alert_history import AlertHistory, file_of
from leadmasterd.queries.conversations import ConversationExport
from leadmasterd.queries.feeds import DeadList, Feed, FeedDetail, FeedList
from leadmasterd.queries.history import HistoryObject
from leadmasterd.queries.lead_detail import LeadDetail
from leadmasterd.queries.leads import Lead, LeadExport, LeadList
from leadmasterd.queries.messages import MessageList, ProblemList
from leadmasterd.queries.people import DuplicateList
from leadmasterd.queries.raw_lines import StoredLines
from leadmasterd.queries.report import Figures as PeriodFigures
from leadmasterd.queries.report import Report as PeriodReport
from leadmasterd.queries.today import Today
from leadmasterd.queries.waiting import WaitingList
from leadmasterd.replay import ReplayRecord
from leadmasterd.settings.paths import Paths, find_paths
from leadmasterd.state.files import write_status
from leadmasterd.state.status_object import FeedStatus, Page, PageMember, Session, Status
from leadmasterd.store import raw_blocks
from leadmasterd.store.database import open_for_writing
from leadmasterd.web.access import Access
from tests.feeds import AT
from tests.sessions import packed
from tests.stories import Customer
from tests.test_cli_feeds import HUB, begun, given_up
from tests.test_cli_leads import BROKEN, DELIVERY, HELLO, PRICE, Shop, chat
from tests.test_cli_leads import shop as shop

DOCUMENT: Final = (Path(__file__).parent.parent / "docs" / "json.md").read_text(encoding="utf-8")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_UNTRIED: Final = {"rules train: right_before", "rules train: right_after"}
"""Real training takes longer than all other tests; test_classify_model.py checks its output."""
_TWICE: Final = "report: before."
"""The same section as `report: period.`, which is looked at; this folder has nothing that is older than a week."""
_ELSEWHERE: Final = {"auth pair"}
"""It needs a screen and a person; test_auth_pair.py checks its object against the document."""

AD: Final = {"referral": {"source_id": "ad-1", "source_url": "https://fb.me/1", "title": "Camperas"}}
_MEMBER: Final = PageMember(module="WAWebCallCollection", function="on", costs="calls")
PAGE: Final = Page(
    web_version="2.3000.1",
    at="2026-11-23T12:00:00.000Z",
    ab={"x": 1},
    required=9,
    missing=[_MEMBER],
    late=[_MEMBER],
    new_types=["fax"],
)
LABELLED: Final = '{"text": "cuanto sale", "intent": "price"}\n{"text": "hola", "intent": "price"}\n'


# ---------------------------------------------------------------------- the document


@dataclass(frozen=True)
class Section:
    """The rows of one heading's table: each path with its type, and the sections whose keys it includes."""

    rows: dict[str, str]
    adds_to: str | None


def sections() -> dict[str, Section]:
    """All sections by the commands in their heading."""
    found = {}
    for part in DOCUMENT.split("\n### ")[1:]:
        heading, _, text = part.split("\n## ")[0].partition("\n")
        rows: dict[str, str] = {}
        for keys, type_ in re.findall(r"^\| (`[^|]*`|`[^|]*`(?:, `[^|]*`)+) \| ([^|]+) \|", text, re.MULTILINE):
            for key in re.findall(r"`([^`]+)`", keys):
                assert key not in rows, f"{heading}: {key} twice"
                rows[key] = type_.strip()
        adds_to = re.search(r"^In addition to the keys of \[`([^`]+)`\]", text, re.MULTILINE)
        for name in re.findall(r"`([^`]+)`", heading) or [heading]:
            assert name not in found, f"{name} twice"
            found[name] = Section(rows, adds_to[1] if adds_to else None)
    return found


SECTIONS: Final = sections()


def documented_paths(name: str) -> dict[str, str]:
    """Every path of a command's object with its type, including shared sections."""
    section = SECTIONS[name]
    found = documented_paths(section.adds_to) if section.adds_to else {}
    for path, type_ in section.rows.items():
        link = re.match(r"\[.*?\]\(#([\w-]+)\)(.*)", type_)
        found[path] = f"object{link[2]}" if link else type_
        if path.endswith("[]"):
            found.setdefault(path.removesuffix("[]"), "list")
        if link:
            [shared] = [each for each in SECTIONS if each.lower().replace(" ", "-") == link[1]]
            found |= {f"{path}.{inner}": inner_type for inner, inner_type in documented_paths(shared).items()}
    return found


# ---------------------------------------------------------------------- comparing it with the output


def fits(value: object, type_: str) -> bool:
    """Whether a value has the documented type."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    kinds: dict[str, Callable[[], bool]] = {
        "null": lambda: value is None,
        "text": lambda: isinstance(value, str),
        "time": lambda: isinstance(value, str) and bool(_TIME.fullmatch(value)),
        "integer": lambda: number and isinstance(value, int),
        "bytes": lambda: number and isinstance(value, int),
        "seconds": lambda: number,
        "share": lambda: isinstance(value, int | float) and number and 0 <= value <= 1,
        "bool": lambda: isinstance(value, bool),
        "object": lambda: isinstance(value, dict),
        "map": lambda: isinstance(value, dict),
        "list": lambda: isinstance(value, list),
        "list of texts": lambda: isinstance(value, list) and all(isinstance(each, str) for each in value),
        "list of integers": lambda: isinstance(value, list) and all(type(each) is int for each in value),
    }
    return any(kinds[kind]() for kind in re.split(r" or |, ", type_))


def differences(value: object, documented: dict[str, str], seen: set[str], path: str = "") -> Iterator[str]:
    """What differs from the document; the paths found are added to `seen`."""
    if isinstance(value, list):
        for each in value:
            if isinstance(each, dict):
                yield from differences(each, documented, seen, f"{path}[]")
    elif isinstance(value, dict):
        is_map = documented.get(path, "object").startswith("map")
        for key, inner in value.items():
            place = f"{path}.{key}".removeprefix(".")
            if is_map and place not in documented:
                if f"{path}.*" in branches(documented):
                    yield from differences(inner, documented, seen, f"{path}.*")
            elif place not in documented:
                yield f"{place} is not in the document"
            else:
                seen.add(place)
                if not fits(inner, documented[place]):
                    yield f"{place} = {inner!r} is documented as {documented[place]}"
                yield from differences(inner, documented, seen, place)


# ---------------------------------------------------------------------- comparing it with the types in the code

RECORDS: Final[dict[str, type]] = {
    "A lead": Lead,
    "A change": ChangeRecord,
    "A feed": Feed,
    "A period": PeriodFigures,
    "history": HistoryObject,
    "report": PeriodReport,
    "feeds list": FeedList,
    "feeds show": FeedDetail,
    "feeds dead": DeadList,
    "alerts list": AlertList,
    "alerts test": AlertTest,
    "alerts history": AlertHistory,
    "doctor": Report,
    "doctor --page": PageObject,
    "auth list": cmd_auth.SessionList,
    "auth snapshot": cmd_auth.Done,
    "auth pair": auth_pair.PairRecord,
    "auth import": auth_import.ImportRecord,
    "config check": cmd_config.Checked,
    "config show": cmd_config.Shown,
    "messages": MessageList,
    "messages --raw": StoredLines,
    "messages --problems": ProblemList,
    "replay": ReplayRecord,
    "leads list": LeadList,
    "leads waiting": WaitingList,
    "leads today": Today,
    "leads show": LeadDetail,
    "leads label": LabelRecord,
    "leads stage": StageRecord,
    "leads stage --undo": StageUndoRecord,
    "leads dismiss": DismissRecord,
    "leads note": NoteRecord,
    "leads note --undo": NoteUndoRecord,
    "leads merge": MergeRecord,
    "leads merge --undo": UndoRecord,
    "leads merge --proposals": DuplicateList,
    "leads export": LeadExport,
    "leads export --by conversation": ConversationExport,
    "leads export --output": ExportedFile,
    "leads rebuild": RebuildRecord,
    "web sessions": web_sessions.SessionList,
    "rules check": cmd_rules.CheckRecord,
    "rules test": Figures,
    "rules test --text": cmd_rules.TryRecord,
    "rules train": TrainingRecord,
    "rules reclassify": ReclassifyRecord,
}
"""The TypedDict behind each section."""

_PYTHON: Final = {
    "text": "str", "time": "str", "integer": "int", "bytes": "int", "seconds": "float", "share": "float",
    "bool": "bool", "object": "object", "map": "dict", "list": "list", "list of texts": "list[str]",
    "list of integers": "list[int]", "null": "None",
}  # fmt: skip
"""The code's name for each type in the document."""


def typed_paths(hint: Any, path: str = "") -> Iterator[tuple[str, set[str]]]:
    """Every path of a TypedDict with its types, in the form of `documented_paths`."""
    kinds = set()
    for each in get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,):
        origin, inner = get_origin(each), next(iter(get_args(each)), NoneType)
        if is_typeddict(each):
            kinds.add("object")
            for key, value in get_type_hints(each).items():
                yield from typed_paths(value, f"{path}.{key}".removeprefix("."))
        elif origin is dict and is_typeddict(get_args(each)[1]):
            kinds.add("dict")
            yield from typed_paths(get_args(each)[1], f"{path}.*")
        elif origin is list and is_typeddict(inner):
            kinds.add("list")
            yield from typed_paths(inner, f"{path}[]")
        elif origin is Literal:
            kinds.add(type(inner).__name__)
        elif origin is list:
            kinds.add(f"list[{inner.__name__}]")
        else:
            kinds.add("None" if each is NoneType else (origin or each).__name__)
    yield path, kinds


def branches(documented: dict[str, str]) -> set[str]:
    """The objects with documented keys."""
    return {path.rpartition(".")[0] for path in documented}


# ---------------------------------------------------------------------- a folder with some of everything


def filled(shop: Shop) -> Paths:
    """A folder with customers, leads, touchpoints, gaps, a merge, a snapshot and a dead daemon."""
    shop.hears(
        (1, 120, PRICE, AD), (2, 60, DELIVERY), (3, 50, PRICE), (4, 40, BROKEN), (2, 30, "> sí"), (5, 20, HELLO),
        (6, 10, PRICE, {"notify_name": "Ana", "contact": {"saved_name": "Ana", "business": False}}),
        (7, 9, "hola", {"notify_name": "Ana", "contact": {"saved_name": "Ana", "business": False}}),
    )  # fmt: skip
    for words in ("leads label 1 price", "leads stage 2 quoted", "leads merge 2 3"):
        assert shop.types(*words.split()).code == 0
    shop.misses_a_call(8, 5)
    paths = find_paths(None)
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    connection = open_for_writing(paths.database)
    connection.execute(
        "INSERT INTO gaps (account_id, from_at, to_at, cause) SELECT account_id, ?, ?, 'connection_lost' FROM accounts",
        (now, now),
    )
    connection.execute(
        "INSERT INTO session_events (at, phase, code, value_json) VALUES (?, 'ready', 'ready', '{}')", (now,)
    )
    connection.execute(
        "INSERT INTO raw_events (account_id, message_id, captured_at, problem, line) VALUES (1, NULL, ?1, 'bad', 'x'), "
        "(1, 1, ?1, 'another message has the chat, id and time of this one', '{}')",
        (now,),
    )
    line = raw_blocks.RawLine(raw_id=1, account_id=1, message_id=None, captured_at=now, line="{}")
    raw_blocks.store(connection, [line], at=[now])
    connection.execute("INSERT INTO raw_blocks VALUES (0, 1, ?1, ?1, x'00')", (now,))
    # So that reclassifying changes something.
    connection.execute("UPDATE classifications SET intent = 'spam' WHERE intent = 'greeting'")
    connection.close()
    for folder in ("IndexedDB", "Local Storage"):
        (paths.profile / "Default" / folder).mkdir(parents=True)
    auth = Auth(paths)
    auth.mark_linked(chat(0))
    auth.take_snapshot(account=chat(0), browser="Chromium 156", now=datetime.now(UTC))
    names = ("leadmasterd", "listener", "whatsapp_web_js", "puppeteer", "browser", "node", "whatsapp_web")
    sections = Sections(
        session=lambda: Session(
            phase="ready", since=now, because="listening", code="ready", values={"account": chat(0)}
        ),
        account=lambda: {"wid": chat(0), "push_name": "Tienda"},
        resources=lambda: {**measure(paths), "database_unused_bytes": 4096, "database_growth_bytes": -1},
        trouble=lambda: {"code": "disk_full", "detail": "x"},
        scan=lambda: {"qr": "2@x", "valid_until": now},
        next_jobs=lambda: [{"job": "sweep", "at": now}],
        versions=lambda: dict.fromkeys(names, "1"),
        page=lambda: PAGE,
        feeds=lambda: [
            FeedStatus(
                name="hub",
                kind="webhook",
                state="down",
                why="HTTP 502",
                behind=3,
                retrying=1,
                dead=2,
                given_up=9,
                outage_hours=0,
            )
        ],
    )
    StatusPublisher(paths, sections).write()
    with (shop.folder / "config.toml").open("a") as file:
        file.write(HUB.format(port=1))
        file.write('[alerts]\nto = ["mailto://localhost:1?to=ana@b.example&from=c@d.example"]\n')
    alerted(paths)
    tried = PutOff(5, 3, "2030-01-01T00:00:00.000Z", "HTTP 503")
    begun(paths, "hub", hub=Changes(tries={7: tried}, dead=[given_up(1)], given_up=GivenUp(9, AT, AT)))
    (shop.folder / "labelled.jsonl").write_text(LABELLED)
    lines = [Customer(chat(9)).says("17 10:00", PRICE), Customer(chat(8)).clicks_ad("17 11:00")]
    (shop.folder / "lines.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    (shop.folder / "bad.toml").write_text("x = 1\n")
    packed(shop.folder, account=chat(0))
    access = Access(paths)
    access.enter(access.make_link("Ana"))
    return paths


def alerted(paths: Paths) -> None:
    """An alert that holds and was told at its second try."""
    now, key = datetime.now(UTC), Key(AlertKind.NEEDS_SCAN, "")
    with closing(Store(file_of(paths), now)) as store:
        store.put_episode(key, Episode(now, told=True))
        store.add_note(key, What.BEGAN, Fate.DUE, Text("a scan is needed", "x"), now=now)
        tried = {"a": Delivery("b.example", now, 1, "refused"), "b": Delivery("c.example", None, 1, "refused")}
        store.put_note(replace(store.notes[1], deliveries=tried))
        assert store.flush() == ""


TYPED: Final = {
    "status": ["status"],
    "history": ["history"],
    "feeds list": ["feeds list"],
    "feeds show": ["feeds show hub"],
    "feeds dead": ["feeds dead hub"],
    "alerts list": ["alerts list"],
    "alerts test": ["alerts test"],
    "alerts history": ["alerts history"],
    "doctor": ["doctor --quick", "--config bad.toml doctor --quick"],
    "doctor --page": ["doctor --page"],
    "auth list": ["auth list"],
    "auth snapshot": ["auth snapshot"],
    "auth restore": ["auth restore"],
    "auth import": ["auth import --dry-run session.zip", "auth import session.zip"],
    "auth reset": ["auth reset", "auth reset"],
    "config check": ["config check", "--config bad.toml config check", "--config bad.toml config show"],
    "config show": ["config show"],
    "messages": ["messages"],
    "messages --raw": ["messages --raw"],
    "messages --problems": ["messages --problems"],
    "replay": ["replay lines.jsonl", "replay lines.jsonl --at 2026-11-17T14:00:00Z"],
    "leads list": ["leads list --all"],
    "leads waiting": ["leads waiting"],
    "leads today": ["leads today"],
    "leads show": ["leads show 1", "leads show 2", f"leads show {chat(4)}"],
    "leads label": ["leads label 1 delivery", "leads label 1 --undo", f"leads label {chat(4)} spam"],
    "leads stage": ["leads stage 2 won", "leads stage 2 won", f"leads stage {chat(8)} junk"],
    "report": ["report"],
    "leads stage --undo": ["leads stage 2 --undo", f"leads stage {chat(8)} --undo"],
    "leads dismiss": ["leads dismiss 1", "leads dismiss 1", "leads dismiss 1 --undo"],
    "leads note": ["leads note 1 x"],
    "leads note --undo": ["leads note 1 --undo"],
    "leads merge": [f"leads merge 1 {chat(6)}"],
    "leads merge --undo": ["leads merge --undo 1"],
    "leads merge --proposals": ["leads merge --proposals"],
    "leads export": ["leads export"],
    "leads export --by conversation": ["leads export --by conversation"],
    "leads export --output": ["leads export --output leads.csv", "leads export --by conversation --output chats.csv"],
    "leads rebuild": ["leads rebuild"],
    "web sessions": ["web sessions"],
    "rules check": ["rules check", "rules check bad.toml"],
    "rules test": ["rules test labelled.jsonl"],
    "rules test --text": ["rules test --text hola"],
    "rules train": ["rules train"],
    "rules reclassify": ["rules reclassify --all"],
}
"""The commands that print a section's object, in this order."""


# ---------------------------------------------------------------------- the tests


def test_every_command_that_takes_json_has_its_section_and_no_other_has() -> None:
    """Subcommands count one by one."""

    def commands(parser: CommandParser, words: str = "") -> Iterator[str]:
        if below := subcommands(parser):
            for word, sub in below.items():
                yield from commands(sub, f"{words} {word}".strip())
        elif any("--json" in each.option_strings for each in parser._actions):
            yield words

    takes = set(commands(make_parser()))
    documented = {name.split(" --")[0] for name in SECTIONS if not name.startswith("A ")}
    assert documented == takes


def test_every_object_that_is_documented_is_looked_at() -> None:
    """Each section with a table has a command in this file."""
    with_a_table = {name for name, section in SECTIONS.items() if section.rows and not name.startswith("A ")}
    assert set(TYPED) == with_a_table - _ELSEWHERE


def test_every_key_is_documented_with_its_type_and_no_other_is(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a folder with some of everything, the printed keys are exactly the documented ones."""
    paths = filled(shop)
    monkeypatch.setattr(cmd_doctor, "ask", lambda *_: {"ok": True, "phase": "ready", "page": PAGE})
    wrong, unseen = [], []
    for name, lines in TYPED.items():
        documented, seen = documented_paths(name), set[str]()
        for line in lines:
            answer = shop.types(*line.split(), "--json")
            assert answer.out, f"{line}: {answer.err}"
            known = documented_paths("config check") if "bad.toml config" in line else documented
            wrong += [f"{line}: {each}" for each in differences(answer.json, known, seen)]
        if name == "status":
            write_status(paths, {**json.loads(paths.status_file.read_text()), "scan": {"pairing_code": "ABCD1234"}})
            wrong += [*differences(shop.types("status", "--json").json, documented, seen)]
        unseen += [f"{name}: {path}" for path in documented if path not in seen and not _is_of_data(path)]
    assert wrong == []
    assert {path for path in unseen if not path.startswith(_TWICE)} == _UNTRIED


@pytest.mark.parametrize("name", RECORDS)
def test_every_documented_object_is_a_type_of_the_code(name: str) -> None:
    """A TypedDict has the same keys and types."""
    typed = {path: kinds for path, kinds in typed_paths(RECORDS[name]) if path and not _is_of_data(path)}
    documented = {
        path: {_PYTHON[kind] for kind in re.split(r" or |, ", type_)}
        for path, type_ in documented_paths(name).items()
        if not _is_of_data(path)
    }
    assert typed == documented


def test_the_object_of_status_is_a_type_of_the_code() -> None:
    """The command adds `running` and `unjudged` to status.json, and has null where no daemon ever ran."""
    typed = {
        path: {"dict" if kind == "Mapping" else kind for kind in kinds}
        for path, kinds in typed_paths(Status)
        if path and not _is_of_data(path)
    }
    maps = [path for path, kinds in typed.items() if kinds == {"dict"}]
    documented = {
        path: {_PYTHON[kind] for kind in re.split(r" or |, ", type_)}
        for path, type_ in documented_paths("status").items()
        if path not in ("running", "waiting.unjudged") and path.rpartition(".")[0] not in maps
    }
    assert typed.keys() == documented.keys()
    for path, kinds in typed.items():
        nullable = {"None"} if "." not in path else set()
        assert documented[path] | nullable == kinds | nullable, path


def _is_of_data(path: str) -> bool:
    """Whether the path belongs to a list's objects or to the values of a map."""
    return path.endswith(("[]", ".*"))


@pytest.mark.parametrize(
    "name",
    [
        "history",
        "report",
        "messages",
        "leads list",
        "leads waiting",
        "leads today",
        "leads export",
        "leads export --by conversation",
        "status",
        "feeds list",
        "alerts list",
        "alerts history",
    ],
)
def test_what_is_printed_before_anything_was_captured_is_documented_too(shop: Shop, name: str) -> None:
    """Lists are empty, and values are null where the document allows it."""
    assert list(differences(shop.types(*name.split(), "--json").json, documented_paths(name), set())) == []


@pytest.mark.parametrize("name", ["status", "leads waiting", "leads show", "rules test", "leads rebuild"])
def test_a_key_that_is_missing_or_of_another_type_is_found(name: str) -> None:
    """Shows that these checks can fail."""
    value: dict[str, Any] = {"sparkle": 1}
    assert list(differences(value, documented_paths(name), set())) == ["sparkle is not in the document"]
    first, type_ = next(iter(SECTIONS[name].rows.items()))
    assert f"{first} = {{'x': 1}} is documented as {type_}" in differences(
        {first: {"x": 1}}, documented_paths(name), set()
    )


def test_a_line_of_an_export_is_a_lead_or_a_conversation() -> None:
    """The columns of an export are the documented keys, and programs that read them by their place still can."""
    for name, section in (("lead", "A lead"), ("conversation", "A conversation")):
        documented = {path for path in SECTIONS[section].rows if "." not in path}
        assert set(KINDS[name].keys) == documented  # type: ignore[index]
    assert KINDS["lead"].keys[:28] == (
        "lead_id", "who", "phone", "chat", "stage", "intent", "topics", "source", "opened_at", "last_message_at",
        "waiting_since", "due_at", "overdue", "stale", "dormant_proposed", "proposed", "follow_up_at",
        "first_response_at", "first_response_seconds", "first_response_business_seconds", "stage_at", "closed_at",
        "reopened", "previous_lead_id", "merged_into_id", "contact_id", "conversation_id", "touch",
    )  # fmt: skip


def test_links_within_the_document_lead_somewhere() -> None:
    """Each links to a heading."""
    headings = re.findall(r"^#+ (.+)$", DOCUMENT, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([\w-]+)\)", DOCUMENT)) <= anchors
