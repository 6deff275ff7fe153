# `make` lists the targets. Data goes to stdout; set-up and stage lines go to stderr.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh

BIN := .venv/bin
STAMPS := .venv/.stamps
STAGE := @tools/stage.sh
PYTEST := $(BIN)/pytest
# Folders count too: their time moves when a file comes or goes.
CORE_SOURCES := Cargo.toml Cargo.lock pyproject.toml \
	$(shell find rust -type d -o -name '*.rs' -o -name Cargo.toml)

.PHONY: help setup demo test test-fast test-long reliability bench fmt protos lock clean
.PHONY: lint lint-quick lint-core rust-test

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

# --- Set-up: each stamp is made again when what it rests on is newer ---------------------------

$(STAMPS)/venv:
	@tools/setup.sh venv
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/packages: $(STAMPS)/venv requirements.lock tools/uv.lock
	@tools/setup.sh packages
	@touch $@

$(STAMPS)/core: $(STAMPS)/packages $(CORE_SOURCES)
	@tools/setup.sh core
	@touch $@

$(STAMPS)/chains: $(STAMPS)/core python/xmargin/testbed/packages.py
	@tools/setup.sh chains
	@touch $@

$(STAMPS)/bench: $(STAMPS)/core tools/bench.lock
	@tools/setup.sh bench
	@touch $@

setup: $(STAMPS)/chains ## Make .venv, build the Rust core, fetch the local chains
	@echo "set-up: ready, in .venv" >&2

# --- Run ----------------------------------------------------------------------------------------

demo: $(STAMPS)/core ## The main job on local real chains; ARGS="--once --json" prints one document
	@$(BIN)/xmargin demo $(ARGS)

bench: $(STAMPS)/bench ## Measure; ARGS="book options" names parts, all go to xmargin.bench
	@$(BIN)/python -m xmargin.bench $(ARGS)

# --- Test: what fails quickly comes first ---------------------------------------------------------

test: ## All set-up, lints, Rust tests and Python tests but the long ones
	@tools/setup.sh need python rust linker node
	$(STAGE) packages $(MAKE) $(STAMPS)/packages
	@$(MAKE) lint-quick
	$(STAGE) core $(MAKE) $(STAMPS)/core
	@$(MAKE) lint-core rust-test
	@tools/tests.sh $(ARGS)

test-fast: $(STAMPS)/core ## Python tests that start no chain
	@$(PYTEST) -m "not long and not chains" $(ARGS)

test-long: $(STAMPS)/core ## Tests that take minutes
	@tools/setup.sh need node
	@$(PYTEST) -m long $(ARGS)

reliability: $(STAMPS)/core ## 1,000 simulated hours of faulty endpoints, snapshots of 10,000 accounts
	@tools/setup.sh need node
	@XMARGIN_RELIABILITY_REPORT=/dev/stderr $(PYTEST) -q -s tests/reliability -m long $(ARGS)

rust-test: $(STAMPS)/packages
	$(STAGE) "Rust tests" cargo test --locked --quiet --workspace --exclude xmargin-py

# --- Lint -----------------------------------------------------------------------------------------

lint: ## ruff, rustfmt, buf, generated code, imports, mypy, clippy, stubtest
	@$(MAKE) lint-quick lint-core

lint-quick: $(STAMPS)/packages
	$(STAGE) "ruff format" $(BIN)/ruff format --check --quiet
	$(STAGE) "ruff check" $(BIN)/ruff check --quiet
	$(STAGE) rustfmt cargo fmt --check
	$(STAGE) protos $(BIN)/python tools/protos.py lint
	$(STAGE) "generated code" $(BIN)/python tools/protos.py check

lint-core: $(STAMPS)/core
	$(STAGE) imports $(BIN)/lint-imports --no-logo
	$(STAGE) mypy $(BIN)/mypy
	$(STAGE) stubtest $(BIN)/stubtest xmargin._core --mypy-config-file pyproject.toml
	$(STAGE) clippy cargo clippy --locked --quiet --workspace --all-targets -- -D warnings

fmt: $(STAMPS)/packages ## Format everything, mend what can be mended
	@$(BIN)/ruff check --fix --quiet || true
	@$(BIN)/ruff format --quiet
	@$(BIN)/buf format --write protos
	@cargo fmt

# --- Upkeep ---------------------------------------------------------------------------------------

protos: $(STAMPS)/packages ## Generate python/xmargin/v1 from protos/
	@$(BIN)/python tools/protos.py generate

lock: $(STAMPS)/venv ## Write the locks anew; ARGS=--upgrade moves the pins
	@tools/setup.sh lock $(ARGS)

clean: ## Remove all that the targets made in this tree
	rm -rf .venv target dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find python tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -f python/xmargin/_core*.so
