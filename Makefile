PYTHON ?= python3
BIN := .venv/bin

.PHONY: .venv demo test test-long lint docs bench clean

.venv: .venv/installed

# The stamp is newer than what it was installed from, or the install runs again.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mixvec needs Python 3.11 or newer, not " + sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[dev]'
	touch $@

demo: .venv
	$(BIN)/mixvec demo

test: .venv
	$(BIN)/pytest -n 2 --dist loadfile

# 4096 PEs in simulation: minutes, and 2 GB of memory.
test-long: .venv
	$(BIN)/pytest -m long

lint: .venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Tables of README and docs that say what spec says.
docs: .venv
	$(BIN)/python -m codesign.reference

bench: .venv
	$(BIN)/pytest benchmarks --benchmark-only

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
