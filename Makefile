# The front door. Needs Python 3.11 to 3.13, make and a package index; brings everything else itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXAMPLE ?= $(if $(filter flights,$(DATA)),flights,$(if $(SMALL),small,classroom))

# Two processes, each of which takes whole files, those first that take longest (tests/conftest.py).
TOGETHER := --numprocesses 2 --dist loadfile --no-loadscope-reorder

# make up DASHBOARD_PORT=… API_PORT=… PORT=… MLFLOW_PORT=… REPORTS_PORT=… TWINS_PORT=…
PORTS = $(if $(DASHBOARD_PORT),--dashboard-port $(DASHBOARD_PORT)) $(if $(API_PORT),--api-port $(API_PORT)) \
	$(if $(PORT),--port $(PORT)) $(if $(MLFLOW_PORT),--mlflow-port $(MLFLOW_PORT)) \
	$(if $(REPORTS_PORT),--reports-port $(REPORTS_PORT)) $(if $(TWINS_PORT),--twins-port $(TWINS_PORT))

.DEFAULT_GOAL := help
.PHONY: help setup develop demo up online test proof coverage check docs screenshots lock clean

help: ## List what can be done
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | awk -F '\t' '{printf "  make %-11s %s\n", $$1, $$2}'
	@echo
	@echo "  make demo SMALL=1        a tenth of it"
	@echo "  make demo DATA=flights   real telemetry: 336,776 flights of 2013"
	@echo "  make demo DAYS=91        one more day"
	@echo "  make demo MODE=auto      let the policy act, on local twins of Slack and the flags"
	@echo "  make up PORT=3001        another port; also DASHBOARD_PORT, API_PORT, MLFLOW_PORT, REPORTS_PORT, TWINS_PORT, and MODE"

setup: $(if $(ALL),$(VENV)/.installed-dev,$(VENV)/.installed) ## Create .venv from requirements.lock; with ALL=1 extras and tools of development too

develop: $(VENV)/.installed-dev

# $(call INSTALLED,lock file): the packages of a lock, and this one.
define INSTALLED
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		|| { echo "Python 3.11, 3.12 or 3.13 is needed; this is $$($(BIN)/python -V). Try make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --requirement $(1)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@
endef

$(VENV)/.installed: requirements.lock pyproject.toml
	$(call INSTALLED,requirements.lock)

$(VENV)/.installed-dev: requirements-dev.lock requirements.lock pyproject.toml
	$(call INSTALLED,requirements-dev.lock)
	@touch $(VENV)/.installed

demo: setup ## Run the main job from raw telemetry to feature health, and say what came of it
	@$(if $(MODE),INTELLIGENCE_MODE=$(MODE)) $(BIN)/intelligence --example $(EXAMPLE) demo $(if $(DAYS),--days $(DAYS))

up: setup ## Serve the dashboard, the read API, the Dagster and MLflow UIs and the Evidently pages on this machine until Ctrl-C
	@$(if $(MODE),INTELLIGENCE_MODE=$(MODE)) $(BIN)/intelligence --example $(EXAMPLE) up $(PORTS)

online: setup ## Rehearse the stream: a simulated day through a broker in this process, decided on event by event
	@$(BIN)/intelligence --example $(EXAMPLE) online rehearse $(if $(SPEED),--speed $(SPEED)) $(if $(ONLINE_PORT),--port $(ONLINE_PORT))

test: develop ## Run the tests but for the proofs
	@$(BIN)/python -m pytest $(TOGETHER) -m "not proof"

proof: develop ## Run the proofs, which take longer: weeks by ticks alone, kills, races, the output shown in the README, the dashboard in a browser
	@$(BIN)/python -m pytest $(TOGETHER) -m proof

coverage: develop ## Run all tests and report which lines and branches they miss
	@$(BIN)/python -m pytest $(TOGETHER) --cov --cov-report=term:skip-covered

check: develop ## Everything that CI runs: lint, format, types, tests, doc examples, proofs
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(MAKE) --no-print-directory test
	@$(MAKE) --no-print-directory proof

docs: develop ## Draw the picture in docs/architecture.md again, from the code
	@$(BIN)/python .ci/draw_architecture.py

screenshots: develop ## Take the pictures of the demo's dashboard in docs/images/dashboard again, with Chromium
	@$(BIN)/python .ci/draw_dashboard.py

# The dashboard, the stream and the server for agents are extras for those who install the package; `make setup` brings them, so that
# `make up`, `make online` and `intelligence mcp` serve them.
# What is installed for everybody is a part of what is installed for development, in the same versions.
# The extras `deep` and `rl` are in neither: PyTorch from an index brings packages for graphics cards.
LOCKED := pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate pyproject.toml

lock: develop ## Compile both lock files anew from pyproject.toml
	@$(BIN)/uv $(LOCKED) --group dev $(foreach extra,ui stream agents postgres object-store,--extra $(extra)) --output-file requirements-dev.lock
	@$(BIN)/uv $(LOCKED) --extra ui --extra stream --extra agents --constraint requirements-dev.lock --output-file requirements.lock

clean: ## Remove the lakes, the models and run-time state; the environment stays
	@rm -rf data .dagster .tmp_dagster_home_* mlruns/mlflow.* mlruns/artifacts evidently_reports/*
