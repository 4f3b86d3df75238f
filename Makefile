# One word for each thing to be done here. `make` alone lists them.
#
# Every target that needs the environment calls tools/setup.sh first, which does nothing when all is there.
# Words after ARGS= are passed on: make test ARGS="-k sweep", make demo ARGS=--help

SHELL := /bin/bash
PY := .venv/bin/python
# Where tools/setup.sh puts a browser when the distribution has none that can be used, and where the daemon looks.
export PUPPETEER_CACHE_DIR := $(or $(PUPPETEER_CACHE_DIR),$(CURDIR)/.browser)

.DEFAULT_GOAL := help
.PHONY: help run demo test test-fast test-deep test-versions check format bench soak chaos canary picture translations lock clean
# Targets share one environment; recipes that run side by side would only fight for it.
.NOTPARALLEL:

help: ## list what can be done
	@echo "leadmasterd: make TARGET [ARGS=\"…\"]"
	@sed -nE 's/^([a-z-]+):.*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 17

# Daemon and page in the foreground, on config.toml if there is one; Ctrl-C stops both in good order.
run: ## set up what is missing and start the daemon and the operator's page in the foreground
	@tools/setup.sh run
	@exec $(PY) -m leadmasterd run --web $(ARGS)

# The whole program against the bundled stand-in of WhatsApp Web; needs no phone and no network.
demo: ## show the whole thing against an offline stand-in: no phone needed
	@tools/demo-folder.sh $(ARGS)
	@tools/setup.sh run
	@exec $(PY) -m leadmasterd demo $(ARGS)

# ARGS goes to pytest: make test ARGS="-k sweep". Tests that boot a real systemd skip themselves unless root runs them.
test: ## run everything that guards a change, Python and Node, from fixed seeds
	@tools/setup.sh test
	@tools/test.sh all $(ARGS)

test-fast: ## run the tests that need no browser and no systemd, for daily work
	@tools/setup.sh check
	@tools/test.sh fast $(ARGS)

test-deep: ## run all tests with fresh seeds, many examples, the big storm and both browsers (half an hour and more)
	@tools/setup.sh test
	@tools/test.sh deep $(ARGS)
	@tools/test.sh other $(ARGS)

# Or one: tools/test-versions.sh node 22
test-versions: ## run the tests on Node 20, 22 and 24 and on Python 3.11, 3.12 and 3.13
	@tools/setup.sh test
	@tools/test-versions.sh

# Style, formatting, types and the import contracts, of both languages. Changes nothing, and shows all that is wrong
# before it fails.
check: ## lint, formatting, types and import contracts
	@tools/setup.sh check
	@failed=0; try() { echo "-- $$*"; "$$@" || failed=1; }; \
	try .venv/bin/ruff check; \
	try .venv/bin/ruff format --check; \
	try $(PY) -m mypy; \
	try .venv/bin/lint-imports --no-logo; \
	cd node_listener; \
	try node_modules/.bin/biome ci $(if $(MAKE_TERMOUT),,--colors=off) .; \
	try node_modules/.bin/tsc; \
	exit $$failed

format: ## rewrite Python and JavaScript in the one format
	@tools/setup.sh check
	.venv/bin/ruff check --fix-only --silent
	.venv/bin/ruff format
	cd node_listener && npm run --silent format

# Some of them: make bench ARGS="burst single". Two commits in turn: make bench ARGS="--against COMMIT burst single"
bench: ## measure, compare with what was promised, and write docs/benchmarks.md
	@tools/setup.sh test
	@$(PY) -m benchmarks.run $(ARGS)

# One hour at 20 times a shop's speed unless told otherwise: make soak ARGS="--hours 36 --speed 20". All of it: ARGS=--help
soak: ## run the whole with a shop's traffic for hours, and fail when something grows too fast
	@tools/setup.sh test
	@exec $(PY) -m benchmarks.soak.run $(ARGS)

# 20,000 messages and 200 faults unless told otherwise, on real parts. To repeat one: make chaos ARGS="--seed 7". To play
# the same with another checkout's daemon, and then with ours: make chaos ARGS="--seed 7 --product COMMIT --beside"
chaos: ## break everything while messages come, and count what was lost (about a quarter of an hour)
	@tools/setup.sh test
	@$(PY) -m tests.chaos.run $(ARGS)

# One file a module, as public archives of WhatsApp Web keep them. Nothing of the copy is run.
canary: ## compare a saved copy of WhatsApp Web's modules with what we rely on: make canary ARGS=FOLDER
	@tools/setup.sh check
	@node node_listener/canary/main.js $(ARGS)

# The terminal emulator comes from PyPI into an environment that is thrown away: nothing else needs it.
picture: ## record the demo anew as docs/demo.svg, and its page as docs/page.webp
	@tools/setup.sh run
	@set -e; packages=$$(mktemp -d); trap 'rm -rf "$$packages"' EXIT; \
	$(PY) -m pip install --quiet --disable-pip-version-check --target "$$packages" pyte==0.8.2; \
	PYTHONPATH="$$packages" $(PY) tools/record_demo.py

# What is new is listed and is translated in leadmasterd/locale/*/LC_MESSAGES/leadmasterd.po; run it again then.
translations: ## bring the catalogues of translations up to date with the code, and compile them
	@tools/setup.sh check
	@$(PY) tools/draw_translations.py

# uv comes from PyPI into an environment of its own that is thrown away. --universal makes one lock for every Python
# and machine, --no-config and --no-header keep registry addresses out of it, and the development lock is held to the
# versions of the other. To move one package on: make lock ARGS="--upgrade-package NAME"; all: make lock ARGS=--upgrade
lock: ## write requirements.lock and requirements-dev.lock anew from pyproject.toml
	@set -e; venv=$$(mktemp -d); trap 'rm -rf "$$venv"' EXIT; \
	python3 -m venv "$$venv"; "$$venv/bin/python" -m pip install --quiet uv; \
	compile() { "$$venv/bin/uv" pip compile pyproject.toml --quiet --no-config --universal --python-version 3.11 \
	  --generate-hashes --no-header --extra build "$$@"; }; \
	compile -o requirements.lock $(ARGS); \
	compile -o requirements-dev.lock --extra dev --constraints requirements.lock $(ARGS)

# State and settings (state/, config.toml) are nobody's rubbish and stay.
clean: ## remove what the set-up and the tools made; state and settings stay
	rm -rf .venv .setup .browser node_listener/node_modules dist *.egg-info
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
