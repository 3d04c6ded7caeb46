"""People decide: signals, reminders after some time, and a status that anyone can read meanwhile.

`python examples/08_approval.py` prints how a piano gets its two approvals, while nobody cares for the harp:

    piano: approved by nobody, 0 reminders
    piano: approved by ada, 0 reminders
    piano: bought
    please approve the harp
    please approve the harp
    harp: approved by nobody, 2 reminders
    harp: not bought, nobody answers
"""

import asyncio

import aioworkflow as aw


@aw.activity
async def remind(thing: str) -> None:
    print(f"please approve the {thing}")


@aw.workflow
async def purchase(thing: str, patience: float) -> str:
    approved_by: list[str] = []
    reminders = 0
    while len(approved_by) < 2:
        aw.set_status(f"approved by {' and '.join(approved_by) or 'nobody'}, {reminders} reminders")
        try:
            approved_by.append(await asyncio.wait_for(aw.wait_signal("approve", str), timeout=patience))
        except TimeoutError:
            if reminders == 2:
                return "not bought, nobody answers"
            await aw.execute(remind, thing)
            reminders += 1
    return "bought"


async def show(handle: aw.ProcessHandle, expected: str) -> None:
    """Print the status as soon as it is as expected."""
    while (status := await handle.status()) != expected:  # noqa: ASYNC110 - a status is asked for, nobody pushes it
        await asyncio.sleep(0.01)
    print(f"{handle.id}: {status}")


async def main() -> None:
    async with aw.connect("memory://") as backend, aw.Worker(backend, workflows=[purchase], activities=[remind]):
        client = aw.Client(backend)
        piano = await client.start(purchase, ["piano", 3600], id="piano")
        await show(piano, "approved by nobody, 0 reminders")
        await piano.signal("approve", "ada")
        await show(piano, "approved by ada, 0 reminders")
        await piano.signal("approve", "ben")
        print(f"piano: {await piano.result()}")
        harp = await client.start(purchase, ["harp", 0.3], id="harp")
        await show(harp, "approved by nobody, 2 reminders")
        print(f"harp: {await harp.result()}")


asyncio.run(main())
