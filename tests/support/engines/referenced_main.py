"""A program of the kind that ai-dynamo has: it makes its worker by itself."""

import asyncio
import sys

from dynamo.common.backend import Worker
from dynamo.common.backend.run import run
from latches import reach
from referenced import Told


async def main():
    engine, config = await Told.from_args(sys.argv[2:])
    worker = Worker(engine, config)
    await worker.run()
    reach("main-ended", worker.config.component)


if __name__ == "__main__":
    what = sys.argv[1]
    if what == "worker":
        asyncio.run(main())
    elif what == "run":
        run(Told, sys.argv[2:])
    elif what == "raise":
        raise RuntimeError("the program is broken")
    elif what == "exit":
        sys.exit(5)
