"""OS processes that are to be killed: workers on an SQLite file, which also start their share of the processes.

This is a program that forks, because the start of an interpreter takes far longer than such a life. It reads a line
with the arguments of a life, lets that begin in a child, and when it is over reads another line before it lets the
system have the process id back. It and its children print a line for everything that happens, each at once:

- ``born PID``;
- ``begin``, before the child opens the database, and ``open``, when it has;
- ``started ID RUN``, when a start has been acknowledged;
- ``did ID ACTIVITY``, when an activity is about to end;
- ``end``, when its processes are closed, it was sent SIGTERM, and its backend is closed;
- ``gone``, when the child has died, in whatever way; and after another line ``died CODE``.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
import traceback
from argparse import ArgumentParser, Namespace
from collections import Counter
from typing import NoReturn

from aioworkflow.activity import Activity, ActivityContext
from aioworkflow.backends.local import LocalBackend, LocalOptions
from aioworkflow.client import Client
from aioworkflow.decision import CompleteProcessDecision, Decision, StartChildProcessDecision, StartTimerDecision
from aioworkflow.process import Process
from aioworkflow.stores.sqlite import SQLiteStore
from aioworkflow.task import ActivityTask
from aioworkflow.worker import Worker, WorkerOptions
from aioworkflow.workflow import Workflow
from tests.hunts.steps import is_done, todo

STEPS, FAN = 3, 3
ACTIVITIES = STEPS + FAN
"""Of each process, without those of its child."""

OPTIONS = LocalOptions(session_check_seconds=0.1)
QUIET = WorkerOptions(block_seconds=None)


def process_id(number: int) -> str:
    return f"process-{number}"


def child_id(number: int) -> str | None:
    """Return the id of the child of a process, if it has one."""
    return f"child-of-{process_id(number)}" if number % 10 == 0 else None


def result_of(number: int) -> object:
    """Return what a process must end with."""
    return [
        number + STEPS,
        [number + part + 1 for part in range(FAN)],
        None if child_id(number) is None else number + 1,
    ]


class Main(Workflow):
    """Some steps, a short timer, a fan-out, and for every tenth a child; the worker's death is not the end of it."""

    decision_timeout = None

    def decide(self, process: Process) -> list[Decision]:
        number = value = int(process.input)
        for step in range(STEPS):
            if not is_done(process, f"step-{step}"):
                return todo(process, "Add", f"step-{step}", value)
            value = process.result_of(f"step-{step}")
        decisions: list[Decision] = []
        if process.timer("nap") is None:
            decisions.append(StartTimerDecision(0.01, id="nap"))
        for part in range(FAN):
            decisions += todo(process, "Add", f"fan-{part}", number + part)
        child = child_id(number)
        if child is not None and process.child(child) is None:
            decisions.append(StartChildProcessDecision(Child, number, id=child))
        if decisions or process.open_activities or process.open_timers or process.open_children:
            return decisions
        fan = [process.result_of(f"fan-{part}") for part in range(FAN)]
        return [CompleteProcessDecision([value, fan, None if child is None else process.child_result_of(child)])]


class Child(Workflow):
    decision_timeout = None

    def decide(self, process: Process) -> list[Decision]:
        if not is_done(process, "only"):
            return todo(process, "Add", "only", process.input)
        return [CompleteProcessDecision(process.result_of("only"))]


class Add(Activity):
    def __init__(self, voice: Voice) -> None:
        self.voice = voice

    async def execute(self, task: ActivityTask, worker: ActivityContext) -> int:
        await asyncio.sleep(0)
        self.voice.say("did", task.process.process_id, task.activity_id)
        return int(task.input) + 1


class Voice:
    """Says what happens. If nobody kills it in time, it does so itself: else it might come to its end before.

    Args:
        last_word: What line is the last, by its first word.
        last: The how-manieth of those it is; 0 for none.
    """

    def __init__(self, last_word: str, last: int) -> None:
        self._last_word = last_word
        self._last = last
        self._said: Counter[str] = Counter()

    def say(self, *words: str) -> None:
        os.write(1, (" ".join(words) + "\n").encode())
        self._said[words[0]] += 1
        if words[0] == self._last_word and self._said[words[0]] == self._last:
            os.kill(os.getpid(), signal.SIGKILL)


async def see_to(client: Client, number: int, voice: Voice, starting: asyncio.Semaphore) -> None:
    """Start a process, unless that was done in a life before, and wait for its end."""
    id = process_id(number)
    async with starting:
        if not await client.count(id=id):
            handle = await client.start(Main, number, id=id)
            voice.say("started", id, handle.run_id)
    await client.handle(id).result()


async def main(given: Namespace) -> None:
    dismissed = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, dismissed.set)
    voice = Voice(given.last_word, given.last)
    voice.say("begin")
    async with (
        LocalBackend(SQLiteStore(given.path, synchronous="NORMAL"), OPTIONS) as backend,
        Worker(backend, workflows=[Main, Child], activities=[Add(voice)], options=QUIET),
    ):
        voice.say("open")
        client, starting = Client(backend), asyncio.Semaphore(given.starts)
        async with asyncio.TaskGroup() as tasks:
            for number in range(given.first, given.stop, given.step):
                tasks.create_task(see_to(client, number, voice, starting))
        await dismissed.wait()
    voice.say("end")


def arguments(line: str) -> Namespace:
    parser = ArgumentParser()
    parser.add_argument("path")
    parser.add_argument("first", type=int)
    parser.add_argument("stop", type=int)
    parser.add_argument("step", type=int)
    parser.add_argument("starts", type=int, help="how many processes are started at a time")
    parser.add_argument("last_word")
    parser.add_argument("last", type=int)
    return parser.parse_args(shlex.split(line))


def live(given: Namespace) -> NoReturn:
    """Be the child."""
    code = 1
    try:
        asyncio.run(main(given))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def serve() -> None:
    voice = Voice("", 0)
    for line in sys.stdin:
        lifeline, held_by_child = os.pipe()
        child = os.fork()
        if not child:
            live(arguments(line))
        os.close(held_by_child)
        voice.say("born", str(child))
        os.read(lifeline, 1)  # ends when the last who holds the other side has died
        os.close(lifeline)
        voice.say("gone")
        sys.stdin.readline()
        _, status = os.waitpid(child, 0)
        voice.say("died", str(os.waitstatus_to_exitcode(status)))


if __name__ == "__main__":
    serve()
