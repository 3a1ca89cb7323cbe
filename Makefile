# Everything a developer does. What is built and installed is kept in the user's cache folder, so a
# fresh clone is fast too; each target does first what it needs.

PORT ?= 8000
PYTHON ?= python3
ARGS ?=
VENV ?=
EXTRAS ?=
WHEEL ?=
PROFILE ?= dev
FUZZ_SECONDS ?= 300
export PYTHON

.NOTPARALLEL:
.DEFAULT_GOAL := help
exclusive := clean test setup build lint docs fmt rust-test python-test fuzz wheel bench vllm-env test-vllm \
	bench-vllm bench-llama-cpp interop-wheel test-sidecars
.PHONY: help demo install prepare smoke $(exclusive)

ifndef ALONE

# One at a time: two would replace each other's wheel. A server that answers is in nobody's way.
$(exclusive):
	@scripts/alone.sh $(MAKE) --no-print-directory ALONE=1 $@

demo: ## serve a small language model, ask it a question, go on serving (PORT=8000)
	@scripts/demo.sh '$(PORT)'

install: ## install the wheel that is built into an environment of yours (VENV=path EXTRAS=llama-cpp)
	@scripts/check-venv.sh '$(VENV)'
	@scripts/alone.sh $(MAKE) --no-print-directory ALONE=1 $@

else

install: build
	@scripts/install.sh '$(VENV)' '$(EXTRAS)'

test: setup build lint docs rust-test python-test ## everything that has to pass: format, lints, types, the site, all tests, a little fuzzing
	@scripts/fuzz.sh 5

setup: prepare ## install all that is missing: Debian packages and Python environments
	@scripts/setup.sh

build: prepare ## compile what changed, and install the wheel into the project's environment
	@scripts/build.sh

lint: build ## check format, lints and types
	@scripts/lint.sh

docs: build ## build the site of docs/ in the cache folder; a warning fails
	@scripts/docs.sh

fmt: prepare ## format all code
	@scripts/fmt.sh

rust-test: prepare ## run the Rust tests (ARGS go to cargo nextest or cargo test)
	@scripts/crates.sh
	@scripts/rust-test.sh $(ARGS)

python-test: setup build ## run the Python tests against the installed wheel (ARGS go to pytest)
	@scripts/python-test.sh $(ARGS)

fuzz: prepare ## fuzz what is read as text from outside (FUZZ_SECONDS=300 for each target)
	@scripts/fuzz.sh $(FUZZ_SECONDS)

wheel: prepare ## build the wheel and the source distribution to hand out, into dist/, and try it as smoke does
	@scripts/wheel.sh

bench: prepare ## compare with the reference: tables and a plot in benches/results (ARGS=--quick: minutes)
	@scripts/bench.sh $(ARGS)

vllm-env: build ## make the environments with vLLM on a CPU, and the tiny model (10 minutes, 8 GB)
	@scripts/vllm-env.sh

test-vllm: vllm-env ## test the engine vllm, with each tested release of vLLM (ARGS go to pytest, VLLM=0.32.0: that one only)
	@scripts/vllm-test.sh $(ARGS)

bench-llama-cpp: build ## compare the engine llama-cpp with llama.cpp's own server (ARGS=--quick: minutes)
	@scripts/llama-bench.sh $(ARGS)

bench-vllm: vllm-env ## compare the engine vllm with the reference's worker (ARGS=--quick: minutes)
	@scripts/vllm-bench.sh $(ARGS)

interop-wheel: build ## build the wheel of the reference's sidecars, into dist/ (20 minutes; PROFILE=release: optimised)
	@scripts/debian.sh interop
	@scripts/interop-wheel.sh dist '$(PROFILE)'

test-sidecars: vllm-env ## test the reference's sidecars, vLLM's with its own server (ARGS go to pytest)
	@scripts/debian.sh interop
	@scripts/sidecars-test.sh $(ARGS)

clean: ## remove all that was built or installed in the cache folder
	@scripts/clean.sh

prepare:
	@scripts/toolchain.sh
	@scripts/debian.sh build

endif

smoke: ## try a wheel to hand out as a user would (WHEEL=dist/NAME.whl PYTHON=python3.12)
	@scripts/smoke.sh '$(WHEEL)'

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14
