PYTHON ?= python3
BIN := .venv/bin
BOARDS := icebreaker orangecrab ulx3s tang_nano_9k arty_a7 arty_z7

.PHONY: .venv demo test test-long verify formal coverage gates mutants mutants-sw fuzz boards lint docs bench clean

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

# What `make test` leaves out: more architectures, proofs, 4096 PEs in simulation. Tens of minutes, and 2 GB of memory.
test-long: .venv
	$(BIN)/pytest -n 2 --dist loadfile -m long

# Everything that docs/verification.md describes but for mutants, a part a core: under an hour on two.
verify: .venv
	$(BIN)/python -m codesign.verify

# Stream components, for every input instead of sampled ones.
formal: .venv
	$(BIN)/python -m sim.formal

# Mutants of the generated Verilog, against the jobs and damaged streams of the regression.
mutants: .venv
	$(BIN)/python -m codesign.mutation rtl --mutants 600 -o build/mutants

# A fifth of the mutants of the packing software, against the tests of packing; `mutmut run` alone takes all.
mutants-sw: .venv
	$(BIN)/mutmut run --max-children 2 '*mutmut_*[13]'
	$(BIN)/python -m codesign.mutation sw

fuzz: .venv
	$(BIN)/python -m codesign.fuzz --streams 100000

# What of the RTL the random jobs reach: minutes.
coverage: .venv
	$(BIN)/python -m codesign.coverage -o mixvec-coverage --workers 2

# The accelerator after synthesis for ECP5 and for iCE40 against its RTL: minutes.
gates: .venv
	$(BIN)/python -m codesign.gates tiny small
	$(BIN)/python -m codesign.gates icebreaker --family ice40

lint: .venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Tables of README and docs that say what spec says.
docs: .venv
	$(BIN)/python -m codesign.reference

bench: .venv
	$(BIN)/pytest benchmarks --benchmark-only

# Bitstreams by tools from the package index alone, and Vivado projects; minutes each, and only what has changed.
boards: .venv
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[boards]'
	for board in $(BOARDS); do $(BIN)/mixvec build --board $$board -o boards-out/$$board || exit 1; done
	$(BIN)/python -m codesign.board_figures $(BOARDS:%=boards-out/%)

clean:
	rm -rf .venv build boards-out dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
