# Everything here runs in a virtual environment of its own, made on first use; the machine needs
# only Python (3.10 or later, with venv) and make.
#
#   make test                    with the newest `datasets`
#   make test DATASETS=3.6.0     what touches `datasets`, with that one; all tests with ALL=1
#   make test LOWEST=1           with the oldest versions that pyproject.toml allows
#   make test ARGS="-k mesh"     with further arguments for pytest
#   make test-all PYTHONS=...    with other Pythons than those called python3.10 to python3.13
#   make demo PYTHON=python3.12  with that Python

PYTHON ?= python3
PYTHONS ?= python3.10 python3.11 python3.12 python3.13
DATASETS ?=
LOWEST ?=
ALL ?=
ARGS ?=

# Containers often set this. Without compiled files each new Python takes four times as long to import
# `datasets`, and the tests start hundreds.
unexport PYTHONDONTWRITEBYTECODE

# The first environment has the newest of everything; others borrow from it what they need no other
# version of. EXTRA=tests leaves out torch and transformers, and so the tests that use them.
FIRST ?= .venv
EXTRA ?= dev
VENV := $(if $(LOWEST),.venv-lower-bounds,$(if $(DATASETS),.venv-$(DATASETS),$(FIRST)))
PY := $(VENV)/bin/python
# A file rather than the folder, so that an environment whose making was broken off is made again.
READY := $(VENV)/.ready
INSTALL := install --quiet --quiet --disable-pip-version-check --no-compile
# uv installs the first environment in a third of pip's time. It is told what pip was told of where
# packages are: there may be a build of torch without CUDA.
ASKED = $$($(FIRST)/bin/python -m pip config list | sed -n "s/^.*\.$(1)='\(.*\)'$$/\1/p" | tail -n 1)
UV = UV_FIND_LINKS="$(call ASKED,find-links)" UV_DEFAULT_INDEX="$(call ASKED,index-url)" \
	UV_INDEX="$(call ASKED,extra-index-url)" UV_INDEX_STRATEGY=unsafe-best-match \
	$(FIRST)/bin/uv
# Where an environment has its packages.
PLACE := -c "import sysconfig; print(sysconfig.get_path('purelib'))"

# What says nothing of `datasets`, or says the same with each: other versions of it leave this out.
# A test that is not named here runs with every version. Of bad input, tests/indiana_cxr has some.
WITH_NEWEST_ONLY := $(addprefix --ignore=tests/,differential docs examples fakes fuzz project \
	$(addprefix mimic_cxr_jpg/,bad_input mimic_iv/test_rules.py mimic_iv/test_places.py \
	mimic_iv/test_figures.py reports synthetic test_missing_tables.py test_packing.py \
	test_builder_forms.py test_layers.py test_resaved.py test_roots.py test_section_rules.py \
	test_tables.py test_times.py test_views.py) \
	$(addprefix indiana_cxr/,synthetic test_columns.py test_download.py test_layouts.py test_mesh.py \
	test_odd_archives.py test_odd_tables.py test_real_data.py test_real_mesh.py test_splits.py test_text_labels.py) \
	$(addprefix cxr_datasets/,cli cohorts copies preview synthetic tables test_audit.py test_digests.py test_names.py \
	test_packages.py test_permutation.py test_redaction.py test_wheel.py test_wording.py test_flags.py labels/text \
	testing/test_package_case.py \
	$(addprefix labels/,test_balance.py test_cleaning.py test_compare.py test_texts.py test_xrv.py) \
	training/test_augments.py training/test_later.py training/test_trainers.py training/test_transformers.py \
	training/test_worlds.py \
	$(addprefix builder/,test_absent.py test_cohort.py test_damaged.py test_forms.py test_index_check.py \
	test_kept.py test_left_out.py test_missing.py test_places.py test_priors.py test_text_labels.py) \
	layers/test_boxes.py layers/test_large.py layers/test_masks.py layers/test_remote.py \
	layers/test_told.py images/test_image_size.py images/test_limits.py images/test_modes.py \
	images/test_opening.py images/test_resize.py images/test_square.py images/test_whole.py push/test_push.py \
	$(addprefix export/,test_agreement.py test_card.py test_closed.py test_cluster.py test_cohort.py \
	test_damaged.py test_dry_run.py test_encryption.py \
	test_full_disk.py test_links.py test_local.py test_lock.py test_memory.py test_missing.py \
	test_other_stores.py test_parents.py test_power_cut.py test_problems.py test_proof.py test_refusals.py \
	test_resume.py test_row_groups.py test_s3.py test_slurm.py test_stores.py test_task_files.py test_task_options.py \
	test_webdataset.py) \
	$(addprefix storage/,stores test_addresses.py test_ahead.py test_bucket_reads.py test_durable.py test_kept_files.py test_leftovers.py \
	test_limits.py test_local_faults.py test_odd_addresses.py test_own.py test_pages.py test_retry.py \
	test_secret_options.py test_sessions.py test_source.py \
	$(addprefix remote/,test_access.py test_ends.py test_faults.py test_images_elsewhere.py test_limits.py test_logins.py \
	test_missing.py test_pages.py test_place.py test_redirects.py test_reports.py test_same_rows.py \
	test_secrets.py test_sites.py test_zip_parts.py))))

# Tests wait for servers and other processes half of their time, so two processes a core keep a
# machine of two cores busy. Each begins with a run of files and takes over what another has left, so
# that few fixtures of a file are made twice.
TEST_PROCESSES := 4
PACKAGES := cxr_datasets indiana_cxr mimic_cxr_jpg
PEERS := litdata obstore tifffile zstd webdataset braceexpand \
	mosaicml-streaming brotli catalogue cramjam python-snappy xxhash
BENCHMARKS := $(sort $(filter-out $(patsubst %,benchmarks/%.py,bucket harness peers release rival),$(wildcard benchmarks/*.py)))

.PHONY: help demo test test-all audit compiled costs coverage environments lint docs gallery bench clean

help:
	@echo "make demo    write invented releases of both datasets, load them, show what came out"
	@echo "make test    run the tests; DATASETS=3.6.0 runs them with that version of datasets"
	@echo "make test-all  all tests with each datasets, at the lower bounds, with each Python; an hour"
	@echo "make audit   weaknesses: in our code, and known ones of what is installed"
	@echo "make coverage  which lines the tests run"
	@echo "make costs   which tests take long"
	@echo "make lint    check style, types, kinds of mistakes that lead to weaknesses, and that rooms import only"
	@echo "             rooms below them"
	@echo "make docs    write the tables of the pages anew, build the site into site/"
	@echo "make gallery draw the pictures of examples/ anew; takes minutes"
	@echo "make bench   run the benchmarks"
	@echo "make clean   remove the environments and everything else that is made here"

$(FIRST)/.ready: pyproject.toml
	@# A new pip, for the other environments, finds out what fits together in a third of the time. The
	@# pip of Python itself, if it has one, spares the seconds in which venv puts an old one there.
	$(PYTHON) -m venv --clear --without-pip $(FIRST)
	$(PYTHON) -m pip --python $(FIRST)/bin/python $(INSTALL) pip uv 2>/dev/null || { \
		$(PYTHON) -m venv --clear $(FIRST) && $(FIRST)/bin/python -m pip $(INSTALL) --upgrade pip uv; }
	$(UV) pip install --quiet --python $(FIRST)/bin/python --editable ".[$(EXTRA)]"
	touch $@

# Over the packages of the first environment: what fits another version of `datasets`, or all lower
# bounds, and no more. The files in tests/environments save pip the search for it.
.venv-%/.ready: $(FIRST)/.ready
	$(PYTHON) -m venv --clear --without-pip .venv-$*
	$(FIRST)/bin/python $(PLACE) >"$$(.venv-$*/bin/python $(PLACE))/first.pth"
	$(FIRST)/bin/python -m pip --python .venv-$*/bin/python $(INSTALL) \
		$(addprefix --constraint ,$(wildcard tests/environments/$*.txt)) \
		--editable ".[examples,tests]" $(if $(filter lower-bounds,$*),,datasets==$*)
	touch $@

# What the other tests of .ci/run need; can be made while the style is checked.
environments: .venv-3.6.0/.ready .venv-4.8.5/.ready

# The package alone, as a user installs it.
.venv-demo/.ready: pyproject.toml
	$(PYTHON) -m venv --clear .venv-demo
	.venv-demo/bin/python -m pip $(INSTALL) --upgrade pip
	.venv-demo/bin/python -m pip $(INSTALL) --editable .
	touch $@

demo: .venv-demo/.ready
	@.venv-demo/bin/python -m cxr_datasets.preview

OF_SOME := $(and $(DATASETS),$(if $(ALL),,yes))
PYTEST = $(PY) -m pytest --numprocesses $(TEST_PROCESSES) --dist worksteal

# With another `datasets` one case of most tests; see tests/combinations.py.
test: $(READY)
	$(if $(OF_SOME),CXR_COMBINATIONS=one) $(PYTEST) $(if $(OF_SOME),$(WITH_NEWEST_ONLY)) $(ARGS)

# As `make test DATASETS=3.6.0`, so that make can run several at once.
test-%:
	$(MAKE) test DATASETS=$*

# A Python that is not there is named and left out. Write into CHANGELOG.md when this has passed.
# The first run compares thousands of releases with what a slow reader makes of them, and damages
# thousands of files, and takes every combination of a test's parameters; see tests/combinations.py.
test-all: export CXR_COMBINATIONS = each
test-all: audit
	CXR_COMBINATIONS=all CXR_DIFFERENTIAL=1500 CXR_FUZZ=250 $(MAKE) test
	$(MAKE) test DATASETS=3.6.0 ALL=1
	$(MAKE) test DATASETS=4.8.5 ALL=1
	$(MAKE) test LOWEST=1
	@# pyenv gives a Python that it has only to who names its version.
	@export PYENV_VERSION="$$(pyenv version-name 2>/dev/null):$$(pyenv versions --bare 2>/dev/null | paste -sd: -)"; \
	version='import sys; print("%d.%d" % sys.version_info[:2])'; \
	own=$$($(PYTHON) -c "$$version"); \
	for python in $(PYTHONS); do \
		if ! is=$$($$python -c "$$version" 2>/dev/null); then \
			echo "$$python is not there, and left out"; \
		elif [ "$$is" != "$$own" ]; then \
			$(MAKE) test PYTHON="$$python" FIRST=".venv-python$$is" EXTRA=tests || exit 1; \
		fi; \
	done

# What may lead to weaknesses in our code, once more than ruff looks for it in `make lint`, and known
# ones of what is installed. Where the index of packages is a mirror that says nothing of weaknesses,
# pip-audit says that it asked in vain.
audit: $(READY)
	$(PY) -m pip $(INSTALL) --editable ".[audit]"
	$(PY) -m bandit --quiet --recursive --configfile pyproject.toml $(PACKAGES)
	$(PY) -m pip_audit --progress-spinner off --skip-editable

# What the first environment imports for tests, compiled by one process: several would each compile
# all of it at once.
compiled: $(READY)
	$(PY) -m pytest --collect-only --quiet >/dev/null

# Names and seconds for tests/costly.txt.
costs: $(READY)
	CXR_COMBINATIONS=each $(PYTEST) -p tests.costs $(ARGS)

coverage: $(READY)
	$(PYTEST) --cov --cov-report=term:skip-covered $(ARGS)

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
	$(PY) -m pip $(INSTALL) scikit-image
	@# Without what else they ask for, such as older versions of numpy and transformers.
	$(PY) -m pip $(INSTALL) --no-deps $(PEERS)
	@# One that lacks a library says so, and the others go on.
	@for benchmark in $(BENCHMARKS); do $(PY) "$$benchmark"; done
endif

clean:
	rm -rf .venv .venv-* demo site build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
