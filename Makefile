# Everything here runs in a virtual environment of its own, made on first use; the machine needs
# only Python (3.10 or later, with venv) and make.
#
#   make test                    with the newest `datasets`
#   make test DATASETS=3.6.0     what touches `datasets`, with that one
#   make test ARGS="-k mesh"     with further arguments for pytest
#   make demo PYTHON=python3.12  with that Python

PYTHON ?= python3
DATASETS ?=
ARGS ?=

VENV := .venv$(if $(DATASETS),-$(DATASETS))
PY := $(VENV)/bin/python
# A file rather than the folder, so that an environment whose making was broken off is made again.
READY := $(VENV)/.ready
PIP := -m pip install --quiet --quiet --disable-pip-version-check
# Where an environment has its packages.
PLACE := -c "import sysconfig; print(sysconfig.get_path('purelib'))"

# What says nothing of `datasets`, or says the same with each: other versions of it leave this out.
# A test that is not named here runs with every version.
WITH_NEWEST_ONLY := $(addprefix --ignore=tests/,docs examples fakes project \
	$(addprefix cxr_datasets/,cli preview synthetic tables test_names.py test_wheel.py \
	push/test_push.py \
	$(addprefix export/,test_cluster.py test_memory.py test_other_stores.py test_refusals.py \
	test_resume.py test_s3.py test_slurm.py test_stores.py) \
	$(addprefix storage/stores/,test_extras.py test_gcs.py test_hf.py test_s3.py test_sftp.py)))

# More processes than this cost more in imports than they save. Each begins with a run of files and
# takes over what another has left, so that few fixtures of a file are made twice.
TEST_PROCESSES := 4
BENCHMARKS := $(sort $(filter-out $(patsubst %,benchmarks/%.py,harness release rival),$(wildcard benchmarks/*.py)))

.PHONY: help demo test lint docs gallery bench clean

help:
	@echo "make demo    write invented releases of both datasets, load them, show what came out"
	@echo "make test    run the tests; DATASETS=3.6.0 runs them with that version of datasets"
	@echo "make lint    check style and types"
	@echo "make docs    write the tables of the pages anew, build the site into site/"
	@echo "make gallery draw the pictures of examples/ anew; takes minutes"
	@echo "make bench   run the benchmarks"
	@echo "make clean   remove the environments and everything else that is made here"

.venv/.ready: pyproject.toml
	$(PYTHON) -m venv --clear .venv
	@# A new pip finds out what fits together in a third of the time of an old one.
	.venv/bin/python $(PIP) --upgrade pip
	.venv/bin/python $(PIP) --no-compile -c tests/environments/newest.txt --editable ".[dev]"
	touch $@

# With another version of `datasets`: that, and what it pins, over the packages of the first one.
.venv-%/.ready: .venv/.ready
	$(PYTHON) -m venv --clear .venv-$*
	.venv/bin/python $(PLACE) >"$$(.venv-$*/bin/python $(PLACE))/first.pth"
	.venv-$*/bin/python $(PIP) --no-deps --editable .
	.venv-$*/bin/python $(PIP) datasets==$* 2>/dev/null
	touch $@

# What a user would have: the package and what it needs, nothing of the tests.
.venv-demo/.ready: pyproject.toml
	$(PYTHON) -m venv --clear .venv-demo
	.venv-demo/bin/python $(PIP) --upgrade pip
	.venv-demo/bin/python $(PIP) --no-compile --editable .
	touch $@

demo: .venv-demo/.ready
	@.venv-demo/bin/python -m cxr_datasets.preview

test: $(READY)
	$(PY) -m pytest --numprocesses auto --maxprocesses $(TEST_PROCESSES) \
		--dist worksteal $(if $(DATASETS),$(WITH_NEWEST_ONLY)) $(ARGS)

lint: $(READY)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

docs: $(READY)
	$(PY) docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict

gallery: $(READY)
	CXR_GALLERY=1 $(PY) -m pytest tests/examples/test_scripts.py

bench: $(if $(BENCHMARKS),$(READY))
ifeq ($(BENCHMARKS),)
	@echo "There are no benchmarks yet: benchmarks/ holds none."
else
	$(PY) -m pip install --quiet --quiet --disable-pip-version-check --editable ".[bench]"
	@# One that lacks a library says so, and the others go on.
	@for benchmark in $(BENCHMARKS); do $(PY) "$$benchmark"; done
endif

clean:
	rm -rf .venv .venv-* demo site build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
