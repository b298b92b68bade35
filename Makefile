# One folder, one environment: every target makes .venv when there is none and reuses it while the pins have not changed.
#   make demo [CAPTURE=folder]   dated photos -> time-lapse      make test   everything that can be checked without a GPU
#   make lab                     the notebooks in JupyterLab     make docs   the site, into _docs/
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
EXTRAS ?= dev
WORKERS ?= 2
BIN := .venv/bin
STAMP := .venv/.stamp
PINS := settings.ini setup.py constraints.txt

unexport PYTHONDONTWRITEBYTECODE  # with it every kernel would compile torch again
export PYTHON EXTRAS
# threads that wait step aside: twenty times faster beside another busy program, a tenth slower alone
export OMP_WAIT_POLICY ?= PASSIVE
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help env demo test test-gpu docs lab export notebooks readme wheel clean

help:  ## what can be made
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

# A broken .venv is removed first, so that `python3` is the system's. uv is fetched into .venv; where that fails, pip does it.
# nerfacc is compiled at once: from Python 3.12 on its first import warns of an escape sequence, in the middle of somebody's output.
$(STAMP): $(PINS)
	@start=$$SECONDS; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	    rm -rf .venv; "$$PYTHON" -m venv .venv; fi; \
	[ -x $(BIN)/uv ] || $(BIN)/python -m pip install -q uv -c constraints.txt || echo "no uv: installing with pip, which takes minutes"; \
	if ! { [ -x $(BIN)/uv ] && $(BIN)/uv pip install --python $(BIN)/python -q -e ".[$$EXTRAS]" -c constraints.txt; }; then \
	    $(BIN)/python -m pip install -q -e ".[$$EXTRAS]" -c constraints.txt; fi; \
	$(BIN)/python -W ignore -c 'import compileall, importlib.util as u; [compileall.compile_dir(d, quiet=2) for d in u.find_spec("nerfacc").submodule_search_locations]'; \
	touch $@; echo "environment ready in $$((SECONDS - start)) s"

env: $(STAMP)  ## the environment in .venv

demo:  ## dated photos -> time-lapse; CAPTURE=folder for your own
	@start=$$SECONDS; $(MAKE) --no-print-directory env; echo $$((SECONDS - start)) > .venv/.seconds
	@start=$$SECONDS; OMP_NUM_THREADS=$${OMP_NUM_THREADS:-2} $(BIN)/nsc_nb demo $(if $(CAPTURE),--capture "$(CAPTURE)" --out "runs/demo-$$(basename "$(CAPTURE)")"); \
	echo "environment $$(cat .venv/.seconds) s, job $$((SECONDS - start)) s"

test: env  ## clean, in step, README, site, every cell; ends with the count
	@$(BIN)/python -m nsc_nb.notebooks step
	@$(BIN)/python -m nsc_nb.notebooks readme --check
	@$(BIN)/python -m nsc_nb.docs build
	@$(BIN)/python -m nsc_nb.notebooks test --workers $(WORKERS)

test-gpu: env  ## the notebooks with GPU cells, on a machine that has one
	@$(BIN)/python -m nsc_nb.notebooks test --cuda

docs: env  ## the site, offline, in _docs/
	@$(BIN)/python -m nsc_nb.docs build

lab: env  ## the notebooks in JupyterLab
	@$(BIN)/jupyter lab --notebook-dir=. nbs/index.ipynb

export: env  ## notebooks -> modules, notebooks cleaned
	@$(BIN)/nbdev_export && $(BIN)/nbdev_clean

notebooks: env  ## run every notebook and store its outputs; ONLY=name for some
	@$(BIN)/python -m nsc_nb.notebooks test --inplace --workers $(WORKERS) $(if $(ONLY),--only "$(ONLY)")

readme: env  ## README.md from nbs/index.ipynb, its map of the notebooks made anew
	@$(BIN)/python -m nsc_nb.notebooks test --inplace --only index.ipynb
	@$(BIN)/python -m nsc_nb.notebooks readme

wheel: env  ## build the wheel, install it in a clean environment, import every module
	@$(BIN)/python -m nsc_nb.notebooks wheel

clean:  ## remove what was made, keep .venv and runs/
	@rm -rf _proc _docs build dist; find nbs nsc_nb -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf
