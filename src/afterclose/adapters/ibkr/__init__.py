"""Interactive Brokers: the only package that speaks ib_async.

``open_reader`` gives what reads, ``open_desk`` what places, ``open_margin_preview`` what asks for
margins; all speak to TWS, IB Gateway and the
paper gateway alike, by host and port.
"""

from __future__ import annotations

from afterclose.adapters.ibkr.code_entry import CodeKind
from afterclose.adapters.ibkr.codes import Explanation, explain
from afterclose.adapters.ibkr.desk import IbkrDesk, open_desk
from afterclose.adapters.ibkr.reader import IbkrReader, open_reader
from afterclose.adapters.ibkr.what_if import IbkrMarginPreview, open_margin_preview

__all__ = [
    "CodeKind",
    "Explanation",
    "IbkrDesk",
    "IbkrMarginPreview",
    "IbkrReader",
    "explain",
    "open_desk",
    "open_margin_preview",
    "open_reader",
]
