"""Order ids and permIds: what was used, and what comes next."""

from __future__ import annotations

from datetime import date

_EPOCH = date(2020, 1, 1)
_PERM_IDS_PER_DAY = 100_000


class OrderIds:
    """The ids given out so far."""

    def __init__(self) -> None:
        self.perm_ids = 0
        self.next_by_client: dict[int, int] = {}

    def next_perm_id(self, today: date) -> int:
        """Return a new permId; ids of another day never come again."""
        self.perm_ids += 1
        return (today - _EPOCH).days * _PERM_IDS_PER_DAY + self.perm_ids

    def next_order_id(self, client_id: int) -> int:
        """Return the next order id a client may use."""
        return self.next_by_client.get(client_id, 1)

    def saw(self, client_id: int, order_id: int) -> None:
        """Remember an order id as used."""
        self.next_by_client[client_id] = max(self.next_order_id(client_id), order_id + 1)

    def roll_back(self, client_id: int) -> None:
        """Forget what a client has used, as a gateway does after some restarts."""
        self.next_by_client.pop(client_id, None)
