# Two commands for newcomers: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 8000
SECONDS ?= 600
SEEDS ?= 1 2 3
# Tests of one file share servers; and the files with the longest tests are not the last ones.
BY_FILE := --dist=loadfile --no-loadscope-reorder
# Tests that start real servers wait more than they work.
WAITING := --numprocesses=3 $(BY_FILE)

.DEFAULT_GOAL := help
.PHONY: help demo test test-clients chaos bench bench-check bench-peers profile docs audit lint format schema requirements clean

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

test: $(BIN)/.dev ## Run all tests, on SQLite and on PostgreSQL with Redis.
	$(BIN)/python -m pytest --backend=sqlite -m "not acceptance and not clients" --numprocesses=auto
	$(BIN)/python -m pytest --backend=postgres -m "not acceptance and not clients" --numprocesses=auto
	$(BIN)/python -m pytest --backend=sqlite -m "acceptance and not clients and not quiet" $(WAITING)
	$(BIN)/python -m pytest --backend=postgres -m "acceptance and not clients and not quiet and not any_database" $(WAITING)
	$(BIN)/python -m pytest --backend=sqlite -m "quiet"
	$(BIN)/python -m pytest --backend=postgres -m "quiet and not any_database"

test-clients: $(BIN)/.dev ## Test with real clients and browsers (needs Node.js, npm and Chromium).
	$(BIN)/python -m pytest --backend=sqlite -m clients --timeout=400 --numprocesses=2 $(BY_FILE)

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
