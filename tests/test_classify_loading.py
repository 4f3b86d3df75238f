"""Rules and models are parsed once per content, and their users share an object that nobody can change."""

import os
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import pytest

from leadmasterd.classify import loading
from leadmasterd.classify.intents import Signals
from leadmasterd.classify.loading import load_classifier, load_model, load_rules
from leadmasterd.classify.rules import Rule
from leadmasterd.classify.text import normalise
from leadmasterd.errors import CannotUseModel, CannotUseRules

ORDER = 'extend = true\n[[rule]]\nid = "own"\nintent = "order"\nphrases = ["trululu"]\n'
PRICE = ORDER.replace("order", "price")


def meaning(file: Path) -> str:
    """The intent that these rules give to `trululu`."""
    return load_classifier(file, None).classify(["trululu"], Signals()).intent


def test_the_packaged_files_are_parsed_once() -> None:
    """The tests of one command used to parse them 358 times."""
    first, again = load_classifier(None, None), load_classifier(None, None)
    assert first.rules is again.rules
    assert first.model is again.model


def test_a_file_of_ones_own_is_parsed_again_only_when_its_bytes_change(tmp_path: Path) -> None:
    """Only the content counts, not the name, size or modification time."""
    file = tmp_path / "rules.toml"
    file.write_text(ORDER)
    before = file.stat()
    rules, version = load_rules(file)
    assert load_rules(file) == (rules, version)
    assert meaning(file) == "order"
    file.write_text(PRICE)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    assert meaning(file) == "price"
    assert load_rules(file)[1] != version
    file.write_text(ORDER)
    assert meaning(file) == "order"


def test_a_file_saved_on_windows_is_read(tmp_path: Path) -> None:
    """With a byte order mark and CRLF, as `config.toml` may have them too."""
    file = tmp_path / "rules.toml"
    file.write_bytes(b"\xef\xbb\xbf" + PRICE.replace("\n", "\r\n").encode())
    assert meaning(file) == "price"


def test_a_mistake_names_the_file_that_it_is_in(tmp_path: Path) -> None:
    """The error never names another file with the same content, and every load reports it."""
    for name in ("one", "two", "two"):
        (tmp_path / f"{name}.toml").write_text("x = 1")
        (tmp_path / f"{name}.gz").write_bytes(b"x")
        with pytest.raises(CannotUseRules, match=rf"/{name}\.toml"):
            load_rules(tmp_path / f"{name}.toml")
        with pytest.raises(CannotUseModel, match=rf"/{name}\.gz"):
            load_model(tmp_path / f"{name}.gz")


def test_as_many_files_as_may_be_leave_one_of_each_in_memory(tmp_path: Path) -> None:
    """Memory stays constant in a daemon whose rules are edited all day."""
    packaged = (loading.PACKAGED / loading.PACKAGED_MODEL).read_bytes()
    for number in range(3):
        (tmp_path / "rules.toml").write_text(ORDER.replace("trululu", f"trululu {number}"))
        (tmp_path / f"{number}.gz").write_bytes(packaged)
        load_classifier(tmp_path / "rules.toml", tmp_path / f"{number}.gz")
    caches: list[Any] = [loading._packaged_rules, loading._own_rules, loading._model]
    assert [cache.cache_info().currsize for cache in caches] == [1, 1, 1]


def test_what_is_shared_can_not_be_changed() -> None:
    """Neither assignments nor method calls change a shared object."""
    classifier = load_classifier(None, None)
    with pytest.raises(FrozenInstanceError):
        classifier.model = None  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        classifier.rules.rules[0].intent = "spam"  # type: ignore[misc]
    for rule in classifier.rules.rules:
        for field in fields(Rule):
            hash(getattr(rule, field.name))
    assert classifier.model is not None
    burst = normalise(["me la reservarías hasta el viernes que cobro, la campera"])
    known = [[*classifier.model._word(word).numbers] for word in burst.words]
    first = classifier.classify(["me la reservarías hasta el viernes que cobro, la campera"], Signals())
    assert isinstance(first.values, dict)
    first.values.clear()
    again = classifier.classify(["me la reservarías hasta el viernes que cobro, la campera"], Signals())
    assert again.values["because"]
    assert [[*classifier.model._word(word).numbers] for word in burst.words] == known
