# Everything a newcomer types. Needs Python 3.11+ and make, nothing else.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MANAGE := $(BIN)/python manage.py
# uv is put inside the virtual environment; `make INSTALL=pip ...` does without it.
INSTALL ?= uv

ifneq ($(BROKER),)
export BROKER
endif
ifneq ($(MARKET_SOURCE),)
export MARKET_SOURCE
endif

# The moment the demonstration starts at: fixed, so that it is the same on every machine and every day.
DEMO_AS_OF := 2026-10-28T10:00

.PHONY: help demo test serve check bench simulate simulate-mutants crash-points drills lock clean stop

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)

# Machines that trust a company's certificate keep it in the system store, which uv reads only when told to.
# Where uv cannot be had or cannot reach the index that pip is set up for, pip does the same work more slowly.
define install
	@if [ "$(INSTALL)" = uv ] && { $(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv; } \
	  && UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 $(BIN)/python -m uv pip install --quiet --python $(BIN)/python --require-hashes -r $(1); then :; \
	else \
	  echo "Installing with pip ..."; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1); \
	fi
endef

$(VENV)/.base: requirements/base.txt $(VENV)/bin/python
	$(call install,requirements/base.txt)
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/bin/python
	$(call install,requirements/dev.txt)
	@touch $(VENV)/.base $@

demo: $(VENV)/.base ## set everything up and run a whole trading day on a simulated market
	@$(MANAGE) migrate --verbosity 0
	@BROKER=paper TRADING_MODE=paper MARKET_SOURCE=simulated $(MANAGE) demo --as-of $(DEMO_AS_OF)

serve: $(VENV)/.base ## web, worker, beat and trader together; Ctrl-C stops them
	@$(MANAGE) migrate --verbosity 0
	@$(MANAGE) serve

test: $(VENV)/.dev ## the whole test suite on throw-away PostgreSQL and Redis
	@$(BIN)/python -m pytest -n 2 --dist worksteal

check: $(VENV)/.dev ## format, lint, types, import contracts, migrations, deployment settings
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(MANAGE) makemigrations --check --dry-run
	@DEBUG=false SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(50))') \
	  DATABASE_URL=postgres://check@db.invalid/check REDIS_URL=redis://redis.invalid \
	  $(MANAGE) check --deploy --fail-level WARNING

bench: $(VENV)/.dev ## the figures this product promises, as ratios in one run; BENCH="probability structures=1" for some
	@$(BIN)/python -m bench $(BENCH)

SCHEDULES ?= 1000
DESIGN ?= ours

simulate: $(VENV)/.dev ## seeded fault schedules of the order path; SCHEDULES=10000, DESIGN=naive for the documents' executor
	@$(BIN)/python -m tests.simulation --schedules $(SCHEDULES) --design $(DESIGN) --processes 2

simulate-mutants: $(VENV)/.dev ## planted bugs that the fault schedules must catch
	@$(BIN)/python -m tests.simulation --mutants --processes 2

crash-points: $(VENV)/.dev ## kill -9 at every named point of entry, exit and unwind, then recover
	@$(BIN)/python -m tests.crash

drills: $(VENV)/.dev ## Redis and PostgreSQL lost, leader stopped, six executors, tasks five times, a thousand marks
	@$(BIN)/python -m tests.drills

lock: $(VENV)/.dev ## compile the hashed lock files from requirements/*.in
	$(BIN)/python -m uv pip compile --quiet --generate-hashes --python-version 3.11 requirements/base.in -o requirements/base.txt
	$(BIN)/python -m uv pip compile --quiet --generate-hashes --python-version 3.11 requirements/dev.in -o requirements/dev.txt

stop: $(VENV)/.base ## stop the embedded servers
	@$(MANAGE) embedded stop

clean: ## remove the virtual environment and caches; keeps var/ (your data)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
