"""`[outbound]`, the settings of the sender, and reading them without the rest of the settings.

The sender imports nothing of the listener but small modules such as this one. It reads only its own section, so that
mistakes in others do not stop it. A mistake in its own does: nothing is sent by a default that nobody chose.
"""

import json
import os
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, ValidationError

from leadmasterd.errors import CannotUseSettings
from leadmasterd.settings.paths import ENV_PREFIX, Paths, read_file
from leadmasterd.settings.section import Section, two_times
from leadmasterd.text import _, later

_DATABASE: Final = "outbound.db"
_PREFIX: Final = f"{ENV_PREFIX}OUTBOUND__"


class OutboundSettings(Section):
    """Sending through the Cloud API. There is no gateway yet that sends: `leadmaster-outbound` only records."""

    enabled: bool = Field(
        False, description="Let `leadmaster-outbound` hand approved messages to its gateway, which sends nothing yet."
    )
    account: str = Field(
        "",
        pattern=r"^[0-9]*$",
        json_schema_extra={"allowed": later("digits only (or empty)")},
        description="The one Cloud API account that may send, by its phone number id at Meta (100200300). Empty: none.",
    )
    database: str = Field(
        _DATABASE,
        min_length=1,
        description=(
            "Its records, relative to state_dir. Its own user needs a folder of its own, named by an absolute path."
        ),
    )
    quiet_hours: Annotated[tuple[str, ...], AfterValidator(two_times)] = Field(
        ("21:00", "09:00"),
        description="Nothing is sent from the first time of day until the second, in leads.timezone. []: at any time.",
    )
    account_cap: int = Field(50, ge=1, le=100_000, description="At most this many messages in 24 hours.")
    contact_cap: int = Field(2, ge=1, le=1000, description="At most this many to one person in 24 hours.")

    def quiet(self) -> tuple[time, time] | None:
        """When quiet hours begin and end; None if there are none."""
        if not self.quiet_hours:
            return None
        start, end = map(time.fromisoformat, self.quiet_hours)
        return start, end


def read_outbound(paths: Paths) -> OutboundSettings:
    """The `[outbound]` settings of the file and the environment, as the full settings read them.

    Raises CannotUseSettings for what is wrong in this section, and for a file that can't be read.
    """
    given = read_file(paths.file).get("outbound", {}) if paths.file else {}
    where = str(paths.file) if paths.file else _("the settings")
    if not isinstance(given, dict):
        raise CannotUseSettings(
            _("cannot use {where}: `outbound` must be a section, written as [outbound]").format(where=where)
        )
    variables = {name.upper(): text for name, text in os.environ.items() if name.upper().startswith(_PREFIX)}
    values = given | {name.removeprefix(_PREFIX).lower(): _value(name, text) for name, text in variables.items()}
    try:
        return OutboundSettings.model_validate(values)
    except ValidationError as error:
        keys = {f"`outbound.{each['loc'][0]}`": each["input"] for each in error.errors()}
        wrong = ", ".join(f"{key} = {value!r}" for key, value in keys.items())
        raise CannotUseSettings(
            _("cannot use {where}: {wrong}: `leadmasterd config check` says what is allowed").format(
                where=where, wrong=wrong
            )
        ) from error


def outbound_database(paths: Paths) -> Path:
    """The file of the sender's records, also when other settings of the sender are wrong: the kill switch is in it.

    Raises CannotUseSettings for a file of settings that can't be read.
    """
    try:
        settings = read_outbound(paths)
    except CannotUseSettings:
        section = read_file(paths.file).get("outbound") if paths.file else None
        name = section.get("database") if isinstance(section, dict) else None
        return paths.state_dir / (name if isinstance(name, str) and name else _DATABASE)
    return paths.state_dir / settings.database


def _value(variable: str, text: str) -> Any:
    """A setting's value from the environment: the quiet hours, a list, are JSON; what is not JSON stays text."""
    if variable != f"{_PREFIX}QUIET_HOURS":
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
