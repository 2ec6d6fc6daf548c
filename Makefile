# The commands of this project. `make` alone lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Arguments for `make demo`, such as DEMO="--buyers 1000 --stock 100".
DEMO ?=
# Scenarios for `make bench`, such as ONLY=budgets,peers, or checks for `make helm-test`, such as ONLY="alerts redis"; all where it is empty.
ONLY ?=
# Runs of each setup for `make chaos`, the first seed, and the setup: single, sentinel or cluster; all where it is empty.
RUNS ?= 20
SEED ?= 1
SETUP ?=
CARGO ?= cargo
# Crates whose modules must not depend on each other in circles.
NO_CIRCLES := server/front server/store client simulation transport report loadtest
TEST_TOOLS := target/test-tools/venv/bin

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Run a whole flash sale and prove the result
	$(CARGO) run --release -- demo $(DEMO)

.PHONY: build
build: ## Build all programs as they are shipped
	$(CARGO) build --workspace --profile dist --bins

.PHONY: test
test: test-tools test-bench ## Run all tests
	$(CARGO) test --workspace

.PHONY: test-bench
test-bench:
	cd bench && PYTHONDONTWRITEBYTECODE=1 python3 -m unittest discover --top-level-directory . --start-directory suite/tests

.PHONY: test-tools
test-tools: ## Install what tests need and this machine lacks
	@tools/install-test-tools

.PHONY: chaos
chaos: ## Run sales with faults on real processes, and check their histories
	$(CARGO) build --workspace --bins
	target/debug/inrush-chaos run --runs $(RUNS) --seed $(SEED) $(if $(SETUP),--setup $(SETUP))

.PHONY: helm-test
helm-test: ## Prove the chart, the image, the alerts and the dashboard
	@tools/helm-test $(ONLY)

.PHONY: image
image: ## Make the root folder of the container image in target/image
	tools/image-root

.PHONY: release-dry-run
release-dry-run: ## Make everything that a release publishes, in target/release-files
	tools/release-files

.PHONY: bench
bench: ## Measure everything beside its peers, its tables into docs/benchmarks
	tools/bench $(if $(ONLY),--only $(ONLY))

.PHONY: bench-quick
bench-quick: ## Compare the costs of hot paths with the committed ones
	tools/bench --check

.PHONY: lint
lint: lint-spelling lint-dependencies lint-rust lint-circles lint-proto lint-lua ## Check spelling, dependencies, format, lints, module circles, documentation, protocol and scripts

.PHONY: lint-spelling
lint-spelling: test-tools
	$(TEST_TOOLS)/typos

.PHONY: lint-dependencies
lint-dependencies: test-tools
	tools/check-dependencies

.PHONY: lint-rust
lint-rust:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc --workspace --no-deps --document-private-items

.PHONY: lint-circles
lint-circles:
	$(if $(NO_CIRCLES),tools/module-circles $(NO_CIRCLES))

.PHONY: lint-proto
lint-proto: test-tools
	cd proto && ../$(TEST_TOOLS)/buf lint
	cd loadtest/proto && ../../$(TEST_TOOLS)/buf lint

.PHONY: lint-lua
lint-lua: test-tools
	tools/check-lua

.PHONY: generate
generate: ## Generate the code of the protocols from their .proto files
	$(CARGO) run --package inrush-codegen

.PHONY: format
format: ## Format all code
	$(CARGO) fmt --all

.PHONY: docs
docs: ## Build the API documentation
	$(CARGO) doc --workspace --no-deps --document-private-items
