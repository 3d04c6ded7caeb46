"""The same jobs as boto3 programs do them: one thread for each poll, and the whole history for each decision."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import boto3
from botocore.config import Config

from harness import Counter, Job, child, throughput
from ours import resident_bytes
from swf_stage import DOMAIN, REGION, Stage, stage

TIMEOUTS = {"taskStartToCloseTimeout": "60", "executionStartToCloseTimeout": "3600", "childPolicy": "TERMINATE"}
NO_LIMIT = dict.fromkeys(
    ("scheduleToStartTimeout", "scheduleToCloseTimeout", "startToCloseTimeout", "heartbeatTimeout"), "NONE"
)

counter = Counter()
counting = threading.Lock()
ended: dict[str, Callable[[], object]] = {}


def client_of(url: str, connections: int) -> Any:
    config = Config(read_timeout=75, max_pool_connections=connections, retries={"total_max_attempts": 1})
    return boto3.client("swf", region_name=REGION, endpoint_url=url, config=config)


def decision(kind: str, **attributes: object) -> dict[str, object]:
    return {"decisionType": kind, f"{kind[0].lower()}{kind[1:]}DecisionAttributes": attributes}


def schedule(name: str, id: str, value: object) -> dict[str, object]:
    activity = {"name": name, "version": "1"}
    return decision(
        "ScheduleActivityTask",
        activityType=activity,
        activityId=id,
        input=json.dumps(value),
        taskList={"name": "work"},
        **NO_LIMIT,
    )


def decide_chain(id: str, events: list[dict[str, Any]]) -> list[dict[str, object]]:
    length = json.loads(events[0]["workflowExecutionStartedEventAttributes"]["input"])
    results = [event for event in events if event["eventType"] == "ActivityTaskCompleted"]
    number = json.loads(results[-1]["activityTaskCompletedEventAttributes"]["result"]) if results else 0
    return complete(id, number) if number == length else [schedule("step", str(number), number)]


def decide_order(id: str, events: list[dict[str, Any]]) -> list[dict[str, object]]:
    kinds = {event["eventType"] for event in events}
    if "ChildWorkflowExecutionCompleted" in kinds:
        return complete(id, "shipped")
    if "ActivityTaskScheduled" not in kinds:
        return [schedule("charge_card", "charge", "ada")]
    if not {"ActivityTaskCompleted", "WorkflowExecutionSignaled"} <= kinds:
        return []
    if "StartChildWorkflowExecutionInitiated" in kinds:
        return []
    shipment = {"name": "Shipment", "version": "1"}
    return [
        decision(
            "StartChildWorkflowExecution",
            workflowType=shipment,
            workflowId=f"{id} shipment",
            input='"ada"',
            taskList={"name": "decisions"},
            **TIMEOUTS,
        )
    ]


def decide_shipment(id: str, events: list[dict[str, Any]]) -> list[dict[str, object]]:
    kinds = {event["eventType"] for event in events}
    if "ActivityTaskCompleted" in kinds:
        return [decision("CompleteWorkflowExecution", result='"1Z-ada"')]
    return [] if "ActivityTaskScheduled" in kinds else [schedule("book_carrier", "book", "ada")]


def complete(id: str, result: object) -> list[dict[str, object]]:
    if id in ended:
        ended[id]()
    return [decision("CompleteWorkflowExecution", result=json.dumps(result))]


DECIDERS = {"Chain": decide_chain, "Order": decide_order, "Shipment": decide_shipment}


def decide_for_ever(swf: Any) -> None:
    ask = partial(swf.poll_for_decision_task, domain=DOMAIN, taskList={"name": "decisions"})
    while True:
        task = page = ask()
        if not task.get("taskToken"):
            continue
        events = task["events"]
        while "nextPageToken" in page:
            page = ask(nextPageToken=page["nextPageToken"])
            events += page["events"]
        decide = DECIDERS[task["workflowType"]["name"]]
        decisions = decide(task["workflowExecution"]["workflowId"], events)
        swf.respond_decision_task_completed(taskToken=task["taskToken"], decisions=decisions)


def work_for_ever(swf: Any) -> None:
    while True:
        task = swf.poll_for_activity_task(domain=DOMAIN, taskList={"name": "work"})
        if not task.get("taskToken"):
            continue
        value = json.loads(task["input"])
        with counting:
            counter.add()
        result = json.dumps(value + 1 if isinstance(value, int) else f"1Z-{value}")
        swf.respond_activity_task_completed(taskToken=task["taskToken"], result=result)


def register(swf: Any) -> None:
    swf.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
    for name in DECIDERS:
        swf.register_workflow_type(domain=DOMAIN, name=name, version="1")
    for name in ("step", "charge_card", "book_carrier"):
        swf.register_activity_type(domain=DOMAIN, name=name, version="1")


def start(swf: Any, job: Job, id: str) -> None:
    is_order = job.shape.startswith("order")
    swf.start_workflow_execution(
        domain=DOMAIN,
        workflowId=id,
        workflowType={"name": "Order" if is_order else "Chain", "version": "1"},
        input=json.dumps("ada" if is_order else job.size),
        taskList={"name": "decisions"},
        **TIMEOUTS,
    )
    if is_order:
        swf.signal_workflow_execution(domain=DOMAIN, workflowId=id, signalName="packed")


async def run_jobs(job: Job, here: Stage) -> NoReturn:
    swf = client_of(here.url, 3 * job.concurrency + 10)
    register(swf)
    for loop in (decide_for_ever, work_for_ever):
        for _ in range(job.concurrency):
            threading.Thread(target=loop, args=(swf,), daemon=True).start()
    loop_of_main = asyncio.get_running_loop()
    numbers = iter(range(1_000_000_000))

    async def run_process() -> None:
        id = f"process {next(numbers)}"
        end = asyncio.Event()
        ended[id] = partial(loop_of_main.call_soon_threadsafe, end.set)
        await asyncio.to_thread(start, swf, job, id)
        await end.wait()
        del ended[id]

    once: Callable[[], Awaitable[None]] = run_process
    metrics = dict(await throughput(job, once, counter))
    metrics.pop("activities", None)
    here.finish(metrics)


async def stay_idle(job: Job, here: Stage) -> NoReturn:
    """The memory that ``job.size`` open polls take in this OS process."""
    swf = client_of(here.url, job.size + 20)
    register(swf)
    poll = partial(swf.poll_for_activity_task, domain=DOMAIN, taskList={"name": "idle"})
    for _ in range(10):
        threading.Thread(target=poll, daemon=True).start()
    await asyncio.sleep(0.5)
    before = resident_bytes()
    for _ in range(job.size):
        threading.Thread(target=poll, daemon=True).start()
    await asyncio.sleep(2.0 + job.size / 200)
    here.finish({"bytes_per_poll": (resident_bytes() - before) / job.size})


async def measure(job: Job, directory: Path) -> NoReturn:
    with stage() as here:
        await (stay_idle if job.shape.startswith("polls") else run_jobs)(job, here)


if __name__ == "__main__":
    child(measure)
