# `make demo` and `make test` need python 3.11 or newer with venv, and make; everything else is installed into .venv.
# Each step prints the plain command it runs. PIP_* variables of the environment (an index, a proxy, ...) are respected.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The lock files are complete, so pip has nothing to resolve; what is no wheel is built with the setuptools of build.txt.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation
CODE := $(wildcard worker tests bench deploy)
# Twice what two cores have use for: many tests wait for processes of their own.
PYTEST := $(BIN)/python -m pytest --numprocesses 4 --dist worksteal

.PHONY: help demo test check chaos image bench docs lock clean witness
.DELETE_ON_ERROR:

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s  %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.local  ## run jobs/quickstart.yaml against the local OSS
	$(BIN)/oss-saveas run jobs/quickstart.yaml

test: $(VENV)/.test witness  ## every test but the full counts of the fault tests, with branch coverage of the pure core
	rm -f .coverage .coverage.*
	$(PYTEST) -m "not chaos" --cov --cov-report= tests/unit
	$(BIN)/python -m coverage report --fail-under=100
	$(PYTEST) -m "not chaos" --ignore tests/unit

check: $(VENV)/.test  ## style, types and boundaries
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy $(CODE)
	$(BIN)/lint-imports

chaos: $(VENV)/.test  ## the fault tests and the properties with their full counts (up to an hour)
	$(PYTEST) -m chaos --timeout 3000
	$(PYTEST) -m "hypothesis and not chaos" --hypothesis-profile full

image: $(VENV)/.test  ## build the image and run it, where buildah and mmdebstrap are
	$(PYTEST) --numprocesses 1 -m chaos -rs --timeout 1200 tests/kubernetes/test_image.py

bench: $(VENV)/.local  ## measure: every figure with a unit of time, every ratio
	$(BIN)/python -m bench

docs: $(VENV)/.test  ## write the generated tables and schemas of docs/ anew (make test compares them)
	$(BIN)/python -m tests.docs

clean:  ## remove what make made; results and pictures stay
	rm -rf $(VENV) build dist *.egg-info .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

# A stamp in .venv is newer than what it was made from, so a second call installs nothing. .test adds to .local and takes
# nothing away: both lock files agree on every version.

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: $(PYTHON) is not python 3.11 or newer; name one that is: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "error: $(PYTHON) has no venv; install it (Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.local: $(VENV)/.made pyproject.toml requirements/build.txt requirements/local.txt
	$(INSTALL) --require-hashes -r requirements/build.txt
	$(INSTALL) --require-hashes -r requirements/local.txt
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.local requirements/test.txt
	$(INSTALL) --require-hashes -r requirements/test.txt
	@touch $@

# A witness that is no Python: ali-oss, the official SDK for Node.js. Where it cannot be had its tests are skipped.
# NPM_CONFIG_* variables of the environment (a registry, a proxy, ...) are respected.

NODE := build/node
NPM := npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-retry-mintimeout=1000 --fetch-timeout=30000

witness:
	@if ! command -v npm >/dev/null; then echo "note: there is no npm, so the tests of ali-oss are skipped"; \
	elif ! $(MAKE) --no-print-directory $(NODE)/.made; then echo "note: npm failed, so the tests of ali-oss are skipped"; fi

$(NODE)/.made: tests/witness/node/package.json tests/witness/node/package-lock.json
	@rm -rf $(NODE) && mkdir -p $(NODE) && cp $^ $(NODE)
	$(NPM) --prefix $(NODE) || { rm -rf $(NODE)/node_modules; exit 1; }
	@touch $@

# Lock files: every version and hash for Linux and macOS, python 3.11 and newer. test.txt is resolved first and the others are
# held to it. `make lock LOCK_FLAGS=--upgrade` raises all versions; without it only what pyproject.toml forces changes.

UV := build/uv/bin/uv
LOCK_FLAGS ?=
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --custom-compile-command "make lock" $(LOCK_FLAGS)

lock: $(UV)  ## write requirements/*.txt anew from pyproject.toml, and the lock of tests/witness/node
	$(LOCK) --group build -o requirements/build.txt
	$(LOCK) pyproject.toml --extra local --extra parquet --group test -o requirements/test.txt
	$(LOCK) pyproject.toml --extra local --constraints requirements/test.txt -o requirements/local.txt
	$(LOCK) pyproject.toml --constraints requirements/test.txt -o requirements/runtime.txt
	@if command -v npm >/dev/null; then echo "npm install --package-lock-only"; \
	  npm install --prefix tests/witness/node --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund; fi

$(UV):
	$(PYTHON) -m venv --clear build/uv
	build/uv/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
