"""A web service with a worker inside: requests start processes, signal and cancel them, and ask for their state.

`uvicorn --app-dir examples 04_web_service:app` serves at port 8000; with `--workers 2`, two OS processes share the
work. An expense over 100 waits for its approval:

    $ curl -X PUT localhost:8000/expenses/taxi -d 30
    $ curl localhost:8000/expenses/taxi
    {"status":"COMPLETED","result":"30 paid"}
    $ curl -X PUT localhost:8000/expenses/piano -d 3000
    $ curl localhost:8000/expenses/piano
    {"status":"OPEN","result":null}
    $ curl -X POST localhost:8000/expenses/piano -d approved
    $ curl localhost:8000/expenses/piano
    {"status":"COMPLETED","result":"3000 paid"}
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import aioworkflow as aw
from aioworkflow.event import ActivityCompletedEvent, Event, ProcessCompletedEvent

ERRORS: dict[type[Exception], int] = {aw.UnknownProcessError: 404, aw.ProcessAlreadyRunningError: 409, ValueError: 400}


@aw.activity(start_to_close_timeout=30)
async def pay(amount: int) -> str:
    return f"{amount} paid"


class ExpenseWorkflow(aw.RuleWorkflow):
    @aw.on_started
    @aw.on_signal("approved")
    def pay_once(self, process: aw.Process, event: Event) -> aw.Activity | None:
        approved = process.input <= 100 or process.signals("approved")
        return pay if approved and not process.activities(pay) else None

    @aw.on_activity_completed(pay)
    def paid(self, process: aw.Process, event: ActivityCompletedEvent) -> aw.Decision:
        return aw.CompleteProcessDecision(event.result)


async def expense(request: Request) -> Response:
    handle = request.state.client.handle(request.path_params["id"])
    match request.method:
        case "PUT":
            await request.state.client.start(ExpenseWorkflow, int(await request.body()), id=handle.id)
        case "POST":
            await handle.signal((await request.body()).decode())
        case "DELETE":
            await handle.cancel()
        case _:
            process = await handle.process()
            result = process.ending.result if isinstance(process.ending, ProcessCompletedEvent) else None
            return JSONResponse({"status": process.status.name, "result": result})
    return Response(status_code=202)


async def problem(request: Request, error: Exception) -> JSONResponse:
    status = next(status for kind, status in ERRORS.items() if isinstance(error, kind))
    return JSONResponse({"error": str(error)}, status)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, aw.Client]]:
    database = aw.connect("sqlite:///expenses.db")
    async with database as backend, aw.Worker(backend, workflows=[ExpenseWorkflow], activities=[pay]):
        yield {"client": aw.Client(backend)}


routes = [Route("/expenses/{id}", expense, methods=["GET", "PUT", "POST", "DELETE"])]
app = Starlette(routes=routes, exception_handlers=dict.fromkeys(ERRORS, problem), lifespan=lifespan)
