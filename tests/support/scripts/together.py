"""Workers side by side: ``together.py PORT MODEL WHEN_ONE_ENDS KIND...``.

Each kind is ``numbered``, ``fails`` (its start does) or ``rust``; all have one name. The first has
the frontend. The latch ``end-N`` shuts worker N down.
"""

import sys
import threading
import time

from latches import FOLDER
from numbered import Numbered, StartFails

from dynamo_backend_common import DynamoError, Worker, WorkerConfig, run
from dynamo_backend_common.engines.echo import Echo

port, model, when_one_ends, *kinds = sys.argv[1:]


def engine(kind, number):
    match kind:
        case "rust":
            return Echo(model="plain")
        case "fails":
            return StartFails(number)
        case "numbered":
            return Numbered(number)


def make(number, kind):
    return Worker(
        engine(kind, number),
        WorkerConfig(model_name=model, served_model_name="shared"),
        http_port=int(port) if number == 0 else None,
        on_state=lambda state: print("worker", number, state, flush=True),
    )


def end_when_told():
    while True:
        for number, worker in enumerate(workers):
            if (FOLDER / f"end-{number}").exists():
                worker.shutdown()
        time.sleep(0.01)


workers = [make(number, kind) for number, kind in enumerate(kinds)]
threading.Thread(target=end_when_told, daemon=True).start()
try:
    reports = run(*workers, when_one_ends=when_one_ends)
except DynamoError as error:
    print("raised", error, getattr(error, "__notes__", []), repr(error.__cause__))
else:
    print("reasons", *(report.reason for report in reports))
print("states", *(worker.state for worker in workers))
