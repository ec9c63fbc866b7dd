"""The user's algorithm: a module or a Python file with Zipline's functions in it.

A script that calls ``zipline.run_algorithm`` itself is stopped at that call: its functions are what
the desk wants; its dates, capital and bundle are the desk's to say.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from afterclose.adapters.zipline.sources import imported_files, is_authors, source_digest
from afterclose.errors import ModelError

FUNCTIONS = ("initialize", "handle_data", "before_trading_start", "analyze")


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """Zipline's functions of one algorithm, where they came from, and a digest of the source.

    ``modules`` are the model's own and those of the author that it imports.
    """

    entry_point: str
    path: Path
    digest: str
    functions: Mapping[str, Callable[..., Any]]
    modules: tuple[ModuleType, ...] = ()


def load_strategy(entry_point: str) -> Strategy:
    """Load an algorithm from a module name or a path to a ``.py`` file.

    Raises ModelError when it is not there, does not import, or has no ``initialize``; an error in
    the user's own code carries his own line.
    """
    module, handed_over = _import(entry_point)
    functions = handed_over or {
        name: function for name in FUNCTIONS if callable(function := getattr(module, name, None))
    }
    path = Path(str(module.__file__))
    if "initialize" not in functions:
        raise ModelError(
            f"{entry_point} has no function initialize(context)", hint=_what_is_missing(path)
        )
    imported = imported_files(
        path, folder=_folder(entry_point) or path.parent, package=module.__package__ or ""
    )
    others = (sys.modules.get(name) for name in imported)
    return Strategy(
        entry_point=entry_point,
        path=path,
        digest=source_digest(path, imported),
        functions=functions,
        modules=(module, *(other for other in others if other is not None)),
    )


def _what_is_missing(path: Path) -> str:
    if "run_algorithm" in path.read_text(encoding="utf-8", errors="replace"):
        return (
            "it calls run_algorithm only when it is run by hand: name its functions initialize, "
            "handle_data, before_trading_start and analyze, or call run_algorithm outside of any "
            "'if' (the call is stopped, and what it is given is taken)"
        )
    return "a model is a Zipline algorithm: initialize, and handle_data or schedule_function"


def settle_in(entry_point: str) -> None:
    """Make a model file's own folder the process's: there its author runs it, beside its data."""
    home = Path(entry_point).parent
    if entry_point.endswith(".py") and home.is_dir():
        os.chdir(home)


class _RunAlgorithmCalled(BaseException):
    """Ends a script at its call of ``run_algorithm``; a BaseException passes its ``except``s."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]]) -> None:
        super().__init__()
        self.functions = functions


def _import(entry_point: str) -> tuple[ModuleType, Mapping[str, Callable[..., Any]]]:
    """The module, and the functions it handed to ``run_algorithm``, if it called that."""
    try:
        with _run_algorithm_caught():
            if entry_point.endswith(".py"):
                return _import_file(Path(entry_point).resolve())
            return importlib.import_module(entry_point), {}
    except ModelError:
        raise
    except _RunAlgorithmCalled as call:
        raise ModelError(
            f"module {entry_point} calls run_algorithm while it is imported",
            hint="put the call under if __name__ == '__main__', or name the file instead",
        ) from call
    except (Exception, SystemExit) as error:
        raise ModelError(
            f"model {entry_point} does not load: {error!r}\n{user_lines(error, entry_point)}"
        ) from error


@contextmanager
def _run_algorithm_caught() -> Iterator[None]:
    """While a script is imported, ``run_algorithm`` hands over its functions and ends it."""
    import zipline  # noqa: PLC0415 - seconds; only where a model is really loaded
    from zipline.utils import run_algo  # noqa: PLC0415

    original = run_algo.run_algorithm
    signature = inspect.signature(original)

    def hand_over(*args: Any, **kwargs: Any) -> None:
        given = signature.bind(*args, **kwargs).arguments
        raise _RunAlgorithmCalled({name: given[name] for name in FUNCTIONS if given.get(name)})

    run_algo.run_algorithm = zipline.run_algorithm = hand_over
    try:
        yield
    finally:
        run_algo.run_algorithm = zipline.run_algorithm = original


def _import_file(path: Path) -> tuple[ModuleType, Mapping[str, Callable[..., Any]]]:
    if not path.is_file():
        raise ModelError(f"there is no model file {path}", hint="check entry_point in the settings")
    # A name without dots: pickle would look for a package.
    name = "afterclose_user_model_" + re.sub(r"\W", "_", path.stem)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ModelError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # pickling a user's own classes needs the module by name
    sys.path.insert(0, str(path.parent))  # a model may import its neighbours
    try:
        spec.loader.exec_module(module)
    except _RunAlgorithmCalled as call:
        return module, call.functions
    return module, {}


def user_lines(error: BaseException, entry_point: str) -> str:
    """The part of a traceback a model's author can act on: his own lines, then the error."""
    folder = _folder(entry_point)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if folder and is_authors(frame.filename, folder)]
    if not own and not isinstance(error, SyntaxError):  # which names its line by itself
        own = list(frames)
    shown = "".join(traceback.format_list(own))
    return shown + "".join(traceback.format_exception_only(error))


def _folder(entry_point: str) -> Path | None:
    """The folder of the author's code: that of the file, or of the outermost package."""
    if entry_point.endswith(".py"):
        return Path(entry_point).resolve().parent
    module = sys.modules.get(entry_point)
    if module is None:
        return None
    path = Path(str(module.__file__))
    inner = (module.__package__ or "").count(".")
    return path.parents[inner]
