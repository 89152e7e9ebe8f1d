# make serve: the sample shop with its chat, on http://127.0.0.1:7860
# make chat:  the same in the terminal
# make test:  lint, types and tests
# make contract: sends the API everything that its schema allows, and does not, in some minutes
# make adapter: trains an adapter for the embedded model from nothing, in some two and a half hours of two cores with AMX,
#               into build/; with open sets: make adapter DATA="--data FOLDER"
PYTHON ?= python3
BIN := .venv/bin
# --no-compile below: Python compiles the modules that it imports; all 23,000 of them would take pip two minutes.

.PHONY: serve chat test lint model contract adapter clean

serve: .venv/installed
	$(BIN)/daogou serve

chat: .venv/installed
	$(BIN)/daogou chat

test: .venv/tested .venv/federated
	.ci/system-packages
	$(MAKE) --jobs 2 lint model
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist worksteal

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

model:
	$(BIN)/daogou models fetch

contract: .venv/tested
	CONTRACT_EXAMPLES=1000 $(BIN)/pytest tests/web/test_openapi.py

.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --no-compile --editable '.[embedded,postgres,voice]'
	touch $@

.venv/tested: .venv/installed
	$(BIN)/pip install --quiet --no-compile --editable '.[embedded,postgres,voice,test]'
	touch $@

# Flower beside the others, not among them: it wants an older protobuf, and is found by who looks for it alone.
.venv/federated: pyproject.toml .venv/installed
	$(BIN)/pip install --quiet --no-compile --upgrade --target $@ $$($(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['federated'])")
	touch $@

adapter: .venv/tested
	$(BIN)/daogou train parser --compiled --out build/gemma3-270m-shop $(DATA)

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
