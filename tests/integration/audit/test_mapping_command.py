"""``afterclose mapping check`` as a user meets it, on a desk of four markets."""

from __future__ import annotations

import pytest

from e2e.conftest import afterclose
from e2e.small_desk import SESSION, SmallDesk, make_small_desk

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> SmallDesk:
    return make_small_desk(tmp_path_factory.mktemp("small"))


def check(desk: SmallDesk, *flags: str) -> tuple[int, str]:
    done = afterclose("mapping", "check", "--session", SESSION.isoformat(), *flags, home=desk.home)
    assert "Traceback" not in done.stderr
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_roots_that_agree_are_listed_and_end_well(desk: SmallDesk) -> None:
    with desk.gateway() as gateway:
        desk.configure(port=gateway.port)
        code, said = check(desk, "--root", "ES", "--root", "ZC")

    assert code == 0, said
    assert "2 contracts asked for, 2 without a word against them" in said


def test_a_root_that_the_gateway_does_not_know_ends_with_its_name(desk: SmallDesk) -> None:
    with desk.gateway(scenario='[contracts]\nunknown = ["HG"]\n') as gateway:
        desk.configure(port=gateway.port)
        code, said = check(desk, "--root", "ES", "--root", "HG")

    assert code == 1, said
    assert "AC205" in said
    assert "To be settled in the mapping workbook: HG" in said


def test_a_root_that_is_not_mapped_is_a_usage_error(desk: SmallDesk) -> None:
    desk.configure(port=4002)
    code, said = check(desk, "--root", "QQQ")

    assert code == 2
    assert "not in the mapping: QQQ" in said


def test_without_a_gateway_it_says_so(desk: SmallDesk) -> None:
    with desk.gateway() as gateway:
        port = gateway.port
    desk.configure(port=port)
    code, said = check(desk, "--root", "ES")

    assert code == 3
    assert "nobody listens" in said
