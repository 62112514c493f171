# Everything lives in .venv; a stamp file there says what is installed, so nothing is installed twice.

PYTHON ?= python3
PORT ?=
HOST :=

BIN := .venv/bin
# What the images install: the same versions, and the SHA-256 of each file.
COMPILE = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command 'make constraints' -c constraints.txt
RUNTIME := $(shell nvidia-smi -L >/dev/null 2>&1 && echo gpu || echo cpu)

.DEFAULT_GOAL := help
.PHONY: help serve test test-training test-pacs test-http test-app test-others test-image lint format docs bench image constraints clean

help: ## say what each target does
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

serve: .venv/$(RUNTIME).stamp ## install and start the service on 127.0.0.1:8000; PORT= and HOST= change it
	$(if $(HOST),PNEUMOSCOPE_HOST=$(HOST)) $(if $(PORT),PNEUMOSCOPE_PORT=$(PORT)) $(BIN)/pneumoscope serve

# In five processes, three at a time, since half of their time they wait, and each loads what it tests. One
# process for all of them, in which TensorFlow, GDCM, Arrow and others meet as they never do in service,
# ended with SIGSEGV; so did models that come and go beside TensorFlow, hence tests/app/reading's place.
test: lint ## install, check style, types and imports, run the tests
	rm -f .coverage .coverage.*
	$(MAKE) --no-print-directory --jobs=3 test-training test-others test-http test-pacs test-app $(ALSO)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

test-pacs: TESTS := tests/app/pacs tests/app/reading
test-http: TESTS := tests/app/http
test-app: TESTS := tests/app --ignore=tests/app/pacs --ignore=tests/app/http --ignore=tests/app/reading
test-training: TESTS := tests/training
test-others: TESTS := tests --ignore=tests/app --ignore=tests/training
test-training test-pacs test-http test-app test-others: .venv/dev.stamp
	COVERAGE_FILE=.coverage.$@ $(BIN)/pytest --cov --cov-report= --cov-fail-under=0 $(TESTS)

# Some minutes, hence not among the tests of every change: make test ALSO=test-image
test-image: .venv/dev.stamp
	$(BIN)/pytest tests/deploy -m docker

lint: .venv/dev.stamp ## check the style, the types and which part imports which
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/dev.stamp ## put the code into the style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: .venv/dev.stamp ## write the pages that come from the code: docs/cli.md
	$(BIN)/python -m tests.cli_page > docs/cli.md

bench: .venv/benchmarks.stamp ## install the contestants, measure the service against them; needs wrk
	$(BIN)/python -m benchmarks

image: ## build the image pneumoscope:cpu, or :gpu where there is one; RUNTIME= and PYTHON_IMAGE= change it
	DOCKER_BUILDKIT=1 docker build --target $(RUNTIME) --tag pneumoscope:$(RUNTIME) \
		$(if $(PYTHON_IMAGE),--build-arg PYTHON_IMAGE=$(PYTHON_IMAGE)) \
		--build-arg VERSION=$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml) \
		--build-arg REVISION=$$(git rev-parse HEAD) --build-arg CREATED=$$(git show -s --format=%cI) .

constraints: .venv/python.stamp ## write constraints.txt and requirements anew after a change of pyproject.toml
	$(BIN)/pip install uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --all-extras pyproject.toml -o constraints.txt
	$(COMPILE) --extra otel --extra signing pyproject.toml -o requirements/cpu.txt
	$(COMPILE) --extra gpu --extra otel --extra signing pyproject.toml -o requirements/gpu.txt
	$(COMPILE) requirements/build.in -o requirements/build.txt

clean: ## remove .venv and all that the tools leave behind, but no trained model
	rm -rf .venv .coverage .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/python.stamp:
	@$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info < (3, 14) or sys.exit("pneumoscope needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is Python %d.%d: name another with PYTHON=." % sys.version_info[:2])'
	$(PYTHON) -m venv .venv
	@touch $@

.venv/gpu.stamp: EXTRAS := [gpu]
.venv/dev.stamp: EXTRAS := [archive,otel,ray,signing,training,dev]
.venv/benchmarks.stamp: EXTRAS := [benchmarks]
# What builds the package is constrained too: pip before 25.3 reads the first variable, later ones the second.
.venv/%.stamp: export PIP_CONSTRAINT := constraints.txt
.venv/%.stamp: export PIP_BUILD_CONSTRAINT := constraints.txt
.venv/%.stamp: .venv/python.stamp pyproject.toml constraints.txt
	$(BIN)/pip install -c constraints.txt -e '.$(EXTRAS)'
	@touch $@
