"""The settings file with its comments: every setting is in it, with its true default."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, TypeAdapter

from afterclose.settings import LOCAL_FILE, SETTINGS_FILE, ModelSettings, Settings, load
from afterclose.settings.commented import commented_text, filled, read_commented

#: Made by code, never written to a file.
NOT_IN_THE_FILE = {("", "home")}
#: How to mend what these tests find.
REMEDY = "explain it in src/afterclose/data/afterclose.toml"


def fields() -> Iterator[tuple[str, str, Any]]:
    """Section, key and pydantic's field of every setting there is."""
    for name, info in Settings.model_fields.items():
        kinds = [k for k in (info.annotation, *get_args(info.annotation)) if isinstance(k, type)]
        section = next((k for k in kinds if issubclass(k, BaseModel)), None)
        if section is None:
            yield "", name, info
        else:
            for key, inner in section.model_fields.items():
                yield name, key, inner


EXPLAINED = {(e.section, e.key): e for e in read_commented(commented_text()).entries}
EVERY = [f for f in fields() if f[:2] not in NOT_IN_THE_FILE]


def ids(field: tuple[str, str, Any]) -> str:
    return ".".join(filter(None, field[:2]))


@pytest.mark.parametrize("field", EVERY, ids=ids)
def test_every_setting_is_explained_with_its_default(field: tuple[str, str, Any]) -> None:
    section, key, info = field
    entry = EXPLAINED.get((section, key))
    assert entry is not None, f"{ids(field)} is not explained: {REMEDY}"
    assert entry.words

    value = tomllib.loads(f"value = {entry.shown}")["value"]
    read = TypeAdapter(info.annotation).validate_python(value)

    if info.is_required():
        return  # an example
    default = info.get_default(call_default_factory=True, validated_data={})
    if default is None:
        assert "Not set" in entry.words
    else:
        assert read == default


def test_nothing_is_explained_that_is_no_setting() -> None:
    assert set(EXPLAINED) - {f[:2] for f in EVERY} == set()


def test_the_file_with_nothing_set_is_the_defaults(tmp_path: Path) -> None:
    (tmp_path / SETTINGS_FILE).write_text(filled({}, []), encoding="utf-8")

    assert load(tmp_path) == load(tmp_path / "nowhere").model_copy(update={"home": tmp_path})
    assert not (tmp_path / LOCAL_FILE).exists()


def test_what_is_set_is_set_and_the_rest_stays_a_comment(tmp_path: Path) -> None:
    text = filled(
        {"": {"ledger": "sqlite:///book.sqlite"}, "desk": {"account": "DU7654321"}},
        [{"name": "A", "entry_point": "models/ä.py"}, {"name": "B", "entry_point": "b"}],
    )
    (tmp_path / SETTINGS_FILE).write_text(text, encoding="utf-8")
    settings = load(tmp_path)

    assert settings.desk.account == "DU7654321"
    assert settings.ledger == "sqlite:///book.sqlite"
    assert [m.name for m in settings.models] == ["A", "B"]
    assert settings.models[0].entry_point == "models/ä.py"
    assert settings.models[1] == ModelSettings(name="B", entry_point="b")
    assert '#name = "desk"' in text


def test_a_key_that_the_file_does_not_explain_cannot_be_set() -> None:
    with pytest.raises(KeyError, match="colour"):
        filled({"desk": {"colour": "red"}}, [])
