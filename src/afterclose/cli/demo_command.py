"""``afterclose demo``: the evening on the terminal, act by act."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path

from afterclose import demo
from afterclose.cli.terminal import (
    OrderTicker,
    audit_summary,
    console,
    ctrl_c_at_once,
    findings_table,
    orders_table,
    positions_table,
)
from afterclose.domain.findings import Severity
from afterclose.evening import run_files


def show(*, out: Path, seed: int, session: date | None, full: bool, real_data: Path | None) -> None:
    """Run the demo and say where everything is."""
    screen = console()
    narrator = demo.Narrator(
        say=lambda text: screen.print(f"   {text}"),
        act=lambda text: screen.print(f"\n● {text}", style="bold"),
        order=OrderTicker(screen),
    )
    default = demo.REAL_SESSION if real_data else demo.SESSION
    request = demo.DemoRequest(
        out=out, session=session or default, seed=seed, full=full, real_data=real_data
    )
    with ctrl_c_at_once():
        evening = asyncio.run(demo.run(request, narrator))
    view = run_files.read_view(evening.folder)
    screen.print()
    screen.print(audit_summary(view.audit))
    screen.print(orders_table(evening.lives, title="Orders"))
    screen.print(positions_table(evening.result))
    notable = [f for f in evening.result.findings if f.severity > Severity.INFO]
    if notable:
        screen.print(findings_table(notable, title="Breaks and open ends"))
    baskets = evening.folder.path / "baskets"
    screen.print(f"\nrun     {evening.folder.path}", soft_wrap=True)
    for file in sorted(baskets.iterdir()):
        screen.print(f"basket  {file}", soft_wrap=True)
    screen.print(f"report  {evening.folder.path / run_files.REPORT}", soft_wrap=True)
