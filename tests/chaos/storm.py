"""The storm: what is done to the workers and to their database, by chance."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

from tests.chaos.crew import Crew, Hand
from tests.chaos.ground import Ground, Harm, Weather


class Storm:
    """Does harm until it has blown over; then everything that can be is as it was before.

    Attributes:
        harm: What was done, and how often.
    """

    def __init__(self, crew: Crew, ground: Ground, chance: random.Random, weather: Weather) -> None:
        self._crew = crew
        self._chance = chance
        self._weather = weather
        self._harms = [
            Harm(name="kills", pause=weather.between_blows / 0.6, do=self._kill),
            Harm(name="stops past the lease", pause=weather.between_blows / 0.3, do=self._stop),
            Harm(name="dismissals", pause=weather.between_blows / 0.1, do=self._dismiss),
            *ground.harms(weather),
        ]
        self._over = asyncio.Event()
        self.harm: Counter[str] = Counter()

    async def run(self) -> None:
        """Do harm until :meth:`blow_over`."""
        async with asyncio.TaskGroup() as tasks:
            for harm in self._harms:
                tasks.create_task(self._repeat(harm))

    def blow_over(self) -> None:
        """Begin no more; :meth:`run` returns when what has begun is over."""
        self._over.set()

    async def _repeat(self, harm: Harm) -> None:
        while True:
            pause = min(self._chance.expovariate(1 / harm.pause), 4 * harm.pause)
            try:
                await asyncio.wait_for(self._over.wait(), pause)
            except TimeoutError:
                self.harm[harm.name] += await harm.do(self._chance)
            else:
                return

    async def _kill(self, chance: random.Random) -> bool:
        victim = self._victim()
        if victim is None:
            return False
        await victim.kill()
        return True

    async def _stop(self, chance: random.Random) -> bool:
        victim = self._victim()
        if victim is None:
            return False
        victim.stop()
        await asyncio.sleep(self._weather.lease * chance.uniform(1.2, 2.0))
        victim.go_on()
        if chance.random() < 0.4:  # before it has found out that it was taken for dead
            await asyncio.sleep(chance.uniform(0, 0.03))
            await victim.kill()
        return True

    async def _dismiss(self, chance: random.Random) -> bool:
        victim = self._victim()
        if victim is None:
            return False
        await victim.dismiss()
        return True

    def _victim(self) -> Hand | None:
        """Return somebody whom nothing is being done to."""
        unharmed = [hand for hand in self._crew.hands if hand.is_unharmed]
        return self._chance.choice(unharmed) if unharmed else None
