# Needs Python 3.10+, pip, a C++20 compiler and make; everything else is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test lint build wheel clean long fuzz sanitize

demo: $(VENV)/.demo          ## the main job on real data
	$(BIN)/python examples/demo.py

test: $(VENV)/.dev           ## everything CI checks: linters, types, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

long: $(VENV)/.dev           ## the full-size form of every bounded test, under sanitizers too
	$(BIN)/python -m pytest -m long
	$(MAKE) sanitize
	$(MAKE) fuzz MINUTES=15

SANITIZER ?= address
sanitize: $(VENV)/.dev       ## native code under AddressSanitizer with UBSan; SANITIZER=thread for ThreadSanitizer
	$(BIN)/python tools/sanitize.py $(SANITIZER)

MINUTES ?= 60
fuzz: $(VENV)/.dev           ## coverage-guided fuzzing of every parser: make fuzz MINUTES=60
	$(BIN)/pip install -q "atheris>=3"
	$(BIN)/python tests/fuzz/run.py $(MINUTES)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

build: $(VENV)/.tools        ## (re)build the native module into the venv, incrementally
	$(BIN)/pip install -q --no-build-isolation --no-deps -e .

wheel: $(VENV)/.tools
	$(BIN)/pip wheel -q --no-build-isolation --no-deps -w dist .

$(VENV)/.tools:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q "scikit-build-core>=0.10" "nanobind>=2.4" "cmake>=3.18" ninja
	touch $@

$(VENV)/.demo: $(VENV)/.tools pyproject.toml CMakeLists.txt $(shell find native -name '*.[ch]pp')
	$(BIN)/pip install -q --no-build-isolation -e .
	touch $@

$(VENV)/.dev: $(VENV)/.tools pyproject.toml CMakeLists.txt $(shell find native -name '*.[ch]pp')
	$(BIN)/pip install -q --no-build-isolation -e ".[dev]"
	touch $@ $(VENV)/.demo

clean:
	rm -rf build dist $(VENV) .mypy_cache .ruff_cache .pytest_cache
