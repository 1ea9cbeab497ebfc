# Both commands install what they need into .venv first; nothing else is needed but Python 3.11.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# Two processes share the tests out, module by module; `pytest` alone runs them one after the other.
PYTEST := $(BIN)/pytest -n 2 --dist loadscope --durations=15

.PHONY: demo test test-all lint clean

demo: .venv/flawcast.done ## the whole job on the built-in line
	$(BIN)/flawcast demo --out demo

test: .venv/dev.done lint ## format, lint, types, fast tests
	$(PYTEST)

test-all: .venv/dev.done lint ## the slow tests too
	$(PYTEST) -m ""

lint: .venv/dev.done
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf .venv demo

.venv/flawcast.done: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

.venv/dev.done: .venv/flawcast.done
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@
