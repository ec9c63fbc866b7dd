"""A client of a session without a socket."""

from __future__ import annotations

from afterclose import tws_sim
from afterclose.tws_sim.gateway import Gateway
from afterclose.tws_sim.session import Outgoing, Session
from afterclose.tws_sim.wire import Field, frame


class Meter:
    """A clock of real seconds that stands still."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Wire:
    """Speaks the protocol by hand."""

    def __init__(self, gateway: Gateway, *, meter: Meter | None = None) -> None:
        self.session = Session(gateway, meter=meter or Meter())

    def greet(self, versions: str = "v100..178") -> list[list[str]]:
        body = versions.encode()
        return self.receive(b"API\0" + len(body).to_bytes(4, "big") + body)

    def start(self, client_id: int = 1, *, versions: str = "v100..178") -> list[list[str]]:
        self.greet(versions)
        return self.send(71, 2, client_id, "")

    def send(self, *fields: Field) -> list[list[str]]:
        return self.receive(frame(*fields))

    def receive(self, data: bytes) -> list[list[str]]:
        return fields_of(self.session.receive(data))

    def take(self) -> list[list[str]]:
        return fields_of(self.session.take())


def fields_of(outgoing: list[Outgoing]) -> list[list[str]]:
    """Split answers into their fields."""
    return [each.frame[4:].decode().split("\0")[:-1] for each in outgoing]


def errors_of(answers: list[list[str]]) -> list[tuple[int, int, str]]:
    """The errors among answers as (request id, code, text)."""
    return [(int(each[2]), int(each[3]), each[4]) for each in answers if each[0] == "4"]


def gateway_of(
    market: tws_sim.Market,
    account: tws_sim.AccountSpec,
    clock: tws_sim.FrozenClock,
    scenario: str = "",
) -> Gateway:
    """A gateway without a server."""
    return Gateway(
        market=market,
        account=account,
        clock=clock,
        scenario=tws_sim.Scenario.from_toml(scenario),
    )


CRUDE: tuple[str, ...] = ("", "CL", "FUT", "202601", "", "", "", "NYMEX", "", "USD", "", "")


def order_message(
    order_id: int,
    *,
    action: str = "BUY",
    quantity: str = "1",
    kind: str = "LMT",
    limit: str = "",
    aux: str = "",
    tif: str = "DAY",
    ref: str = "",
    good_after: str = "",
    good_till: str = "",
    oca: str = "",
    parent: str = "",
    contract: tuple[str, ...] = CRUDE,
) -> bytes:
    """A plain order as a client of dialect 178 writes it: 114 fields, in their places."""
    fields = [""] * 114
    fields[0:14] = ["3", str(order_id), *contract]
    fields[16:22] = [action, quantity, kind, limit, aux, tif]
    fields[22], fields[26], fields[27], fields[28] = oca, ref, "1", parent
    fields[37], fields[38] = good_after, good_till
    return frame(*fields)
