# Backup Guardian: the verbs. `make` explains them.
#
# Needed on the machine: a Rust toolchain (rustup reads rust-toolchain.toml), a C compiler, Python 3.11 or later. The rest is installed
# by the verbs into .venv, .venv-tools, .venv-checkov and .cache; `make clean` removes it.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

export CARGO_TARGET_DIR ?= $(CURDIR)/target
export GUARDIAN_FUNCTIONS_DIR ?= $(CARGO_TARGET_DIR)/debug
export PYTHONDONTWRITEBYTECODE := 1
export SAM_CLI_TELEMETRY := 0

PYTHON ?= python3
PY := .venv/bin/python
TOOLS := .cache/tools
CARGO_DENY_VERSION := 0.20.2
CARGO_NEXTEST_VERSION := 0.9.143

# A compiled tool on the PATH or in the cache; nothing is compiled just to run the tests.
export PATH := $(PATH):$(CURDIR)/$(TOOLS)/bin
NEXTEST := $(shell command -v cargo-nextest)
# `timeout` ends what hangs; macOS has none, and there the verbs run without.
limit = $(if $(shell command -v timeout),timeout --kill-after=30 $(1))

# Port of `make lab`; 0 takes a free one and prints it.
PORT ?= 0
# Options of the cold start, of many failures and of the sweep in `make bench`; of the ways of compiling, which are compared where this is set.
COLD ?=
THROUGHPUT ?=
SWEEP ?=
PROFILES ?=
# Processor of `make build` and `make deploy`: x86_64 or arm64.
ARCH ?= x86_64
CONFIG_FILE ?= samconfig.toml
PROPTEST_CASES_SOAK ?= 20000

FUNCTIONS := $(notdir $(patsubst %/Cargo.toml,%,$(wildcard functions/*/Cargo.toml)))
PYTHON_SOURCES := $(wildcard scripts tests perf)
PYTESTS := $(wildcard tests/lab/tests tests/templates tests/suite tests/least tests/reports perf)
TEMPLATES := template.yaml $(wildcard deploy/*.yaml)

# Standard output of `make lab` is one line of JSON, and the demo tells its own story.
.SILENT: lab demo binaries deployable .venv/.stamp
.PHONY: help demo test test-rust test-python pytest-suite pytest-beside check lint-templates tools build reproduce lab soak bench docs bless deploy deployable clean binaries samples browser

help: ## this list
	@echo 'Backup Guardian. A failed copy becomes one alert that names the cause.'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo 'First time here: make demo, then make build, then read samconfig.toml.example and make deploy.'
	@echo 'Variables: PORT=4566 (lab), ARCH=arm64 (build, deploy), CONFIG_ENV=name, CONFIG_FILE=setup/samconfig.toml (deploy).'

# --- Environments: made again whenever what they are made from changes --------------------------------------------------

.venv/.stamp: tests/lab/requirements.txt tests/templates/requirements.txt tests/reports/requirements.txt
	echo 'making .venv, once ...' >&2
	rm -rf .venv
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check $(addprefix -r ,$^)
	touch $@

# The SAM CLI is large (about 340 MB) and pins its own libraries: apart, and only for check and deploy.
.venv-tools/.stamp: tests/lab/requirements-tools.txt
	rm -rf .venv-tools
	$(PYTHON) -m venv .venv-tools
	.venv-tools/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

.venv-checkov/.stamp: tests/templates/requirements-checkov.txt
	rm -rf .venv-checkov
	$(PYTHON) -m venv .venv-checkov
	.venv-checkov/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

$(TOOLS)/bin/cargo-deny:
	CARGO_TARGET_DIR=$(TOOLS)/target cargo install --locked --version $(CARGO_DENY_VERSION) --root $(TOOLS) cargo-deny
	rm -rf $(TOOLS)/target

$(TOOLS)/bin/cargo-nextest:
	CARGO_TARGET_DIR=$(TOOLS)/target cargo install --locked --version $(CARGO_NEXTEST_VERSION) --root $(TOOLS) cargo-nextest
	rm -rf $(TOOLS)/target

tools: $(TOOLS)/bin/cargo-deny $(if $(NEXTEST),,$(TOOLS)/bin/cargo-nextest) ## compile the tools of `make check` once (minutes; cached)

# --- Verbs ---------------------------------------------------------------------------------------------------------------

demo: .venv/.stamp binaries ## failed copies, the alerts that say why, and their end; no AWS account needed
	PYTHONPATH=tests $(PY) -m suite.demo

test: test-rust test-python ## everything that must pass, set-up included

# One feature set for build and test: another one would compile every SDK crate twice. The seed makes the samples of the property tests the
# same in every run, so that a change that breaks nothing never fails; `make soak` and the fuzzers draw new ones.
test-rust: export PROPTEST_RNG_SEED ?= 2021
test-rust:
ifneq ($(NEXTEST),)
	$(call limit,40m) cargo nextest run --workspace --locked
	$(call limit,10m) cargo test --workspace --locked --doc --quiet
else
	$(call limit,40m) cargo test --workspace --locked
endif

# A folder in a process of its own: the lab patches moto, whose state is global. The suite talks to labs that are processes of their own and mostly
# waits for them: three processes share its files on two processors, and the other folders run beside it. What its labs wrote down is judged by
# tests/least, after it.
BESIDE := $(wildcard tests/lab/tests tests/templates tests/reports perf)
spread = $(if $(filter tests/suite,$(1)),-n 3 --dist loadfile)
pytests = $(foreach tests,$(1),$(call limit,30m) $(PY) -m pytest $(call spread,$(tests)) $(tests) \
	$$(command -v chromium >/dev/null || echo --ignore=tests/reports/test_html.py); ) true
# The programs that `make bench` compares are held to the same calls, with the binaries of the tests.
test-python soak: export GUARDIAN_BENCH_DIR := $(GUARDIAN_FUNCTIONS_DIR)
test-python: .venv/.stamp binaries samples browser
	command -v chromium >/dev/null || echo 'no chromium, and none could be installed: the page of the sweep is not looked at in a browser' >&2
	$(MAKE) --jobs=2 pytest-suite pytest-beside
pytest-suite:
	$(call pytests,$(filter-out $(BESIDE),$(PYTESTS)))
pytest-beside:
	$(call pytests,$(BESIDE))

binaries:
	mkdir -p target
	cargo build --workspace --locked --bins

# With the features of everything else: what the Rust tests built is used again.
samples:
	cargo build --workspace --locked --example sweep_report --example hello_world

# The page of the sweep is looked at in a browser. Where there is none and it cannot be installed, that is said and left out.
browser:
	command -v chromium >/dev/null || if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		{ $(call limit,3m) apt-get install -y --no-install-recommends chromium || \
			{ $(call limit,1m) apt-get update && $(call limit,3m) apt-get install -y --no-install-recommends chromium; } } >&2 || true; \
	fi

check: tools .venv-tools/.stamp lint-templates ## format, lints, licences, templates
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo-deny --all-features --locked check bans licenses sources
	.venv-tools/bin/ruff check $(PYTHON_SOURCES)
	.venv-tools/bin/ruff format --check $(PYTHON_SOURCES)
	$(PYTHON) scripts/tidy.py

lint-templates: .venv/.stamp .venv-tools/.stamp .venv-checkov/.stamp
	.venv/bin/cfn-lint $(TEMPLATES)
	AWS_DEFAULT_REGION=eu-central-1 .venv-tools/bin/sam validate --lint --template-file template.yaml
	.venv-checkov/bin/python scripts/lint_checkov.py $(TEMPLATES)

build: ## dist/<function>.zip for `make deploy`; the same bytes from the same sources
	$(PYTHON) scripts/build_functions.py --architecture $(ARCH) --out dist $(FUNCTIONS)

reproduce: ## build the packages twice in different folders; fails where the bytes differ (very long)
	$(PYTHON) scripts/build_twice.py --architecture $(ARCH) $(FUNCTIONS)

lab: .venv/.stamp binaries ## the local AWS with the guardian deployed in it; prints one JSON line when ready
	cd tests/lab && exec ../../$(PY) -m lab --port $(PORT) --functions-dir $(GUARDIAN_FUNCTIONS_DIR)

soak: .venv/.stamp binaries samples browser ## the tests with the full counts (long)
	GUARDIAN_SOAK=1 PROPTEST_CASES=$(PROPTEST_CASES_SOAK) cargo test --workspace --locked
	$(foreach tests,$(PYTESTS),GUARDIAN_SOAK=1 $(PY) -m pytest $(call spread,$(tests)) $(tests); ) true
	$(MAKE) reproduce

# With what is shipped, so it is built first (minutes). SWEEP=--quick for a look; `python -m perf.sweep --help` tells the rest.
# PROFILES='--rounds 20' also builds `diagnose-job` in four ways (many minutes).
bench: .venv/.stamp binaries ## how fast: policies, coverage, an alert from a cold start, many alerts and a whole sweep, beside boto3 programs and the limits (an hour and a half)
	cargo bench --locked -p guardian-core --bench policy --bench diagnosis --bench coverage
	cargo build --profile lambda --locked --workspace --bin diagnose-job --bin guardian-replay --example hello_world
	GUARDIAN_BENCH_DIR=$(CARGO_TARGET_DIR)/lambda $(PY) -m pytest perf/test_cold.py
	GUARDIAN_BENCH_DIR=$(CARGO_TARGET_DIR)/lambda $(PY) -m perf.cold $(COLD)
	GUARDIAN_BENCH_DIR=$(CARGO_TARGET_DIR)/lambda $(PY) -m perf.throughput $(THROUGHPUT)
	$(if $(PROFILES),GUARDIAN_BENCH_DIR=$(CARGO_TARGET_DIR)/lambda $(PY) -m perf.profiles $(PROFILES))
	cargo build --release --locked --workspace --bin guardian --bin guardian-stub
	GUARDIAN_BENCH_DIR=$(CARGO_TARGET_DIR)/release $(PY) -m perf.sweep $(SWEEP)

docs: .venv/.stamp ## write the generated pages of docs/ again
	$(PY) scripts/generate_permissions.py

bless: .venv/.stamp binaries ## rewrite the expected outputs of the tests; read the diff before you commit it
	BLESS=1 INSTA_UPDATE=always INSTA_FORCE_PASS=1 cargo test --workspace --locked
	BLESS=1 $(PY) -m pytest tests/suite -k "cli or readme"
	git --no-pager diff --stat

# First of all, because what it finds would be found after minutes of building, or by nobody.
deployable:
	$(PYTHON) scripts/check_architecture.py --architecture '$(ARCH)' --config-file '$(CONFIG_FILE)' $(if $(CONFIG_ENV),--config-env '$(CONFIG_ENV)')

deploy: deployable build .venv-tools/.stamp ## deploy template.yaml with samconfig.toml (made from samconfig.toml.example, or by `guardian topology plan`)
	.venv-tools/bin/sam deploy --template-file template.yaml --config-file '$(CONFIG_FILE)' $(if $(CONFIG_ENV),--config-env $(CONFIG_ENV))

clean: ## remove what the verbs made
	rm -rf .venv .venv-tools .venv-checkov .cache dist target
