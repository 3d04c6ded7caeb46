"""An order as a rule workflow: a payment, a signal that races a timer, a child process, and compensation.

`python examples/02_order.py` prints how three orders end; the second is never packed, the third goes to the moon:

    order-ada: shipped, tracking number 1Z-ada
    order-ben: 25 refunded to ben
    order-cleo: 25 refunded to cleo
"""

import asyncio

import aioworkflow as aw
from aioworkflow.event import ActivityCompletedEvent, ChildProcessCompletedEvent, Event


@aw.activity(start_to_close_timeout=10)
async def charge_card(customer: str, amount: int) -> None: ...  # here it would ask the bank


@aw.activity(start_to_close_timeout=10, retry=aw.RetryPolicy(maximum_attempts=None))
async def refund(customer: str, amount: int) -> str:
    return f"{amount} refunded to {customer}"


@aw.activity(start_to_close_timeout=10)
def book_carrier(customer: str, amount: int) -> str:  # a plain function runs in a thread
    if customer == "cleo":
        raise ValueError("no carrier goes to the moon")
    return f"1Z-{customer}"


class ShipmentWorkflow(aw.RuleWorkflow):
    @aw.on_started
    def book(self, process: aw.Process, event: Event) -> aw.Activity:
        return book_carrier  # if it fails, so does the process: no handler says otherwise

    @aw.on_activity_completed(book_carrier)
    def booked(self, process: aw.Process, event: ActivityCompletedEvent) -> aw.Decision:
        return aw.CompleteProcessDecision(f"shipped, tracking number {event.result}")


class OrderWorkflow(aw.RuleWorkflow):
    @aw.on_started
    def charge(self, process: aw.Process, event: Event) -> aw.Activity:
        return charge_card

    @aw.on_activity_completed(charge_card)
    def paid(self, process: aw.Process, event: Event) -> aw.Decision:
        return self.ship(process) if process.signals("packed") else aw.StartTimerDecision(0.5, id="packing")

    @aw.on_signal("packed")
    def packed(self, process: aw.Process, event: Event) -> list[aw.Decision]:
        return [aw.CancelTimerDecision("packing"), self.ship(process)] if process.open_timers else []

    @aw.on_timer("packing")
    @aw.on_child_closed(ShipmentWorkflow)
    def shipped_or_not(self, process: aw.Process, event: Event) -> aw.Decision | aw.Activity:
        return aw.CompleteProcessDecision(event.result) if isinstance(event, ChildProcessCompletedEvent) else refund

    @aw.on_activity_completed(refund)
    def refunded(self, process: aw.Process, event: ActivityCompletedEvent) -> aw.Decision:
        return aw.CompleteProcessDecision(event.result)

    def ship(self, process: aw.Process) -> aw.Decision:
        return aw.StartChildProcessDecision(ShipmentWorkflow, process.input)


async def main() -> None:
    workflows, activities = (OrderWorkflow, ShipmentWorkflow), (charge_card, refund, book_carrier)
    async with aw.connect("memory://") as backend, aw.Worker(backend, workflows=workflows, activities=activities):
        for name in ("ada", "ben", "cleo"):
            handle = await aw.Client(backend).start(OrderWorkflow, {"customer": name, "amount": 25}, id=f"order-{name}")
            if name != "ben":
                await handle.signal("packed")
            print(f"{handle.id}: {await handle.result()}")


asyncio.run(main())
