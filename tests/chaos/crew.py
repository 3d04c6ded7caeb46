"""The crew: OS processes that work, and what can be done to them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.record import Diary

ROOT = Path(__file__).parents[2]

_MOST_TROUBLES = 10
"""If workers keep ending by themselves there is nothing to be seen."""

_MANNERS = 60.0
"""Seconds within which who is dismissed must have gone."""


class Hand:
    """One OS process that works."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self.log = log
        self._stopped = False
        self.fates: Sequence[int] = ()
        """The exit codes that it may end with; none, as long as it may not end."""

    @property
    def is_unharmed(self) -> bool:
        """Whether nothing has been done to it."""
        return not self.fates and not self._stopped

    async def kill(self) -> None:
        """End it with SIGKILL."""
        self.fates = (-signal.SIGKILL,)
        self._send(signal.SIGKILL)
        await self._process.wait()

    async def dismiss(self) -> None:
        """Ask it to end. (It does not listen before its database is open; then that is its end too.)"""
        self.fates = (0, -signal.SIGTERM)
        self._send(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), _MANNERS)
        except TimeoutError:
            self.fates = ()
            self._send(signal.SIGKILL)
            await self._process.wait()

    def stop(self) -> None:
        """Let it stand still, wherever it is."""
        self._stopped = True
        self._send(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on as if nothing had been."""
        self._stopped = False
        self._send(signal.SIGCONT)

    async def end(self) -> int:
        """Wait for its end; return the exit code."""
        return await self._process.wait()

    def _send(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            os.kill(self._process.pid, number)


class Crew:
    """So many hands, each of them replaced when it is gone.

    Attributes:
        hands: Those that are there now.
        hired: How many there were in all.
        troubles: Ends that nobody had brought about, and faults that were logged.
    """

    def __init__(self, url: str, directory: Path, size: int) -> None:
        self._url = url
        self._directory = directory
        self._size = size
        self._closed = False
        self.hands: list[Hand] = []
        self.hired = 0
        self.troubles: list[str] = []

    async def run(self) -> None:
        """Keep all places filled until :meth:`close` has ended the last hand."""
        async with asyncio.TaskGroup() as places:
            for _ in range(self._size):
                places.create_task(self._fill_place())

    async def close(self) -> None:
        """Dismiss everybody."""
        self._closed = True
        await asyncio.gather(*(hand.dismiss() for hand in self.hands))

    async def _fill_place(self) -> None:
        while not self._closed:
            hand = await self._hire()
            self.hands.append(hand)
            try:
                code = await hand.end()
                if code not in hand.fates:
                    assert len(self.troubles) < _MOST_TROUBLES, self.troubles[0]
                    self.troubles.append(
                        f"{hand.log.name}: it ended with {code} without being asked:\n{_tail(hand.log)}"
                    )
            finally:
                self.hands.remove(hand)
                await hand.kill()

    async def _hire(self) -> Hand:
        self.hired += 1
        log = self._directory / f"worker-{self.hired}.log"
        diary = self._directory / f"worker-{self.hired}.diary"
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.chaos.program", self._url, str(diary)),
                cwd=ROOT,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=stderr,
            )
        return Hand(process, log)

    # --- what they leave behind --------------------------------------------------------------------------------------

    def diary(self) -> Diary:
        """Return what all of them did."""
        done: Diary = Diary()
        for path in self._directory.glob("worker-*.diary"):
            for line in path.read_text().splitlines():
                run_id, event_id = line.split()
                done[run_id, int(event_id)] += 1
        return done

    def faults(self) -> list[str]:
        """Return what the logs tell of faults in the engine."""
        signs = ("this is a bug", "CRITICAL", "Traceback", "Task exception was never retrieved")
        found = []
        for path in sorted(self._directory.glob("worker-*.log")):
            lines = path.read_text(errors="replace").splitlines()
            for number, line in enumerate(lines):
                if any(sign in line for sign in signs):
                    found.append(f"{path.name}:{number + 1}: " + "\n".join(lines[max(0, number - 1) : number + 30]))
                    break
        return [*self.troubles, *found]


def _tail(log: Path) -> str:
    """Return the last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-30:])
