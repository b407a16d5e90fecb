# Haidang: `make test` does all its own set-up on a machine with python3, python3-venv, make, git.
# HAIDANG_REQUIRE=1 turns every missing server into an error, so that nothing is skipped.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
UV := $(VENV)/bin/uv
RUN := $(VENV)/bin
SOURCES := protocols/src edge/src cloud/src fleet/src dashboards/src tests
# whom the system trusts uv trusts, as pip and git do: a proxy of the house is one of them
CERTS := $(if $(wildcard /etc/ssl/certs/ca-certificates.crt),--system-certs,)
UNFETCHED = echo "Python packages could not be installed (why: above). Without a network: connect this machine, behind a proxy set HTTPS_PROXY, then give the same command; it goes on from there."; exit 1
REQUIRE := $(if $(filter 1,$(HAIDANG_REQUIRE)),--require,)

.PHONY: help setup servers demo test check format bench soak docs pictures compose-check boards-live clean

help:
	@echo "make demo            a city at work on this machine; DEMO='--lang en --keep DIR' for more"
	@echo "make test            set up, then run every test that this machine can run"
	@echo "make check           lint, types, import contracts"
	@echo "make bench           figures, each against its peer in the same run"
	@echo "make soak            long fault runs"
	@echo "make docs            write the generated pages of docs/ again"
	@echo "make pictures        take the README's pictures again, from the real console"
	@echo "make compose-check   the compose files with a real Docker"
	@echo "make boards-live     the boards against a real Grafana: GRAFANA_URL=…"

setup: $(VENV)/.synced

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Haidang needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1 | grep -o 'Python [0-9.]*' || echo not there). Name another: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -m venv $(VENV) >/dev/null || { rm -rf $(VENV); echo "The module venv of $(PYTHON) is missing: sudo apt install python3-venv"; exit 1; }
	@echo "Python packages into $(VENV) (once; 0.8 GB on the disk) …"
	@$(RUN)/python -m pip install -qq --retries 1 --disable-pip-version-check uv || { $(UNFETCHED); }

$(VENV)/.synced: $(UV) uv.lock pyproject.toml $(wildcard */pyproject.toml)
	@VIRTUAL_ENV= $(UV) sync --locked --quiet $(CERTS) || { $(UNFETCHED); }
	@touch $@

servers: setup
	@echo "servers and data for the tests:"
	@$(RUN)/python tests/servers/setup.py $(REQUIRE)

demo: setup
	@$(RUN)/python tests/servers/setup.py --only mosquitto
	@$(RUN)/haidang demo $(DEMO)

# most tests wait for real servers, so that more of them than cores run side by side, a file at a time
test: setup servers
	$(RUN)/pytest -n 3 --dist loadfile --no-loadscope-reorder $(TESTS)

check: setup
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy $(SOURCES)
	$(RUN)/lint-imports

format: setup
	$(RUN)/ruff check --fix-only --quiet .
	$(RUN)/ruff format --quiet .

bench: setup
	@$(RUN)/python tests/servers/setup.py --bench
	$(RUN)/python tests/bench/run.py $(BENCH)

soak: setup servers
	$(RUN)/pytest -m soak --timeout=7200 tests/system

docs: setup
	$(RUN)/python -m haidang_protocols.wire.schema docs

pictures: setup
	@$(RUN)/python tests/servers/setup.py --only mosquitto
	@$(RUN)/python tests/servers/setup.py --only chromium
	@$(RUN)/python tests/pictures/take.py

compose-check:
	@command -v docker >/dev/null || { echo "Docker is not installed"; exit 1; }
	bash tests/system/compose_check.sh

boards-live: setup
	@test -n "$(GRAFANA_URL)" || { echo "GRAFANA_URL=http://… is missing"; exit 1; }
	GRAFANA_URL="$(GRAFANA_URL)" $(RUN)/pytest tests/dashboards -k live

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
