# The verbs of this repository; `make` alone lists them.
# What a verb needs it sets up: Python >= 3.11, make and git are enough.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
COMPILED := $(VENV)/.compiled
SCANNER := deploy/.venv/.installed
# Most tests wait for processes of their own, so a few run at a time even on two cores.
TEST_PROCESSES ?= 3
# Some environments forbid to keep what was compiled: then each of hundreds of processes compiles all
# modules anew, half a second of CPU every time.
export PYTHONDONTWRITEBYTECODE :=

LOCK_OPTIONS := --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

.DEFAULT_GOAL := help

help: ## List the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(STAMP): requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Setting up $(VENV) (once)…"
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "python3 -m venv failed; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@$(PY) -m pip install --quiet --disable-pip-version-check --only-binary :all: \
	  --require-hashes -r requirements-dev.lock || \
	  { echo "A package could not be installed: either the network or the package index is out of reach, or there is no wheel for this platform (Linux and macOS on x86_64 and arm64 have all of them). The lines above name it."; exit 1; }
	@touch $@

# The hot path in C, where there is a compiler; else it runs in Python, and this says so.
$(COMPILED): $(STAMP) $(wildcard gameserver/*/*.pyx gameserver/*/*.pxd persistence_worker/*.pyx)
	@$(PY) -m gameserver.devstack.compile
	@touch $@

setup: $(COMPILED) ## Create the venv and install what is locked

run: $(COMPILED) ## Start the whole system on this machine, with NODES=3 a cluster, with GAME=./star_race RELOAD=1 your game; Ctrl-C stops it
	@$(PY) -m gameserver.devstack run

swarm: $(COMPILED) ## 200 bots play on the running system; then the stored results are counted; ARGS="--bots 50"
	@$(PY) -m gameserver.devstack swarm --bots 200 --game arena --mode quick --duration 30 --finish 30 $(ARGS)

# Scans the templates; apart from everything else, because it pins boto3 to its own liking.
$(SCANNER): deploy/requirements.lock
	@echo "Setting up deploy/.venv (once)…"
	@$(PYTHON) -m venv deploy/.venv
	@deploy/.venv/bin/python -m pip install --quiet --disable-pip-version-check \
	  --only-binary :all: --require-hashes -r deploy/requirements.lock
	@touch $@

scan: $(STAMP) $(SCANNER) ## Hold deploy/cloudformation to the policies of checkov
	$(PY) -m pytest tests/deploy/test_scan.py $(ARGS)

.PHONY: scan

test: $(COMPILED) $(SCANNER) ## Set up and run all tests, with services of their own; ARGS="tests/wire -k delta"
	$(PY) -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder -m "not campaign" $(ARGS)

mutations: $(COMPILED) ## Break the system in the ways that take the simulation longest to find, about 2 minutes
	$(PY) -m pytest -n $(TEST_PROCESSES) -m campaign tests/sim $(ARGS)

sim: $(COMPILED) ## Play SEEDS=100 simulated histories of a whole cluster, with faults
	@$(PY) -m tests.sim --seeds $(or $(SEEDS),100) $(ARGS)

chaos: $(COMPILED) ## MINUTES=2 of faults on a cluster of real processes under bots; SEED=1
	@$(PY) -m tests.chaos --minutes $(or $(MINUTES),2) --seed $(or $(SEED),1) $(ARGS)

fuzz: $(COMPILED) ## MINUTES=2 of bytes that nobody should send, to parsers and to a real server; SEED=1, SANITIZE=1 for the compiled modules
	@$(PY) -m tests.fuzz --minutes $(or $(MINUTES),2) --seed $(or $(SEED),1) $(if $(SANITIZE),--sanitize) $(ARGS)

check: $(STAMP) ## Format check, lint, mypy --strict
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy

docs: $(STAMP) ## Build the documentation site into artifacts/docs, without network; warnings are errors
	@$(PY) -m docs.site.build

lock: $(STAMP) ## Write the lock files anew from pyproject.toml
	$(VENV)/bin/uv pip compile -q deploy/requirements.in $(LOCK_OPTIONS) -o deploy/requirements.lock
	$(PY) -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb')); print(*p['project']['dependencies'], sep='\n')" > $(VENV)/run.in
	$(PY) -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb')); print(*p['dependency-groups']['dev'], sep='\n')" > $(VENV)/dev.in
	$(VENV)/bin/uv pip compile -q $(VENV)/run.in $(VENV)/dev.in $(LOCK_OPTIONS) -o requirements-dev.lock
	$(VENV)/bin/uv pip compile -q $(VENV)/run.in -c requirements-dev.lock $(LOCK_OPTIONS) -o requirements.lock
	$(PY) -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['build-system']['requires'], sep='\n')" > $(VENV)/build.in
	$(VENV)/bin/uv pip compile -q $(VENV)/build.in -c requirements-dev.lock $(LOCK_OPTIONS) -o requirements-build.lock

format: $(STAMP) ## Format and fix what can be fixed
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

bench: $(COMPILED) ## Measure beside other servers; QUICK=1, or ARGS=--scaling for this server's curves
	@$(PY) -m bench.run $(if $(QUICK),--quick) $(ARGS)

bench-worker: $(COMPILED) ## Measure the persistence worker beside a plain one and COPY, about 5 minutes
	@$(PY) -m bench.worker $(ARGS)

kills: $(COMPILED) ## Kill workers KILLS=500 times while they drain events with poison among them
	@$(PY) -m tests.kills --kills $(or $(KILLS),500) $(ARGS)

failover: $(COMPILED) ## Measure what players notice when nodes are killed and exchanged
	@$(PY) -m bench.failover $(ARGS)

sbom: $(STAMP) ## Write what is in the image as CycloneDX: artifacts/sbom.json
	@$(PY) -m deploy.sbom $(ARGS)

audit: $(STAMP) ## Licences, and known vulnerabilities of all that is locked; asks the package indexes
	@$(PY) -m deploy.licences
	@$(PY) -m deploy.audit

clean: ## Remove the venv, caches and the development data
	@if [ -x $(PY) ]; then $(PY) -m gameserver.devstack clean; fi
	rm -rf $(VENV) deploy/.venv .run .mypy_cache .ruff_cache .pytest_cache .hypothesis artifacts
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -f gameserver/*/*.so

.PHONY: help setup run swarm test mutations sim chaos fuzz check docs lock bench failover format clean sbom audit
