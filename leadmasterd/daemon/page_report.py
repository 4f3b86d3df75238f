"""The child's description of WhatsApp Web's page: the last one, for `status` and `doctor`, and asking for a new one."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from leadmasterd import times
from leadmasterd.state import status_object
from leadmasterd.text import _
from leadmasterd.wire.events import Missing, Page

_ANSWER_SECONDS: Final = 20.0
"""The child itself gives the page ten."""


class PageReport:
    """`send` sends the child a command. `changed` follows each new description."""

    def __init__(self, *, send: Callable[..., None], changed: Callable[[], None]) -> None:
        self._send = send
        self._changed = changed
        self._section: status_object.Page | None = None
        self._asked = 0
        self._answers: dict[int, asyncio.Future[Page]] = {}

    def heard(self, page: Page) -> None:
        """The child has described the page, by itself or for `ask`. If it could not, the last description stays."""
        if page.error is None:
            self._section = status_object.Page(
                web_version=page.web_version,
                at=times.iso(datetime.now(UTC)),
                ab=page.ab,
                required=page.required,
                missing=_members(page.missing),
                late=_members(page.late),
                new_types=[*page.new_types],
            )
            self._changed()
        answer = self._answers.get(page.check) if page.check is not None else None
        if answer and not answer.done():
            answer.set_result(page)

    def section(self) -> status_object.Page | None:
        """The last description, for `status`; None until a page was ready."""
        return self._section

    async def ask(self) -> str | None:
        """Have the child describe the page now. Returns why it could not; None: `section` is of this moment."""
        self._asked += 1
        number = self._asked
        answer: asyncio.Future[Page] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        self._send("check_page", check=number)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return (await answer).error
        except TimeoutError:
            return _("it does not answer")
        finally:
            del self._answers[number]


def _members(some: Sequence[Missing]) -> list[status_object.PageMember]:
    return [status_object.PageMember(module=each.module, function=each.function, costs=each.costs) for each in some]
