from __future__ import annotations

from afterclose import tws_sim
from conformance.cases import CL, ES, OPEN, Bench, Case, traded


def connect(bench: Bench) -> None:
    probe = bench.connect(bench.gateway())

    assert probe.server_version in {157, 178}
    assert probe.wait("managedAccounts").args == ("DU1234567",)
    assert probe.next_order_id == 1


def duplicate_client_id(bench: Bench) -> None:
    gateway = bench.gateway()
    first = bench.connect(gateway, 5)

    second = bench.attempt(gateway, 5)
    text = second.wait_error(326)

    assert "client id is already in use" in text
    first.synchronize()


def reconnect_at_once(bench: Bench) -> None:
    gateway = bench.gateway()
    for _ in range(3):
        probe = bench.connect(gateway, 5)
        probe.disconnect()
        bench.probes.remove(probe)

    bench.connect(gateway, 5).synchronize()


def server_time(bench: Bench) -> None:
    probe = bench.connect(bench.gateway())
    probe.call("reqCurrentTime")

    # 2025-12-01 22:30 UTC
    assert int(probe.wait("currentTime").args[0]) == 1764628200


def two_clients(bench: Bench) -> None:
    gateway = bench.gateway(at=OPEN)
    owner, other = bench.connect(gateway, 5), bench.connect(gateway, 6)
    order = owner.order("BUY", 1, "LMT", lmtPrice=40.0, orderRef="mine")
    order_id = owner.place(owner.qualified(**CL), order)
    owner.wait_status(order_id, "Submitted")

    mark = other.log.mark
    other.call("reqOpenOrders")
    other.wait("openOrderEnd", since=mark)
    own = other.log.since(mark, "openOrder")
    mark = other.log.mark
    other.call("reqAllOpenOrders")
    other.wait("openOrderEnd", since=mark)
    everybody = other.log.since(mark, "openOrder")
    other.call("cancelOrder", order_id)
    other.wait_error(10147)

    assert own == []
    assert [event.args[2].orderRef for event in everybody] == ["mine"]
    assert [event.args[2].clientId for event in everybody] == [5]
    assert gateway.orders()[0].status == "Submitted"


def ids_across_reconnects(bench: Bench) -> None:
    gateway = bench.gateway(at=OPEN)
    probe = bench.connect(gateway, 5)
    used = traded(bench, probe, fields=CL, order=probe.order("BUY", 1))
    probe.disconnect()
    bench.probes.remove(probe)

    again = bench.connect(gateway, 5)
    stranger = bench.connect(gateway, 6)

    assert again.next_order_id == used + 1
    assert stranger.next_order_id == 1


def rolled_back_ids(bench: Bench) -> None:
    gateway = bench.gateway(at=OPEN, scenario="[connection]\nroll_back_ids = true")
    probe = bench.connect(gateway, 5)
    traded(bench, probe, fields=CL, order=probe.order("BUY", 1))
    probe.disconnect()
    bench.probes.remove(probe)

    assert bench.connect(gateway, 5).next_order_id == 1


def request_ids(bench: Bench) -> None:
    probe = bench.connect(bench.gateway())
    mark = probe.log.mark
    probe.call("reqIds", 100)

    assert int(probe.wait("nextValidId", since=mark).args[0]) == 1


def message_rate(bench: Bench) -> None:
    probe = bench.connect(bench.gateway(scenario="[connection]\nmessages_per_second = 20"))
    probe.together(*[("reqIds", 1)] * 40)

    assert "Max rate of messages" in probe.wait_error(100)


def lost_connectivity(bench: Bench) -> None:
    gateway = bench.gateway(at=OPEN)
    probe = bench.connect(gateway)
    contract = probe.qualified(**CL)
    gateway.switch(tws_sim.Scenario.from_toml('[connection]\nconnectivity = "lost"'))
    probe.wait_error(1100)
    order_id = probe.place(contract, probe.order("BUY", 1, orderRef="unheard"))
    probe.synchronize()
    silent = probe.log.since(0, "openOrder", "orderStatus", "execDetails")
    gateway.switch(tws_sim.Scenario.from_toml('[connection]\nconnectivity = "restored, data kept"'))
    probe.wait_error(1102)

    events, _ = probe.ask("execDetailsEnd", "reqExecutions", probe.make("ExecutionFilter"))
    assert silent == []
    assert [each.args[2].orderId for each in events if each.name == "execDetails"] == [order_id]


def dropped_after_the_order(bench: Bench) -> None:
    gateway = bench.gateway(at=OPEN, scenario="[orders]\ndrop_after = [1]")
    probe = bench.connect(gateway, 5)
    probe.place(probe.qualified(**CL), probe.order("BUY", 1, orderRef="half-heard"))
    gone = {"connectionClosed", "apiError"}
    probe.log.wait(lambda event: event.name in gone)

    again = bench.connect(gateway, 5)
    events, _ = again.ask("execDetailsEnd", "reqExecutions", again.make("ExecutionFilter"))
    assert probe.log.since(0, "openOrder", "orderStatus") == []
    assert [each.args[2].orderRef for each in events if each.name == "execDetails"] == [
        "half-heard"
    ]


def dropped_before_the_order(bench: Bench) -> None:
    gateway = bench.gateway(at=OPEN, scenario="[orders]\ndrop_before = [1]")
    probe = bench.connect(gateway, 5)
    probe.place(probe.qualified(**CL), probe.order("BUY", 1))
    gone = {"connectionClosed", "apiError"}
    probe.log.wait(lambda event: event.name in gone)

    assert gateway.orders() == ()


def bursts_of_every_size(bench: Bench) -> None:
    """Some clients lose a burst that ends exactly at their buffer of 4096 bytes."""
    probe = bench.connect(bench.gateway())
    for exchange in ("CME", "CFE", "NYMEX", "EUREX", "IPE"):
        for symbol in ("ES", "VIX", "CL", "NG", "DAX", "ESTX50", "NGF"):
            found, code = probe.details(symbol=symbol, exchange=exchange)
            assert bool(found) == (code == 0)

    probe.synchronize()


def unknown_contract_keeps_the_connection(bench: Bench) -> None:
    probe = bench.connect(bench.gateway())
    _, code = probe.details(**(ES | {"symbol": "NOPE"}))

    assert code == 200
    probe.synchronize()


CASES: tuple[tuple[str, str, Case], ...] = (
    ("TC-01", "connect: version, accounts, first order id", connect),
    ("TC-02", "a client id in use answers 326", duplicate_client_id),
    ("TC-03", "the same client id reconnects at once", reconnect_at_once),
    ("TC-04", "server time", server_time),
    ("TC-05", "two clients: who sees and owns what", two_clients),
    ("TC-06", "order ids across reconnects", ids_across_reconnects),
    ("TC-07", "order ids that roll back", rolled_back_ids),
    ("TC-08", "reqIds", request_ids),
    ("TC-09", "more messages a second than allowed answer 100", message_rate),
    ("TC-10", "1100 with unheard fills, then 1102", lost_connectivity),
    ("TC-11", "the socket breaks after an order reached the market", dropped_after_the_order),
    ("TC-12", "the socket breaks before an order reached the market", dropped_before_the_order),
    ("TC-13", "answers of every size arrive whole", bursts_of_every_size),
    ("TC-14", "an unknown contract keeps the connection", unknown_contract_keeps_the_connection),
)
