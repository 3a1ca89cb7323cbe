"""Engines that advertise all that can be, and nothing but their name."""

from plain import Plain

from dynamo_backend_common import EngineConfig


class Full(Plain):
    async def start(self, worker_id):
        return EngineConfig(
            model="canonical",
            served_model_name="engine-s",
            model_aliases=("other", "another"),
            enable_eagle=True,
            context_length=2048,
            kv_cache_block_size=16,
            total_kv_blocks=1000,
            max_num_seqs=64,
            max_num_batched_tokens=8192,
            data_parallel_size=4,
            data_parallel_start_rank=2,
            bootstrap_host="192.0.2.7",
            bootstrap_port=8998,
            runtime_data={"groups": [1, {"two": None}], "name": "x"},
        )


class Bare(Plain):
    async def start(self, worker_id):
        return EngineConfig(model="bare")
