# Everything is installed into this folder: uv into .tools, Python packages into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV ?= .tools/uv/bin/uv
OPTIMISED := $(shell sh .ci/optimised_python.sh)
ifneq ($(OPTIMISED),)
export UV_PYTHON ?= $(OPTIMISED)
endif
RUN = $(UV) run --no-sync
# More processes than cores: some of a test is waiting for servers, containers and processes of its own.
PYTEST = $(RUN) pytest -n 3 --dist loadfile --no-loadscope-reorder --durations=25
RULE = kubeflow/monitoring/prometheus-rule.yaml
# The committed files are of no image in particular.
NO_IMAGE = frostgate@sha256:0000000000000000000000000000000000000000000000000000000000000000
# What Kubernetes itself knows; the operator's objects are tested against its own definitions.
MANIFESTS = kubeflow/manifests/*/[!k]*.yaml kubeflow/monitoring/pushgateway.yaml

# Bytecode at install time: importing TFX takes 7 s with it and 20 s without.
export UV_COMPILE_BYTECODE = 1
export TF_USE_LEGACY_KERAS = 1

.PHONY: help run test test-all test-fast tests-need check cases faults golden format clean

help: ## Say what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: .tools/uv/bin/uv ## Train, judge, push and register a classifier of the embedded digits
	$(UV) sync --frozen --no-dev --inexact --quiet
	$(RUN) frostgate run

test: .tools/dev tests-need ## Run the tests but the long ones; 20 minutes on two cores
	$(PYTEST) -m "not long"

test-all: .tools/dev tests-need ## Run every test, the long ones too
	$(PYTEST)

test-fast: .tools/dev ## Run the quick tests, without TFX, browsers and what is marked slow; two minutes
	$(PYTEST) -m "not (tfx or engine or browser or slow or long)"

tests-need:
	sh tests/install-browser.sh
	sh tests/install-docker.sh
	sh tests/install-prometheus.sh

check: .tools/dev ## Lint, check formatting, types, Dockerfile, manifests and alert rules
	$(UV) lock --check --quiet
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy
	$(RUN) hadolint --ignore DL3008 kubeflow/Dockerfile
	UV_PROJECT_ENVIRONMENT=.tools/manifests $(UV) sync --frozen --quiet --only-group manifests
	.tools/manifests/bin/kubernetes-validate -k 1.30 --strict --quiet $(MANIFESTS)
	.tools/manifests/bin/kubernetes-validate -k 1.37 --strict --quiet $(MANIFESTS)
	@if command -v promtool >/dev/null; then promtool check rules --lint=all --lint-fatal kubeflow/monitoring/rules.yaml; \
	else echo "promtool is not installed: the alert rules were not checked"; fi

cases: .tools/uv/bin/uv ## Run every case, broken and mended; about an hour
	$(UV) sync --frozen --no-dev --inexact --quiet
	$(RUN) frostgate cases

faults: .tools/dev ## Do a thousand faults to real runs, and see what holds; FAULTS=N SEED=N ONLY=N
	$(RUN) python -m tests.faults $(if $(FAULTS),--faults $(FAULTS)) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

golden: .tools/dev ## Compile the pipelines to the committed kubeflow/*.yaml, and the alert rules to a manifest
	(sed '/^spec:/q' $(RULE); sed -e '/^#/d' -e 's/^/  /' kubeflow/monitoring/rules.yaml) > $(RULE).new
	mv $(RULE).new $(RULE)
	$(RUN) frostgate compile -o kubeflow/training.yaml --set kubeflow.image=$(NO_IMAGE)
	$(RUN) frostgate compile --pipeline monitoring -o kubeflow/monitoring.yaml --set kubeflow.image=$(NO_IMAGE) \
	  --set serving_log.uri=/frostgate/requests

format: .tools/dev ## Format the code
	$(RUN) ruff check --fix
	$(RUN) ruff format

clean: ## Remove what was installed and what runs wrote
	rm -rf .tools .venv .mypy_cache .pytest_cache .ruff_cache frostgate-output

.tools/uv/bin/uv:
	$(PYTHON) .ci/bootstrap_uv.py .tools/uv

.tools/dev: .tools/uv/bin/uv uv.lock pyproject.toml
	$(UV) sync --frozen --quiet
	touch .tools/dev
