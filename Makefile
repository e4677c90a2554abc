# Everything needs only make and Python 3.11 or newer; `make demo` is the place to begin.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The client is a package of its own: its checks and tests run beside the server's packages, not among them.
# PYTHONPATH: this tree's client, also where several trees share an environment.
IN_CLIENT := cd client && PYTHONPATH=$(CURDIR)/client/src $(abspath $(BIN))
# Frameworks whose adapters are tested, each in an environment of its own: they do not agree on one.
FRAMEWORKS := langgraph openai_agents swarm autogen crewai
PRODUCTION_CHECK := DJANGO_SETTINGS_MODULE=controlplane.settings.production PERDURE_KEY_PEPPER=checked \
	SECRET_KEY=a-key-that-is-only-checked-and-never-signs-anything-0123456789 ALLOWED_HOSTS=perdure.example \
	DATABASE_URL=postgresql://checked@localhost/checked REDIS_URL=redis://localhost
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url $(LOCK_OPTIONS)

.PHONY: demo up test test-seen test-intents test-rest test-client kills adapters deep chaos chaos-mutations audit check bench screenshots lock format
.DEFAULT_GOAL := demo

demo: $(VENV)/installed ## Play the story of an agent that is killed in the middle of its work
	@$(BIN)/python -m examples.seed_story

up: $(VENV)/installed ## Run all of Perdure until Ctrl-C
	@$(BIN)/python manage.py up

test: $(VENV)/installed ## Run all tests against real PostgreSQL and Valkey, but those of `make adapters`
	$(if $(TESTS),$(BIN)/python -m pytest $(TESTS),+@$(MAKE) --no-print-directory --jobs=2 --keep-going --output-sync \
		test-seen test-intents test-rest test-client)

# The parts share nothing, each has servers of its own: two at a time, the longest first. But chaos makes networks and
# takes them away, at which a browser drops what it is loading; so these two are one part.
test-seen:
	@$(BIN)/python -m pytest tests/browser tests/chaos
test-intents:
	@$(BIN)/python -m pytest tests/intents
test-rest:
	@$(BIN)/python -m pytest tests --ignore=tests/browser --ignore=tests/chaos --ignore=tests/intents
test-client:
	@$(IN_CLIENT)/python -m pytest

# From client/, and with a configuration of their own: the server's package `agents` must not hide OpenAI's.
adapters: $(VENV)/installed $(FRAMEWORKS:%=.venvs/%/installed) ## Test each adapter with its framework; needs the network once
	@for framework in $(FRAMEWORKS); do \
		(cd client && ../.venvs/$$framework/bin/python -m pytest -c tests/adapters/pytest.ini --rootdir . \
			--confcutdir tests/adapters tests/adapters/$$framework) || exit 1; \
	done

kills: $(VENV)/installed ## Kill an agent 200 times, within and behind each of fifty steps; PERDURE_KILLS says how often
	@export PERDURE_KILLS=$${PERDURE_KILLS:-200}; $(IN_CLIENT)/python -m pytest -q -s tests/agent/test_kills.py

deep: $(VENV)/installed ## Hold 600 fresh random histories, and all its mutations, against the ledger; takes some minutes
	PERDURE_HISTORIES=600 $(BIN)/python -m pytest tests/intents/test_ledger_machine.py

# PROFILE=night takes an hour and writes docs/chaos.md; SEED=… repeats a schedule.
chaos: $(VENV)/installed ## Break everything while it works, and judge whether a promise was broken
	@$(BIN)/python -m tests.chaos $(if $(PROFILE),--profile $(PROFILE)) $(if $(SEED),--seed $(SEED)) $(CHAOS_OPTIONS)

audit: $(VENV)/installed .venvs/audit/installed ## Try everything that keeps Perdure safe; GATES="fuzzing revocation" tries these only
	@$(BIN)/python -m tests.audit $(GATES)

chaos-mutations: $(VENV)/installed ## Break promises on purpose, and see that each is noticed; MUTATIONS="fence-removed" breaks this only
	@$(BIN)/python -m tests.chaos.prove $(MUTATIONS)

check: $(VENV)/installed ## Everything that can be told without running it
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(IN_CLIENT)/ruff check .
	$(IN_CLIENT)/ruff format --check .
	$(IN_CLIENT)/mypy
	$(PRODUCTION_CHECK) $(BIN)/python manage.py check --deploy --fail-level WARNING
	DJANGO_SETTINGS_MODULE=controlplane.settings.test $(BIN)/python -W ignore::RuntimeWarning \
		manage.py makemigrations --check --dry-run

# PEERS=all, or some of bench/peers, measures those beside ours; all of them are written into docs/performance.md and README.md.
bench: $(VENV)/installed ## Measure throughput and latency against the database's ceiling
	@$(BIN)/python -m bench $(if $(PEERS),--peers $(PEERS)) $(if $(filter all,$(PEERS)),--write) $(BENCH_OPTIONS)

screenshots: $(VENV)/installed ## Take the pictures of docs/images anew; needs Chromium
	@$(BIN)/python -m tests.browser.screenshots

format: $(VENV)/installed ## Lay out the code as `make check` wants it
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	$(IN_CLIENT)/ruff check --fix-only --quiet .
	$(IN_CLIENT)/ruff format .

lock: $(VENV)/installed ## Resolve the dependencies anew; LOCK_OPTIONS=--upgrade takes the newest
	$(COMPILE) requirements.in --output-file requirements.txt
	$(COMPILE) requirements-dev.in --output-file requirements-dev.txt
	$(COMPILE) requirements-audit.in --output-file requirements-audit.txt

# Installs only when the lock has changed since; without that it needs no network.
$(VENV)/installed: requirements-dev.txt client/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Perdure needs Python 3.11 or newer")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing what Perdure needs into $(VENV); this happens once."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
		--requirement requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-index --no-build-isolation \
		--editable client
	@touch $@

# The tools of the audit, in an environment of their own: the product needs none of them.
.venvs/audit/installed: requirements-audit.txt
	@test -x .venvs/audit/bin/python || $(PYTHON) -m venv .venvs/audit
	@echo "Installing the tools of the audit into .venvs/audit; this happens once."
	@.venvs/audit/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement $<
	@touch $@

.venvs/%/installed: client/tests/adapters/%/requirements.txt
	@test -x .venvs/$*/bin/python || $(PYTHON) -m venv .venvs/$*
	@echo "Installing what the tests of the adapter for $* need into .venvs/$*; this happens once."
	@.venvs/$*/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement $<
	@touch $@

# What Perdure is measured beside, each in an environment of its own; `python -m bench --peers` asks for them.
.venvs/peer-%/installed: bench/peers/%/requirements.txt
	@test -x .venvs/peer-$*/bin/python || $(PYTHON) -m venv .venvs/peer-$*
	@echo "Installing $* into .venvs/peer-$*; this happens once."
	@.venvs/peer-$*/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement $<
	@test ! -e bench/peers/$*/package.json || (cp bench/peers/$*/package.json bench/peers/$*/programs.sha256 .venvs/peer-$*/ \
		&& cd .venvs/peer-$* && npm install --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error \
		&& sha256sum --quiet --ignore-missing --check programs.sha256)
	@touch $@
