"""A greeting on Amazon SWF: the workflow, activity, worker and client are those of any other backend.

`python examples/05_amazon_swf.py` runs on moto, a double of AWS on this machine (pip install 'moto[server]'):

    ada: Hello, Ada!
    ben: Hello, Ben!
    nobody: failed: there is nobody to greet

With the URL of a domain, as 'swf://my-domain?region=eu-west-1', it runs in your account, with your credentials:
AWS_PROFILE and the like are found as by all tools of AWS. It registers types that cannot be deleted while in use.
"""

import asyncio
import logging
import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import aioworkflow as aw
from aioworkflow.event import ActivityCompletedEvent, ActivityFailedEvent, Event


@aw.activity(start_to_close_timeout=30, heartbeat_timeout=10)  # short, since Amazon SWF notices dead workers by them
async def greet(name: str | None) -> str:
    if not name:
        raise ValueError("there is nobody to greet")
    return f"Hello, {name.title()}!"


class GreetingWorkflow(aw.RuleWorkflow):
    execution_timeout = 3600

    @aw.on_started
    def begin(self, process: aw.Process, event: Event) -> aw.Decision:
        return aw.ScheduleActivityDecision(greet, process.input)

    @aw.on_activity_completed(greet)
    def greeted(self, process: aw.Process, event: ActivityCompletedEvent) -> aw.Decision:
        return aw.CompleteProcessDecision(event.result)

    @aw.on_activity_interrupted(greet)
    def failed(self, process: aw.Process, event: Event) -> aw.Decision:
        message = event.details["message"] if isinstance(event, ActivityFailedEvent) else type(event).__name__
        return aw.FailProcessDecision(message)


async def main(url: str) -> None:
    async with aw.connect(url) as backend, aw.Worker(backend, workflows=[GreetingWorkflow], activities=[greet]):
        client = aw.Client(backend)
        for name in ("ada", "ben", None):
            handle = await client.start(GreetingWorkflow, name, id=f"greeting {uuid.uuid4()}")
            try:
                print(f"{name or 'nobody'}: {await handle.result()}")
            except aw.ProcessFailedError as error:
                print(f"{name or 'nobody'}: failed: {error.reason}")


@contextmanager
def double_of_aws() -> Iterator[str]:
    """Start moto on a free port, and give the URL of a domain there."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    os.environ.update(AWS_ACCESS_KEY_ID="any", AWS_SECRET_ACCESS_KEY="any")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"swf://greetings?endpoint_url=http://{host}:{port}&register_domain=true"
    server.stop()


if len(sys.argv) > 1:
    asyncio.run(main(sys.argv[1]))
else:
    with double_of_aws() as url:
        asyncio.run(main(url))
