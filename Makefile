# Two commands do everything from a bare machine with Python 3.10 or newer:
#   make demo    install, then ask a spoken question and write the spoken answer
#   make test    install, then check style, types and behavior
# Further ones: make format, make docs (the generated parts of the documents), make site (the
# documents as a site, in site/).
# Both keep what they installed in .venv, and install again only when the requirements change.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS ?= dev,step-audio-2
REQUIREMENTS := pyproject.toml constraints.txt

.PHONY: demo test format docs site clean

demo: $(VENV)/demo.stamp
	$(BIN)/assistant ask --audio examples/speak_in_a_deep_male_voice.wav --out demo-answer.wav

test: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

format: $(VENV)/test.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/test.stamp
	$(BIN)/python scripts/docs.py
	$(BIN)/python scripts/architecture.py

site: $(VENV)/site.stamp
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) site demo-answer.wav

$(VENV)/demo.stamp: $(REQUIREMENTS) | $(BIN)/pip
	$(BIN)/pip install --quiet -c constraints.txt -e .
	touch $@

$(VENV)/test.stamp: $(REQUIREMENTS) | $(BIN)/pip
	$(BIN)/pip install --quiet -c constraints.txt -e '.[$(EXTRAS)]'
	touch $@ $(VENV)/demo.stamp

$(VENV)/site.stamp: $(REQUIREMENTS) | $(BIN)/pip
	$(BIN)/pip install --quiet -c constraints.txt -e '.[docs]'
	touch $@

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or newer is needed: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
