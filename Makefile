# make up and make test need nothing but Python 3.11 or newer; they set up the rest in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help up test setup check slow bench bench-peer docs dashboards pictures rules servers stack stack-down clean

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

up: $(READY) ## run the service: hooks in, page and metrics out
	@$(BIN)/stretto up $(ARGS)

test: $(READY) ## check style and types, run the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -m "not slow" $(ARGS)

slow: $(READY) ## run the tests that take minutes
	$(BIN)/pytest -m slow $(ARGS)

check: test slow ## everything that must hold

bench: $(READY) ## measure speed as ratios beside the budgets
	$(BIN)/python tests/bench/bench_hook.py
	$(BIN)/python -m tests.bench.bench_http_hook
	$(BIN)/python tests/bench/bench_statusline.py
	$(BIN)/python tests/bench/bench_store.py
	$(BIN)/python tests/bench/bench_otlp.py
	$(BIN)/python tests/bench/bench_api.py
	$(BIN)/python tests/bench/bench_transcript.py --floor 0.25
	$(BIN)/python -m tests.bench.bench_resources

bench-peer: $(READY) ## measure OTLP ingest beside Arize Phoenix, which is installed in a folder of its own for it
	test -x .venv-peer/bin/phoenix || { $(PYTHON) -m venv .venv-peer && .venv-peer/bin/pip install --quiet arize-phoenix; }
	$(BIN)/python tests/bench/bench_otlp.py --peer .venv-peer/bin/python

docs: $(READY) ## write what is generated: metrics, command line, dashboards' page, plugin's hooks
	$(BIN)/python docs/generate.py

dashboards: $(READY) ## write grafana/dashboards from grafana/board
	$(BIN)/python -m grafana.board.build

pictures: $(READY) ## take the documentation's pictures with Chromium
	STRETTO_PICTURES=1 $(BIN)/pytest -q tests/stack/test_browser.py -k picture

servers: ## install real Prometheus and Alertmanager (Debian, Ubuntu)
	apt-get update
	apt-get install -y --no-install-recommends prometheus prometheus-alertmanager

stack: ## run everything in containers, Grafana too: docs/stack.md (TRACES=1 adds Jaeger)
	@TRACES="$(TRACES)" deploy/stack.sh up $(ARGS)

stack-down: ## stop those containers; what they keep stays
	@deploy/stack.sh down $(ARGS)

setup: $(READY) ## make .venv with everything in it

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "stretto needs Python 3.11 or newer; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean: ## remove what was set up
	rm -rf $(VENV) .venv-peer
