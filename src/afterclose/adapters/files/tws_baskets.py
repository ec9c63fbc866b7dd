"""Baskets in the form TWS loads, in the folder and under the names traders' tools look for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from afterclose.adapters.files.basket_csv import (
    BasketForm,
    basket_name,
    basket_text,
    side_name,
    write_basket,
)
from afterclose.domain.orders import Action, BasketOrder


class TwsBaskets:
    """``ports.BasketFiles`` on plain files."""

    def __init__(self, form: BasketForm = BasketForm.TWS) -> None:
        self.form = form

    def write(
        self, folder: Path, session: date, orders: Sequence[BasketOrder], *, side: Action | None
    ) -> Path:
        """Write one basket, whole or not at all, and read it back; ``side`` None is both sides."""
        name = basket_name(session) if side is None else side_name(session, side)
        folder.mkdir(parents=True, exist_ok=True)
        write_basket(folder / name, basket_text(orders, form=self.form))
        return folder / name
