"""The bundled engines, each by its name on the command line: ``echo``, ``llama-cpp``, ``vllm``.

An installed package adds its own with an entry point of the group
``dynamo_backend_common.engines``.
"""
