"""`Site`: what every page needs. Paths, settings, a connection to read the database, and the state of the daemon."""

import logging
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, cast

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from leadmasterd.errors import LeadmasterdError
from leadmasterd.language import Language
from leadmasterd.queries.database import Connection, cause_in_file, one_state, open_for_reading
from leadmasterd.settings.leads_light import LightLeadsSettings, read_leads_settings
from leadmasterd.settings.paths import Paths
from leadmasterd.state.files import is_running, read_status
from leadmasterd.state.status_object import Status
from leadmasterd.web.access import Access, Session
from leadmasterd.web.failures import Failures
from leadmasterd.web.live import Watch
from leadmasterd.web.place import Place
from leadmasterd.web.shared import Shared

if TYPE_CHECKING:
    from leadmasterd.settings.model import Settings
    from leadmasterd.settings.plain import PlainSettings
    from leadmasterd.web.forms import Done


@dataclass(slots=True)
class Visits:
    """Counts the requests that are being answered, so that a process which nobody uses can end.

    `last_at`: when an answer last began or ended, on the monotonic clock.
    """

    last_at: float = field(default_factory=time.monotonic)
    being_answered: int = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Counts one request within the block. An open page's stream of events is a request that stays open."""
        self.being_answered += 1
        self.last_at = time.monotonic()
        try:
            yield
        finally:
            self.being_answered -= 1
            self.last_at = time.monotonic()

    def idle_seconds(self) -> float:
        """Seconds since the last answer ended; 0 while one is being given."""
        return 0.0 if self.being_answered else time.monotonic() - self.last_at


@dataclass(frozen=True)
class Site:
    """What the pages share; there is one in the process, and each request carries it (`site_of`).

    Settings are read when they are first needed, and kept until the process ends.
    """

    place: Place
    paths: Paths
    language: Language
    access: Access
    watch: Watch
    failures: Failures = field(default_factory=Failures)
    visits: Visits = field(default_factory=Visits)
    shared: Shared = field(default_factory=Shared)
    notices: "dict[int, list[Done]]" = field(default_factory=dict)
    """What to say at the top of the next page, once, by the session's id."""

    @cached_property
    def settings(self) -> "Settings":
        """All settings, with pydantic, which takes 13 MB: only for pages that show feeds. Raises CannotUseSettings."""
        from leadmasterd.settings.model import load

        return load(self._file)[0]

    @cached_property
    def plain(self) -> "PlainSettings":
        """The settings that a person's decision needs, checked without pydantic. Raises CannotUseSettings."""
        from leadmasterd.settings.plain import read_plain

        return read_plain(self._file)[0]

    @property
    def _file(self) -> str | None:
        return str(self.paths.file) if self.paths.file else None

    @cached_property
    def leads(self) -> LightLeadsSettings:
        """The few settings that showing leads needs: time zone, opening hours, target and the like."""
        return read_leads_settings(self.paths)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that only reads, and sees one state of the database; closed after the block.

        Raises FileNotFoundError before anything was captured, and LeadmasterdError. A damaged row can make any code
        fail, so an unexpected error in the block is replaced by CannotUseDatabase if the file is the cause.
        """
        with closing(open_for_reading(self.paths)) as connection:
            try:
                with one_state(connection):
                    yield connection
            except (HTTPException, LeadmasterdError):
                raise
            except Exception as error:
                if cause := cause_in_file(self.paths.database, error):
                    logging.getLogger("leadmasterd.web").warning("cannot show a page: %s", cause)
                    raise cause from error
                raise

    def status(self) -> Status | None:
        """What the daemon last wrote to `status.json`; it may have died since. None: nothing yet, or not readable."""
        try:
            return cast("Status | None", read_status(self.paths))
        except OSError:
            return None

    def running(self) -> bool:
        """Whether the daemon is running; False also where that can't be seen."""
        try:
            return is_running(self.paths)
        except OSError:
            return False


def site_of(request: HTTPConnection) -> Site:
    """The `Site`, which the guard puts into every request."""
    return cast(Site, request.scope["leadmasterd.site"])


def session_of(request: HTTPConnection) -> Session | None:
    """The session of the browser that asks; None for a browser that is not let in, which sees only public pages."""
    return cast("Session | None", request.scope.get("leadmasterd.session"))
