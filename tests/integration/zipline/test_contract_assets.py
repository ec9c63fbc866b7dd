"""The engine's contracts are the assets that plain Zipline reads out of the same database."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from zipline.assets import AssetFinder
from zipline.errors import SidsNotFound, SymbolNotFound

from afterclose.adapters.zipline.assets import ContractFinder, contract_finder
from afterclose.adapters.zipline.rolls import read_chain
from integration.zipline.small_market import SmallRoot, small_market

pytestmark = pytest.mark.slow

ROOTS = (
    SmallRoot(root="ES", tick_size=0.25),
    SmallRoot(root="FGBL", currency="EUR", point_value=1000.0, tick_size=0.0000005, irregular=25),
)


@pytest.fixture(scope="module")
def finder() -> ContractFinder:
    data = small_market(ROOTS, first=date(2018, 1, 2), last=date(2019, 6, 28))
    first, *rest = data.contracts
    return contract_finder([replace(first, first_notice=date(2018, 3, 1), exchange="CBOT"), *rest])


def test_every_attribute_is_what_zipline_reads_from_its_database(finder: ContractFinder) -> None:
    stock = AssetFinder(finder.engine)
    sids = stock.futures_sids

    ours, theirs = finder.retrieve_all(sids), stock.retrieve_all(sids)

    assert len(ours) == len(finder.futures_sids) > 10
    assert [asset.to_dict() for asset in ours] == [asset.to_dict() for asset in theirs]
    assert [type(asset) for asset in ours] == [type(asset) for asset in theirs]
    assert {str(asset.notice_date) for asset in ours} == {"None", "2018-03-01 00:00:00"}


def test_a_contract_is_one_object_however_it_is_asked_for(finder: ContractFinder) -> None:
    asset = finder.lookup_future_symbol("FGBLH19")

    assert asset.symbol == "FGBLH19"
    assert finder.retrieve_asset(asset.sid) is asset
    assert finder.retrieve_all([asset.sid])[0] is asset
    chain = read_chain(finder.get_ordered_contracts("FGBL"))
    assert any(listed is asset for listed in chain.assets)


def test_what_is_not_there_is_refused_as_zipline_refuses_it(finder: ContractFinder) -> None:
    with pytest.raises(SymbolNotFound):
        finder.lookup_future_symbol("ESZ99")
    with pytest.raises(SidsNotFound):
        finder.retrieve_all([1])
    assert finder.retrieve_all([1], default_none=True) == [None]
