"""The order of example 02 as coroutines: a payment, a signal that races a timer, a child process, and compensation.

`python examples/06_coroutine_order.py` prints how three orders end; the second is never packed, the third goes to the
moon:

    order-ada: shipped, tracking number 1Z-ada
    order-ben: 25 refunded to ben
    order-cleo: 25 refunded to cleo
"""

import asyncio

import aioworkflow as aw


@aw.activity(start_to_close_timeout=10)
async def charge_card(customer: str, amount: int) -> None: ...  # here it would ask the bank


@aw.activity(start_to_close_timeout=10, retry=aw.RetryPolicy(maximum_attempts=None))
async def refund(customer: str, amount: int) -> str:
    return f"{amount} refunded to {customer}"


@aw.activity(start_to_close_timeout=10)
def book_carrier(customer: str) -> str:  # a plain function runs in a thread
    if customer == "cleo":
        raise ValueError("no carrier goes to the moon")
    return f"1Z-{customer}"


@aw.workflow
async def shipment(customer: str) -> str:
    return f"shipped, tracking number {await aw.execute(book_carrier, customer)}"


@aw.workflow
async def order(customer: str, amount: int) -> str:
    await aw.execute(charge_card, (customer, amount))
    try:
        await asyncio.wait_for(aw.wait_signal("packed"), timeout=0.5)
        return await aw.execute_child(shipment, customer)
    except (TimeoutError, aw.ChildError):
        return await aw.execute(refund, (customer, amount))


async def main() -> None:
    workflows, activities = (order, shipment), (charge_card, refund, book_carrier)
    async with aw.connect("memory://") as backend, aw.Worker(backend, workflows=workflows, activities=activities):
        for name in ("ada", "ben", "cleo"):
            handle = await aw.Client(backend).start(order, {"customer": name, "amount": 25}, id=f"order-{name}")
            if name != "ben":
                await handle.signal("packed")
            print(f"{handle.id}: {await handle.result()}")


asyncio.run(main())
