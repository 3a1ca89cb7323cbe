"""What the behaviour tests share.

- `ports`: loopback ports that nobody else gets
- `environment`: the environment of a process under test
- `processes`: a process under test, with its output
- `launcher`: starts processes for one test or one module, and ends them
- `api`: a client of the OpenAI frontend
- `listening`: what a process listens on
- `latches`: order between a test and an engine, by files
- `streams`: requests in flight, and how they must end
- `traffic`: clients that stream without a pause
- `full_pipe`: a stream that nobody reads
- `skips`: which tests may be skipped
- `servers`: etcd and NATS, which fall silent, die and come back
- `subjects`: what is published by NATS
- `frontend`: Dynamo's own frontend
- `endpoint`: a worker's endpoint, past the frontend
- `vllm_worker`: a worker with the engine ``vllm``

`engines` and `scripts` hold what the processes run: files as a user would write them.
"""
