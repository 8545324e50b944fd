# Two commands for newcomers: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 8000
SECONDS ?= 600
SEEDS ?= 1 2 3

# The folder of a test says when it runs.
# Once: what knows no database.
UNIT_TESTS := tests/unit tests/realtime tests/chaos
# On each backend.
DATABASE_TESTS := tests/operations tests/doors tests/security tests/reference tests/api tests/testing
# Those of them that are the same with any database: once.
DATABASE_TESTS_ONCE := tests/security/any_database
# What starts real servers or processes, and waits more than it works: on each backend, and once.
SERVER_TESTS := tests/acceptance tests/endurance
SERVER_TESTS_ONCE := tests/acceptance/any_database tests/docs tests/hosts
# What takes minutes, or wants the machine for itself.
SLOW_TESTS := tests/slow
SLOW_TESTS_ONCE := tests/slow/any_database tests/docs/long
# What runs once, on SQLite, and in the long run on PostgreSQL, too.
HOST_TESTS := tests/hosts/databases
# What needs Node.js or a browser.
CLIENT_TESTS := tests/clients tests/browser tests/schema_tools

# Each process of a run reads all tests: better as bytecode than once more as text.
PYTEST = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest
# Tests of one file share servers; and the files with the longest tests are not the last ones.
BY_FILE := --dist=loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help demo test test-in-process test-servers test-slow test-clients chaos bench bench-check bench-peers profile docs audit lint format schema requirements clean

help: ## Show this list.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 20

$(BIN)/.server: requirements/server.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/server.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(BIN)/.dev: requirements/dev.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@ $(BIN)/.server

$(BIN)/.docs: requirements/docs.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/docs.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

demo: $(BIN)/.server ## Start a broker with live data on this machine (PORT=8000).
	@exec $(BIN)/python manage.py quickstart --port $(PORT)

test: $(BIN)/.dev ## Run the tests, on SQLite and on PostgreSQL with Redis.
	@$(MAKE) --no-print-directory --jobs=2 test-in-process test-servers

test-in-process:
	$(PYTEST) --backend=sqlite $(UNIT_TESTS) $(DATABASE_TESTS) --numprocesses=2
	$(PYTEST) --backend=postgres $(DATABASE_TESTS) $(DATABASE_TESTS_ONCE:%=--ignore=%) --numprocesses=2

test-servers:
	$(PYTEST) --backend=sqlite $(SERVER_TESTS) $(SERVER_TESTS_ONCE) $(SLOW_TESTS_ONCE:%=--ignore=%) --numprocesses=3 $(BY_FILE)
	$(PYTEST) --backend=postgres $(SERVER_TESTS) $(SERVER_TESTS_ONCE:%=--ignore=%) --numprocesses=3 $(BY_FILE)

test-slow: $(BIN)/.dev ## Run the tests that take minutes: after changes to delivery, storage or security.
	$(PYTEST) --backend=sqlite $(SLOW_TESTS) $(SLOW_TESTS_ONCE)
	$(PYTEST) --backend=postgres $(HOST_TESTS) $(SLOW_TESTS) $(SLOW_TESTS_ONCE:%=--ignore=%)
	PYTHONOPTIMIZE=1 $(PYTEST) --backend=sqlite tests/security
	$(PYTEST) --backend=postgres --alias=other tests/operations tests/api tests/doors --numprocesses=2

test-clients: $(BIN)/.dev ## Test with real clients and browsers (needs Node.js, npm and Chromium).
	$(PYTEST) --backend=sqlite $(CLIENT_TESTS) --timeout=400 --numprocesses=2 $(BY_FILE)

chaos: $(BIN)/.dev ## Check the promises while parts are killed, stopped or cut off (SECONDS=600 SEEDS="1 2 3").
	$(BIN)/python -m tests.chaos --seconds $(SECONDS) --seeds $(SEEDS)

bench: $(BIN)/.dev ## Compare the broker with simple servers on this machine (BENCH="--runs 5 fanout publish").
	$(BIN)/python -m benchmarks $(BENCH)

bench-check: $(BIN)/.dev ## Run the benchmarks; fail if a ratio is more than 20 % worse than the baseline.
	$(BIN)/python -m benchmarks $(BENCH) --check

bench-peers: $(BIN)/.dev ## Compare the broker with other brokers and servers (needs Node.js and npm).
	$(BIN)/python -m benchmarks --peers $(BENCH)

profile: $(BIN)/.dev ## Write flame graphs of the server during fan-out and publishing.
	$(BIN)/python -m benchmarks.profiling

docs: $(BIN)/.docs ## Build the documentation site in build/docs.
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --fresh-env --quiet -d build/doctrees docs build/docs
	@echo "Open build/docs/index.html."

audit: $(BIN)/.dev ## Check the installed packages for known vulnerabilities.
	$(BIN)/python -m tools.audit

lint: $(BIN)/.dev ## Check style, types, layers, migrations and the exported schema.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py export_schema --check schema.graphql

format: $(BIN)/.dev ## Format the code.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schema: $(BIN)/.dev ## Export the GraphQL schema.
	$(BIN)/python manage.py export_schema schema.graphql

requirements: ## Update the files of pinned requirements (needs uv).
	uv pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url --extra server --extra postgres --extra redis pyproject.toml -o requirements/server.txt
	uv pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url --extra dev pyproject.toml -o requirements/dev.txt
	uv pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url --constraint requirements/dev.txt --extra server --extra docs pyproject.toml -o requirements/docs.txt

clean: ## Remove everything that was built, installed or stored in this folder.
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache testproject/var
