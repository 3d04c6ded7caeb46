"""The examples on Amazon SWF's protocol, and the order example where one call in twenty goes wrong."""

from __future__ import annotations

import pytest

from tests.backends.swf.swf_examples import documented, on_stage
from tests.swf_server.proxy import FaultProxy, Harm

SPARED = ("PollForActivityTask",)
"""The order fails if charging the card times out, as it does when nobody gets the task."""


@pytest.mark.parametrize("name", ["01_quickstart.py", "02_order.py"])
async def test_an_example_runs_on_amazon_swf(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with on_stage() as stage:
        await stage.play(monkeypatch, name, stage.server.url)
    assert capsys.readouterr().out == documented(name)


@pytest.mark.parametrize("seed", [1, 2])
async def test_orders_come_to_their_right_end_through_faults(
    seed: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with on_stage() as stage, FaultProxy(stage.server.url, rate=0.05, seed=seed, spared=SPARED) as proxy:
        await stage.play(monkeypatch, "02_order.py", proxy.url)
    assert capsys.readouterr().out == documented("02_order.py")
    assert proxy.harmed


@pytest.mark.parametrize("harm", Harm)
async def test_orders_come_to_their_right_end_through_each_fault(
    harm: Harm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with (
        on_stage() as stage,
        FaultProxy(stage.server.url, rate=0.1, seed=7, harms=(harm,), spared=SPARED) as proxy,
    ):
        await stage.play(monkeypatch, "02_order.py", proxy.url)
    assert capsys.readouterr().out == documented("02_order.py")
    assert proxy.harmed
