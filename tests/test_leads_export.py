"""`leads export` for people: spreadsheets as other programs read them, csv for Excel, and one row a conversation."""

import csv
import io
import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
import zipfile
from contextlib import closing, suppress
from datetime import UTC, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from python_calamine import CalamineWorkbook

from leadmasterd.export import excel_csv, workbook
from leadmasterd.export.columns import Column, conversation_columns, lead_columns
from leadmasterd.export.kinds import KINDS, pages
from leadmasterd.export.workbook import MOST_ROWS, write_workbook
from leadmasterd.queries.database import one_state
from leadmasterd.queries.leads import AsOf
from leadmasterd.store.database import open_for_reading
from leadmasterd.text import speak
from tests.test_cli_leads import CHECKOUT, DAY, DELIVERY, PRICE, Shop, chat
from tests.test_cli_leads import shop as shop
from tests.test_damaged_database import small_disk
from tests.waiting import LIMIT

LURES = (
    "=HYPERLINK(\"http://evil.example\",\"x\")", "+54 9 11 5555-0099", "@SUM(A1)", "-1", "http://evil.example/",
    "mailto:ana@evil.example", "{=1+1}", "1e5", "00123", "<r>&</r>", "_x0041_", "a\tb\nc\x07d", "\u202eabc", "😀" * 9,
    "1/2", "TRUE", "#N/A", "&<>\"'", "x\ufffe\uffffy",
)  # fmt: skip
"""Names that some program takes for a formula, a link, a number, a date or markup."""


def opened_by_openpyxl(file: Path) -> list[list[Any]]:
    """The cells of the only sheet, header first."""
    book = openpyxl.load_workbook(file)
    [sheet] = book.worksheets
    return [list(row) for row in sheet.iter_rows()]


def read_by_calamine(file: Path) -> list[dict[str, Any]]:
    """Rows by their headings, as pandas reads them."""
    header, *rows = CalamineWorkbook.from_path(str(file)).get_sheet_by_index(0).to_python()
    return [dict(zip(map(str, header), row, strict=True)) for row in rows]


def customers_of_all_kinds(shop: Shop) -> None:
    """Each with a name that lures, one lead each; the first was answered after two minutes."""
    shop.hears(
        *((number, 50, PRICE, {"notify_name": name}) for number, name in enumerate(LURES, 1)), (1, 48, "> $ 25.000")
    )


def test_a_reader_that_is_slow_keeps_no_wal(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two pages nothing of the database is held, and each page is of one moment."""
    shop.hears(*((number, 50, PRICE) for number in range(1, 4)))
    monkeypatch.setattr("leadmasterd.export.kinds.PAGE", 1)
    with closing(open_for_reading(shop.database)) as connection:
        rows = pages(KINDS["lead"], partial(one_state, connection), AsOf(datetime.now(UTC), 14, 30))
        for _page in range(3):
            assert len(next(rows)) == 1
            with closing(sqlite3.connect(shop.database)) as daemon:
                daemon.execute("UPDATE messages SET edited_at = NULL")
                daemon.commit()
                assert daemon.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0


def piped(shop: Shop, *words: str) -> "subprocess.CompletedProcess[bytes]":
    """`leadmasterd leads export …` as a process, on pipes."""
    return subprocess.run(
        [sys.executable, "-m", "leadmasterd", "leads", "export", *words],
        cwd=shop.folder,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        check=False,
        timeout=LIMIT,
    )


def as_shown(name: str) -> str:
    """A name in one line, without controls and what no XML can hold."""
    return re.sub("[\ufffe\uffff]", "\ufffd", re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", name))


# ---------------------------------------------------------------------- spreadsheets


def test_a_spreadsheet_has_real_dates_and_no_text_that_became_something_else(shop: Shop) -> None:
    """As openpyxl reads it: no formula, no link, no number or date out of what people wrote."""
    customers_of_all_kinds(shop)
    done = shop.types("leads", "export", "--format", "xlsx", "--output", "leads.xlsx")
    assert (done.code, done.out) == (0, f"{len(LURES)} leads in leads.xlsx, readable only by you.\n")
    header, *rows = opened_by_openpyxl(shop.folder / "leads.xlsx")
    titles = [cell.value for cell in header]
    assert titles == [column.title for column in lead_columns()]
    assert len(rows) == len(LURES)
    cells = [cell for row in rows for cell in row]
    assert not [cell for cell in cells if cell.data_type == "f" or cell.hyperlink]
    names = [row[titles.index("Name")] for row in rows]
    assert {cell.data_type for cell in names} <= {"s", "inlineStr"}
    phones = [row[titles.index("Phone")].value for row in rows]
    assert phones == [f"+54911555500{number:02}" for number in range(1, len(LURES) + 1)]
    opened = rows[0][titles.index("Opened")]
    assert opened.is_date
    local = datetime.fromisoformat(shop.asks("SELECT opened_at FROM leads ORDER BY lead_id")[0][0]).astimezone()
    assert abs(opened.value - local.replace(tzinfo=None)) < timedelta(seconds=1)
    waited = rows[0][titles.index("First answer after")]
    assert waited.value in (time(0, 2), timedelta(minutes=2))
    assert waited.number_format == "[h]:mm:ss"
    assert [row[titles.index("Stage")].value for row in rows[:2]] == ["contacted", "new"]


def test_pandas_own_reader_gets_every_name_and_phone_unchanged(shop: Shop) -> None:
    """As calamine reads it: the next default of pandas."""
    customers_of_all_kinds(shop)
    assert shop.types("leads", "export", "--format", "xlsx", "--output", "leads.xlsx").code == 0
    rows = read_by_calamine(shop.folder / "leads.xlsx")
    assert [row["Name"].rstrip(" ") for row in rows] == [as_shown(name) for name in LURES]
    assert all(isinstance(row["Opened"], datetime) for row in rows)
    assert [row["Lead"] for row in rows] == [*range(1, len(LURES) + 1)]


def test_a_spreadsheet_opens_on_a_fixed_header_with_a_filter(shop: Shop) -> None:
    """And is as private as every file with names in it."""
    customers_of_all_kinds(shop)
    assert shop.types("leads", "export", "--format", "xlsx", "--output", "leads.xlsx").code == 0
    file = shop.folder / "leads.xlsx"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    sheet = openpyxl.load_workbook(file).active
    assert sheet.title == "Leads"
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == f"A1:{openpyxl.utils.get_column_letter(len(lead_columns()))}{len(LURES) + 1}"
    assert sheet.column_dimensions["B"].width > 20
    assert [path.name for path in shop.folder.glob(".*")] == []


def test_a_spreadsheet_before_anything_was_captured_has_its_header(shop: Shop) -> None:
    """And a calm note."""
    done = shop.types("leads", "export", "--format", "xlsx", "--output", "leads.xlsx")
    assert (done.code, done.out) == (0, "0 leads in leads.xlsx, readable only by you.\n")
    assert done.err.startswith("Nothing has been captured here yet")
    assert [len(row) for row in opened_by_openpyxl(shop.folder / "leads.xlsx")] == [len(lead_columns())]


def test_what_people_read_has_its_headings_in_spanish() -> None:
    """No two columns have the same heading, by which programs would tell them apart."""
    english = [[column.title for column in columns()] for columns in (lead_columns, conversation_columns)]
    speak("es")
    spanish = [[column.title for column in columns()] for columns in (lead_columns, conversation_columns)]
    for titles in (*english, *spanish):
        assert len(set(titles)) == len(titles)
    untranslated = {one for mine, theirs in zip(english, spanish, strict=True) for one in {*mine} & {*theirs}}
    assert untranslated <= {"Chat"}


def test_a_text_that_no_cell_can_hold_is_cut_visibly_and_counted(tmp_path: Path) -> None:
    """Excel counts in UTF-16: an emoji is two. It calls a file with longer texts damaged."""
    texts = ["x" * 32_767, "x" * 32_768, "😀" * 16_383, "😀" * 16_384, "y" + "😀" * 16_384]
    file = tmp_path / "long.xlsx"
    with file.open("wb") as target:
        done = write_workbook(
            target,
            [Column("Text", 10, lambda row: row["text"])],
            [{"text": text} for text in texts],
            title="Long",
            zone=UTC,
            scratch=tmp_path,
        )
    assert (done.rows, done.cut) == (5, 3)
    read = [row["Text"] for row in read_by_calamine(file)]
    assert [text == found for text, found in zip(texts, read, strict=True)] == [True, False, True, False, False]
    for text, found in zip(texts, read, strict=True):
        assert len(found.encode("utf-16-le")) // 2 <= 32_767
        assert found == text or (found.endswith("…") and text.startswith(found[:-1]) and len(found) > 16_000)


def test_a_text_that_was_cut_is_told(shop: Shop) -> None:
    """On stderr and in the JSON answer."""
    shop.hears((1, 5, PRICE, {"notify_name": "N" * 40_000}))
    words = ("leads", "export", "--format", "xlsx", "--output", "leads.xlsx")
    assert "1 text is longer than a cell can be: it is cut" in shop.types(*words).err
    answer = shop.types(*words, "--json").json
    assert answer == {"file": "leads.xlsx", "format": "xlsx", "leads": 1, "conversations": None, "cut": 1}


def test_more_rows_than_a_sheet_has_are_refused(monkeypatch: pytest.MonkeyPatch, shop: Shop) -> None:
    """Silence would look as if all were there."""
    assert MOST_ROWS == 2**20 - 1
    customers_of_all_kinds(shop)
    monkeypatch.setattr(workbook, "MOST_ROWS", len(LURES) - 1)
    done = shop.types("leads", "export", "--format", "xlsx", "--output", "leads.xlsx")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"cannot write more than {len(LURES) - 1} rows to a spreadsheet")
    assert not [*shop.folder.glob("*leads*")]


@pytest.mark.parametrize("free_kib", [0, 8, 24, 48])
def test_a_full_disk_leaves_the_old_spreadsheet(shop: Shop, free_kib: int) -> None:
    """Wherever the room ends: in what is collected, in a part, or in the file itself."""
    customers_of_all_kinds(shop)
    with small_disk(shop.folder, "1m") as disk:
        file = disk / "leads.xlsx"
        file.write_bytes(b"old")
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as filling, suppress(OSError):
            while filling.write(b"x" * 4096):
                pass
        os.truncate(filler, filler.stat().st_size - free_kib * 1024)
        done = piped(shop, "--format", "xlsx", "--output", str(file))
        assert (done.returncode, done.stdout) == (1, b""), "there was room: choose less"
        assert done.stderr.decode() == f"cannot write {file}: the disk is full; name another --output\n"
        assert file.read_bytes() == b"old"
        assert {path.name for path in disk.iterdir()} == {"leads.xlsx", "filler"}


def test_a_spreadsheet_goes_to_a_file_or_a_pipe_but_to_no_terminal(shop: Shop) -> None:
    """What can't be is one sentence."""
    shop.hears((1, 5, PRICE))
    done = piped(shop, "--format", "xlsx")
    assert (done.returncode, done.stderr) == (0, b"")
    with zipfile.ZipFile(io.BytesIO(done.stdout)) as parts:
        assert parts.testzip() is None
    for words in (["--format", "xlsx", "--json"], ["--format", "jsonl", "--excel"], ["--format", "xlsx", "--excel"]):
        said = shop.types("leads", "export", *words)
        assert (said.code, said.out) == (64, "")
        assert said.err.startswith("cannot ")
        assert said.err.count("\n") == 1


# ---------------------------------------------------------------------- csv for Excel


def test_csv_for_excel_is_what_spanish_excel_opens_by_a_double_click(shop: Shop) -> None:
    """A mark, semicolons, local times, and nothing that it would take for a formula, a number or a date."""
    customers_of_all_kinds(shop)
    assert shop.types("leads", "export", "--excel", "--output", "leads.csv").code == 0
    data = (shop.folder / "leads.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    rows = [*csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=";")]
    assert len(rows) == len(LURES)
    texts = [row[title] for row in rows for title in ("Name", "Phone", "Chat")]
    assert not [text for text in texts if re.match(r"[=+@-]|\s", text)]
    assert rows[0]["Phone"] == "'+5491155550001"
    names = {as_shown(name): row["Name"] for name, row in zip(LURES, rows, strict=True)}
    changed = {name for name, shown in names.items() if shown != name}
    assert changed == {name for name in names if re.match(r"[=+@-]|1e5|00123|1/2", name)}
    assert all(shown in (name, f"'{name}") for name, shown in names.items())
    local = datetime.fromisoformat(shop.asks("SELECT opened_at FROM leads ORDER BY lead_id")[0][0]).astimezone()
    assert rows[0]["Opened"] == f"{local:%Y-%m-%d %H:%M:%S}"
    assert rows[0]["First answer after"] == "0:02:00"
    assert "," not in "".join(value for row in rows for title, value in row.items() if title not in ("Name", "Topics"))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Ana", "Ana"), ("=1", "'=1"), (" =1", "' =1"), ("＝1", "'＝1"), ("-", "'-"), ("12", "'12"),  # noqa: RUF001
        ("5491155550001", "'5491155550001"), ("3-4", "'3-4"), ("1.234,5", "'1.234,5"), ("2E9", "'2E9"),
        ("12 de octubre", "12 de octubre"), ("5491155550001@c.us", "5491155550001@c.us"), ("10%", "'10%"),
    ],
)  # fmt: skip
def test_what_excel_would_take_for_something_else_gets_an_apostrophe(text: str, written: str) -> None:
    """By its first character, or where it is all digits and signs."""
    [_mark, _header, line] = excel_csv.as_excel_csv([Column("Text", 9, lambda row: row["text"])], [{"text": text}], UTC)
    assert next(csv.reader([line], delimiter=";")) == [written]


def test_lengths_beyond_a_day_stay_hours() -> None:
    """`27:30:05`, which Excel reads as a length too."""
    [_mark, _header, line] = excel_csv.as_excel_csv(
        [Column("Length", 9, lambda row: row["length"])], [{"length": timedelta(hours=27, minutes=30, seconds=5)}], UTC
    )
    assert line == "27:30:05\r\n"


# ---------------------------------------------------------------------- by conversation


def test_a_row_is_one_line_for_whatever_splits_lines(shop: Shop) -> None:
    """JSON may hold separators that many readers take for the end of a line."""
    shop.hears((1, 60, PRICE, {"notify_name": "Ana\u2028Bea\x85Cora\u2029"}))
    [line] = shop.types("leads", "export", "--by", "conversation", "--format", "jsonl").out.splitlines()
    assert "Ana" in json.loads(line)["who"]


def test_one_row_a_conversation_also_where_there_is_no_lead(shop: Shop) -> None:
    """With the open lead, or else the last; groups and missed calls too."""
    shop.hears((1, 5 * DAY, PRICE), (1, 5 * DAY - 3, "> $ 5"), (2, 60, DELIVERY), (1, 10, "gracias"))
    assert shop.types("leads", "stage", "1", "won").code == 0
    shop.misses_a_call(3, 30)
    lines = shop.types("leads", "export", "--by", "conversation", "--format", "jsonl").out.splitlines()
    rows = [json.loads(line) for line in lines]
    told = [(row["chat"], row["messages"], row["leads"], row["lead_id"], row["stage"]) for row in rows]
    assert told == [(chat(1), 3, 1, 1, "won"), (chat(2), 1, 1, 2, "new"), (chat(3), 0, 0, None, None)]
    assert rows[0]["first_response_seconds"] == pytest.approx(180, abs=2)
    assert rows[0]["last_inbound_at"] > rows[0]["last_outbound_at"] > rows[0]["first_message_at"]
    assert rows[2]["waiting_since"]
    answer = shop.types("leads", "export", "--by", "conversation", "--json").json
    assert [row["conversation_id"] for row in answer["conversations"]] == [1, 2, 3]
    table = [*csv.DictReader(io.StringIO(shop.types("leads", "export", "--by", "conversation").out, newline=""))]
    assert [row["conversation_id"] for row in table] == ["1", "2", "3"]
    since = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    lately = shop.types("leads", "export", "--by", "conversation", "--since", since, "--json").json["conversations"]
    assert len(lately) == 3  # the first said thanks
    words = ("leads", "export", "--by", "conversation", "--format", "xlsx", "--output", "chats.xlsx")
    assert shop.types(*words).out == "3 conversations in chats.xlsx, readable only by you.\n"
    assert [row["Stage"] for row in read_by_calamine(shop.folder / "chats.xlsx")] == ["won", "new", ""]


def test_a_person_who_was_merged_has_one_name_in_all_their_conversations(shop: Shop) -> None:
    """Each conversation stays a row of its own."""
    shop.hears((1, 60, PRICE, {"notify_name": "Ana"}), (2, 50, DELIVERY, {"notify_name": "Ana del trabajo"}))
    assert shop.types("leads", "merge", chat(1), chat(2)).code == 0
    rows = shop.types("leads", "export", "--by", "conversation", "--json").json["conversations"]
    assert [(row["who"], row["contact_id"]) for row in rows] == [("Ana", 1), ("Ana", 1)]
    assert [row["phone"] for row in rows] == ["+5491155550001", "+5491155550002"]


def test_an_export_is_the_same_in_one_page_and_in_many(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are read a page at a time, by id."""
    customers_of_all_kinds(shop)
    for by in ("lead", "conversation"):
        whole = shop.types("leads", "export", "--by", by).out
        with monkeypatch.context() as smaller:
            smaller.setattr("leadmasterd.export.kinds.PAGE", 3)
            assert shop.types("leads", "export", "--by", by).out == whole
        assert len(whole.splitlines()) > len(LURES)


def test_a_long_export_to_a_file_tells_how_far_it_is(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, and the line is gone at the end; nothing elsewhere."""
    customers_of_all_kinds(shop)
    words = ("leads", "export", "--output", "leads.csv")
    monkeypatch.setattr("leadmasterd.cli.leads_export._PROGRESS_EVERY", 10)
    assert shop.types(*words).err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert shop.types(*words).err == "\r10\r\x1b[K"
