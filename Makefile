# `make demo` and `make test` do everything that they need themselves, on a fresh Debian machine too (as root).
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup lint test demo demo-cluster stand-up stand-down clean

BIN := .venv/bin

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: .venv/.ready ## .venv/ with azure-cli, our dependencies and the tools; system packages where missing (root)

.venv/.ready: requirements-dev.txt setup.py scripts/setup
	scripts/setup

lint: setup ## style, types, layers, and the rules of Azure for commands
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	scripts/azdev-linter

test: setup ## all tests that this machine can run, on a local Kubernetes; names what it skips
	scripts/test

demo: setup ## which calls a small service would lose under RuntimeDefault (`az aks seccomp try`), in seconds
	scripts/demo

demo-cluster: setup ## a local Kubernetes, a workload, and what `az aks seccomp audit` finds in it
	scripts/demo-cluster

stand-up: setup ## start the local Kubernetes and the fake Azure; scripts/az is then signed in to them
	scripts/stand up

stand-down: setup ## stop both
	scripts/stand down

clean: ## remove what was made in this checkout (not the caches of the local Kubernetes)
	rm -rf .venv .state build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
