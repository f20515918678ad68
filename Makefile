# Two commands do everything on a fresh machine: `make study` and `make test`.
# Both make their own environment in .venv from requirements.lock (pinned, hashed wheels); neither needs root.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
STUDY ?= systems/studies/quick.toml
PYTEST_ARGS ?=

# The first of these that runs, is 3.11 or newer and can make an environment. PYTHON=/path/to/python3 chooses another.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$python -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$python; break; }; done)

.PHONY: help setup study test check lock clean

help: ## show this list
	@grep -hE '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(READY) ## make or renew the environment in .venv

study: $(READY) ## simulate, analyse and compare both electrolytes; STUDY=file chooses another study
	$(BIN)/mdstudy study $(STUDY)

test: $(READY) ## lint, check type hints and run all tests; PYTEST_ARGS are passed on
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile $(PYTEST_ARGS)

check: $(READY) ## what to run before a commit: lint, type hints, fast tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile -m "not slow" $(PYTEST_ARGS)

lock: ## renew requirements.lock after a change of pyproject.toml; UPGRADE=--upgrade takes the newest versions
	@$(require_python)
	$(PYTHON) -m venv --clear build/lock
	build/lock/bin/pip install --quiet uv
	build/lock/bin/uv pip compile --quiet --no-config --universal --python-version 3.11 --only-binary :all: $(UPGRADE) \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
		--extra test --extra dev --extra notebook --extra peers --extra qm pyproject.toml --output-file requirements.lock

clean: ## remove the environment and all that tools leave behind; runs/ stays
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find mdstudy tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml requirements.lock
	@$(require_python)
	@echo "Making the environment in $(VENV) (about 1 GB; minutes on a slow connection)"
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip --disable-pip-version-check install --quiet --only-binary :all: --require-hashes -r requirements.lock
	$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --editable .
	touch $@

define require_python
$(if $(PYTHON),:,{ echo 'mdstudy needs Python 3.11 or newer with venv; none found on PATH.' \
	'Install one (Debian: apt install python3 python3-venv) or say: make PYTHON=/path/to/python3' >&2; exit 1; })
endef
