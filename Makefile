# Everything a checkout can do. `make` alone lists it. Needs Python 3.11 or newer (PYTHON=python3.12 to choose one).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast check format benchmarks clean

help:  ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-12s %s\n", $$1, $$2 }'

setup: $(READY)  ## Make the virtual environment and install everything (6.6 GB with torch's CUDA build).

$(READY): pyproject.toml
	@echo "== setup: a virtual environment in $(VENV), and everything that bench needs (a few minutes, once)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "bench needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ..."; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(READY)

demo: $(READY)  ## Train and compare DETR, YOLOv8 and Faster R-CNN on drawn scenes; under five minutes.
	@echo "== demo: the three tiny detectors on the synthetic default; they learn from random weights"
	@$(BIN)/bench run

test: $(READY)  ## All tests.
	@echo "== test: all but the browser's, in $(WORKERS) processes of one thread each"
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not browser"
	@echo "== test: the browser's, one after another"
	@$(BIN)/python -m pytest -m browser

test-fast: $(READY)  ## The tests that need no framework: under a minute.
	@echo "== test-fast: on the fake detector"
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not slow and not data and not browser and not gpu"

check: $(READY)  ## Lint, format, strict types, import layers.
	@echo "== check: lint and format (ruff)"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@echo "== check: types (mypy --strict)"
	@$(BIN)/mypy
	@echo "== check: import layers (import-linter)"
	@$(BIN)/lint-imports --no-logo

format: $(READY)  ## Let ruff format, and mend what it can.
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:  ## Remove the environment, caches and written datasets; runs/ stays.
	rm -rf $(VENV) .bench build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
