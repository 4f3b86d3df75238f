"""Rules and model from disk, or the ones that came along with the program."""

import hashlib
import stat
from importlib import resources
from pathlib import Path
from typing import Final

from leadmasterd.classify import model as models
from leadmasterd.classify import rules_file
from leadmasterd.classify.classifier import Classifier
from leadmasterd.classify.model import Model
from leadmasterd.classify.rules import RuleSet
from leadmasterd.errors import CannotUseModel, CannotUseRules

PACKAGED: Final = resources.files("leadmasterd.classify") / "data"
PACKAGED_RULES: Final = "rules.toml"
PACKAGED_MODEL: Final = "model.json.gz"
EXAMPLES: Final = "examples.jsonl"
FRAMES: Final = "frames.toml"

_LARGEST_RULES: Final = 4 << 20
_LARGEST_MODEL: Final = 32 << 20


def load_classifier(rules_file: Path | None, model_file: Path | None) -> Classifier:
    """None: the packaged one. Raises CannotUseRules or CannotUseModel, with all that is wrong."""
    rules, version = load_rules(rules_file)
    return Classifier(rules, version, load_model(model_file))


def load_rules(file: Path | None) -> tuple[RuleSet, str]:
    """The rules and their version, which changes with every byte of the file. Raises CannotUseRules."""
    packaged = (PACKAGED / PACKAGED_RULES).read_bytes()
    own = b"" if file is None else _read(file, _LARGEST_RULES, CannotUseRules)
    base = rules_file.parse(packaged.decode(), f"the packaged {PACKAGED_RULES}")
    version = hashlib.sha256(packaged + b"\0" + own).hexdigest()[:12]
    if file is None:
        return base, version
    try:
        text = own.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CannotUseRules(f"cannot use {file}: it is not UTF-8 ({error}); save it as UTF-8") from error
    return rules_file.parse(text.replace("\r\n", "\n"), str(file), base), version


def load_model(file: Path | None) -> Model:
    """A model. Raises CannotUseModel."""
    if file is None:
        return models.parse((PACKAGED / PACKAGED_MODEL).read_bytes(), PACKAGED_MODEL)
    return models.parse(_read(file, _LARGEST_MODEL, CannotUseModel), str(file))


def existing(file: Path | None) -> Path | None:
    """A file that is there, or can't be looked for, which reading it tells; else None: the packaged one then."""
    try:
        return file if file is not None and file.exists() else None
    except OSError:
        return file


def _read(file: Path, largest: int, kind: type[CannotUseRules | CannotUseModel]) -> bytes:
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise kind(f"cannot use {file}: it is no file; move it away")
        with file.open("rb") as stream:
            content = stream.read(largest + 1)
    except OSError as error:
        raise kind(f"cannot read {file}: {error.strerror or error}; check the path and who may read it") from error
    if len(content) > largest:
        raise kind(f"cannot use {file}: it is larger than {largest >> 20} MB")
    return content
