"""Which files are the author's: what his model imports, and which lines of a traceback are his.

Imports are read from the source, without running it, so those inside functions are seen as well. A
module that is found by a name made at run time is not seen.
"""

from __future__ import annotations

import ast
import hashlib
import os
import sysconfig
from collections.abc import Iterator, Mapping
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

import afterclose

_PRODUCT = Path(afterclose.__file__).parent
_LIBRARIES = (
    *(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    _PRODUCT,
)


def is_authors(file: str | Path, folder: Path) -> bool:
    """Whether a file is the author's: in his folder, or at least in no library's."""
    path = Path(file)
    if not path.is_absolute():  # compiled, or made while the program runs
        return False
    if folder in path.parents:
        inside = path.relative_to(folder).parts
        return "site-packages" not in inside and Path(__file__).parent not in path.parents
    return not any(library in path.parents for library in _LIBRARIES)


def source_digest(path: Path, imported: Mapping[str, Path]) -> str:
    """A digest of a model: its file, the files beside it, and what it imports of the author's."""
    digest = hashlib.sha256(path.name.encode())
    for source in sorted({path, *path.parent.glob("*.py"), *imported.values()}):
        digest.update(os.path.relpath(source, path.parent).replace(os.sep, "/").encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def imported_files(path: Path, *, folder: Path, package: str) -> dict[str, Path]:
    """The author's modules that a file imports, and those that they import, by name.

    ``folder`` is that of his code, ``package`` the one the file belongs to (none: empty).
    """
    found: dict[str, Path] = {}
    waiting = [(path, package)]
    while waiting:
        source, within = waiting.pop()
        for name in _imports(source, within):
            for module, spec in _located(name, folder):
                file = Path(str(spec.origin))
                if module not in found and file != path:
                    found[module] = file
                    own_package = spec.submodule_search_locations is not None
                    waiting.append((file, module if own_package else module.rpartition(".")[0]))
    return found


def _imports(source: Path, package: str) -> Iterator[str]:
    """Every name that a file may import, as full names; some are no modules."""
    try:
        tree = ast.parse(source.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return  # it does not load, and says so itself
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            packages = package.split(".")
            above = packages[: len(packages) - node.level + 1] if node.level else []
            parts = [part for part in (*above, node.module) if part]
            yield from (".".join([*parts, alias.name]) for alias in node.names)


def _located(name: str, folder: Path) -> Iterator[tuple[str, ModuleSpec]]:
    """The module of a name and the packages above it, as far as they are the author's."""
    within: list[str] | None = None
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        module = ".".join(parts[:length])
        spec = PathFinder.find_spec(module, within)
        if spec is None:
            return
        if spec.origin and not is_authors(spec.origin, folder):
            return
        if spec.origin and spec.origin.endswith(".py"):
            yield module, spec
        within = list(spec.submodule_search_locations or ())
