"""pyfolio's pages of the account's returns, with the models as its benchmark. An extra."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from afterclose.domain.nav import NavHistory
from afterclose.errors import UsageError
from afterclose.report.nav import nav_rows

#: pyfolio's rolling figures need a month.
_FEWEST = 22


def write_tearsheet(history: NavHistory, folder: Path) -> Sequence[Path]:
    """Write one picture. Raises UsageError for too few sessions, or without pyfolio."""
    rows = nav_rows(history)
    if len(rows) < _FEWEST:
        raise UsageError(f"a tear sheet takes {_FEWEST} sessions, there are {len(rows)}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pyfolio's own, of every library below it
        try:
            import matplotlib as mpl  # noqa: PLC0415 - costs seconds, and is an extra

            mpl.use("Agg")  # no window
            import matplotlib.pyplot as plt  # noqa: PLC0415 - likewise
            import pandas as pd  # noqa: PLC0415 - likewise
            import pyfolio  # noqa: PLC0415 - likewise
        except ImportError as error:
            raise UsageError(
                f"a tear sheet needs pyfolio-reloaded: {error}",
                hint="pip install 'afterclose[tearsheet]'",
            ) from error
        days = pd.DatetimeIndex([row.day.session for row in rows], tz="UTC")
        ours = pd.Series([float(r.account_return) for r in rows], index=days, name="account")
        theirs = pd.Series([float(r.model_return) for r in rows], index=days, name="models")
        figure = pyfolio.create_returns_tear_sheet(
            ours, benchmark_rets=theirs, return_fig=True, set_context=True
        )
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "tearsheet.png"
        figure.savefig(path, dpi=90, bbox_inches="tight")
        plt.close("all")
    return (path,)
