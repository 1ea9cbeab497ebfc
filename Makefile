# `make demo` and `make test` install what they need into .venv first; nothing else is needed but Python 3.11, 3.12 or 3.13.
OURS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3; do \
	$$name -c '$(OURS)' 2>/dev/null && command -v $$name && break; done)
DEMO ?=  # options of the demo of `make dist-demo`: DEMO='--samples 10 --keep 4' for a quick one
BIN := .venv/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
# Two processes share the tests out, module by module, the longest first (tests/conftest.py);
# `pytest` alone runs them one after the other.
PYTEST := $(BIN)/pytest -n 2 --dist loadscope --no-loadscope-reorder --durations=15

.PHONY: help demo test test-all gpu lint docs dist dist-demo clean

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 20

demo: .venv/flawcast.done ## the whole job on the built-in line
	$(BIN)/flawcast demo --out demo

test: .venv/dev.done lint ## format, lint, types, fast tests
	$(PYTEST)

test-all: .venv/dev.done lint ## the slow tests too
	$(PYTEST) -m ""

gpu: .venv/dev.done ## on a machine with a GPU: its tests, equality, speed; GPU_OPTIONS="--train-minutes 5"
	$(BIN)/python -m flawcast.flows.benchmarks.gpu --out gpu $(GPU_OPTIONS)

lint: .venv/dev.done ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: .venv/dev.done ## the documentation as a site, in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

dist: .venv/dev.done ## wheel and sdist, as an index takes them
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*

dist-demo: dist ## the demo from the wheel, in a fresh environment elsewhere
	folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	$(PYTHON) -m venv "$$folder/venv" && \
	"$$folder/venv/bin/pip" install --quiet --disable-pip-version-check -c constraints.txt \
		"$$(echo dist/*.whl)[all]" && \
	cd "$$folder" && venv/bin/flawcast demo --out demo $(DEMO) && venv/bin/flawcast verify demo/store

clean: ## remove what these targets made
	rm -rf .venv demo dist site

.venv/flawcast.done: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "make: expected python3.11, python3.12 or python3.13, found none; \
	install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(INSTALL) -e '.[all]'
	touch $@

.venv/dev.done: .venv/flawcast.done
	$(INSTALL) -e '.[dev]'
	touch $@
