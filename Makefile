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
STAMP := $(VENV)/.installed
TESTS ?= tests
EXAMPLES ?= 50
MUTANTS ?= 200000
# Without bytecode in .venv every process compiles each module anew: four seconds a start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup run test lint types check bench api-fuzz model-fuzz results format lock train clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(UV):
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --target $(TOOLS)/uv-$(UV_VERSION) uv==$(UV_VERSION)

$(STAMP): requirements/dev.txt pyproject.toml | $(UV)
	test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	VIRTUAL_ENV=$(VENV) $(UV) pip sync --quiet --require-hashes requirements/dev.txt
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --offline --no-deps --no-build-isolation --editable .
	touch $@

setup: $(STAMP) ## create .venv from the locked, hashed requirements

run: setup ## start the app on 127.0.0.1 (PORT=8501)
	exec $(BIN)/spotlab serve --port $(PORT)

test: setup ## run every test whose server, browser and data are here (TESTS=path to narrow)
	$(BIN)/python -m pytest $(TESTS) $(PYTEST_ARGS)

lint: setup ## ruff, and no address in a lock file
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@if grep -nE 'https?://|--index-url|--find-links' requirements/*.txt; then echo "a lock file holds an address" >&2; exit 1; fi

format: setup ## let ruff fix and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: setup ## mypy, strict
	$(BIN)/mypy

check: lint types test ## all of the above

train: setup ## train the shipped risk model from the recorded data
	$(BIN)/spotlab train

bench: setup ## measure against named peers, as ratios
	$(BIN)/python -m benchmarks

api-fuzz: setup ## let Schemathesis try to break the API (EXAMPLES=50)
	$(BIN)/python -m tests.api.fuzzing --max-examples $(EXAMPLES)

model-fuzz: setup ## give LightGBM mutants of models that the proof takes (MUTANTS=200000)
	$(BIN)/python -m tests.inference.model_fuzz --mutants $(MUTANTS)

results: setup ## measure every figure of docs/results.md anew
	$(BIN)/spotlab results

lock: $(UV) ## resolve pyproject.toml into requirements/*.txt
	$(UV) pip compile pyproject.toml --quiet --generate-hashes --no-emit-index-url --no-header --python-version 3.11 -o requirements/main.txt
	$(UV) pip compile pyproject.toml --group dev -c requirements/main.txt --quiet --generate-hashes --no-emit-index-url --no-header --python-version 3.11 -o requirements/dev.txt

clean: ## remove what set-up made (not SPOTLAB_HOME)
	rm -rf $(VENV) $(TOOLS) .mypy_cache .ruff_cache .pytest_cache
