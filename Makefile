# make up and make test need only Python 3.11 or newer; they set up the rest in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Tests start many interpreters: without files of compiled modules each of them compiles the package anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help up setup quick long-tests test tests-without-servers tests-of-servers style slow shown switched-off \
  coverage check counted detectors baselines bench bench-peer clients trial soak docs dashboards pictures servers \
  engines stack stack-down clean

# Tests of real servers mostly wait, so more of them run at once than there are processors. Those of one file
# share its servers, so a file is not divided; those that take longest begin (tests/long_tests.py). Each worker
# imports all files of its paths: these, or those in ARGS.
SERVER_TESTS := 4
OF_SERVERS := tests/stack tests/test_engine_kills.py tests/test_hub_app.py tests/test_hub_boards.py tests/test_hub_engines.py
# The others wait, too, for programs that they start: one more runs at once than there are processors.
WORKERS = $(shell $(BIN)/python -c 'import os; print((os.cpu_count() or 1) + 1)')
WITHOUT_SERVERS := not slow and not stack and not npm and not corpus and not shown
# Folders without a test of such a run are passed over, or each worker would import what they need.
NO_SERVERS := --ignore=tests/stack --ignore=tests/shown
SHORT := $(NO_SERVERS) --ignore=tests/corpus
# A selection in ARGS may leave one of two runs without tests: pytest's exit code 5 counts only without ARGS.
UNLESS_EMPTY := || { code=$$?; test $$code = 5 -a -n "$(ARGS)" || exit $$code; }

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

up: $(READY) ## run the service: hooks in, page and metrics out
	@$(BIN)/stretto up $(ARGS)

quick: $(READY) ## run the guards and all short tests that need no real servers
	$(BIN)/pytest -n logical --dist worksteal -m "$(WITHOUT_SERVERS) and not long" $(SHORT) $(ARGS)

long-tests: $(READY) ## list anew which tests quick leaves out, on a quiet machine
	$(BIN)/pytest -n logical --dist worksteal -m "$(WITHOUT_SERVERS)" $(SHORT) --junit-xml=long-tests.xml \
	  -o junit_duration_report=call $(ARGS)
	$(BIN)/python -m tests.long_tests long-tests.xml && rm long-tests.xml

style: $(READY) ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Tests of real servers leave the processors to the others most of the time. Make prints each of the three when it is
# over, if it can (since 4.0), and fails if one does.
test: $(READY) ## check style and types, run the tests, those of real servers too: all at once
	@$(MAKE) --no-print-directory --jobs=3 $(if $(filter output-sync,$(.FEATURES)),--output-sync) \
	  tests-without-servers tests-of-servers style

tests-without-servers: $(READY) ## run the tests that need no real servers
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "not slow and not stack and not shown" $(NO_SERVERS) $(ARGS) \
	  $(UNLESS_EMPTY)

tests-of-servers: $(READY) ## run the tests of real servers
	$(BIN)/pytest -n $(SERVER_TESTS) --dist loadfile --no-loadscope-reorder -o testpaths="$(OF_SERVERS)" -m "stack and not slow" $(ARGS) \
	  $(UNLESS_EMPTY)

slow: $(READY) ## run the tests that take minutes
	$(BIN)/pytest -n logical --dist loadfile -m slow $(ARGS)

shown: $(READY) ## run random operations over caches, gates and profiles (LONG=1: as many as check runs)
	$(if $(LONG),STRETTO_SHOWN=long) $(BIN)/pytest -n logical --dist worksteal -m shown tests/shown $(ARGS)

switched-off: $(READY) ## run the tests with every optional part off, but for what a test needs
	SWITCHED_OFF_SUITE=1 $(BIN)/pytest -n logical --dist worksteal -m "not slow and not stack and not npm and not shown" $(ARGS)

coverage: $(READY) ## measure which lines and branches the tests run, and fail below the floors
	rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest -n logical --dist worksteal -m "not slow and not stack and not npm and not shown" $(ARGS)
	$(BIN)/coverage run -m pytest -n 0 -m stack tests/test_hub_engines.py $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage json --quiet
	$(BIN)/python tests/coverage_floors.py coverage.json

check: test slow ## run everything that must hold, speed left out
	$(MAKE) coverage ARGS=--hypothesis-profile=thorough
	$(MAKE) switched-off
	$(MAKE) shown LONG=1

counted: $(READY) ## write tests/counted.json after the sums' version was raised, and list new measures
	$(BIN)/python -m tests.counted

trial: $(READY) ## try to lose, forge and expose data on this machine (ARGS=--short takes three minutes)
	$(BIN)/python -m tests.trial $(ARGS)

soak: $(READY) ## run a day of fifty agents in simulated time; fails if memory or anything else grows
	$(BIN)/python -m tests.soak $(ARGS)

clients: $(READY) ## run real clients from npm, offline, and compare (ARGS=--short for two of them and the plugin)
	$(BIN)/python -m tests.clients.run_clients $(ARGS)

bench: $(READY) ## measure speed as ratios beside the budgets
	$(BIN)/python tests/bench/bench_hook.py
	$(BIN)/python -m tests.bench.bench_http_hook
	$(BIN)/python -m tests.bench.bench_service
	$(BIN)/python tests/bench/bench_statusline.py
	$(BIN)/python tests/bench/bench_store.py --floor 0.13
	$(BIN)/python -m tests.bench.bench_runs --floor 1.5
	$(BIN)/python -m tests.bench.bench_import --floor 10
	$(BIN)/python -m tests.bench.bench_live_session --floor 3.3
	$(BIN)/python -m tests.bench.bench_session_page --floor 11
	$(BIN)/python -m tests.bench.bench_first_paint --floor 3
	$(BIN)/python -m tests.bench.bench_report
	$(BIN)/python tests/bench/bench_otlp.py
	$(BIN)/python -m tests.bench.bench_memory --floor 155
	$(BIN)/python tests/bench/bench_api.py
	$(BIN)/python tests/bench/bench_transcript.py --floor 0.25
	$(BIN)/python -m tests.bench.bench_resources
	$(BIN)/python -m tests.bench.bench_hub

detectors: $(READY) ## measure the error rates of the analyses beside their bounds (ARGS=--short, ARGS=--write)
	$(BIN)/python -m tests.detectors $(ARGS)

baselines: $(READY) ## print how often a measured baseline is admitted, over generated stores and recordings
	$(BIN)/python -m tests.bench.bench_baselines $(ARGS)

# Newer versions of ccusage are programs for some systems only; codeburn needs a newer Node than Debian has.
bench-peer: $(READY) ## measure OTLP ingest and imports beside other programs, installed in .venv-peer for it
	test -x .venv-peer/bin/agentsview || \
	  { $(PYTHON) -m venv .venv-peer && .venv-peer/bin/pip install --quiet arize-phoenix agentsview; }
	test -x .venv-peer/npm/node_modules/.bin/codeburn || \
	  npm install --silent --no-fund --no-audit --prefix .venv-peer/npm codeburn ccusage@18 node@22
	$(BIN)/python tests/bench/bench_otlp.py --peer .venv-peer/bin/python
	$(BIN)/python -m tests.bench.bench_import_peers $(ARGS)

docs: $(READY) ## write the generated files: metrics, commands, dashboards' page, plugin's hooks
	$(BIN)/python docs/generate.py

dashboards: $(READY) ## write grafana/dashboards from grafana/board
	$(BIN)/python -m grafana.board.build

pictures: $(READY) ## take the documentation's pictures with Chromium
	STRETTO_PICTURES=1 $(BIN)/pytest -q tests/stack/test_browser.py tests/stack/test_demo_month.py \
	  tests/stack/test_board_pictures.py -k 'picture or found or drawn'

servers: ## install real Prometheus and Alertmanager (Debian, Ubuntu)
	apt-get update
	apt-get install -y --no-install-recommends prometheus prometheus-alertmanager

engines: $(READY) ## install the databases of a hub for its tests (Debian, Ubuntu)
	apt-get update
	apt-get install -y --no-install-recommends postgresql
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt chdb

stack: ## run everything in containers, Grafana too: docs/stack.md (TRACES=1 adds Jaeger)
	@TRACES="$(TRACES)" deploy/stack.sh up $(ARGS)

stack-down: ## stop those containers and keep their data
	@deploy/stack.sh down $(ARGS)

setup: $(READY) ## make .venv with all dependencies

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "stretto needs Python 3.11 or newer; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean: ## remove the environments and the coverage data
	rm -rf $(VENV) .venv-peer .coverage .coverage.* coverage.json
