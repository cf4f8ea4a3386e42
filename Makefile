# The verbs of this repository. `make help` lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup serve chat test clients check docs format bench peers train eval report clean

# Any Python from 3.11 on; `make setup PYTHON=/path/to/python` chooses another.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name))))
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# A further index for torch's wheels, e.g. https://download.pytorch.org/whl/cpu; empty: pip's own.
TORCH_INDEX ?=
PIP_INSTALL = $(BIN)/python -m pip install --constraint constraints.txt \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
# What follows the verb: `make serve ARGS='--port 8001'`.
ARGS ?=
RECIPE ?= nano
SUITE ?= all

# No library may look things up or report on us behind our back.
include offline.env
export $(shell sed -n 's/^\([A-Z_]*\)=.*/\1/p' offline.env)

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 10

setup: $(READY) ## make .venv and install everything at the pinned versions

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "no Python found; install Python 3.11 or newer"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than 3.11; give another: make setup PYTHON=python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) torch
	$(PIP_INSTALL) --editable '.[dev]'
	@touch $@

serve: $(READY) ## the Messages API and the chat page, on http://127.0.0.1:8000
	$(BIN)/caesura serve $(ARGS)

chat: $(READY) ## a chat in the terminal
	$(BIN)/caesura chat $(ARGS)

test: $(READY) ## every test, without a network; ARGS='-k name' narrows it down
	$(BIN)/python -m pytest $(ARGS)

# The clients lie in folders of their own below .clients/, at versions that tests/clients/installing.py pins.
clients: $(READY) ## the official SDKs and Claude Code against our servers; needs pip, npm and node; ARGS='--only python-2'
	$(BIN)/python -m tests.clients.matrix $(ARGS)
	$(BIN)/python -m tests.generated_pages

check: $(READY) ## format, lint, types, arrows
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo

docs: $(READY) ## write the generated parts of the pages anew
	$(BIN)/python -m tests.generated_pages

format: $(READY) ## format the code, and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) ## speed beside that of peers, in one run; ARGS=--quick for a smoke run
	$(BIN)/python -m bench.run $(ARGS)

# Peers never share our environment: each pins what it likes. NATIVE=1 builds llama.cpp for this very
# processor, which takes half an hour and a C++ compiler; the ready wheel knows no AVX-512.
PEERS := .peers
PEER_INSTALL = -m pip install --requirement bench/peers/requirements
peers: ## the engines that `make bench` compares with, in environments of their own; NATIVE=1 builds llama.cpp
	test -x $(PEERS)/main/bin/python || $(PYTHON) -m venv $(PEERS)/main
	$(PEERS)/main/bin/python $(PEER_INSTALL).txt $(if $(NATIVE),--no-binary xllamacpp) \
		$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
	test -x $(PEERS)/vllm/bin/python || $(PYTHON) -m venv $(PEERS)/vllm
	$(PEERS)/vllm/bin/python $(PEER_INSTALL)-vllm.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) && \
		$(PEERS)/vllm/bin/python -m pip uninstall --yes torchvision torchaudio torchcodec || \
		echo 'vLLM for CPUs does not install here; the benches run without it'

train: $(READY) ## run a recipe: make train RECIPE=nano ARGS='--set loop.num_steps=100'
	$(BIN)/caesura train $(RECIPE) $(if $(findstring :,$(RECIPE)),,--all) $(ARGS)

eval: $(READY) ## run a suite: make eval SUITE=reasoning ARGS='--budgets 0,64'
	$(BIN)/caesura eval $(SUITE) $(ARGS)

report: $(READY) ## write docs/models/nano.md from what eval and bench measured
	$(BIN)/caesura report $(ARGS)

clean: ## forget the environment and the caches; runs/ and the peers (.peers/) stay
	rm -rf $(VENV) .clients build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
