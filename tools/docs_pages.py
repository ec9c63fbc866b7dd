"""Pages that are made when the documentation is built: every command, every setting.

A hook of mkdocs. They are made from the program itself, so they cannot be out of date.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, get_args

import typer
from pydantic import BaseModel

from afterclose.cli.app import app
from afterclose.settings import Settings
from afterclose.settings.commented import commented_text, read_commented, toml

#: Made by code, never written to a file.
_NOT_IN_THE_FILE = {"home"}


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made here. mkdocs calls it by this name."""
    from mkdocs.structure.files import File  # noqa: PLC0415 - only there when docs are built

    for name, text in (("commands.md", commands_page()), ("settings.md", settings_page())):
        files.append(File.generated(config, name, content=text))
    return files


def commands() -> Iterator[tuple[str, Any]]:
    """Every command as it is typed, with click's object for it."""
    stack: list[tuple[tuple[str, ...], Any]] = [(("afterclose",), typer.main.get_command(app))]
    while stack:
        words, command = stack.pop()
        inner = getattr(command, "commands", {})
        stack.extend(((*words, name), sub) for name, sub in inner.items())
        if not inner:
            yield " ".join(words), command


def commands_page() -> str:
    """Write every command with its flags."""
    parts = [
        "# Commands",
        "",
        "Exit codes: 0 ok · 1 blocked by findings · 2 usage · 3 an outside system is down ·",
        "4 refused · 130 stopped by Ctrl-C. Every command can be repeated; one command at a time",
        "works on a desk.",
    ]
    for name, command in sorted(commands(), key=lambda c: c[0]):
        parts += ["", f"## {name}", "", " ".join((command.help or "").split()), ""]
        rows = [p for p in command.params if p.name != "help"]
        if rows:
            parts += ["| flag | default | what |", "|---|---|---|"]
            parts += [_flag(parameter) for parameter in rows]
    return "\n".join(parts) + "\n"


def _flag(parameter: Any) -> str:
    names = ", ".join(f"`{o}`" for o in (*parameter.opts, *parameter.secondary_opts))
    if parameter.param_type_name == "argument":
        names = f"`{parameter.name.upper()}`"
    shown = "" if parameter.default in {None, "", (), False} else f"`{parameter.default}`"
    needed = "required" if parameter.required else shown
    return f"| {names} | {needed} | {getattr(parameter, 'help', None) or ''} |"


def settings_page() -> str:
    """Write every setting with its default and its meaning."""
    explained = read_commented(commented_text())
    words = {(e.section, e.key): e.words for e in explained.entries}
    parts = [
        "# Settings",
        "",
        "All of `afterclose.toml`. Flags win over `AFTERCLOSE_<SECTION>__<KEY>` variables, those",
        "over `afterclose.local.toml`, that over `afterclose.toml`. An unknown key is an error.",
    ]
    for section, fields in sections().items():
        title = section or "Above all sections"
        parts += ["", f"## {title}", "", explained.sections.get(section, ""), ""]
        parts += ["| key | default | values | meaning |", "|---|---|---|---|"]
        parts += [
            f"| `{key}` | {_default(info)} | {_values(info)} | {words.get((section, key), '')} |"
            for key, info in fields.items()
        ]
    return "\n".join(parts) + "\n"


def sections() -> dict[str, dict[str, Any]]:
    """Every setting by section, from pydantic's own fields."""
    found: dict[str, dict[str, Any]] = {"": {}}
    for name, info in Settings.model_fields.items():
        kinds = [k for k in (info.annotation, *get_args(info.annotation)) if isinstance(k, type)]
        section = next((k for k in kinds if issubclass(k, BaseModel)), None)
        if section is not None:
            found[name] = dict(section.model_fields)
        elif name not in _NOT_IN_THE_FILE:
            found[""][name] = info
    return found


def _default(info: Any) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True, validated_data={})
    if value is None:
        return "not set"
    try:
        return f"`{toml(value)}`"
    except TypeError:
        return f"`{value}`"


def _values(info: Any) -> str:
    kinds = [info.annotation, *get_args(info.annotation)]
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, Enum):
            return ", ".join(f"`{each.value}`" for each in kind)
    return ""
