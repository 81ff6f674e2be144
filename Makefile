# Everything runs in .venv, made from requirements.lock; `make clean` and start again.
# ATHANOR_TORCH=gpu lets pip bring in torch's CUDA libraries (see README).

PYTHON ?= python3
ATHANOR_TORCH ?= cpu
WORKERS ?= 4

BIN := .venv/bin
STAMP := .venv/.installed
# -qq leaves errors only: pip's warnings concern the user's configuration, not this project.
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check
NO_DEPS := $(if $(filter gpu,$(ATHANOR_TORCH)),,--no-deps)

.PHONY: demo test tests coverage lint lock clean

demo: $(STAMP)
	$(BIN)/athanor demo

# One thread per worker, or the workers' BLAS threads fight for the same cores; two workers more than
# cores, for tests of processes wait half of their time.
# loadgroup keeps tests that share an xdist_group (a Prefect server) on one worker.
tests: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist loadgroup $(COVERAGE)

test: $(STAMP)
	$(MAKE) --jobs=2 lint tests

coverage:
	$(MAKE) test COVERAGE=--cov

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# Keeps the versions already locked where they still fit; `make lock UPGRADE=--upgrade` does not.
# Left out: pip, which the venv brings; and whatever ties torch to one build of it.
lock: $(STAMP)
	$(BIN)/pip-compile --quiet $(UPGRADE) --extra dev --allow-unsafe --strip-extras --no-annotate \
	  --no-header --no-emit-options --output-file requirements.lock pyproject.toml
	@{ echo "# Runtime and development together, made by \`make lock\` (pip-compile); do not edit."; \
	  echo "# Complete: install with \`pip install --no-deps -r requirements.lock\`."; \
	  sed -E -e '/^(#|$$|pip==|cuda|nvidia|triton)/d' -e 's/\+[a-z0-9.]+$$//' requirements.lock; \
	} > requirements.lock.new
	@mv requirements.lock.new requirements.lock

clean:
	rm -rf .venv .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache \
	  .ruff_cache build dist

$(STAMP): requirements.lock pyproject.toml
	@echo "Creating .venv (a few minutes, once) ..."
	@$(PYTHON) -m venv .venv
	@$(PIP) $(NO_DEPS) -r requirements.lock
	@ATHANOR_TORCH=$(ATHANOR_TORCH) $(BIN)/python tools/check_torch.py
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@
