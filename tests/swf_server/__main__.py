"""``python -m tests.swf_server [--port N] [--poll-seconds S]`` serves until it is interrupted, and prints its URL."""

from __future__ import annotations

import argparse
import asyncio

from aioworkflow.backends.local import LocalOptions
from aioworkflow.machine.limits import SWF_LIMITS

from .server import SWFServer, serve_forever


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.swf_server", description="A stand-in for Amazon SWF.")
    parser.add_argument("--port", type=int, default=0, help="0, as it is, for any that is free")
    parser.add_argument("--poll-seconds", type=float, default=60.0, help="how long a poll waits for a task")
    arguments = parser.parse_args()
    options = LocalOptions(limits=SWF_LIMITS, poll_seconds=arguments.poll_seconds)
    server = SWFServer(options=options, port=arguments.port)
    try:
        asyncio.run(serve_forever(server))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
