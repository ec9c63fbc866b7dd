"""The vendor's own ``norgatedata`` package, held so that it cannot take the evening with it.

It prints while it is imported, ends the process when its updater program is not running, waits for
ever when that program hangs, and raises errors without a text. Only its public functions are used.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import queue
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol, cast

from afterclose.errors import SourceUnavailable

CALL_LIMIT_SECONDS = 60.0
_UPDATER = "Norgate Data Updater"


class NorgateFunctions(Protocol):
    """The public functions we call, as the package documents them."""

    def futures_market_session_symbols(self) -> list[str]: ...
    def futures_market_session_name(self, symbol: str) -> str: ...
    def futures_market_session_contracts(self, session_symbol: str) -> list[str]: ...
    def currency(self, symbol: str) -> str: ...
    def exchange_name(self, symbol: str) -> str: ...
    def point_value(self, symbol: str) -> float: ...
    def tick_size(self, symbol: str) -> float: ...
    def first_quoted_date(self, symbol: str) -> str: ...
    def last_quoted_date(self, symbol: str) -> str: ...
    def first_notice_date(self, symbol: str) -> str: ...
    def classification(
        self, symbol: str, schemename: str, classificationresulttype: str
    ) -> str: ...
    def last_price_update_time(self, symbol: str) -> datetime | None: ...
    def database_symbols(self, databasename: str) -> list[str]: ...
    def price_timeseries(
        self,
        symbol: str,
        *,
        start_date: str = ...,
        end_date: str = ...,
        timeseriesformat: str = ...,
        datetimeformat: str = ...,
    ) -> Any: ...  # a numpy recarray


def installed_norgate(*, limit_seconds: float = CALL_LIMIT_SECONDS) -> NorgateFunctions:
    """Import the package, quietly. Raises SourceUnavailable when it is not installed."""

    def load() -> Any:  # the module
        with contextlib.redirect_stdout(io.StringIO()):
            return importlib.import_module("norgatedata")

    try:
        return cast("NorgateFunctions", limited("import norgatedata", load, limit_seconds))
    except SourceUnavailable as error:
        if isinstance(error.__cause__, ImportError):
            raise SourceUnavailable(
                "the package norgatedata is not installed",
                hint=f"pip install norgatedata, on the machine where {_UPDATER} runs",
            ) from error
        raise


def limited(what: str, action: Callable[[], Any], limit_seconds: float) -> Any:
    """Do something of the vendor's with a time limit; every way it fails is SourceUnavailable.

    It runs in a thread of its own: one that hangs is left behind, and dies with the process.
    """
    answers: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put((action(), None))
        except BaseException as error:  # noqa: BLE001 - the package calls sys.exit(): a border of the process
            answers.put((None, error))

    threading.Thread(target=work, name=f"norgate {what}", daemon=True).start()
    try:
        answer, error = answers.get(timeout=limit_seconds)
    except queue.Empty:
        raise SourceUnavailable(
            f"{what}: no answer within {limit_seconds:g} s",
            hint=f"look whether {_UPDATER} hangs or waits for a login",
        ) from None
    if error is None:
        return answer
    if isinstance(error, SystemExit):
        raise SourceUnavailable(
            f"{what}: {_UPDATER} does not answer", hint=f"start {_UPDATER} and wait for its update"
        ) from error
    text = str(error) or type(error).__name__
    raise SourceUnavailable(f"{what}: {text}") from error
