# Two commands on a fresh machine: `make demo` and `make test`. Everything lives in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test test-all check fix format lint types docs linear model clean

demo: $(VENV)/base.stamp
	@mkdir -p runs
	@$(BIN)/sentire analyze "Wow, I did not expect a reply on a Sunday!" "I think I deleted the only copy, I'm worried." "The store opens at nine."
	@$(BIN)/sentire analyze --input examples/feedback.csv --text-column text --context-column context --id-column id --output runs/feedback-emotions.csv

# Where it is set, every one of the hundreds of processes that the tests start would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

# One worker a core, each in one thread: workers that share cores wait for one another in every matrix product. The
# files come in the order of tests/conftest.py, the longest first.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile \
	--no-loadscope-reorder

test: $(VENV)/dev.stamp
	$(PYTEST) -m "not slow"

test-all: $(VENV)/dev.stamp
	$(PYTEST)

check: $(VENV)/dev.stamp format lint types test

format: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .

types: $(VENV)/dev.stamp
	$(BIN)/mypy

fix: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/dev.stamp
	$(BIN)/python -m sentire.cli.reference docs/commands.md
	$(BIN)/python docs/make_label_spaces.py
	$(BIN)/python docs/make_configurations.py
	$(BIN)/python docs/make_picture.py
	$(BIN)/python benchmarks/classical_models.py --tables-only
	$(BIN)/python benchmarks/throughput.py --tables-only
	$(BIN)/python benchmarks/encoder_speed.py --tables-only
	$(BIN)/python benchmarks/affect_floor.py --tables-only
	$(BIN)/python benchmarks/encoder_levers.py --tables-only
	$(BIN)/python benchmarks/embedded_model.py tables
	$(BIN)/python benchmarks/quantisation.py --tables-only
	$(BIN)/python benchmarks/start_share.py --tables-only
	$(BIN)/python benchmarks/isear_folds.py --tables-only
	$(BIN)/python benchmarks/representation_first.py --tables-only
	$(BIN)/python benchmarks/search_speed.py --tables-only
	$(BIN)/python benchmarks/search_emotions.py --tables-only
	$(BIN)/python benchmarks/representation_measures.py --tables-only
	$(BIN)/python benchmarks/meld_context.py --tables-only
	$(BIN)/python benchmarks/synthesis_overhead.py --tables-only
	$(BIN)/python benchmarks/synthesis_student.py --tables-only
	$(BIN)/python benchmarks/augmentation_experiment.py --tables-only
	$(BIN)/sentire reproduce retrofit --output benchmarks/results/reproduce/retrofit --tables-only
	$(BIN)/sentire reproduce carl --output benchmarks/results/reproduce/carl --tables-only

linear: $(VENV)/dev.stamp
	$(BIN)/sentire train configs/linear.toml --output src/sentire/assets/linear

# Hours on two cores. The last step lets the new model in only where dev says that it is better than the embedded one.
model: $(VENV)/dev.stamp
	$(BIN)/sentire train configs/goemotions-minilm.toml
	$(BIN)/sentire train configs/default-teacher.toml
	$(BIN)/sentire train configs/default-student.toml
	$(BIN)/sentire train configs/retrofit.toml
	$(BIN)/sentire train configs/goemotions-retrofit-first.toml
	$(BIN)/sentire train configs/default.toml
	$(BIN)/python benchmarks/embedded_model.py adopt runs/default

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache

$(BIN)/python:
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), f"expected Python 3.11 or newer, got {sys.version}"'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# --no-compile: of torch, scipy and sympy alone 16,000 files would be compiled, most of them never to be imported.
$(VENV)/base.stamp: pyproject.toml | $(BIN)/python
	$(PIP) install --no-compile --editable .
	@touch $@

$(VENV)/dev.stamp: pyproject.toml | $(BIN)/python
	$(PIP) install --no-compile --editable '.[dev]'
	@touch $@ $(VENV)/base.stamp
