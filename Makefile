# SpotLab: `make run` and `make test` work on a machine with Python 3.11, pip, make and git.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

PYTHON ?= python3
PORT ?= 8501
UV_VERSION := 0.13.9
TOOLS := .tools
UV := $(TOOLS)/uv-$(UV_VERSION)/bin/uv
VENV := .venv
BIN := $(VENV)/bin
BENCH_VENV := .venv-bench
LLEAVES_VENV := $(BENCH_VENV)/lleaves
STAMP := $(VENV)/.installed
TESTS ?= tests
EXAMPLES ?= 50
MUTANTS ?= 200000
# Without bytecode in .venv, every process compiles each module again: four seconds per start. setup
# writes that of what the app needs at start.
unexport PYTHONDONTWRITEBYTECODE
NEEDED_AT_START := alembic.command, boto3, httpx, limits.storage, spotlab.api.server, spotlab.scheduling.job_runs, spotlab.demo.server, streamlit.web.bootstrap

.PHONY: help setup run test lint types check bench api-fuzz model-fuzz fault-matrix results format lock train clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(UV):
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --target $(TOOLS)/uv-$(UV_VERSION) uv==$(UV_VERSION)

$(STAMP): requirements/dev.txt pyproject.toml | $(UV)
	test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	VIRTUAL_ENV=$(VENV) $(UV) pip sync --quiet --require-hashes requirements/dev.txt
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --offline --no-deps --no-build-isolation --editable .
	$(BIN)/python -c "import $(NEEDED_AT_START)"
	touch $@

$(BENCH_VENV)/.installed: requirements/dev.txt requirements/bench.txt pyproject.toml | $(UV)
	test -x $(BENCH_VENV)/bin/python || $(UV) venv --quiet --python $(PYTHON) $(BENCH_VENV)
	VIRTUAL_ENV=$(BENCH_VENV) $(UV) pip sync --quiet --require-hashes requirements/dev.txt requirements/bench.txt
	VIRTUAL_ENV=$(BENCH_VENV) $(UV) pip install --quiet --offline --no-deps --no-build-isolation --editable .
	touch $@

setup: $(STAMP) ## create .venv from the locked, hashed requirements

run: setup ## start the app on 127.0.0.1 (PORT=8501)
	exec $(BIN)/spotlab serve --port $(PORT)

test: setup ## run the tests; those whose server, browser or data is missing are skipped (TESTS=path)
	$(BIN)/python -m pytest $(TESTS) $(PYTEST_ARGS)

lint: setup ## run ruff, and check that no lock file contains a URL
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@if grep -nE 'https?://|--index-url|--find-links' requirements/*.txt; then echo "a lock file contains a URL" >&2; exit 1; fi

format: setup ## fix and format the code with ruff
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

fault-matrix: setup ## disturb a switch at every point and check that nothing is lost
	$(BIN)/python -m tests.switching.fault_matrix --emulated

types: setup ## run mypy in strict mode
	$(BIN)/mypy

check: lint types test ## run lint, types and test

train: setup ## train the shipped models and simple rules from the recorded data
	$(BIN)/spotlab train

$(LLEAVES_VENV)/.installed: requirements/bench-lleaves.txt | $(UV)
	test -x $(LLEAVES_VENV)/bin/python || $(UV) venv --quiet --python $(PYTHON) $(LLEAVES_VENV)
	VIRTUAL_ENV=$(LLEAVES_VENV) $(UV) pip sync --quiet --require-hashes requirements/bench-lleaves.txt
	touch $@

bench: $(BENCH_VENV)/.installed $(LLEAVES_VENV)/.installed ## measure speed beside other libraries, and write docs/benchmarks.md
	$(BENCH_VENV)/bin/python -m benchmarks --write=docs/benchmarks.md

api-fuzz: setup ## fuzz the API with Schemathesis (EXAMPLES=50)
	$(BIN)/python -m tests.api.fuzzing --max-examples $(EXAMPLES)

model-fuzz: setup ## fuzz LightGBM with mutated models that pass validation (MUTANTS=200000)
	$(BIN)/python -m tests.inference.model_fuzz --mutants $(MUTANTS)

results: setup ## measure every figure in docs/results.md again
	$(BIN)/spotlab results

lock: $(UV) ## lock the dependencies in pyproject.toml into requirements/*.txt
	$(UV) pip compile pyproject.toml --quiet --generate-hashes --no-emit-index-url --no-header --python-version 3.11 -o requirements/main.txt
	$(UV) pip compile pyproject.toml --group dev -c requirements/main.txt --quiet --generate-hashes --no-emit-index-url --no-header --python-version 3.11 -o requirements/dev.txt
	$(UV) pip compile --group bench -c requirements/dev.txt --quiet --generate-hashes --no-emit-index-url --no-header --python-version 3.11 -o requirements/bench.txt
	$(UV) pip compile --group bench-lleaves --quiet --generate-hashes --no-emit-index-url --no-header --python-version 3.11 -o requirements/bench-lleaves.txt

clean: ## remove what setup created (not SPOTLAB_HOME)
	rm -rf $(VENV) $(BENCH_VENV) $(TOOLS) .mypy_cache .ruff_cache .pytest_cache
