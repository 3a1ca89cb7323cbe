"""What is wrong in a configuration. Each mark names the error of its line."""

from dynamo_backend_common import EngineConfig, RuntimeConfig, WorkerConfig

WorkerConfig("dynamo")  # error: call-arg
WorkerConfig(name_space="dynamo")  # error: call-arg
WorkerConfig(enable_kv_routing="yes")  # error: arg-type
WorkerConfig(metrics_labels={"team": "a"})  # error: arg-type
WorkerConfig(runtime="mem")  # error: arg-type
WorkerConfig().namespace = "other"  # error: misc
RuntimeConfig(discovery_backend=1)  # error: arg-type
RuntimeConfig().apply_to_env("mem")  # error: call-arg
EngineConfig()  # error: call-arg
EngineConfig(model="m", context_length="4096")  # error: arg-type
EngineConfig(model="m", runtime_data=[1])  # error: arg-type
