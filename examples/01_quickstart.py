"""The quick start: an activity does the work, a workflow decides, a SQLite file remembers.

    python examples/01_quickstart.py

leaves quickstart.db in the current directory and prints:

    double-5: completed with 10
    double-50: failed: input out of bounds
    double-nothing: failed: ValueError: no input
    The history of double-5:
       1 ProcessStarted
       2 DecisionScheduled
       3 DecisionStarted
       4 DecisionCompleted
       5 ActivityScheduled
       6 ActivityStarted
       7 ActivityCompleted
       8 DecisionScheduled
       9 DecisionStarted
      10 DecisionCompleted
      11 ProcessCompleted
"""

import asyncio

from aioworkflow import Activity, ActivityAborted, ActivityContext, ActivityTask, Client, Worker, Workflow, connect
from aioworkflow.decision import CompleteProcessDecision, Decision, FailProcessDecision
from aioworkflow.errors import ProcessFailedError
from aioworkflow.event import ActivityAbortedEvent, ActivityCompletedEvent, ActivityFailedEvent, ProcessStartedEvent
from aioworkflow.process import Process


class DoubleActivity(Activity):
    async def execute(self, task: ActivityTask, worker: ActivityContext) -> int | ActivityAborted:
        await worker.heartbeat()
        if task.input is None:
            raise ValueError("no input")  # short for ActivityFailed(exception=ValueError("no input"))
        if task.input >= 10:
            return ActivityAborted(reason="input out of bounds")
        return int(task.input) * 2  # short for ActivityCompleted(result=task.input * 2)


class DoubleWorkflow(Workflow):
    async def decide(self, process: Process) -> Decision | type[Activity] | None:
        for event in process.new_events:
            match event:
                case ProcessStartedEvent():
                    return DoubleActivity  # short for ScheduleActivityDecision(DoubleActivity, input=process.input)
                case ActivityCompletedEvent(result=result):
                    return CompleteProcessDecision(result)
                case ActivityAbortedEvent(reason=reason) | ActivityFailedEvent(reason=reason):
                    return FailProcessDecision(reason)
        return None


async def main() -> None:
    async with connect("sqlite:///quickstart.db") as backend:
        async with Worker(backend, workflows=[DoubleWorkflow], activities=[DoubleActivity]):
            client = Client(backend)
            for number in (5, 50, None):
                handle = await client.start(DoubleWorkflow, input=number, id=f"double-{number or 'nothing'}")
                try:
                    print(f"{handle.id}: completed with {await handle.result()}")
                except ProcessFailedError as error:
                    print(f"{handle.id}: failed: {error.reason}")
        print("The history of double-5:")
        async for event in client.handle("double-5").history():
            print(f"  {event.event_id:2} {type(event).__name__.removesuffix('Event')}")


asyncio.run(main())
