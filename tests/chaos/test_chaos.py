"""The chaos test in its short form; ``python -m tests.chaos`` is the long one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.campaign import Campaign, run
from tests.chaos.ground import Ground, PostgresGround, SQLiteGround, Weather

WEATHER = Weather(lease=1.0, between_blows=0.8, between_restarts=4.0, longest_outage=0.3, between_breaks=0.5)


@pytest.mark.timeout(300)  # on a busy machine
@pytest.mark.parametrize("ground", [SQLiteGround, PostgresGround])
async def test_nothing_is_lost_in_a_storm(ground: Callable[[Path], Ground]) -> None:
    campaign = Campaign(
        seed=2013, seconds=5.0, processes=40, kills=2, workers=3, open_at_once=12, weather=WEATHER, patience=60.0
    )
    # Not in tmp_path: other runs of pytest shut everybody else out of the directories above, a server of postgres too.
    with tempfile.TemporaryDirectory(prefix="aioworkflow-chaos-") as name:
        async with ground(Path(name)) as place:
            report = await run(campaign, place, Path(name))
    assert not report.violations, str(report)
    assert report.counts["processes started by the driver"] >= campaign.processes
    assert report.counts["kills"] >= campaign.kills
