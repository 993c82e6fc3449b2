# Every target is one line of its own program; `make help` lists them.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
UV_VERSION := 0.13.8
READY := $(VENV)/.ready
PYTHON_IS_NEW := $(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) \
  else "Python 3.11 or newer is needed; got %s: set PYTHON=..." % sys.version.split()[0])'
export OMP_NUM_THREADS ?= 1
export TRAINYARD_BEGAN := $(shell date +%s)

.DEFAULT_GOAL := help
.PHONY: help setup machine demo deploy demo-down readme test test-fast test-nightly lint types unit integration learning e2e \
        fmt verify generate requirements house mutate cluster-up cluster-down cluster-status images clean

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

setup: $(READY) ## Make the development environment in .venv
$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON_IS_NEW)
	@echo "Installing the development environment into $(VENV) ..."
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(VENV)/bin/uv pip install --quiet --python $(RUN) --require-hashes -r requirements/dev.txt
	@$(VENV)/bin/uv pip install --quiet --python $(RUN) --no-deps -e .
	@touch $@

machine: # What a local cluster needs is looked at before any work
	@$(PYTHON_IS_NEW)
	@$(PYTHON) -m hack.cluster.prepare

demo: machine setup ## Run the main job on a real cluster and check what it left behind
	@$(RUN) -m hack.demo

readme: setup ## Put the transcript of the last demo into README.md
	@$(RUN) -m hack.demo readme

deploy: machine setup ## Cluster, images, services and chart from this tree, without running a job
	@$(RUN) -m hack.demo deploy

demo-down: setup ## Remove what the demo made, keep the cluster
	@$(RUN) -m hack.demo down

test: machine setup ## Every test: lint, types, unit, integration, learning, end-to-end
	@$(RUN) -m hack.tiers lint types unit integration learning e2e

test-fast: setup ## The inner loop: all but learning and what needs a node
	@$(RUN) -m hack.tiers lint types unit integration

test-nightly: setup ## What takes minutes or is drawn anew each time, as fuzzing; no part of test
	@$(RUN) -m hack.tiers nightly

lint types unit integration learning e2e: setup
	@$(RUN) -m hack.tiers $@

fmt: setup ## Format the code
	@$(VENV)/bin/ruff format . && $(VENV)/bin/ruff check --fix --quiet .

generate: setup ## Write every generated file anew
	@$(RUN) -m hack.generate

verify: setup ## Fail if a generated file isn't what its source gives
	@$(RUN) -m hack.generate --check

house: setup ## Say how this house is built: circles of folders, sizes, mirrored tests, files to open to see one thing
	@$(RUN) -m hack.house
	@$(RUN) -m hack.house walks

mutate: setup ## Change the trainer's mathematics in one place at a time, and say what no test notices (or SCOPE=operator)
	@$(RUN) -m hack.mutate $(SCOPE)

requirements: setup ## Compile the exact versions again
	@$(RUN) -m hack.requirements

cluster-up: machine setup ## Start the test cluster
	@$(RUN) -m hack.cluster up

cluster-down: setup ## Stop the test cluster, keep its images
	@$(RUN) -m hack.cluster down

cluster-status: setup ## Say how the test cluster is
	@$(RUN) -m hack.cluster status

images: setup ## Build the images and push what changed
	@$(RUN) -m hack.images build

clean: ## Remove the development environment and caches of tools in this folder
	@rm -rf $(VENV) .ruff_cache .mypy_cache .pytest_cache .hypothesis .import_linter_cache
