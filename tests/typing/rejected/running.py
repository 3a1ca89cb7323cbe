"""What is wrong in running a worker. Each mark names the error of its line."""

from dynamo_backend_common import Worker, WorkerConfig, WorkerState
from dynamo_backend_common.engines.echo import Echo

Echo("model")  # error: call-arg
Echo(delay="soon")  # error: arg-type
Worker(Echo(), {"namespace": "n"})  # error: arg-type
Worker(Echo(), WorkerConfig(), 8000)  # error: call-arg
Worker(Echo(), http_port="8000")  # error: arg-type
Worker(Echo(), on_state=lambda: None)  # error: arg-type misc
WorkerState.Runing  # error: attr-defined
Worker(Echo()).run().cut = 0  # error: misc
Worker(Echo()).state = "Stopped"  # error: misc


async def in_a_loop() -> None:
    report = Worker(Echo()).serve()
    report.reason  # error: attr-defined
    await Worker(Echo()).run()  # error: misc
