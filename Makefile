# SPDX-License-Identifier: Apache-2.0
# A thin front of meson, tools/ and lab/: `make help` lists the targets, CONTRIBUTING.md explains them.

BUILD   ?= build
CC      := $(if $(filter default,$(origin CC)),gcc,$(CC))
PREFIX  ?= /usr
DESTDIR ?=
K       ?=
SEEDS   ?= 1..2000
SEED    ?=
KINDS   ?= tidy,build,unit,trace,sim,model,fuzz,system
# Debian's own: another python3 that comes first in PATH lacks Debian's pytest and pymysql.
PYTHON  := /usr/bin/python3

SANITIZED := -Db_sanitize=address,undefined -Db_lundef=false
export TANDEM_BUILD := $(abspath $(BUILD))

.PHONY: help deps build demo test unit system matrix torture sim model mutants tidy format asan coverage docs install clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## install the Debian packages of build, run, lab and test (root)
	packaging/deps.sh all

$(BUILD)/build.ninja:
	@command -v meson >/dev/null || { echo "meson is missing: run 'packaging/deps.sh build' first" >&2; exit 1; }
	CC=$(CC) meson setup $(BUILD) --prefix $(PREFIX)

build: $(BUILD)/build.ninja ## compile everything into $(BUILD)/
	ninja -C $(BUILD)

demo: ## install what it needs, build, run the cluster of the reference document and its test (root)
	packaging/deps.sh build
	packaging/deps.sh run
	packaging/deps.sh lab
	$(MAKE) build
	lab/demo

test: ## install what it needs, build with gcc and clang, run every test (root); KINDS=unit,trace for some
	packaging/deps.sh all
	tools/run-tests $(KINDS)

unit: build ## unit tests
	meson test -C $(BUILD) --no-rebuild --print-errorlogs --suite unit

sim: build ## scenarios, small worlds and $(SEEDS) random clusters; SEED=N tells the story of one
ifeq ($(SEED),)
	$(BUILD)/tandem-sim --scenario tests/scenarios/*.scn
	$(BUILD)/tandem-sim --explore all
	$(BUILD)/tandem-sim --seeds $(SEEDS)
	$(BUILD)/tandem-sim --pairs 1..200
else
	$(BUILD)/tandem-sim --seed $(SEED) --trace
endif

model: ## the model of takeover, shrink and grow (docs/design/takeover.pml) with Spin
	tools/model

mutants: ## put errors into the code, one at a time: the simulator must find each (half an hour)
	tools/mutants

system: build ## real servers and agents in network namespaces (root); K='expression' selects
	$(PYTHON) -m pytest tests/system -p no:cacheprovider -ra -v $(if $(K),-k '$(K)')

matrix: build ## the system tests, all cases, on each server that can be had (root); SERVERS=..., K='expression', RESULTS=file
	tools/matrix $(if $(SERVERS),--servers '$(SERVERS)') $(if $(K),-k '$(K)') $(if $(RESULTS),--results '$(RESULTS)')

torture: build ## RUNS=n random sequences of faults on a real cluster under load (root); SERVERS=..., SEED=n, RESULTS=file
	lab/torture --runs $(or $(RUNS),10) --seed $(or $(SEED),1) --servers '$(or $(SERVERS),mariadb-10.11)' $(if $(RESULTS),--results '$(RESULTS)')

tidy: build ## format, sizes, layers, purity, leftovers, generated documents
	tools/tidy --build $(BUILD)

format: ## run clang-format over every C file
	git ls-files -z --cached --others --exclude-standard -- '*.c' '*.h' | xargs -0 -r clang-format-14 -i

docs: build ## write the generated documents
	tools/gen-docs --build $(BUILD)

asan: ## unit tests and traces with AddressSanitizer and UndefinedBehaviorSanitizer, in $(BUILD)-asan-gcc/
	[ -f $(BUILD)-asan-gcc/build.ninja ] || CC=gcc meson setup $(BUILD)-asan-gcc $(SANITIZED)
	ninja -C $(BUILD)-asan-gcc
	UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 meson test -C $(BUILD)-asan-gcc --no-rebuild \
	    --print-errorlogs --suite unit --suite trace --suite sim

coverage: ## line coverage of src/ by unit tests and traces, in $(BUILD)-coverage/coverage.html
	[ -f $(BUILD)-coverage/build.ninja ] || CC=gcc meson setup $(BUILD)-coverage -Db_coverage=true
	ninja -C $(BUILD)-coverage
	meson test -C $(BUILD)-coverage --no-rebuild --print-errorlogs --suite unit --suite trace --suite sim
	gcovr --root . --filter src/ --object-directory $(BUILD)-coverage --print-summary \
	    --html-details $(BUILD)-coverage/coverage.html $(BUILD)-coverage

install: build ## install below $(DESTDIR)$(PREFIX)
	meson configure $(BUILD) --prefix $(PREFIX)
	DESTDIR=$(DESTDIR) meson install -C $(BUILD)

clean: ## remove every build directory this Makefile makes
	rm -rf $(BUILD) $(BUILD)-gcc $(BUILD)-asan $(BUILD)-asan-gcc $(BUILD)-coverage
