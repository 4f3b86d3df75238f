"""`/export.xlsx`, `/export.csv` and `/export.jsonl`: a row for each lead, or with `?by=conversation` each conversation.

Rows are read in pages, each with a connection of its own, so a slow or vanished browser keeps none open. At most one
page is in memory at a time; a spreadsheet is made in a temporary file.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Final

from anyio import CapacityLimiter, to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from leadmasterd.export.kinds import KINDS, PAGE, ExportRow, Kind, pages
from leadmasterd.queries.database import Connection
from leadmasterd.queries.deadlines import with_current_deadlines
from leadmasterd.queries.leads import AsOf
from leadmasterd.web.site import Site, site_of

_CSV: Final = "text/csv; charset=utf-8"
_JSON_LINES: Final = "application/x-ndjson"
_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_CHUNK: Final = 64 * 1024
"""Bytes of a spreadsheet that are sent at a time."""
_one_spreadsheet: Final = CapacityLimiter(1)
"""Making one takes a core for seconds, and people press twice. Requests that wait for it hold no thread."""


def csv(request: Request) -> Response:
    """A CSV file in the form that a Spanish Excel opens."""
    from leadmasterd.export.excel_csv import as_excel_csv

    site = site_of(request)
    kind = _kind(request)
    lines = as_excel_csv(kind.columns(), _rows(site, kind), site.leads.zone())
    return _streamed(lines, media_type=_CSV, headers=_as_file(site, kind, "csv"))


def json_lines(request: Request) -> Response:
    """For programs: one JSON object on each line, with the keys of docs/json.md."""
    from leadmasterd.export.programs import as_json_lines

    site = site_of(request)
    kind = _kind(request)
    lines = as_json_lines(kind.keys, _rows(site, kind))
    return _streamed(lines, media_type=_JSON_LINES, headers=_as_file(site, kind, "jsonl"))


async def xlsx(request: Request) -> Response:
    """A spreadsheet, which is complete before its first byte is sent. One is made at a time."""
    site = site_of(request)
    kind = _kind(request)
    file, length = await to_thread.run_sync(_spreadsheet, site, kind, limiter=_one_spreadsheet)
    headers = {**_as_file(site, kind, "xlsx"), "content-length": str(length)}
    return StreamingResponse(_chunks(file), media_type=_XLSX, headers=headers)


def _spreadsheet(site: Site, kind: Kind) -> tuple[IO[bytes], int]:
    """Write the spreadsheet into a temporary file. Returns it open, at its beginning, and its length in bytes."""
    from leadmasterd.export.workbook import write_workbook

    file = TemporaryFile()  # noqa: SIM115 - closed when it has been sent
    try:
        with TemporaryDirectory(prefix="leadmasterd-") as scratch:
            write_workbook(
                file,
                kind.columns(),
                _rows(site, kind),
                title=kind.title(),
                zone=site.leads.zone(),
                scratch=Path(scratch),
            )
        length = file.tell()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file, length


def _kind(request: Request) -> Kind:
    """What a row stands for: by `?by=` in the address, else a lead. Raises HTTPException (404) for an unknown word."""
    by = request.query_params.get("by", "lead")
    kind = next((kind for kind in KINDS.values() if kind.name == by), None)
    if kind is None:
        raise HTTPException(404)
    return kind


def _rows(site: Site, kind: Kind) -> Iterator[ExportRow]:
    """All rows, as they are now; read from the database while they are consumed."""
    as_of = AsOf(datetime.now(UTC), site.leads.stale_days, site.leads.dormant_days)
    yield from chain.from_iterable(pages(kind, partial(_reading, site), as_of))


@contextmanager
def _reading(site: Site) -> Iterator[Connection]:
    """`Site.reading`, with deadlines by the opening hours that the settings have now."""
    with site.reading() as connection:
        yield with_current_deadlines(connection, site.leads)


def _streamed(lines: Iterator[str], *, media_type: str, headers: dict[str, str]) -> Response:
    """An answer that sends some rows at a time.

    The first are read before the answer begins: if they can't be read, an error page can still be sent instead.
    """
    parts = _parts(lines)
    first = next(parts, b"")
    return StreamingResponse(chain([first], parts), media_type=media_type, headers=headers)


def _parts(lines: Iterator[str]) -> Iterator[bytes]:
    """The lines in UTF-8, `PAGE` of them in each part."""
    while part := "".join(islice(lines, PAGE)):
        yield part.encode("utf-8", "replace")


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    """The rest of the file in parts. The file is closed at its end, or when the browser leaves."""
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _as_file(site: Site, kind: Kind, extension: str) -> dict[str, str]:
    """The header that makes the browser save a file, named as in `consultas-2026-11-30.xlsx`."""
    today = datetime.now(UTC).astimezone(site.leads.zone())
    name = f"{kind.title().lower()}-{today:%Y-%m-%d}.{extension}"
    return {"content-disposition": f'attachment; filename="{name}"'}


ROUTES: Final[list[Route]] = [
    Route("/export.xlsx", xlsx),
    Route("/export.csv", csv),
    Route("/export.jsonl", json_lines),
]
