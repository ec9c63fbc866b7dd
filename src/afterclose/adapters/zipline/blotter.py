"""Orders whose ids say what they are, and come out the same in every repetition of a run."""

from __future__ import annotations

from typing import Any

from zipline.finance.blotter import SimulationBlotter


class RepeatableBlotter(SimulationBlotter):  # type: ignore[misc]  # Zipline is untyped
    """Zipline's blotter with ids from session, contract and a count: ``20200309-CLK20-1``."""

    def order(self, asset: Any, amount: int, style: Any, order_id: str | None = None) -> Any:
        """Place an order; one that brings no id of its own gets the next for its contract."""
        if order_id is None:
            order_id = self._next_id(asset)
        return super().order(asset, amount, style, order_id)

    def _next_id(self, asset: Any) -> str:
        stem = f"{self.current_dt:%Y%m%d}-{asset.symbol}"
        number = 1
        while f"{stem}-{number}" in self.orders:
            number += 1
        return f"{stem}-{number}"
