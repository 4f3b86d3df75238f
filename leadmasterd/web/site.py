"""What every page needs: where things are, reading the database, and how the daemon is."""

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
from leadmasterd.queries.database import Connection, cause_in_file, open_for_reading
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
    """Whether anybody is here. `last_at`: when an answer last began or ended, by the monotonic clock."""

    last_at: float = field(default_factory=time.monotonic)
    now: int = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """For as long as an answer takes; a page's stream of events is one too."""
        self.now += 1
        self.last_at = time.monotonic()
        try:
            yield
        finally:
            self.now -= 1
            self.last_at = time.monotonic()

    def idle_seconds(self) -> float:
        """For how long nobody has been here."""
        return 0.0 if self.now else time.monotonic() - self.last_at


@dataclass(frozen=True)
class Site:
    """One for each process."""

    place: Place
    paths: Paths
    language: Language
    access: Access
    watch: Watch
    failures: Failures = field(default_factory=Failures)
    visits: Visits = field(default_factory=Visits)
    shared: Shared = field(default_factory=Shared)
    notices: "dict[int, list[Done]]" = field(default_factory=dict)
    """What is to be told once, by session."""

    @cached_property
    def settings(self) -> "Settings":
        """All settings, which take 13 MB: only where feeds are shown. Raises CannotUseSettings."""
        from leadmasterd.settings.model import load

        return load(self._file)[0]

    @cached_property
    def plain(self) -> "PlainSettings":
        """What people decide by: checked like all, and without pydantic. Raises CannotUseSettings."""
        from leadmasterd.settings.plain import read_plain

        return read_plain(self._file)[0]

    @property
    def _file(self) -> str | None:
        return str(self.paths.file) if self.paths.file else None

    @cached_property
    def leads(self) -> LightLeadsSettings:
        """What reading needs of the settings."""
        return read_leads_settings(self.paths)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """The database, to read. Raises FileNotFoundError where nothing was captured yet, and LeadmasterdError.

        A damaged row can make anything fail, so whatever fails meanwhile is blamed on the file if that is damaged.
        """
        with closing(open_for_reading(self.paths)) as connection:
            try:
                yield connection
            except (HTTPException, LeadmasterdError):
                raise
            except Exception as error:
                if cause := cause_in_file(self.paths.database, error):
                    logging.getLogger("leadmasterd.web").warning("cannot show a page: %s", cause)
                    raise cause from error
                raise

    def status(self) -> Status | None:
        """What the daemon last wrote; it may be dead since."""
        try:
            return cast("Status | None", read_status(self.paths))
        except OSError:
            return None

    def running(self) -> bool:
        """Whether the daemon is."""
        try:
            return is_running(self.paths)
        except OSError:
            return False


def site_of(request: HTTPConnection) -> Site:
    """The process's."""
    return cast(Site, request.scope["leadmasterd.site"])


def session_of(request: HTTPConnection) -> Session | None:
    """Whose browser asks; None on the page that lets people in."""
    return cast("Session | None", request.scope.get("leadmasterd.session"))
