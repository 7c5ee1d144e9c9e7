# Every command that the README names. What a command needs and does not find, it says in one line.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE := $(or $(VENUECODE_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/venuecode)
TARGET := $(or $(CARGO_TARGET_DIR),target)
VENUECODE := $(TARGET)/release/venuecode
# One set of features for building, testing and measuring, so that nothing is compiled twice.
CARGO_FLAGS := --release --workspace --locked
DENY_VERSION := 0.20.2
DENY := $(CACHE)/cargo-deny-$(DENY_VERSION)/bin/cargo-deny
FUZZ_VERSION := 0.13.2
FUZZ := $(CACHE)/cargo-fuzz-$(FUZZ_VERSION)/bin/cargo-fuzz
# Our own code has no unsafe outside the engine's one module: nothing for a sanitizer, and so nothing that asks for nightly Rust.
FUZZ_FLAGS := --fuzz-dir benches/fuzz --target-dir $(abspath $(TARGET))/fuzz --features libfuzzer --sanitizer none
TARGETS ?= venue_codes documents profiles events scans batches plates
TIME ?= 600
DATA ?= data
ROUNDS ?= 19
KAFKA ?= embedded
TESTS ?=
ROWS ?= 1000000
QUERIES = $(TARGET)/release/queries --venuecode $(VENUECODE) --rows $(ROWS) $(if $(SEED),--seed $(SEED)) $(if $(KEEP),--data $(KEEP))

.PHONY: help demo up test test-api test-kafka test-nyc cities chaos fuzz bench bench-queries bench-together \
  bench-micro lint build engines fonts kafka tools clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-14s %s\n", $$1, $$2 }'

demo: build ## A small city from scan to contact trace; ends by itself
	@$(VENUECODE) demo

up: build ## The same, and it stays, with the addresses to open; Ctrl-C ends it
	@$(VENUECODE) demo --stay

test: build ## Every test, against real engines
	@$(VENUECODE) exec -- cargo test $(CARGO_FLAGS) --no-fail-fast -- --skip nyc_ --skip three_brokers::

test-api: build ## Every operation of every API document, with what schemathesis makes of its schemas; needs Python
	@python=$$(deploy/schemathesis/fetch.sh) && "$$python" deploy/schemathesis/run.py --venuecode $(VENUECODE)

test-kafka: build kafka ## The tests on Apache Kafka, and with brokers of three killed under load; TESTS="…" for some; needs Java and Maven
	@VENUECODE_KAFKA_ENGINE=apache $(VENUECODE) exec -- cargo test $(CARGO_FLAGS) --no-fail-fast -- --skip nyc_ $(TESTS)
	@$(VENUECODE) exec --kafka-engine apache --kafka-nodes 3 -- \
	  cargo test $(CARGO_FLAGS) --no-fail-fast --test it -- stored_exactly_once:: enriched_as_of_the_scan::

test-nyc: build ## Real check-ins against a plain Rust oracle; DATA=DIR holds nyc-checkins.csv.gz
	@NYC_DATA="$(abspath $(DATA))" cargo test $(CARGO_FLAGS) --test it nyc_ -- --nocapture

cities: build ## A scripted day per city, held against its notice rule by rule; CITY=shanghai|shandong|fuyang|kaifeng
	@$(TARGET)/release/cities --venuecode $(VENUECODE) $(if $(CITY),--city $(CITY))

chaos: build ## Strike gateways, processors, query API, broker and ClickHouse under load; ROUNDS=N SEED=S KAFKA=embedded|apache FAULT=F
	@$(if $(filter apache,$(KAFKA)),deploy/kafka/fetch.sh >/dev/null;) \
	  $(TARGET)/release/chaos --venuecode $(VENUECODE) --rounds $(ROUNDS) --kafka $(KAFKA) \
	  $(if $(SEED),--seed $(SEED)) $(if $(FAULT),--fault $(FAULT))

fuzz: $(FUZZ) ## Look for bytes for which benches/fuzz does not hold; TIME=SECONDS for each of TARGETS="…"; needs g++
	@for target in $(TARGETS); do \
	  found="$(abspath $(TARGET))/fuzz-found/$$target"; mkdir -p "$$found/inputs"; \
	  $(FUZZ) run $(FUZZ_FLAGS) $$target "$$found/inputs" benches/fuzz/corpus/$$target -- \
	    -max_total_time=$(TIME) -timeout=10 -print_final_stats=1 -artifact_prefix="$$found/"; \
	done

bench: build kafka ## Load on the whole system, and a city's tables; the last line is JSON; PEOPLE=N VENUES=N; needs Java and Maven
	@$(TARGET)/release/load --venuecode $(VENUECODE) $(if $(PEOPLE),--table-people $(PEOPLE)) $(if $(VENUES),--table-venues $(VENUES))

bench-queries: build ## Questions over a fortnight of ROWS=N scans, beside a self-join and DuckDB; KEEP=DIR keeps the city; needs Python
	@python=$$(deploy/duckdb/fetch.sh) && $(QUERIES) --duckdb "$$python" $(if $(BEFORE),--before $(BEFORE))

bench-together: build ## Dashboards, analysts and scans at once, on a city of ROWS=N scans; KEEP=DIR keeps the city
	@$(QUERIES) --together

bench-micro: fonts ## The pure parts of the hot path, and posters, by criterion
	@VENUECODE_FONTS="$$(deploy/fonts/fetch.sh)" cargo bench -p benches

lint: tools $(DENY) ## Format, clippy, licences, scripts
	@cargo fmt --all --check
	@cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings
	@$(DENY) --log-level error check bans licenses sources
	@for script in deploy/fetch.sh deploy/*/fetch.sh .ci/run; do bash -n "$$script"; done
	@PYTHONPYCACHEPREFIX="$(abspath $(TARGET))/python" python3 -m py_compile deploy/schemathesis/*.py benches/src/queries/*.py

build: engines fonts
	@cargo build $(CARGO_FLAGS) --all-targets

engines: tools
	@deploy/engines/fetch.sh >/dev/null

fonts: tools
	@deploy/fonts/fetch.sh >/dev/null

kafka:
	@deploy/kafka/fetch.sh >/dev/null

tools:
	@for tool in cargo gcc make node npm; do \
	  command -v $$tool >/dev/null || { echo "$$tool is missing: VenueCode needs a Rust toolchain, gcc, make, and Node with npm" >&2; exit 1; }; \
	done

$(DENY):
	@cargo install --quiet --locked --root $(dir $(patsubst %/,%,$(dir $@))) cargo-deny@$(DENY_VERSION)

$(FUZZ):
	@cargo install --quiet --locked --root $(dir $(patsubst %/,%,$(dir $@))) cargo-fuzz@$(FUZZ_VERSION)

clean: ## Remove what was built here (engines stay in the cache)
	@cargo clean
