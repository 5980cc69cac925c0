# `make demo` and `make test` do everything that they need themselves, on a fresh Debian machine too (as root).
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup lint test demo stand-up stand-down clean

PYTHON := .venv/bin/python

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

setup: .venv/.ready ## .venv/ with azure-cli, our dependencies and the tools; system packages where missing (root)

.venv/.ready: requirements-dev.txt setup.py scripts/setup
	scripts/setup

clean: ## remove what the targets above made in this checkout (not the stand's caches)
	rm -rf .venv .state build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
