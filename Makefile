# Every command a developer or a newcomer needs. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help
.PHONY: help up test chaos lint types migrations dictionary bench bench-polling bench-polling-real bench-readers bench-web screenshots lock clean

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

up: $(VENV)/run  ## run everything here: database, broker, worker, beat, dashboard; a simulator when there is no API key
	@exec $(BIN)/renderwatch up

test: $(VENV)/dev  ## run all tests; PYTEST_ARGS="-k ledger" narrows them
	$(BIN)/pytest $(PYTEST_ARGS)

chaos: $(VENV)/dev  ## kill, freeze and cut off every part 1,000 times; CHAOS_FAULTS and CHAOS_SEED change that
	CHAOS_FAULTS=$${CHAOS_FAULTS:-1000} $(BIN)/pytest -q --numprocesses 3 --dist loadgroup tests/chaos

lint: $(VENV)/dev  ## check style, formatting and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: $(VENV)/dev  ## check types, strictly
	$(BIN)/mypy

migrations: $(VENV)/dev  ## check that models and migrations agree, and that every step goes up and down
	$(BIN)/pytest -q tests/store/test_migrations.py

dictionary: $(VENV)/dev  ## write docs/data-dictionary.md anew, from the models and the words about them
	$(BIN)/python -m worker.store.dictionary_page > docs/data-dictionary.md.new && mv docs/data-dictionary.md.new docs/data-dictionary.md

bench: $(VENV)/dev  ## measure the speed of whole checks beside the usual design; needs PostgreSQL, Redis and openssl
	$(BIN)/python -m benchmarks.speed

bench-polling: $(VENV)/dev  ## compare our check times with the usual ones and with the optimum; draws docs/images/frontier.svg
	$(BIN)/python -m benchmarks.polling --picture docs/images/frontier.svg

bench-polling-real: $(VENV)/dev  ## compare that simulation with the real system; needs PostgreSQL and Redis
	$(BIN)/python -m benchmarks.polling.real

bench-readers: $(VENV)/dev  ## time each view and documented query with 10 thousand, 100 thousand and a million projects; needs PostgreSQL
	$(BIN)/python -m benchmarks.readers

bench-web: $(VENV)/dev  ## time every page of the dashboard with a million projects; needs PostgreSQL; BENCH_ARGS="--projects 100000"
	$(BIN)/python -m benchmarks.web $(BENCH_ARGS)

screenshots: $(VENV)/dev  ## picture the dashboard on a running simulation, into docs/images; needs PostgreSQL, Redis, Chromium
	$(BIN)/python -m benchmarks.web.screenshots build/screenshots
	cp build/screenshots/overview-light.png docs/images/dashboard-overview.png
	cp build/screenshots/project-dark.png docs/images/dashboard-project.png

lock: $(VENV)/dev  ## resolve the dependencies anew, with hashes and without addresses
	$(BIN)/uv pip compile pyproject.toml --extra build --universal --python-version 3.11 --generate-hashes --upgrade \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra build --extra fast --group dev --universal --python-version 3.11 --generate-hashes --upgrade \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet -c requirements.lock -o requirements-dev.lock

clean:  ## remove what the commands above made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
