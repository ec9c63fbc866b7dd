from __future__ import annotations

from datetime import timedelta
from typing import Any

from afterclose import tws_sim
from conformance.cases import CL, DAX, ES, OPEN, Bench, Case, traded, tuesday
from conformance.probes import Probe
from unit.tws_sim.sim_market import TUESDAY_CLOSE, TUESDAY_OPEN, holding

UNSET = 1e300


def preview(bench: Bench) -> None:
    gateway = bench.gateway()
    probe = bench.connect(gateway)
    order = probe.order("BUY", 2, "LMT", lmtPrice=59.32, whatIf=True)
    order_id = probe.place(probe.qualified(**CL), order)
    state = probe.wait("openOrder", lambda found, *_: found == order_id).args[3]
    probe.synchronize()

    assert float(state.initMarginBefore) == 48_180
    assert float(state.initMarginChange) == 27_807.88
    assert float(state.initMarginAfter) == 75_987.88
    assert float(state.maintMarginChange) == 25_027.09
    assert _commission(state) == 4.74
    assert probe.log.since(0, "orderStatus") == []
    assert gateway.orders() == ()


def _commission(state: Any) -> float:
    amount = getattr(state, "commission", None)
    return float(state.commissionAndFees if amount is None else amount)


def limit_order(bench: Bench) -> None:
    gateway = bench.gateway(at=OPEN)
    probe = bench.connect(gateway)
    order = probe.order("BUY", 1, "LMT", lmtPrice=58.5, orderRef="TC-43")
    order_id = probe.place(probe.qualified(**CL), order)
    probe.wait_status(order_id, "Submitted")
    gateway.advance_to(TUESDAY_CLOSE)
    status = probe.wait_status(order_id, "Filled").args
    opened = probe.wait("openOrder", lambda found, *_: found == order_id).args
    (fill,) = probe.fills(order_id)

    assert opened[1].localSymbol == "CLF6"
    assert (opened[2].orderRef, float(opened[2].lmtPrice)) == ("TC-43", 58.5)
    assert opened[2].tif == "DAY"
    assert opened[3].status == "Submitted"
    assert (float(status[2]), float(status[3]), float(status[4])) == (1, 0, 58.5)
    assert int(status[5]) == opened[2].permId
    assert (fill.side, float(fill.shares), fill.price) == ("BOT", 1, 58.5)
    assert (fill.orderRef, fill.acctNumber, fill.exchange) == ("TC-43", "DU1234567", "NYMEX")
    assert fill.permId == opened[2].permId


def market_order(bench: Bench) -> None:
    probe = bench.connect(bench.gateway(at=OPEN))
    order_id = traded(bench, probe, fields=CL, order=probe.order("SELL", 3))

    (fill,) = probe.fills(order_id)
    report = probe.wait("commission")
    assert (fill.side, float(fill.shares), fill.price) == ("SLD", 3, 59.3)
    assert report.args[0] == 7.11
    assert report.args[1].execId == fill.execId
    assert report.args[1].currency == "USD"


def market_on_close(bench: Bench) -> None:
    gateway = bench.gateway(at=OPEN)
    probe = bench.connect(gateway)
    order_id = probe.place(probe.qualified(**CL), probe.order("BUY", 1, "MOC"))
    probe.wait_status(order_id, "PreSubmitted")
    gateway.advance_to(TUESDAY_CLOSE)
    probe.wait_status(order_id, "Filled")
    bad = probe.place(probe.qualified(**CL), probe.order("BUY", 1, "MOC", tif="GTC"))
    probe.wait_error(113)

    assert [fill.price for fill in probe.fills(order_id)] == [58.64]
    assert probe.fills(bad) == []


def stop_order(bench: Bench) -> None:
    gateway = bench.gateway(at=OPEN)
    probe = bench.connect(gateway)
    contract = probe.qualified(**CL)
    stop = probe.place(contract, probe.order("SELL", 1, "STP", auxPrice=58.5))
    limited = probe.place(contract, probe.order("BUY", 1, "STP LMT", auxPrice=59.45, lmtPrice=59.6))
    probe.wait_status(limited, "PreSubmitted")
    gateway.advance_to(TUESDAY_CLOSE)
    probe.wait_status(stop, "Filled")
    probe.wait_status(limited, "Filled")

    # Up to the high of 59.50 first, then through the low of 58.10.
    assert 58.48 <= probe.fills(stop)[0].price <= 58.5
    assert 59.45 <= probe.fills(limited)[0].price <= 59.47


def adaptive_order(bench: Bench) -> None:
    _algo(bench, "Adaptive", adaptivePriority="Normal")


def vwap_order(bench: Bench) -> None:
    _algo(bench, "Vwap", maxPctVol="0.1", noTakeLiq="0")


def _algo(bench: Bench, name: str, **params: str) -> None:
    probe = bench.connect(bench.gateway(at=OPEN))
    tags = [probe.make("TagValue", tag=tag, value=value) for tag, value in params.items()]
    order = probe.order("BUY", 1, "MKT", algoStrategy=name, algoParams=tags)
    order_id = traded(bench, probe, fields=CL, order=order)

    shown = probe.wait("openOrder", lambda found, *_: found == order_id).args[2]
    assert shown.algoStrategy == name
    assert {each.tag: each.value for each in shown.algoParams} == params


def modification(bench: Bench) -> None:
    gateway = bench.gateway(at=OPEN)
    probe = bench.connect(gateway)
    contract = probe.qualified(**CL)
    order = probe.order("BUY", 2, "LMT", lmtPrice=40.0)
    order_id = probe.place(contract, order)
    probe.wait_status(order_id, "Submitted")

    mark = probe.log.mark
    order.lmtPrice = 41.0
    order.totalQuantity = 3
    probe.place(contract, order, order_id=order_id)
    probe.wait("openOrder", lambda *args: float(args[2].lmtPrice) == 41, since=mark)
    order.lmtPrice = 41.005
    probe.place(contract, order, order_id=order_id)
    probe.wait_error(110)

    (kept,) = gateway.orders()
    assert kept.limit_price == 41
    assert kept.quantity == 3
    assert kept.status == "Submitted"


def cancellation(bench: Bench) -> None:
    gateway = bench.gateway(at=OPEN)
    probe = bench.connect(gateway)
    order_id = probe.place(probe.qualified(**CL), probe.order("BUY", 1, "LMT", lmtPrice=40.0))
    probe.wait_status(order_id, "Submitted")
    probe.call("cancelOrder", order_id)
    probe.wait_error(202)
    probe.wait_status(order_id, "Cancelled")
    probe.call("cancelOrder", order_id)
    probe.call("cancelOrder", 4711)
    done = probe.wait_error(10148)
    probe.wait_error(10147)

    assert "state: Cancelled" in done
    assert gateway.orders()[0].status == "Cancelled"


def global_cancellation(bench: Bench) -> None:
    gateway = bench.gateway(at=OPEN)
    probe = bench.connect(gateway)
    contract = probe.qualified(**CL)
    ids = [
        probe.place(contract, probe.order("BUY", 1, "LMT", lmtPrice=40.0 + step))
        for step in range(3)
    ]
    for order_id in ids:
        probe.wait_status(order_id, "Submitted")
    probe.call("reqGlobalCancel")
    for order_id in ids:
        probe.wait_status(order_id, "Cancelled")

    assert {each.status for each in gateway.orders()} == {"Cancelled"}


def partial_fills(bench: Bench) -> None:
    gateway = bench.gateway(at=OPEN, scenario="[orders]\npartial_fills = { CL = 2 }")
    probe = bench.connect(gateway)
    order_id = probe.place(probe.qualified(**CL), probe.order("BUY", 5, "LMT", lmtPrice=59.5))
    probe.wait("orderStatus", lambda *args: float(args[2]) == 2)
    gateway.advance_to(tuesday(1))
    probe.wait_status(order_id, "Filled")

    fills = probe.fills(order_id)
    assert [float(fill.shares) for fill in fills] == [2, 2, 1]
    assert [float(fill.cumQty) for fill in fills] == [2, 4, 5]
    assert len({fill.execId for fill in fills}) == 3


def open_and_completed(bench: Bench) -> None:
    probe = bench.connect(bench.gateway(at=OPEN))
    contract = probe.qualified(**CL)
    working = probe.place(contract, probe.order("BUY", 1, "LMT", lmtPrice=40.0, orderRef="w"))
    probe.wait_status(working, "Submitted")
    filled = probe.place(contract, probe.order("BUY", 1, orderRef="f"))
    probe.wait_status(filled, "Filled")
    cancelled = probe.place(contract, probe.order("BUY", 1, "LMT", lmtPrice=41.0, orderRef="c"))
    probe.wait_status(cancelled, "Submitted")
    probe.call("cancelOrder", cancelled)
    probe.wait_status(cancelled, "Cancelled")

    mark = probe.log.mark
    probe.call("reqOpenOrders")
    probe.wait("openOrderEnd", since=mark)
    api_only = False
    probe.call("reqCompletedOrders", api_only)
    probe.wait("completedOrdersEnd", since=mark)

    shown = [event.args[2].orderRef for event in probe.log.since(mark, "openOrder")]
    completed = {
        event.args[1].orderRef: (event.args[2].status, event.args[2].completedStatus)
        for event in probe.log.since(mark, "completedOrder")
    }
    assert shown == ["w"]
    assert completed == {
        "f": ("Filled", "Filled Size: 1"),
        "c": ("Cancelled", "Cancelled by Trader"),
    }


def execution_filters(bench: Bench) -> None:
    gateway = bench.gateway(at=OPEN)
    probe, other = bench.connect(gateway, 5), bench.connect(gateway, 6)
    traded(bench, probe, fields=CL, order=probe.order("BUY", 1))
    traded(bench, probe, fields=ES, order=probe.order("SELL", 2))
    traded(bench, other, fields=CL, order=other.order("SELL", 3))

    def shares(**fields: Any) -> list[float]:
        events, _ = probe.ask(
            "execDetailsEnd", "reqExecutions", probe.make("ExecutionFilter", **fields)
        )
        return [float(each.args[2].shares) for each in events if each.name == "execDetails"]

    assert shares() == [1, 2, 3]
    assert shares(clientId=5) == [1, 2]
    assert shares(symbol="CL") == [1, 3]
    assert shares(side="BUY") == [1]
    assert shares(exchange="CME") == [2]
    assert shares(time="20251201-23:59:59") == []


def refused_orders(bench: Bench) -> None:
    scenario = '[orders]\nreject = { ES = "No trading permission." }\nsize_limit = 50'
    gateway = bench.gateway(at=OPEN, scenario=scenario)
    probe = bench.connect(gateway)
    crude = probe.qualified(**CL)
    attempts = [
        (crude, probe.order("BUY", 1, "LMT", lmtPrice=59.005), 110),
        (crude, probe.order("BUY", 51, "LMT", lmtPrice=40.0), 383),
        (crude, probe.order("BUY", 1, "LMT", lmtPrice=90.0), 201),
        (crude, probe.order("BUY", 0, "LMT", lmtPrice=40.0), 434),
        (crude, probe.order("BUY", 1, "BOX TOP"), 387),
        (probe.contract(**DAX), probe.order("BUY", 1), 200),
        (probe.qualified(**ES), probe.order("BUY", 1), 201),
        (crude, probe.order("BUY", 1, account="DU7654321"), 321),
    ]

    for contract, order, expected in attempts:
        mark = probe.log.mark
        probe.place(contract, order)
        probe.wait_error(expected, since=mark)

    assert [each.status for each in gateway.orders()] == ["Inactive", "Inactive"]


def insufficient_funds(bench: Bench) -> None:
    gateway = bench.gateway(at=OPEN)
    probe = bench.connect(gateway)
    order_id = probe.place(probe.qualified(**CL), probe.order("BUY", 100))

    assert "Available Funds" in probe.wait_error(201)
    probe.wait_status(order_id, "Inactive")
    assert gateway.executions() == ()


def held_orders(bench: Bench) -> None:
    gateway = bench.gateway(at=OPEN, scenario='[orders]\nhold = { CL = "Above the Size Limit." }')
    probe = bench.connect(gateway)
    crude = probe.qualified(**CL)
    sent_on = probe.place(crude, probe.order("BUY", 1, orderRef="sent on"))
    cancelled = probe.place(crude, probe.order("BUY", 1, orderRef="cancelled"))
    assert probe.wait_error(383) == "Above the Size Limit."
    probe.wait_status(sent_on, "Inactive")
    probe.wait_status(cancelled, "Inactive")

    mark = probe.log.mark
    probe.call("reqAllOpenOrders")
    probe.wait("openOrderEnd", since=mark)
    shown = [event.args[2].orderRef for event in probe.log.since(mark, "openOrder")]
    assert sorted(shown) == ["cancelled", "sent on"]
    assert gateway.executions() == ()

    gateway.send_on("sent on")
    probe.wait_status(sent_on, "Filled")
    probe.call("cancelOrder", cancelled)
    probe.wait_status(cancelled, "Cancelled")
    assert [each.status for each in gateway.orders()] == ["Filled", "Cancelled"]


def duplicate_order_id(bench: Bench) -> None:
    probe = bench.connect(bench.gateway(at=OPEN))
    order_id = traded(bench, probe, fields=CL, order=probe.order("BUY", 1))

    probe.place(probe.qualified(**ES), probe.order("BUY", 1), order_id=order_id)
    probe.wait_error(104)
    working = probe.place(probe.qualified(**CL), probe.order("BUY", 1, "LMT", lmtPrice=40.0))
    probe.wait_status(working, "Submitted")
    probe.place(
        probe.qualified(**ES), probe.order("BUY", 1, "LMT", lmtPrice=5000.0), order_id=working
    )
    probe.wait_error(103)


def missing_tif(bench: Bench) -> None:
    gateway = bench.gateway(at=OPEN)
    probe = bench.connect(gateway)
    probe.place(probe.qualified(**CL), probe.order("BUY", 1, "LMT", lmtPrice=40.0, tif=""))
    probe.wait_error(10349)

    assert [(each.status, each.tif) for each in gateway.orders()] == [("Submitted", "DAY")]


def closed_market(bench: Bench) -> None:
    gateway = bench.gateway()
    probe = bench.connect(gateway)
    order_id = probe.place(probe.qualified(**CL), probe.order("BUY", 1, "LMT", lmtPrice=40.0))
    text = probe.wait_error(399)
    probe.wait_status(order_id, "PreSubmitted")
    gateway.advance_to(TUESDAY_OPEN)
    probe.wait_status(order_id, "Submitted")
    gateway.advance_to(TUESDAY_CLOSE)
    probe.wait_error(202)
    probe.wait_status(order_id, "Cancelled")

    assert "will not be placed at the exchange until 20251201 18:00:00" in text


def read_only(bench: Bench) -> None:
    gateway = bench.gateway(at=OPEN, scenario="[orders]\nread_only = true")
    probe = bench.connect(gateway)
    probe.place(probe.qualified(**CL), probe.order("BUY", 1))

    assert "Read-Only" in probe.wait_error(321)
    assert gateway.orders() == ()


def too_many_orders(bench: Bench) -> None:
    gateway = bench.gateway(at=OPEN, scenario="[connection]\nmessages_per_second = 0")
    probe = bench.connect(gateway)
    contract = probe.qualified(**CL)
    for step in range(16):
        probe.place(contract, probe.order("BUY", 1, "LMT", lmtPrice=40.0 + step))

    assert "15 working orders" in probe.wait_error(201)


def silent_order(bench: Bench) -> None:
    gateway = bench.gateway(at=OPEN, scenario="[orders]\nno_callback = [1]")
    probe = bench.connect(gateway)
    contract = probe.qualified(**CL)
    silent = probe.place(contract, probe.order("BUY", 1, orderRef="silent"))
    heard = probe.place(contract, probe.order("BUY", 1, orderRef="heard"))
    probe.wait_status(heard, "Filled")
    events, _ = probe.ask("execDetailsEnd", "reqExecutions", probe.make("ExecutionFilter"))

    assert [each for each in probe.log.since(0, "orderStatus") if each.args[0] == silent] == []
    found = [each.args[2].orderRef for each in events if each.name == "execDetails"]
    assert found == ["silent", "heard"]


def doubled_and_reversed(bench: Bench) -> None:
    scenario = "[orders]\nduplicate_callbacks = true\nreverse_callbacks = true"
    gateway = bench.gateway(at=OPEN, scenario=scenario)
    probe = bench.connect(gateway)
    order_id = traded(bench, probe, fields=CL, order=probe.order("BUY", 1))

    fills = probe.fills(order_id)
    names = [each.name for each in probe.log.since(0, "execDetails", "commission")]
    assert len(fills) == 2
    assert len({fill.execId for fill in fills}) == 1
    assert names[0] == "commission"
    assert len(gateway.executions()) == 1


def late_callbacks(bench: Bench) -> None:
    gateway = bench.gateway(at=OPEN, scenario="[orders]\nlate_callbacks_s = 1")
    probe = bench.connect(gateway)
    contract, order_id = probe.qualified(**CL), probe.next_order_id
    placing = ("placeOrder", order_id, contract, probe.order("BUY", 1))
    probe.together(placing, ("reqCurrentTime",))  # read at once, so that only the delay is between
    probe.wait_status(order_id, "Filled")

    names = [each.name for each in probe.log.since(0, "currentTime", "orderStatus")]
    assert names[0] == "currentTime"


def two_perm_ids(bench: Bench) -> None:
    gateway = bench.gateway(at=OPEN, scenario="[orders]\ndouble_perm_ids = [1]")
    probe = bench.connect(gateway)
    traded(bench, probe, fields=CL, order=probe.order("BUY", 1, orderRef="twice"))
    events, _ = probe.ask("execDetailsEnd", "reqExecutions", probe.make("ExecutionFilter"))

    fills = [each.args[2] for each in events if each.name == "execDetails"]
    assert [fill.orderRef for fill in fills] == ["twice", "twice"]
    assert len({fill.permId for fill in fills}) == 2


def fills_while_away(bench: Bench) -> None:
    gateway = bench.gateway()
    probe = bench.connect(gateway, 5)
    order_id = probe.place(
        probe.qualified(**CL), probe.order("BUY", 1, "LMT", lmtPrice=59.5, orderRef="away")
    )
    probe.wait_status(order_id, "PreSubmitted")
    probe.disconnect()
    bench.probes.remove(probe)
    gateway.advance_to(OPEN)

    again = bench.connect(gateway, 5)
    again.call("reqOpenOrders")
    again.wait("openOrderEnd")
    again.call("reqPositions")
    again.wait("positionEnd")
    events, _ = again.ask("execDetailsEnd", "reqExecutions", again.make("ExecutionFilter"))

    held = {
        each.args[1].localSymbol: float(each.args[2]) for each in again.log.since(0, "position")
    }
    assert again.log.since(0, "openOrder") == []
    assert held == {"ESZ5": 3, "CLF6": 1}
    assert [each.args[2].orderRef for each in events if each.name == "execDetails"] == ["away"]


def yesterdays_executions(bench: Bench) -> None:
    gateway = bench.gateway(at=OPEN)
    probe = bench.connect(gateway)
    traded(bench, probe, fields=CL, order=probe.order("BUY", 1))
    gateway.advance_to(tuesday(1))

    def shown() -> int:
        events, _ = probe.ask("execDetailsEnd", "reqExecutions", probe.make("ExecutionFilter"))
        return len([each for each in events if each.name == "execDetails"])

    after_midnight = shown()
    gateway.switch(tws_sim.Scenario.from_toml("[connection]\nexecution_days = 7"))

    assert after_midnight == 0
    assert shown() == 1


def delivery_window(bench: Bench) -> None:
    holdings = (holding("CL", "202601", 1, "60.00"),)
    # The contract ends on Friday the 19th; from two business days before, it is only closed.
    gateway = bench.gateway(at=OPEN + timedelta(days=15), holdings=holdings)
    probe = bench.connect(gateway)
    contract = probe.qualified(**CL)
    probe.place(contract, probe.order("BUY", 1))
    text = probe.wait_error(201)
    closing = probe.place(contract, probe.order("SELL", 1))
    probe.wait_status(closing, "Filled")
    mark = probe.log.mark
    probe.place(contract, probe.order("SELL", 1))
    probe.wait_error(201, since=mark)

    assert "physical delivery" in text
    assert gateway.positions() == ()


def precautions(bench: Bench) -> None:
    scenario = "[orders]\nsize_limit = 20\nvalue_limit = 500000\nprice_limit_percent = 3"
    gateway = bench.gateway(at=OPEN, scenario=scenario)
    probe = bench.connect(gateway)
    contract = probe.qualified(**CL)
    for quantity, price, code in ((21, 59.0, 383), (10, 59.0, 451), (1, 50.0, 163)):
        mark = probe.log.mark
        probe.place(contract, probe.order("BUY", quantity, "LMT", lmtPrice=price))
        probe.wait_error(code, since=mark)

    assert gateway.orders() == ()


def chance_by_seed(bench: Bench) -> None:
    silent = []
    for _ in range(2):
        scenario = "[chance]\nno_callback_percent = 50\n[connection]\nmessages_per_second = 0"
        probe = bench.connect(bench.gateway(at=OPEN, scenario=scenario))
        contract = probe.qualified(**CL)
        ids = [probe.place(contract, probe.order("BUY", 1)) for _ in range(12)]
        probe.synchronize()
        silent.append([order_id for order_id in ids if not _statuses(probe, order_id)])

    assert silent[0] == silent[1]
    assert 0 < len(silent[0]) < 12


def _statuses(probe: Probe, order_id: int) -> list[str]:
    events = probe.log.since(0, "orderStatus")
    return [str(event.args[1]) for event in events if event.args[0] == order_id]


CASES: tuple[tuple[str, str, Case], ...] = (
    ("TC-42", "what-if", preview),
    ("TC-43", "LMT: accepted, rests, fills", limit_order),
    ("TC-44", "MKT, with its commission", market_order),
    ("TC-45", "MOC, and 113 unless DAY", market_on_close),
    ("TC-46", "STP and STP LMT", stop_order),
    ("TC-47", "Adaptive", adaptive_order),
    ("TC-48", "Vwap", vwap_order),
    ("TC-49", "modify; a refused change leaves the order as it was", modification),
    ("TC-50", "cancel: 202, 10148, 10147", cancellation),
    ("TC-51", "global cancel", global_cancellation),
    ("TC-52", "partial fills, cumulative", partial_fills),
    ("TC-53", "open and completed orders", open_and_completed),
    ("TC-54", "executions with filters", execution_filters),
    ("TC-55", "refusals: 110 383 201 434 387 200 321", refused_orders),
    ("TC-56", "201 for lack of funds", insufficient_funds),
    ("TC-57", "order ids used twice: 103, 104", duplicate_order_id),
    ("TC-58", "10349 without a time in force; the order lives", missing_tif),
    ("TC-59", "closed market: 399, opening, 202 at the close", closed_market),
    ("TC-60", "read-only: 321", read_only),
    ("TC-61", "the 16th working order on one side", too_many_orders),
    ("TC-62", "an order without any callback", silent_order),
    ("TC-63", "callbacks doubled and out of order", doubled_and_reversed),
    ("TC-64", "callbacks that come late", late_callbacks),
    ("TC-65", "one reference, two permIds", two_perm_ids),
    ("TC-66", "fills while the client is away", fills_while_away),
    ("TC-67", "close to delivery: closing orders alone", delivery_window),
    ("TC-68", "precautions: 383 451 163", precautions),
    ("TC-69", "faults by chance, the same for the same seed", chance_by_seed),
    ("TC-70", "executions end at midnight, unless more days are kept", yesterdays_executions),
    ("TC-71", "held by a precaution: 383, inactive and open; sent on, cancelled", held_orders),
)
