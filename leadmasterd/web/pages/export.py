"""`/export.xlsx`, `/export.csv` and `/export.jsonl`: everything as a table, one row a lead or (`?by=`) a conversation.

No connection outlives a page of rows, so a slow or vanished browser holds nothing; and what is there at a time is a
page, or for a spreadsheet a file without a name.
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
_one_spreadsheet: Final = CapacityLimiter(1)
"""Making one takes seconds of a core, and people press twice. Those who wait hold no thread that a page needs."""


def csv(request: Request) -> Response:
    """As Spanish Excel opens it."""
    from leadmasterd.export.excel_csv import as_excel_csv

    site, kind = site_of(request), _kind(request)
    return _streamed(site, kind, as_excel_csv(kind.columns(), _rows(site, kind), site.leads.zone()), _CSV)


def json_lines(request: Request) -> Response:
    """For programs: the documented keys, one object a line."""
    from leadmasterd.export.programs import as_json_lines

    site, kind = site_of(request), _kind(request)
    return _streamed(site, kind, as_json_lines(kind.keys, _rows(site, kind)), _JSON_LINES)


async def xlsx(request: Request) -> Response:
    """A spreadsheet, which is complete before its first byte is sent."""
    site, kind = site_of(request), _kind(request)
    file, length = await to_thread.run_sync(_spreadsheet, site, kind, limiter=_one_spreadsheet)
    headers = {**_as_file(site, kind, "xlsx"), "content-length": str(length)}
    return StreamingResponse(_sent(file), media_type=_XLSX, headers=headers)


def _spreadsheet(site: Site, kind: Kind) -> tuple[IO[bytes], int]:
    """The file, at its beginning, and its bytes."""
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
    by = request.query_params.get("by", "lead")
    kind = next((kind for kind in KINDS.values() if kind.name == by), None)
    if kind is None:
        raise HTTPException(404)
    return kind


def _rows(site: Site, kind: Kind) -> Iterator[ExportRow]:
    as_of = AsOf(datetime.now(UTC), site.leads.stale_days, site.leads.dormant_days)
    yield from chain.from_iterable(pages(kind, partial(_reading, site), as_of))


@contextmanager
def _reading(site: Site) -> Iterator[Connection]:
    with site.reading() as connection:
        yield with_current_deadlines(connection, site.leads)


def _streamed(site: Site, kind: Kind, lines: Iterator[str], media_type: str) -> Response:
    """A page of rows at a time. The first is read before the answer begins: so that what can't be read is a page."""
    parts = iter(partial(_joined, lines), b"")
    first = next(parts, b"")
    form = "csv" if media_type == _CSV else "jsonl"
    return StreamingResponse(chain([first], parts), media_type=media_type, headers=_as_file(site, kind, form))


def _joined(lines: Iterator[str]) -> bytes:
    return "".join(islice(lines, PAGE)).encode("utf-8", "replace")


def _sent(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        yield from iter(partial(file.read, _CHUNK), b"")


def _as_file(site: Site, kind: Kind, form: str) -> dict[str, str]:
    """`consultas-2026-11-30.xlsx`."""
    today = datetime.now(UTC).astimezone(site.leads.zone())
    name = f"{kind.title().lower()}-{today:%Y-%m-%d}.{form}"
    return {"content-disposition": f'attachment; filename="{name}"'}


ROUTES: Final[list[Route]] = [
    Route("/export.xlsx", xlsx),
    Route("/export.csv", csv),
    Route("/export.jsonl", json_lines),
]
