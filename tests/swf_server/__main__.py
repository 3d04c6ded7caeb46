"""``python -m tests.swf_server [--port N] [--poll-seconds S]`` serves until its stdin is closed, and prints its URL.

So it never outlives the program that has started it with a pipe.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys

from aioworkflow.backends.local import LocalOptions
from aioworkflow.machine.limits import SWF_LIMITS

from .server import SWFServer


async def serve(server: SWFServer) -> None:
    async with server:
        print(server.url, flush=True)
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        await reader.read()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.swf_server", description="A stand-in for Amazon SWF.")
    parser.add_argument("--port", type=int, default=0, help="0, as it is, for any that is free")
    parser.add_argument("--poll-seconds", type=float, default=60.0, help="how long a poll waits for a task")
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a connection for each poll
    options = LocalOptions(limits=SWF_LIMITS, poll_seconds=arguments.poll_seconds)
    asyncio.run(serve(SWFServer(options=options, port=arguments.port)))


if __name__ == "__main__":
    main()
