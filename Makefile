# Curfew: the commands a person types. `make help` lists them.

MINUTES ?= 5
LISTEN  ?= 127.0.0.1:8080
RUNS    ?= 2000000
TARGET  ?=
FLOOD   ?= 1000000
DEMO_ARGS ?=

CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TARGET_DIR
CURFEW := $(CARGO_TARGET_DIR)/debug/curfew
CURFEW_RELEASE := $(CARGO_TARGET_DIR)/release/curfew
CONSOLE_SOURCES := $(shell find src/console -type f -not -path '*/node_modules/*' -not -path '*/dist/*')

.DEFAULT_GOAL := help
.PHONY: help demo test check bench build setup e2e fuzz soak clean

help: ## list the commands
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: build ## build everything and start the demo: a server, two robots, a booked session (MINUTES=5 LISTEN=127.0.0.1:8080)
	exec $(CURFEW) demo --minutes $(MINUTES) --listen $(LISTEN) $(DEMO_ARGS)

build: setup-build src/console/dist/index.html ## build the console and the server (development profile)
	cargo build --locked --bin curfew

test: setup-test src/console/dist/index.html ## run every test: console units, the real browser, Rust
	cd src/console && npm test
# Builds the server as well, from the same dependencies as the tests that follow.
	cargo test --locked --workspace --no-run
	$(MAKE) --no-print-directory e2e
	cargo test --locked --workspace

e2e: tests/e2e/node_modules/.installed
	cd tests/e2e && CURFEW_BIN=$(CURFEW) npm test

check: setup-build src/console/dist/index.html ## formatting, lints, import directions, file sizes, docs
	cargo fmt --all --check
	scripts/check-layers
	scripts/check-files
	cd src/console && npm run check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet

bench: setup-bench src/console/dist/index.html tests/e2e/node_modules/.installed ## measure: the cut (from a packet capture), joins, restarts, appends
# Builds the server as well, from the same dependencies.
	cargo bench --locked --no-run --bench '*'
	CURFEW_BIN=$(CURFEW_RELEASE) scripts/bench

soak: setup-build src/console/dist/index.html ## let people come and go, then strangers flood (MINUTES=10 FLOOD=1000000)
# Builds the server as well, from the same dependencies.
	cargo test --locked --release --test it --no-run
	CURFEW_BIN=$(CURFEW_RELEASE) scripts/soak $(if $(filter command line environment,$(origin MINUTES)),$(MINUTES),10)
	CURFEW_FLOOD=$(FLOOD) cargo test --locked --release --test it -- --nocapture hostile

fuzz: setup-fuzz ## run every fuzz target (RUNS=2000000 each), or one (TARGET=signaling)
	scripts/fuzz $(RUNS) $(TARGET)

clean: ## remove what was built
	rm -rf src/console/dist src/console/node_modules tests/e2e/node_modules
	cargo clean

.PHONY: setup-build setup-test setup-bench setup-fuzz
setup-build: ; @scripts/setup build
setup-test: ; @scripts/setup build test
setup-bench: ; @scripts/setup build test bench
setup-fuzz: ; @scripts/setup build fuzz

src/console/node_modules/.installed: src/console/package-lock.json
	cd src/console && npm ci --no-audit --no-fund && touch node_modules/.installed

src/console/dist/index.html: src/console/node_modules/.installed $(CONSOLE_SOURCES)
	cd src/console && npm run build && touch dist/index.html

tests/e2e/node_modules/.installed: tests/e2e/package-lock.json
	cd tests/e2e && npm ci --no-audit --no-fund && touch node_modules/.installed
