# Everything below sets itself up in .venv and writes nothing outside this folder.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast test-images test-cluster lint format generate site clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Create .venv with everything pinned in constraints.txt

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned dependencies into $(VENV) (a minute or two the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=26'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP) ## Train examples/quickstart.yaml on this machine, end to end
	@$(BIN)/mnistctl local run examples/quickstart.yaml --dir .local/demo

# Without KUBECONFIG tests/cluster runs against the embedded API server, never against a cluster of the user's.
# Three processes for two cores, since much of a test is waiting; long files first, so that both ends come together.
FAST = env -u KUBECONFIG $(BIN)/python -m pytest tests/integration tests/standin/integration tests/cluster tests/unit \
	tests/standin/unit -n 3 --dist loadfile --no-loadscope-reorder

test: $(STAMP) ## Unit, integration and end-to-end tests
	@$(FAST)
	@$(BIN)/python -m pytest tests/e2e -n 2 --dist loadfile

test-fast: $(STAMP) ## Unit and integration tests only
	@$(FAST)

# BASE_IMAGE, TORCH_INDEX_URL and pip's PIP_* go to the Dockerfiles; IMAGES=operator builds that one alone.
IMAGES ?= operator trainer portal
test-images: $(STAMP) ## Build the images and run them as the chart and KubeRay do (docker or podman)
	@$(BIN)/python -m pytest $(foreach image,$(IMAGES),tests/images/test_$(image)_image.py)

test-cluster: $(STAMP) ## The same behaviours against whatever KUBECONFIG points to
	@test -n "$$KUBECONFIG" || { echo "set KUBECONFIG to the cluster to test against" >&2; exit 2; }
	@$(BIN)/python -m pytest tests/cluster

lint: $(STAMP) ## ruff, mypy --strict, import-linter, stale-CRD check
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m mnist_operator.api.crd --check
	@$(BIN)/python scripts/generate.py --check

format: $(STAMP) ## Format and fix
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

generate: $(STAMP) ## Regenerate what is made from the code: crds/, the chart's files, deploy/base, parts of docs/
	@$(BIN)/python -m mnist_operator.api.crd --write
	@$(BIN)/python scripts/generate.py --write

site: $(STAMP) ## Build the documentation as a site, into site/; a broken link ends it
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean: ## Remove .venv, .local and caches
	@rm -rf $(VENV) .local site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
