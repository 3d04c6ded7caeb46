"""The chain of activities on temporalio: its history, written as its server would have, and its Replayer.

The package brings the Replayer, and no server; what a history looks like is from its protocol.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from temporalio import workflow
from temporalio.api.common.v1 import ActivityType, Payload, Payloads, WorkflowType
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from harness import Job, child, finish

QUEUE = TaskQueue(name="benchmark")


@workflow.defn(name="chain")
class Chain:
    @workflow.run
    async def run(self, length: int) -> int:
        number = 0
        while number < length:
            number = await workflow.execute_activity(
                "step", number, start_to_close_timeout=timedelta(seconds=60), result_type=int
            )
        return number


class History:
    """A history that grows; each method returns the id of the event that it adds."""

    def __init__(self, length: int) -> None:
        self.events: list[HistoryEvent] = []
        self.add(
            "WORKFLOW_EXECUTION_STARTED",
            workflow_type=WorkflowType(name="chain"),
            task_queue=QUEUE,
            input=payloads(length),
            original_execution_run_id="run",
            first_execution_run_id="run",
            attempt=1,
        )
        decided = self.decide()
        for number in range(length):
            decided = self.step(number, decided)
        self.add("WORKFLOW_EXECUTION_COMPLETED", result=payloads(length), workflow_task_completed_event_id=decided)

    def add(self, kind: str, **attributes: Any) -> int:
        given: dict[str, Any] = {f"{kind.lower()}_event_attributes": attributes}
        event = HistoryEvent(event_id=len(self.events) + 1, event_type=EventType.Value(f"EVENT_TYPE_{kind}"), **given)
        event.event_time.FromDatetime(datetime(2026, 1, 1, tzinfo=UTC))
        self.events.append(event)
        return len(self.events)

    def decide(self) -> int:
        scheduled = self.add("WORKFLOW_TASK_SCHEDULED", task_queue=QUEUE, attempt=1)
        started = self.add("WORKFLOW_TASK_STARTED", scheduled_event_id=scheduled, identity="worker")
        return self.add(
            "WORKFLOW_TASK_COMPLETED", scheduled_event_id=scheduled, started_event_id=started, identity="worker"
        )

    def step(self, number: int, decided: int) -> int:
        scheduled = self.add(
            "ACTIVITY_TASK_SCHEDULED",
            activity_id=str(number + 1),
            activity_type=ActivityType(name="step"),
            task_queue=QUEUE,
            input=payloads(number),
            workflow_task_completed_event_id=decided,
        )
        started = self.add("ACTIVITY_TASK_STARTED", scheduled_event_id=scheduled, identity="worker", attempt=1)
        self.add(
            "ACTIVITY_TASK_COMPLETED",
            scheduled_event_id=scheduled,
            started_event_id=started,
            result=payloads(number + 1),
            identity="worker",
        )
        return self.decide()


def payloads(value: int) -> Payloads:
    return Payloads(payloads=[Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(value).encode())])


async def measurement(job: Job, directory: Path) -> NoReturn:
    events = History(-(-(job.size - 5) // 6)).events
    history = WorkflowHistory("process", events)
    replayer = Replayer(workflows=[Chain], workflow_runner=UnsandboxedWorkflowRunner())
    await replayer.replay_workflow(history)
    rounds = 0
    wall, cpu = time.perf_counter(), time.process_time()
    while not rounds or time.perf_counter() - wall < job.seconds:
        await replayer.replay_workflow(history)
        rounds += 1
    count = rounds * len(events)
    finish(
        {
            "events_per_second": count / (time.perf_counter() - wall),
            "cpu_seconds_per_event": (time.process_time() - cpu) / count,
        }
    )


if __name__ == "__main__":
    child(measurement)
