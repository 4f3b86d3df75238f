"""Loads rules and model from disk, or the packaged ones.

Files are read each time, and parsed only if their bytes are new. So a change is noticed even if a file keeps its name
and time, and the same bytes give the same objects, which are immutable.
"""

import hashlib
import stat
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Final

from leadmasterd import causes
from leadmasterd.classify.classifier import Classifier
from leadmasterd.classify.model import Model
from leadmasterd.classify.model import parse as parse_model
from leadmasterd.classify.rules import RuleSet
from leadmasterd.classify.rules_file import parse as parse_rules
from leadmasterd.errors import CannotUseModel, CannotUseRules
from leadmasterd.text import _

PACKAGED: Final = resources.files("leadmasterd.classify") / "data"
PACKAGED_RULES: Final = "rules.toml"
PACKAGED_MODEL: Final = "model.json.gz"
EXAMPLES: Final = "examples.jsonl"
FRAMES: Final = "frames.toml"

_LARGEST_RULES: Final = 4 << 20
_LARGEST_MODEL: Final = 32 << 20


def load_classifier(rules_file: Path | None, model_file: Path | None) -> Classifier:
    """The classifier made of these two files; None selects the packaged one.

    Raises CannotUseRules or CannotUseModel, which name every problem.
    """
    rules, version = load_rules(rules_file)
    return Classifier(rules, version, load_model(model_file))


def load_rules(file: Path | None) -> tuple[RuleSet, str]:
    """The rules and their version, which changes with every byte of the file or of the packaged one.

    None selects the packaged file. Raises CannotUseRules.
    """
    packaged = (PACKAGED / PACKAGED_RULES).read_bytes()
    own = b"" if file is None else _read(file, _LARGEST_RULES, CannotUseRules)
    version = hashlib.sha256(packaged + b"\0" + own).hexdigest()[:12]
    rules = _packaged_rules(packaged) if file is None else _own_rules(own, str(file), packaged)
    return rules, version


def load_model(file: Path | None) -> Model:
    """The model in a file, or the packaged one for None. Raises CannotUseModel."""
    if file is None:
        return _model((PACKAGED / PACKAGED_MODEL).read_bytes(), PACKAGED_MODEL)
    return _model(_read(file, _LARGEST_MODEL, CannotUseModel), str(file))


def existing(file: Path | None) -> Path | None:
    """The file to load: this one, or None (the packaged one) if it does not exist.

    If that cannot be checked, it is this one: reading it will say why.
    """
    try:
        return file if file is not None and file.exists() else None
    except OSError:
        return file


@lru_cache(maxsize=1)
def _packaged_rules(content: bytes) -> RuleSet:
    """The rules in the packaged file, from its bytes."""
    return parse_rules(content.decode(), _("the packaged {file}").format(file=PACKAGED_RULES))


@lru_cache(maxsize=1)
def _own_rules(content: bytes, where: str, packaged: bytes) -> RuleSet:
    """The rules in the operator's file, which may extend the packaged ones. A byte order mark and CRLF are accepted."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CannotUseRules(
            _("cannot use {where}: it is not UTF-8 (byte {n}); save it as UTF-8").format(where=where, n=error.start)
        ) from error
    return parse_rules(text.replace("\r\n", "\n"), where, _packaged_rules(packaged))


@lru_cache(maxsize=1)
def _model(content: bytes, where: str) -> Model:
    """The parsed model. Only the last one is cached: an older one would take 5 MB of the daemon's memory."""
    return parse_model(content, where)


def _read(file: Path, largest: int, error: type[CannotUseRules | CannotUseModel]) -> bytes:
    """The bytes of a regular file of at most `largest` bytes. `error`: the class to raise if the file can't be used."""
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise error(_("cannot use {file}: it is not a regular file; move it away").format(file=file))
        with file.open("rb") as stream:
            content = stream.read(largest + 1)
    except OSError as cause:
        raise error(
            _("cannot read {file}: {why}; check the path and its permissions").format(
                file=file, why=causes.of_system(cause)
            )
        ) from cause
    if len(content) > largest:
        raise error(_("cannot use {file}: it is larger than {n} MB").format(file=file, n=largest >> 20))
    return content
