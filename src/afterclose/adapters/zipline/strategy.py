"""The user's algorithm: a module or a Python file with Zipline's functions in it."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from afterclose.errors import ModelError

FUNCTIONS = ("initialize", "handle_data", "before_trading_start", "analyze")


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """Zipline's functions of one algorithm, where they came from, and a digest of the source."""

    entry_point: str
    path: Path
    digest: str
    functions: Mapping[str, Callable[..., Any]]


def load_strategy(entry_point: str) -> Strategy:
    """Load an algorithm from a module name or a path to a ``.py`` file.

    Raises ModelError when it is not there, does not import, or has no ``initialize``; an error in
    the user's own code carries his own line.
    """
    module = _import(entry_point)
    functions = {
        name: function for name in FUNCTIONS if callable(function := getattr(module, name, None))
    }
    if "initialize" not in functions:
        raise ModelError(
            f"{entry_point} has no function initialize(context)",
            hint="a model is a Zipline algorithm: initialize, and handle_data or schedule_function",
        )
    path = Path(str(module.__file__))
    return Strategy(
        entry_point=entry_point, path=path, digest=_source_digest(path), functions=functions
    )


def _import(entry_point: str) -> ModuleType:
    try:
        if entry_point.endswith(".py"):
            return _import_file(Path(entry_point).resolve())
        return importlib.import_module(entry_point)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"model {entry_point} does not load: {error!r}\n{user_lines(error, entry_point)}"
        ) from error


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ModelError(f"there is no model file {path}", hint="check entry_point in the settings")
    name = f"afterclose_user_model_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ModelError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # pickling a user's own classes needs the module by name
    sys.path.insert(0, str(path.parent))  # a model may import its neighbours
    spec.loader.exec_module(module)
    return module


def _source_digest(path: Path) -> str:
    """A digest of the model and of the modules beside it, which it may import."""
    digest = hashlib.sha256()
    for source in sorted(path.parent.glob("*.py")):
        digest.update(source.name.encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def user_lines(error: BaseException, entry_point: str) -> str:
    """The part of a traceback a model's author can act on: his own lines, then the error."""
    folder = _folder(entry_point)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if folder and Path(frame.filename).parent == folder]
    shown = "".join(traceback.format_list(own or list(frames)))
    return shown + "".join(traceback.format_exception_only(error))


def _folder(entry_point: str) -> Path | None:
    if entry_point.endswith(".py"):
        return Path(entry_point).resolve().parent
    module = sys.modules.get(entry_point)
    return Path(str(module.__file__)).parent if module is not None else None
