"""What is wrong in a configuration. Each mark names the error of its line."""

from dynamo_backend_common import EngineConfig, RuntimeConfig, WorkerConfig

WorkerConfig("dynamo")  # error: call-arg
WorkerConfig(name_space="dynamo")  # error: call-arg
WorkerConfig(enable_kv_routing="yes")  # error: arg-type
WorkerConfig(metrics_labels={"team": "a"})  # error: arg-type
WorkerConfig(runtime="mem")  # error: arg-type
WorkerConfig().namespace = "other"  # error: misc
WorkerConfig(model_input="Token")  # error: arg-type
WorkerConfig(disaggregation_mode="prefil")  # error: arg-type
WorkerConfig(structural_tag_mode="on")  # error: arg-type
WorkerConfig(structural_tag_scope="Never")  # error: arg-type
WorkerConfig(structural_tag_schema="Lax")  # error: arg-type
RuntimeConfig(discovery_backend=1)  # error: arg-type
RuntimeConfig(discovery_backend="etdc")  # error: arg-type
RuntimeConfig(request_plane="udp")  # error: arg-type
RuntimeConfig(event_plane="mail")  # error: arg-type
RuntimeConfig(shutdown_timeout_seconds=2.5)  # error: arg-type
RuntimeConfig(system_port="9090")  # error: arg-type
RuntimeConfig(health_check_enabled="yes")  # error: arg-type
RuntimeConfig().apply_to_env("mem")  # error: call-arg
EngineConfig()  # error: call-arg
EngineConfig(model="m", context_length="4096")  # error: arg-type
EngineConfig(model="m", runtime_data=[1])  # error: arg-type
