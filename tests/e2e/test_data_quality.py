"""A bar that contradicts itself is on tonight's order of its market, and stops no other."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from afterclose.adapters.marketdata.store import MarketStore, MarketStoreWriter
from e2e.conftest import afterclose
from e2e.small_desk import SESSION, make_small_desk
from e2e.test_bad_input import assert_told

pytestmark = pytest.mark.slow

#: An hour after the close of the session.
RECORDED_AT = datetime(2026, 10, 21, 22, tzinfo=UTC)


def test_what_looks_wrong_tonight_stands_on_the_orders_of_its_market(tmp_path: Path) -> None:
    desk = make_small_desk(tmp_path)
    bars = MarketStore.open(desk.home / "market").bars("ESZ26")
    opened = bars.open.copy()
    opened[-1] = bars.low[-1] - 25.0
    with MarketStoreWriter(desk.home / "market") as writer:
        writer.revise("ESZ26", replace(bars, open=opened), recorded_at=RECORDED_AT)

    with desk.gateway() as gateway:
        desk.configure(port=gateway.port)
        prepared = afterclose("run", "--session", SESSION.isoformat(), home=desk.home)

    assert_told(prepared, 0, "AC130")
    (folder,) = (desk.home / "runs").iterdir()
    with (folder / "31-quality.csv").open(encoding="utf-8", newline="") as file:
        found = {(row["code"], row["subject"]): row for row in csv.DictReader(file)}
    assert {("AC130", "ESZ26"), ("AC133", "ES")} <= set(found)
    assert SESSION.isoformat() in found["AC130", "ESZ26"]["message"]
    report = json.loads((folder / "45-evening.json").read_text(encoding="utf-8"))
    by_root = {
        row["order"]["mapped"]["contract"]["root"]: {f["code"] for f in row["findings"]}
        for row in report["audit"]["rows"]
    }
    assert {"AC130", "AC133"} <= by_root["ES"]
    assert not any({"AC130", "AC133"} & codes for root, codes in by_root.items() if root != "ES")
    assert [finding["subject"] for finding in report["data"]["revised"]] == ["ES"]
