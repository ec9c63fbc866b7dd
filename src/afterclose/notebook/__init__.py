"""The desk in a notebook: one line for each question, tables with the report's colours.

    import afterclose as ac
    desk = ac.open("~/desk")
    run = desk.latest()
    run.audit.buys

Nothing here can send or approve: looking is all that the types allow. Whatever has to wait for a
gateway waits on a thread of its own, so that it works inside a running event loop (Jupyter, marimo)
as well as without one.
"""

from __future__ import annotations

from afterclose.notebook.desk import Evening, NotebookDesk, open_desk
from afterclose.notebook.tables import Audit, AuditFrame

__all__ = ["Audit", "AuditFrame", "Evening", "NotebookDesk", "open_desk"]
