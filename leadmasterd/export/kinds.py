"""The two kinds of export, one row for each lead or each conversation, and how rows are read: a page at a time.

No transaction spans two pages, so that a slow reader of an export does not hold up SQLite's checkpoints. Each row is as
it was when its page was read.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from leadmasterd.export.columns import Column, conversation_columns, lead_columns
from leadmasterd.queries.conversations import ConversationSummary, conversations_after
from leadmasterd.queries.database import Connection
from leadmasterd.queries.leads import AsOf, leads_after
from leadmasterd.text import _

KindName = Literal["lead", "conversation"]
ExportRow = Mapping[str, object]

PAGE: Final = 500
"""Rows that are read at a time."""


class ReadsPage(Protocol):
    """Reads at most `limit` rows with a larger id than `after`, in order of their ids.

    `since`: only those active since then, ISO, UTC.
    """

    def __call__(
        self, connection: Connection, as_of: AsOf, *, after: int, limit: int, since: str | None = None
    ) -> Sequence[ExportRow]: ...


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of export. `keys`: the columns that programs read; the first is the row's id. `page`: reads some rows."""

    name: KindName
    keys: tuple[str, ...]
    page: ReadsPage
    columns: Callable[[], list[Column]]
    """The columns that people read. A function, like `title`, because the language is known only when it is called."""
    title: Callable[[], str]


LEAD_KEYS: Final = (
    "lead_id", "who", "phone", "chat", "stage", "intent", "topics", "source", "opened_at", "last_message_at",
    "waiting_since", "due_at", "overdue", "stale", "dormant_proposed", "proposed", "follow_up_at", "first_response_at",
    "first_response_seconds", "first_response_business_seconds", "stage_at", "closed_at", "reopened",
    "previous_lead_id", "merged_into_id", "contact_id", "conversation_id", "touch",
)  # fmt: skip
"""Add keys at the end only: programs may go by the order of columns."""


def _conversation_page(
    connection: Connection, as_of: AsOf, *, after: int, limit: int, since: str | None = None
) -> list[ConversationSummary]:
    """A page of conversations, with the parameters of `ReadsPage`."""
    return conversations_after(connection, as_of.now, after=after, limit=limit, since=since)


KINDS: Final[Mapping[KindName, Kind]] = {
    "lead": Kind("lead", LEAD_KEYS, leads_after, columns=lead_columns, title=lambda: _("Leads")),
    "conversation": Kind(
        "conversation",
        tuple(ConversationSummary.__annotations__),
        _conversation_page,
        columns=conversation_columns,
        title=lambda: _("Conversations"),
    ),
}


def pages(
    kind: Kind, reading: Callable[[], AbstractContextManager[Connection]], as_of: AsOf, *, since: str | None = None
) -> Iterator[Sequence[ExportRow]]:
    """All rows in order of their ids, in pages of at most `PAGE`, none of them empty.

    `reading`: gives the database for one page, in a `with` that ends before the page is yielded. `since`: only rows
    active since then, ISO, UTC.
    """
    after = 0
    while True:
        with reading() as connection:
            page = kind.page(connection, as_of, after=after, limit=PAGE, since=since)
        if not page:
            return
        yield page
        last = page[-1][kind.keys[0]]
        assert isinstance(last, int)
        after = last
