"""Where the settings file and the state are, without pydantic.

Read-only commands use only this: they must answer at once, even when other settings are wrong.
"""

import os
from pathlib import Path
from typing import Any, Final, NamedTuple

from leadmasterd import causes
from leadmasterd.errors import CannotUseSettings
from leadmasterd.text import _

ENV_PREFIX: Final = "LEADMASTERD_"
SYSTEM_FILE: Final = Path("/etc/leadmasterd/config.toml")
DEFAULT_STATE_DIR: Final = "./state"
DEFAULT_DATABASE: Final = "leadmaster.db"


class Paths(NamedTuple):
    """The settings file (None: built-in defaults), and where state and the database are."""

    file: Path | None
    state_dir: Path
    database: Path

    @property
    def config_arguments(self) -> list[str]:
        """Command-line arguments that make another process of ours read the same settings file."""
        return ["--config", str(self.file)] if self.file else []

    @property
    def database_wal(self) -> Path:
        """The database's WAL, while it has one."""
        return self.database.with_name(f"{self.database.name}-wal")

    @property
    def lock_file(self) -> Path:
        """Held by the running daemon (flock)."""
        return self.state_dir / "leadmasterd.lock"

    @property
    def status_file(self) -> Path:
        """The daemon's last status."""
        return self.state_dir / "status.json"

    @property
    def socket(self) -> Path:
        """The control socket of the running daemon."""
        return self.state_dir / "leadmasterd.sock"

    @property
    def qr_picture(self) -> Path:
        """The QR code to scan, while there is one."""
        return self.state_dir / "qr.png"

    @property
    def profile(self) -> Path:
        """The live browser profile: the session itself."""
        return self.state_dir / "auth" / "profile"

    @property
    def quarantine(self) -> Path:
        """Profiles that were logged out or broken."""
        return self.state_dir / "auth" / "quarantine"


def find_file(explicit: str | None) -> Path | None:
    """The settings file: `explicit` (of `--config`), else ./config.toml, else SYSTEM_FILE; None if neither exists.

    Raises CannotUseSettings if `explicit` does not exist, and for what is not a file.
    """
    if explicit is None:
        path = next((each for each in (Path("config.toml"), SYSTEM_FILE) if each.exists()), None)
    else:
        path = Path(explicit)
    if path is None or path.is_file():
        return path
    if path.is_dir():
        what = _("it is a folder")
    else:
        what = _("it is not a file") if path.exists() else _("there is no such file")
    advice = _("name a file with --config") if explicit is None else _("check --config")
    raise CannotUseSettings(_("cannot read {path}: {what}; {advice}").format(path=path, what=what, advice=advice))


def read_file(path: Path) -> dict[str, Any]:
    """The TOML of a settings file. Raises CannotUseSettings with the line for what is not TOML."""
    import tomllib  # `--help` has no need of it

    try:
        return tomllib.loads(path.read_text(encoding="utf-8").removeprefix("\ufeff"))  # as editors on Windows write
    except PermissionError as error:
        raise CannotUseSettings(
            _("cannot read {path}: this user may not; check who may read it").format(path=path)
        ) from error
    except OSError as error:
        raise CannotUseSettings(
            _("cannot read {path}: it can't be opened; check that it is a file and its disk is well").format(path=path)
        ) from error
    except UnicodeDecodeError as error:
        raise CannotUseSettings(
            _("cannot read {path}: it is not TOML: not UTF-8 text (byte {n})").format(path=path, n=error.start)
        ) from error
    except causes.NO_TOML as error:
        raise CannotUseSettings(
            _("cannot read {path}: it is not TOML: {why}").format(path=path, why=causes.of_toml(error))
        ) from error


def base_folder(file: Path | None) -> Path:
    """What relative paths start from: the settings file's folder, or the current one without a file."""
    return file.absolute().parent if file else Path.cwd()


def path_from(folder: Path, typed: str) -> Path:
    """A path of the settings: relative ones start from `folder`, and `~` is a home. Raises CannotUseSettings."""
    try:
        return folder / Path(typed).expanduser()
    except RuntimeError as error:
        raise CannotUseSettings(
            _("cannot find the home folder in {typed!r}; write that path in full").format(typed=typed)
        ) from error


def find_paths(explicit: str | None) -> Paths:
    """The same paths as the full settings give, from the file and the environment, whatever is wrong in other keys.

    Raises CannotUseSettings only when there is no way to know where state is.
    """
    file = find_file(explicit)
    data = read_file(file) if file else {}
    section = data.get("database")
    database = section.get("path", DEFAULT_DATABASE) if isinstance(section, dict) else DEFAULT_DATABASE
    database = variable("DATABASE__PATH") or database
    return resolve_paths(
        file,
        variable("STATE_DIR") or data.get("state_dir", DEFAULT_STATE_DIR),
        database.strip() if isinstance(database, str) else database,  # the full settings do the same
    )


def variable(name: str) -> str | None:
    """A setting from the environment, such as `DATABASE__PATH`; None if it is not given.

    The variable's name may be in any case, as for the full settings.
    """
    wanted = f"{ENV_PREFIX}{name}"
    return next((value for name_given, value in os.environ.items() if name_given.upper() == wanted), None)


def resolve_paths(file: Path | None, state_dir: object, database: object) -> Paths:
    """The state directory relative to the settings file, and the database relative to that.

    Raises CannotUseSettings for a value that is not a path.
    """
    if not isinstance(state_dir, str) or not state_dir:
        raise CannotUseSettings(_no_path("state_dir", state_dir, file))
    if not isinstance(database, str) or not database:
        raise CannotUseSettings(_no_path("database.path", database, file))
    state = path_from(base_folder(file), state_dir)
    return Paths(file, state, state / database)


def _no_path(key: str, value: object, file: Path | None) -> str:
    return _("cannot use {key} = {value!r} in {file}: it must be a path in quotes").format(
        key=key, value=value, file=file
    )
