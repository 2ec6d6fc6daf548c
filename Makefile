# The commands of this project. `make` alone lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Arguments for `make demo`, such as DEMO="--buyers 1000 --stock 100".
DEMO ?=
CARGO ?= cargo
TEST_TOOLS := target/test-tools/venv/bin

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Run a whole flash sale and prove the result
	$(CARGO) run --release -- demo $(DEMO)

.PHONY: build
build: ## Build the release binaries
	$(CARGO) build --workspace --release --bins

.PHONY: test
test: test-tools ## Run all tests
	$(CARGO) test --workspace

.PHONY: test-tools
test-tools: ## Install what tests need and this machine lacks
	@tools/install-test-tools

.PHONY: bench-loadtest
bench-loadtest: ## Measure the load tool beside h2load and k6
	tools/bench-loadtest

.PHONY: lint
lint: lint-rust lint-proto lint-lua ## Check format, lints, documentation, protocol and scripts

.PHONY: lint-rust
lint-rust:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc --workspace --no-deps --document-private-items

.PHONY: lint-proto
lint-proto: test-tools
	cd proto && ../$(TEST_TOOLS)/buf lint
	cd loadtest/proto && ../../$(TEST_TOOLS)/buf lint

.PHONY: lint-lua
lint-lua: test-tools
	tools/check-lua

.PHONY: format
format: ## Format all code
	$(CARGO) fmt --all

.PHONY: docs
docs: ## Build the API documentation
	$(CARGO) doc --workspace --no-deps --document-private-items
