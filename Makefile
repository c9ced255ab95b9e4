# Every command a developer or a newcomer needs. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help
.PHONY: help up test lint types migrations bench bench-polling bench-polling-real lock clean

help:  ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Renderwatch needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# Hashes are checked; the project itself is installed editable with the build backend from the lock file.
$(VENV)/run: $(VENV)/made requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev: $(VENV)/run requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

up: $(VENV)/run  ## run everything here: database, broker, worker, beat; a simulator when there is no API key
	@exec $(BIN)/renderwatch up

test: $(VENV)/dev  ## run all tests; PYTEST_ARGS="-k ledger" narrows them
	$(BIN)/pytest $(PYTEST_ARGS)

lint: $(VENV)/dev  ## check style, formatting and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: $(VENV)/dev  ## check types, strictly
	$(BIN)/mypy

migrations: $(VENV)/dev  ## check that models and migrations agree, and that every step goes up and down
	$(BIN)/pytest -q tests/store/test_migrations.py

bench: $(VENV)/dev  ## measure the speed of whole checks beside the usual design; needs PostgreSQL, Redis and openssl
	$(BIN)/python -m benchmarks.speed

bench-polling: $(VENV)/dev  ## compare our check times with the usual ones and with the optimum; draws docs/images/frontier.svg
	$(BIN)/python -m benchmarks.polling --picture docs/images/frontier.svg

bench-polling-real: $(VENV)/dev  ## compare that simulation with the real system; needs PostgreSQL and Redis
	$(BIN)/python -m benchmarks.polling.real

lock: $(VENV)/dev  ## resolve the dependencies anew, with hashes and without addresses
	$(BIN)/uv pip compile pyproject.toml --extra build --universal --python-version 3.11 --generate-hashes --upgrade \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra build --extra fast --group dev --universal --python-version 3.11 --generate-hashes --upgrade \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet -c requirements.lock -o requirements-dev.lock

clean:  ## remove what the commands above made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
