"""The same few verbs over every client library, so that a case is written once.

Nothing but the standard library is imported here; the client under test is looked up by name, so
that this file runs in the environment of any of them.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Any

from conformance.event_log import PATIENCE_S, Event, EventLog

HIGHEST_ERROR_GREETING = frozenset({2104, 2106, 2158})
_FIRST_REQUEST_ID = 9001
SNAPSHOT, REGULATORY = True, True


class Probe(ABC):
    """One connection of a client under test. Client objects are ``Any``: they carry no types."""

    def __init__(self) -> None:
        self.log = EventLog()
        self.next_order_id = 0
        self._next_request_id = _FIRST_REQUEST_ID

    @abstractmethod
    def connect(self, host: str, port: int, client_id: int) -> None:
        """Connect; return once the client is ready to be used, or was refused."""

    @abstractmethod
    def disconnect(self) -> None:
        """Close the connection."""

    @property
    @abstractmethod
    def server_version(self) -> int:
        """The dialect spoken."""

    @abstractmethod
    def call(self, method: str, *args: Any) -> None:
        """Call a request method of the client by its EClient name."""

    @abstractmethod
    def make(self, kind: str, **fields: Any) -> Any:
        """Make a Contract, Order, ExecutionFilter or TagValue of the client's."""

    # -- waiting -----------------------------------------------------------------------------

    def ready(self) -> None:
        """Wait for the first order id and the accounts."""
        self.next_order_id = int(self.wait("nextValidId").args[0])
        self.wait("managedAccounts")

    def together(self, *requests: tuple[Any, ...]) -> None:
        """Send several requests, each a method and its arguments, one right behind the other."""
        for method, *args in requests:
            self.call(method, *args)

    def wait(
        self, name: str, test: Callable[..., bool] = lambda *_: True, *, since: int = 0
    ) -> Event:
        """Wait for a callback of a name whose arguments pass a test."""
        return self.log.wait(lambda event: event.name == name and test(*event.args), since=since)

    def wait_error(self, code: int, *, since: int = 0) -> str:
        """Wait for an error and return its text."""
        event = self.wait("error", lambda _request, found, _text: found == code, since=since)
        return str(event.args[2])

    def codes(self, since: int = 0) -> list[int]:
        """The codes of errors after a mark, greetings left out."""
        found = [int(event.args[1]) for event in self.log.since(since, "error")]
        return [code for code in found if code not in HIGHEST_ERROR_GREETING]

    def synchronize(self) -> None:
        """Wait until everything the gateway said so far has arrived."""
        mark = self.log.mark
        self.call("reqCurrentTime")
        self.wait("currentTime", since=mark)

    # -- asking ------------------------------------------------------------------------------

    def request_id(self) -> int:
        """A new request id."""
        self._next_request_id += 1
        return self._next_request_id

    def ask(self, end: str, method: str, *args: Any) -> tuple[list[Event], int]:
        """Send a request with a new id; return its callbacks and the code of its error, if any."""
        request_id, mark = self.request_id(), self.log.mark
        self.call(method, request_id, *args)

        def ends(event: Event) -> bool:
            if event.name == "error":
                information = 2000 <= event.args[1] < 3000 or event.args[1] == 10167
                return bool(event.args[0] == request_id and not information)
            return bool(event.name == end and event.args[0] == request_id)

        last = self.log.wait(ends, since=mark)
        events = [each for each in self.log.since(mark) if each.args[:1] == (request_id,)]
        return events, int(last.args[1]) if last.name == "error" else 0

    def details(self, **fields: Any) -> tuple[list[Any], int]:
        """Contract details and the error code."""
        contract = self.contract(**fields)
        events, code = self.ask("contractDetailsEnd", "reqContractDetails", contract)
        return [each.args[1] for each in events if each.name == "contractDetails"], code

    def contract(self, **fields: Any) -> Any:
        """A contract of the client's."""
        return self.make("Contract", **{"secType": "FUT", **fields})

    def qualified(self, **fields: Any) -> Any:
        """The one contract of a description."""
        found, code = self.details(**fields)
        assert code == 0
        assert len(found) == 1
        return found[0].contract

    def bars(
        self, contract: Any, *, end: str = "", duration: str = "5 D", show: str = "TRADES"
    ) -> tuple[list[Any], int]:
        """Daily bars and the error code."""
        events, code = self.ask(
            *("historicalDataEnd", "reqHistoricalData", contract, end, duration),
            *("1 day", show, 0, 1, False, []),
        )
        return [each.args[1] for each in events if each.name == "historicalData"], code

    def snapshot(self, contract: Any) -> tuple[dict[int, float], int]:
        """Tick prices by tick type, and the error code."""
        events, code = self.ask(
            "tickSnapshotEnd", "reqMktData", contract, "", SNAPSHOT, not REGULATORY, []
        )
        prices = {each.args[1]: float(each.args[2]) for each in events if each.name == "tickPrice"}
        return prices, code

    # -- orders ------------------------------------------------------------------------------

    def order(self, action: str, quantity: int, kind: str = "MKT", **more: Any) -> Any:
        """An order of the client's, DAY unless told otherwise."""
        fields = {"action": action, "totalQuantity": quantity, "orderType": kind, "tif": "DAY"}
        # The oldest client sets both by default, and TWS refuses them today.
        fields |= {"eTradeOnly": False, "firmQuoteOnly": False}
        return self.make("Order", **(fields | more))

    def place(self, contract: Any, order: Any, *, order_id: int | None = None) -> int:
        """Send an order; return its id."""
        if order_id is None:
            order_id, self.next_order_id = self.next_order_id, self.next_order_id + 1
        self.call("placeOrder", order_id, contract, order)
        return order_id

    def wait_status(self, order_id: int, status: str, *, since: int = 0) -> Event:
        """Wait until an order has a status."""
        return self.wait(
            "orderStatus",
            lambda found, state, *_: found == order_id and state == status,
            since=since,
        )

    def fills(self, order_id: int) -> list[Any]:
        """The unasked-for executions of an order, so far."""
        events = self.log.since(0, "execDetails")
        return [event.args[2] for event in events if event.args[2].orderId == order_id]


def _neutral(name: str, args: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """Bring a callback of any client into one form."""
    if name == "error":
        if len(args) == 5:  # with the time, since 10.33
            return name, (args[0], args[2], args[3])
        return name, args[:3]
    if name in {"commissionReport", "commissionAndFeesReport"}:
        return "commission", (_commission(args[0]), args[0])
    if name == "priceSizeTick":
        return "tickPrice", args[:3]
    return name, args


def _commission(report: Any) -> float:
    amount = getattr(report, "commission", None)
    return float(report.commissionAndFees if amount is None else amount)


class IbapiProbe(Probe):
    """The ibapi family: 9.81, 10.x, and the one Nautilus ships."""

    def __init__(self) -> None:
        super().__init__()
        client = importlib.import_module("ibapi.client").EClient
        wrapper = importlib.import_module("ibapi.wrapper").EWrapper
        log = self.log

        def recorder(name: str) -> Callable[..., None]:
            def note(_self: Any, *args: Any) -> None:
                neutral, values = _neutral(name, args)
                log.note(neutral, *values)

            return note

        names = [
            name
            for name in dir(wrapper)
            if not name.startswith("_") and not name.endswith("ProtoBuf") and name != "logAnswer"
        ]
        recording = type("Recording", (wrapper,), {name: recorder(name) for name in names})
        self._client = client(recording())
        self._thread: threading.Thread | None = None

    def connect(self, host: str, port: int, client_id: int) -> None:
        self._client.connect(host, port, client_id)
        self._thread = threading.Thread(target=self._client.run, name="ibapi", daemon=True)
        self._thread.start()

    def disconnect(self) -> None:
        self._client.disconnect()
        if self._thread is not None:
            self._thread.join(PATIENCE_S)

    @property
    def server_version(self) -> int:
        return int(self._client.serverVersion())

    def call(self, method: str, *args: Any) -> None:
        if method in {"cancelOrder", "reqGlobalCancel"} and self._has_order_cancel():
            cancel = importlib.import_module("ibapi.order_cancel").OrderCancel()
            args = (*args, cancel)
        elif method == "cancelOrder" and self._cancel_takes_time():
            args = (*args, "")
        getattr(self._client, method)(*args)

    def _has_order_cancel(self) -> bool:
        return find_spec("ibapi.order_cancel") is not None

    def _cancel_takes_time(self) -> bool:
        return "manualCancelOrderTime" in self._client.cancelOrder.__code__.co_varnames

    def make(self, kind: str, **fields: Any) -> Any:
        modules = {
            "Contract": "ibapi.contract",
            "Order": "ibapi.order",
            "ExecutionFilter": "ibapi.execution",
            "TagValue": "ibapi.tag_value",
        }
        made = getattr(importlib.import_module(modules[kind]), kind)()
        for name, value in fields.items():
            if hasattr(made, name):
                setattr(made, name, value)
        return made


class _Recorder:
    """A wrapper for ib_async's client: every callback is noted."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.ib = self
        self.TimezoneTWS = ""
        self.defaultTimezone = None

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("_"):
            raise AttributeError(name)

        def note(*args: Any) -> None:
            neutral, values = _neutral(name, args)
            self._log.note(neutral, *values)

        return note


class IbAsyncProbe(Probe):
    """ib_async's own client and decoder, below its bookkeeping."""

    def __init__(self) -> None:
        super().__init__()
        self._module = importlib.import_module("ib_async")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="ib_async", daemon=True)
        self._thread.start()
        self._client: Any = self._in_loop(self._make_client())

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    def _in_loop(self, what: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(PATIENCE_S)

    async def _make_client(self) -> Any:
        wrapper = _Recorder(self.log)
        client = self._module.client.Client(wrapper)
        client.apiError += lambda text: self.log.note("apiError", text)
        return client

    def connect(self, host: str, port: int, client_id: int) -> None:
        self._in_loop(self._connect(host, port, client_id))

    async def _connect(self, host: str, port: int, client_id: int) -> None:
        """Return when it is connected, or was turned away: the client itself waits on then."""
        away = asyncio.Event()
        self._client.conn.disconnected += lambda _message: away.set()
        connecting = asyncio.ensure_future(
            self._client.connectAsync(host, port, client_id, PATIENCE_S / 2)
        )
        leaving = asyncio.ensure_future(away.wait())
        await asyncio.wait({connecting, leaving}, return_when=asyncio.FIRST_COMPLETED)
        connecting.cancel()
        leaving.cancel()
        await asyncio.gather(connecting, leaving, return_exceptions=True)
        error = None if connecting.cancelled() else connecting.exception()
        if isinstance(error, TimeoutError | ConnectionError):
            self.log.note("apiError", str(error))
        elif error is not None:
            raise error

    def disconnect(self) -> None:
        self._in_loop(self._leave())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)

    async def _leave(self) -> None:
        self._client.disconnect()
        await asyncio.sleep(0)

    @property
    def server_version(self) -> int:
        return int(self._client.serverVersion())

    def call(self, method: str, *args: Any) -> None:
        async def send() -> None:
            getattr(self._client, method)(*args)

        self._in_loop(send())

    def together(self, *requests: tuple[Any, ...]) -> None:
        async def send() -> None:
            for method, *args in requests:
                getattr(self._client, method)(*args)

        self._in_loop(send())

    def make(self, kind: str, **fields: Any) -> Any:
        return getattr(self._module, kind)(**fields)


def probe_of(client: str) -> Probe:
    """Make a probe of a client installed in this environment: ``ibapi`` or ``ib_async``."""
    return IbAsyncProbe() if client == "ib_async" else IbapiProbe()


def close_all(probes: Iterable[Probe]) -> None:
    """Disconnect every probe."""
    for probe in probes:
        probe.disconnect()
