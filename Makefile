# A machine needs Python 3.11 or newer, make and git; everything else goes into .venv.
#   make setup      install cagexplain into .venv
#   make setup-dev  the same with what tests and documentation need; those targets call it themselves
#   make demo       train, evaluate, trace, report and audit, in a few minutes
#   make test       all checks and tests
#   make test-fast  the same without the tests marked slow, for daily work: recorded episodes, learning,
#                   decision trees, browsers, whole audits and studies, benchmarks, and what is killed
#                   or interrupted and continued
#   make lint       the checks alone
#   make bench      the figures of docs/speed.md
#   make examples   audits of three policies, an FSM report and a comparison, in build/examples
#   make docs       the documentation as a site, in build/site
#   make notebooks  what the notebooks of docs/notebooks show anew
#   make results    the pages about our studies anew, from their kept results
#   make pictures   the pictures of README and docs/reports.md anew (needs Chromium)
#   make dist       wheel and source distribution, in dist
#   make image      a container image, with Docker or Podman
# PYTHON=... chooses the interpreter, VENV=... where its environment is, PYTEST_ARGS=... how pytest runs.

PYTHON ?= python3.11 python3
PYTEST_ARGS ?= -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder
VENV := .venv
BIN := $(VENV)/bin
CONTAINERS ?= docker podman
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt

.PHONY: setup setup-dev demo test test-fast lint bench examples docs pictures notebooks results dist image

setup: $(INSTALLED)

setup-dev: $(INSTALLED_DEV)

$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/pip
	$(INSTALL) -e .
	@touch $@

$(INSTALLED_DEV): pyproject.toml constraints.txt | $(BIN)/pip
	$(INSTALL) -e '.[dev]'
	@touch $(INSTALLED) $@

$(BIN)/pip:
	@for python in $(PYTHON); do \
	    if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "$$python -m venv $(VENV)"; exec "$$python" -m venv $(VENV); \
	    fi; \
	done; \
	echo 'cagexplain needs Python 3.11 or newer: install it, or name it: make PYTHON=/path/to/python' >&2; \
	exit 1

demo: setup
	scripts/demo.sh

test: lint
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-fast: lint
	$(BIN)/python -m pytest $(PYTEST_ARGS) -m 'not slow'

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python -m benchmarks.engine
	$(BIN)/python -m benchmarks.parity
	$(BIN)/python -m benchmarks.train

# docs/examples/expert.html is audit.html of the first.
examples: setup
	rm -rf build/examples
	for policy in expert ippo_long random; do \
	    $(BIN)/cagexplain audit $$policy -o build/examples/audit-$$policy || exit; \
	    $(BIN)/cagexplain trace $$policy -o build/examples/trace-$$policy || exit; \
	done
	$(BIN)/cagexplain fsm-report build/examples/trace-ippo_long -o build/examples/fsm-ippo_long.html
	$(BIN)/cagexplain compare build/examples/trace-* -o build/examples/compare.html

docs: setup-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

pictures: setup-dev
	rm -rf build/pictures
	$(BIN)/python scripts/pictures.py

notebooks: setup-dev
	$(BIN)/python scripts/notebooks.py

results: setup
	$(BIN)/python scripts/results.py

dist: | $(BIN)/pip
	rm -rf dist build/lib
	$(BIN)/python -m pip install --quiet --disable-pip-version-check build twine
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*

image:
	@for tool in $(CONTAINERS); do \
	    if command -v "$$tool" >/dev/null; then \
	        echo "$$tool build -t cagexplain ."; exec "$$tool" build -f Containerfile -t cagexplain .; \
	    fi; \
	done; \
	echo 'no container tool: install one of $(CONTAINERS)' >&2; \
	exit 1
