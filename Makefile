# Every command does its own set-up, in .venv, .cache, .tools and target of this directory, and touches nothing else.
# Needed beforehand: Python 3.11 or later, Rust 1.88 or later, a C compiler. `make PYTHON=python3.13 test` chooses a Python.

PYTHON ?= python3
PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
CARGO_FLAGS := --locked --offline
# Test files run side by side, one process for each processor; the tests of one file stay together.
# One that crashes ends the run: in its stead another would wait for ever.
SIDE_BY_SIDE := --numprocesses auto --dist loadfile --max-worker-restart 0

export PIP_CACHE_DIR := $(CURDIR)/.cache/pip
export CARGO_TARGET_DIR := $(CURDIR)/target
export PYTHONNOUSERSITE := 1
# What a shell may carry that would install or import from elsewhere.
unexport PYTHONPATH PYTHONHOME PIP_USER PIP_TARGET PIP_PREFIX VIRTUAL_ENV RUSTC_BOOTSTRAP

.DELETE_ON_ERROR:
.PHONY: help setup demo test test-rust test-python check check-rust check-python check-types check-generated generate wheel-test peer-test memcheck memcheck-c memcheck-python fuzz fuzz-short schedules chaos kills bench soak clean

help:
	@echo "make demo        live range bars from an exchange that misbehaves, compared with the whole tape"
	@echo "make test        all tests: Rust and Python"
	@echo "make check       formatting, lints, types, generated files"
	@echo "make generate    refresh the C header and the cffi module after a change in rust-core/src/ffi"
	@echo "make wheel-test  the Python tests against a built wheel in an empty environment"
	@echo "make peer-test   bars compared with those of the public rangebar 9.1.0 wheel, in an environment of its own"
	@echo "make memcheck    C client under valgrind, FFI tests under AddressSanitizer"
	@echo "make fuzz        every parser and snapshot, FUZZ_SECONDS (600) each; make fuzz-short for 15"
	@echo "make schedules   COUNT (3000) random schedules of faults in virtual time; SEED chooses others"
	@echo "make chaos       CHAOS (200) random schedules of faults over real sockets"
	@echo "make kills       KILLS (200) times kill -9 of a recorder while the exchange misbehaves"
	@echo "make bench       what the library costs, each benchmark beside a baseline of the same run"
	@echo "make soak        simulated days with rotations and faults for SOAK_MINUTES (60): memory, handles, tasks"
	@echo "make setup       only what the others need: .venv with the package and its tools"
	@echo "make clean       remove everything that was built or downloaded"

# --- set-up -------------------------------------------------------------------------------------------------------

.venv/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed, this is %d.%d; name another one: make PYTHON=python3.12" % sys.version_info[:2])'
	@test -x $(PY) || { echo "creating .venv"; $(PYTHON) -m venv .venv; }
	@touch $@

.venv/.requirements: .venv/.created requirements/dev.txt requirements/test.txt
	@echo "installing tools and libraries into .venv"
	@$(PIP) install --quiet --requirement requirements/dev.txt
	@touch $@

.venv/.installed: .venv/.requirements pyproject.toml build.py
	@echo "installing the package into .venv, editable"
	@$(PIP) install --quiet --no-build-isolation --editable .
	@touch $@

# cargo knows best whether the library is up to date.
setup: .venv/.installed
	@CARGO_TERM_QUIET=true $(PY) build.py --library

# --- for people ---------------------------------------------------------------------------------------------------

demo: setup
	@$(PY) -m rangebar_anyio.cli demo

test: test-rust test-python

test-rust:
	@if cargo nextest --version >/dev/null 2>&1; then \
		cargo nextest run $(CARGO_FLAGS) && cargo test $(CARGO_FLAGS) --doc; \
	else \
		cargo test $(CARGO_FLAGS); \
	fi

test-python: setup
	$(PY) -m pytest $(SIDE_BY_SIDE) $(PYTEST_ARGS)

check: check-rust check-python check-types check-generated

check-rust:
	cargo fmt --all --check
	cargo fmt --manifest-path rust-fuzz/Cargo.toml --check
	cargo clippy $(CARGO_FLAGS) --all-targets --quiet -- -D warnings

check-python: setup
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

check-types: setup
	$(PY) -m mypy
	$(PY) -m pyright

check-generated: setup
	$(PY) build.py --check

generate: setup
	$(PY) build.py

# --- the wheel, as a user gets it -----------------------------------------------------------------------------------

WHEEL := .cache/wheel

# The tests run from a copy: with the source tree in reach they could import it instead of the wheel.
# No cargo on the PATH: an installed wheel needs none.
wheel-test: setup
	rm -rf $(WHEEL)
	mkdir -p $(WHEEL)/run
	$(PY) -m build --outdir $(WHEEL)/dist
	$(PYTHON) -m venv $(WHEEL)/venv
	$(WHEEL)/venv/bin/python -m pip --disable-pip-version-check install --quiet --requirement requirements/test.txt $(WHEEL)/dist/*.whl
	cp -R pyproject.toml README.md docs tests $(wildcard examples benchmarks) $(WHEEL)/run
	cd $(WHEEL)/run && PATH=/usr/bin:/bin RANGEBAR_TEST_INSTALLED=1 ../venv/bin/python -m pytest -m "not tree" $(SIDE_BY_SIDE) $(PYTEST_ARGS)

# --- a second opinion -----------------------------------------------------------------------------------------------

PEER := .cache/peer

$(PEER)/.installed: requirements/peer.txt requirements/test.txt
	@echo "installing the public rangebar wheel into $(PEER)"
	@$(PYTHON) -m venv $(PEER)
	@$(PEER)/bin/python -m pip --disable-pip-version-check install --quiet --requirement requirements/peer.txt
	@touch $@

# The import says what is missing, where the test would only be skipped.
peer-test: setup $(PEER)/.installed
	$(PEER)/bin/python -c "import rangebar"
	PYTHONPATH="$(CURDIR)" $(PEER)/bin/python -m pytest $(PYTEST_ARGS) tests/engine/test_peer.py

# --- memory ---------------------------------------------------------------------------------------------------------

SMOKE := target/memcheck/smoke
CFLAGS := -std=c11 -g -O1 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Werror
VALGRIND := valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=all --errors-for-leak-kinds=all

memcheck: memcheck-c memcheck-python

# The release build with its line numbers left in, so that a finding names its source line.
memcheck-c:
	CARGO_PROFILE_RELEASE_STRIP=none cargo build $(CARGO_FLAGS) --release --lib --target-dir target/memcheck
	$(CC) $(CFLAGS) -Ibindings bindings/smoke/smoke.c -o $(SMOKE) -Ltarget/memcheck/release -lrangebar_core -Wl,-rpath,'$$ORIGIN/release'
	$(VALGRIND) $(SMOKE)

# A copy of the package with another library; on stable Rust the sanitizer needs RUSTC_BOOTSTRAP, here and nowhere else.
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
ASAN := .cache/asan
# The tests that lean on the C boundary.
ASAN_TESTS = $(wildcard tests/ffi tests/decode tests/feed)

memcheck-python: setup
	RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address cargo build $(CARGO_FLAGS) --lib --target $(HOST) --target-dir target/asan
	rm -rf $(ASAN)
	mkdir -p $(ASAN)
	cp -R rangebar_anyio pyproject.toml tests $(ASAN)
	cp target/asan/$(HOST)/debug/librangebar_core.so $(ASAN)/rangebar_anyio
	nm -D $(ASAN)/rangebar_anyio/librangebar_core.so | grep -q __asan_init
	cd $(ASAN) && LD_PRELOAD="$$($(CC) -print-file-name=libasan.so)" PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0 \
		"$(CURDIR)/$(PY)" -m pytest --override-ini timeout=300 $(ASAN_TESTS)

# --- fuzzing --------------------------------------------------------------------------------------------------------

FUZZ_SECONDS ?= 600

fuzz:
	rust-fuzz/run $(FUZZ_SECONDS) $(FUZZ_TARGETS)

fuzz-short:
	rust-fuzz/run 15

# --- long runs ------------------------------------------------------------------------------------------------------

COUNT ?= 3000
CHAOS ?= 200
KILLS ?= 200
SEED ?= 1

schedules: setup
	$(PY) -m tests.session.schedules --count $(COUNT) --seed $(SEED)

chaos: setup
	$(PY) -m tests.stream.chaos --count $(CHAOS) --seed $(SEED)

kills: setup
	$(PY) -m tests.recovery.kills --count $(KILLS) --seed $(SEED)

# --- benchmarks -----------------------------------------------------------------------------------------------------

.venv/.bench: .venv/.requirements requirements/bench.txt
	@$(PIP) install --quiet --requirement requirements/bench.txt
	@touch $@

bench: setup .venv/.bench
	@for program in benchmarks/bench_*.py; do echo "== $$program"; $(PY) $$program || exit 1; done

SOAK_MINUTES ?= 60

soak: setup
	$(PY) benchmarks/soak.py --minutes $(SOAK_MINUTES)

# --- the end --------------------------------------------------------------------------------------------------------

clean:
	rm -rf .venv .cache .tools target dist build .hypothesis .pytest_cache .mypy_cache .ruff_cache
	rm -f rangebar_anyio/*.so rangebar_anyio/*.dylib rangebar_anyio/*.dll
