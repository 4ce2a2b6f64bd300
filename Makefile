# Everything a newcomer, a developer and CI need. Only Python 3.11+ and make are required.
PY ?= python3
BIN := .venv/bin
UV := .uv/bin/uv
HOST ?= 127.0.0.1
PORT ?= 8000
DATA ?= .data
CATALOG ?= catalogs/fitness.toml
ARGS ?=
CODE := core adapters entrypoints sandbox simulation billhook_client bench tests
export UV_PYTHON_DOWNLOADS := never
export UV_SYSTEM_CERTS := 1
.DEFAULT_GOAL := help

.PHONY: help
help: ## Show what can be done here
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(UV):
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Billhook needs Python 3.11 or newer; call make with PY=/path/to/python3.11"; exit 1; }
	@echo "Setting up (once) ..."
	@$(PY) -m venv .uv && .uv/bin/python -m pip install -q --disable-pip-version-check "uv==0.13.8"

.venv/.ok: requirements.lock pyproject.toml | $(UV)
	@$(UV) venv -q --clear --python "$$($(PY) -c 'import sys; print(sys.executable)')" .venv
	@$(UV) pip sync -q --python $(BIN)/python --require-hashes requirements.lock
	@$(UV) pip install -q --python $(BIN)/python --no-deps -e .
	@touch $@

.PHONY: run
run: .venv/.ok ## Start everything on one port (PORT=, DATA=folder, CATALOG=file)
	@$(BIN)/billhook run --host $(HOST) --port $(PORT) --data-dir $(DATA) --catalog $(CATALOG)

.PHONY: test
test: .venv/.ok ## Run all tests, with a real PostgreSQL started by themselves (ARGS="-k name")
	@$(BIN)/pytest -n 2 --dist loadgroup $(ARGS)

.PHONY: check
check: .venv/.ok ## Everything CI checks: format, lint, types, walls, tests
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/codespell README.md CONTRIBUTING.md CHANGELOG.md SECURITY.md docs core adapters entrypoints billhook_client
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 --dist loadgroup $(ARGS)

.PHONY: fmt
fmt: .venv/.ok ## Format the code and mend what can be mended
	@$(BIN)/ruff check --fix-only -q $(CODE)
	@$(BIN)/ruff format -q $(CODE)

.PHONY: simulate
simulate: .venv/.ok ## Search many seeds of the simulated world for a broken promise (ARGS="--seeds 2000")
	@$(BIN)/python -m simulation $(ARGS)

.PHONY: torture
torture: .venv/.ok ## kill -9 the real process at every step of a purchase, a deposit, a withdrawal, a renewal, on SQLite and PostgreSQL
	@BILLHOOK_TEST_SWEEPS=whole BILLHOOK_TEST_TORTURE=whole $(BIN)/pytest -n 2 -m torture $(ARGS)

.PHONY: bench
bench: .venv/.ok ## Measure ratios against the bare limits in one run
	@$(BIN)/python -m bench $(ARGS)

.PHONY: lock
lock: | $(UV) ## Resolve the dependencies again into requirements.lock
	@$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--group dev pyproject.toml -o requirements.lock
