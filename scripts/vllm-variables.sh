# shellcheck shell=bash disable=SC2154
# Sourced after env.sh: what vLLM on a CPU has to be told here.
export VLLM_CPU_KVCACHE_SPACE=1 VLLM_CPU_OMP_THREADS_BIND=nobind OMP_NUM_THREADS=1
export VLLM_NO_USAGE_STATS=1 HF_HUB_OFFLINE=1 VLLM_WORKER_MULTIPROC_METHOD=spawn
# The first step compiles, for half a minute: kept for the next start.
export VLLM_CACHE_ROOT=$cache/vllm-compiled TORCHINDUCTOR_CACHE_DIR=$cache/vllm-compiled/inductor
