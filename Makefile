# make demo: a city in a box · make test: its tests. Both need only git, make and some Python 3 with venv.
PORT ?= 8000
SAMPLE ?= small
PYTHON ?= python3
VENV := .venv/bin
PYTEST := $(VENV)/python -m pytest

.PHONY: demo real test test-long lint bench screenshots bundle audit sql-counts setup setup-dev locks

demo: setup
	@exec $(VENV)/gongzhi demo --port $(PORT) --sample $(SAMPLE)

real: setup
	@exec $(VENV)/gongzhi real --port $(PORT)

# Each process has a server of its own; a file's tests stay together, because they share a database.
test: setup-dev
	@$(PYTEST) -m "not long" -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

test-long: setup-dev
	@$(PYTEST) -m long $(ARGS)

lint: setup-dev
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .
	@$(VENV)/mypy
	@$(VENV)/lint-imports --config pyproject.toml
	@$(VENV)/djlint --check --lint --quiet src/gongzhi/web/templates

bench: setup-dev
	@$(VENV)/python -m bench $(ARGS)

screenshots: setup-dev
	@$(VENV)/python tools/screenshots.py $(ARGS)

# The numbers of SQL statements that were agreed for each service, written anew; look at the difference before you commit it.
sql-counts: setup-dev
	@GONGZHI_ACCEPT_SQL_COUNTS=1 $(PYTEST) tests/services/test_counts.py $(ARGS)

setup:
	@command -v $(PYTHON) >/dev/null || { echo "没有找到 $(PYTHON)。请先安装 Python 3,例如 sudo apt install python3 python3-venv" >&2; exit 2; }
	@$(PYTHON) tools/setup.py run

setup-dev:
	@command -v $(PYTHON) >/dev/null || { echo "没有找到 $(PYTHON)。请先安装 Python 3,例如 sudo apt install python3 python3-venv" >&2; exit 2; }
	@$(PYTHON) tools/setup.py dev

# Locks name versions and hashes and no address, so that any mirror serves (docs/operations.md).
LOCK := .tools/uv/bin/uv pip compile -q --universal --python-version 3.12 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links
locks: setup-dev
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) pyproject.toml --group dev -o requirements-dev.lock
	$(LOCK) --group pyproject.toml:tools -o requirements-tools.lock
	$(LOCK) --group pyproject.toml:node -o requirements-node.lock

# Known faults of the packages of all locks, asked of the advisory service: needs the internet (docs/security.md).
audit: setup-dev
	@for lock in requirements*.lock; do \
	  .tools/uv/bin/uv tool run -q pip-audit --strict --require-hashes --disable-pip -r $$lock || exit 1; done

# Everything an installation without internet needs, in one file (docs/operations.md).
bundle: setup
	@$(VENV)/python tools/bundle.py
