# Every command a person runs. Each target is self-sufficient: it builds .venv first if it is missing or out of date.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help install demo test test-pg18 test-long lint format bench crash up clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: $(STAMP) ## build .venv with the pinned versions

# torch by pip, the rest by uv: pip honours the user's find-links and index settings (a CPU build, say), uv leaves it there.
# Compiled now: a dozen processes start with every demo, and where PYTHONDONTWRITEBYTECODE is set each would compile anew.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "shifty needs Python 3.11, 3.12 or 3.13; this is $$($(PYTHON) -V). Set PYTHON=python3.11, say."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "This python3 has no venv: apt install python3-venv (or your system's package of that name), then again."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the pinned versions into $(VENV) (once; a minute or so)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt uv torch
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --compile-bytecode --editable '.[dev]'
	@$(BIN)/python -m compileall -q shifty_pipelines shifty_trainer shifty_emulators examples
	@touch $@

demo: $(STAMP) ## the main job, end to end, on real input; KEEP=1 leaves the servers up
	$(BIN)/shifty demo $(if $(KEEP),--keep)

up: $(STAMP) ## start the platform in the foreground; Ctrl-C stops all of it
	$(BIN)/shifty up

test: $(STAMP) ## the default tests, on a real embedded PostgreSQL 16
	$(BIN)/pytest -m "not crash and not long"

test-pg18: $(STAMP) ## the same tests on PostgreSQL 18
	SHIFTY_TEST_POSTGRES=18 $(BIN)/pytest -m "not crash and not long"

test-long: $(STAMP) ## the tests that take minutes: whole examples with the measured recipe
	$(BIN)/pytest -m long -n 0

crash: $(STAMP) ## kill -9 at seeded moments; everything must converge
	$(BIN)/pytest -m crash -n 0 -s

lint: $(STAMP) ## format check, ruff, import contracts, own lints, mypy --strict
	@$(BIN)/ruff format --check --quiet . || { echo "run 'make format'"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/python -m tools.lints shifty_pipelines shifty_trainer shifty_emulators
	@contracts=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$contracts"; exit 1; }
	@$(BIN)/mypy --no-error-summary

format: $(STAMP) ## format and apply the safe fixes
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --fix --quiet .

bench: $(STAMP) ## one script per figure we claim, each beside its peer
	@for script in $$(ls bench/*.py 2>/dev/null); do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean: ## stop what runs, remove .venv and the local state of this checkout
	@test ! -x $(BIN)/shifty || $(BIN)/shifty down --quiet --erase-database || true
	rm -rf $(VENV) .shifty build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
