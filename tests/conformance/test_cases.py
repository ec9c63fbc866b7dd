"""The conformance cases: with ib_async here, with the other clients in environments of theirs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from afterclose import tws_sim
from afterclose.tws_sim.session import HANDLERS
from conformance.clients import CLIENTS, ClientLibrary, run
from conformance.run_cases import CASES, run_case

pytestmark = pytest.mark.slow

ENVIRONMENTS = "AFTERCLOSE_CLIENT_ENVIRONMENTS"


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{name} {title}") for name, title, case in CASES]
)
def test_ib_async_is_told_what_the_case_says(case: object, market: tws_sim.Market) -> None:
    found = next(each for _, _, each in CASES if each is case)

    result = run_case(found, "ib_async", market)

    assert result == "ok" or result.startswith("n/a")


@pytest.mark.parametrize("client", CLIENTS, ids=[client.name for client in CLIENTS])
def test_every_client_passes_every_case(client: ClientLibrary) -> None:
    folder = os.environ.get(ENVIRONMENTS)
    if not folder:
        pytest.skip(f"{ENVIRONMENTS} is not set")

    results = run(Path(folder), client)

    assert {case for case, result in results.items() if result.startswith("failed")} == set()
    assert set(results) == {name for name, _, _ in CASES}


def test_case_ids_are_unique_and_in_order() -> None:
    names = [name for name, _, _ in CASES]

    assert names == [f"TC-{number:02d}" for number in range(1, len(CASES) + 1)]


def test_every_request_of_the_two_dialects_has_a_handler() -> None:
    required = {
        *(1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 15, 16, 17, 20, 25, 49, 58, 59, 61, 62, 63, 64, 76, 77),
        *(78, 81, 87, 90, 91, 92, 93, 94, 95, 99, 104),
    }

    assert required == set(HANDLERS)
