# The one entry point, for people and for CI. `make help` lists the targets.

CARGO ?= cargo
TARGET ?= $(or $(CARGO_TARGET_DIR),target)
ONEDISPATCH := $(TARGET)/release/onedispatch

# QUICK=1: minutes on a software device instead of hours. There nearly all of them go into compiling, and no claim stands on how fast
# it runs what was compiled. Narrow vectors are narrow subgroups too: an arm that needs wider ones says so in its row.
ifdef QUICK
MEASURE := experiments/decode-quick.toml experiments/rollout.toml --quick
FOR_MEASURE = $(SOON_COMPILED)
else
MEASURE := experiments/controls.toml experiments/decode.toml experiments/span.toml experiments/decode-tokens.toml \
	experiments/rollout.toml experiments/rollout-length.toml experiments/rollout-population.toml \
	experiments/rollout-portfolio.toml experiments/rollout-nbody.toml experiments/rollout-controls.toml \
	experiments/rollout-pi.toml experiments/rollout-evolution.toml
endif

# Experiments that peers take part in.
PEERS := experiments/peers.toml experiments/rollout.toml experiments/rollout-portfolio.toml

# What a reviewer measures: the claims rest on these, and each gets an equal share of the time.
REVIEW := experiments/span.toml experiments/decode.toml experiments/rollout.toml

# Tests run on lavapipe where it is installed, whatever GPU is there.
LAVAPIPE := $(firstword $(wildcard /usr/share/vulkan/icd.d/lvp_icd*.json))

# A trained model, where `scripts/gguf-model.sh` could fetch it.
GGUF := $(abspath $(firstword $(wildcard $(TARGET)/models/*.gguf)))

# Its compiler takes a third of the time for narrow vectors and no optimization; a kernel, else the better part of a minute.
SOON_COMPILED := LP_NATIVE_VECTOR_WIDTH=128 GALLIVM_PERF=nopt

.DEFAULT_GOAL := help
.PHONY: help build dist reproduce measure review peers web test figures lint

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the program
	@$(CARGO) build --release --locked

# A fresh clone builds for this no more than it takes, which leaves out the GPU; a program that has all commands keeps them. The paper takes
# as long as the rest together, so it is compared meanwhile.
reproduce: ## Verify data/ and compare figures/ and paper/ with what it renders to, byte for byte
	@$(CARGO) build --release --locked $$($(ONEDISPATCH) run --help >/dev/null 2>&1 || echo --no-default-features)
	@status=0; said=$$(mktemp); \
	$(ONEDISPATCH) paper --check >$$said 2>&1 & paper=$$!; \
	$(ONEDISPATCH) verify data || status=1; \
	$(ONEDISPATCH) figures --check || status=1; \
	wait $$paper || status=1; cat $$said >&2; rm $$said; \
	if [ $$status -eq 0 ]; then echo "reproduced"; else echo "not reproduced: see above" >&2; fi; \
	exit $$status

measure: ## Measure this machine's GPU (QUICK=1: within minutes), then render figures and paper anew
	@scripts/software-vulkan.sh --unless-hardware
	@$(MAKE) --no-print-directory build
	@$(FOR_MEASURE) $(ONEDISPATCH) run $(MEASURE)
	@$(MAKE) --no-print-directory figures

review: ## Measure for 20 minutes (5 on a software device), and say in target/review/ which claims that confirms
	@scripts/software-vulkan.sh --unless-hardware
	@$(MAKE) --no-print-directory build
	@$(SOON_COMPILED) $(ONEDISPATCH) review $(REVIEW) --out $(TARGET)/review

peers: build ## Measure arms beside other frameworks, as far as this machine can (PYTHON: the interpreter)
	@status=0; rm -rf peers/build/cases peers/build/results; \
	for spec in $(PEERS); do \
		name=$$(basename $$spec .toml); cases=peers/build/cases/$$name; results=peers/build/results/$$name; \
		$(ONEDISPATCH) export $$spec --out $$cases || exit; \
		$(ONEDISPATCH) run $$spec || exit; \
		peers/run-all.sh $$cases $$results || status=1; \
		run=$$(ls -td data/*/*-$$name data/*/*-$$name-[0-9]* 2>/dev/null | head -n 1); \
		$(ONEDISPATCH) import --run "$$run" $$results/*.json || status=1; \
	done; \
	exit $$status

figures: build ## Render figures/ and paper/ from data/, and what data/ says of itself
	@$(ONEDISPATCH) describe
	@$(ONEDISPATCH) figures
	@$(ONEDISPATCH) paper

web: build ## Make the page in web/dist/
	@scripts/page-core.sh
	@$(ONEDISPATCH) web

dist: ## Build the program that is handed on, half as large as that of `make build`
	@$(CARGO) build --profile dist --locked --bin onedispatch
	@ls -sh $(TARGET)/dist/onedispatch

test: ## Run all tests, on a software Vulkan device and in a browser that are installed where they can be
	@scripts/software-vulkan.sh
	@scripts/software-browser.sh
	@scripts/page-core.sh
	@scripts/gguf-model.sh
	@scripts/data-validators.sh --install || echo "no validators of data/'s descriptions: their test is left out"
	@$(MAKE) --no-print-directory run-tests

# A make of its own, so that LAVAPIPE is looked for after the installation. Lavapipe has subgroups: no test may leave them out.
.PHONY: run-tests
run-tests:
	@$(if $(GGUF),ONEDISPATCH_GGUF=$(GGUF) )$(if $(LAVAPIPE),VK_DRIVER_FILES=$(LAVAPIPE) $(SOON_COMPILED) ONEDISPATCH_SUBGROUP_TESTS=required )$(CARGO) test --release --locked --workspace --exclude onedispatch-page

lint: ## Check formatting, and lint with warnings as errors
	@$(CARGO) fmt --check
	@if ! command -v shellcheck >/dev/null; then echo "no shellcheck: scripts not linted"; \
	else shellcheck scripts/*.sh scripts/slurm/*.sh peers/run-all.sh peers/llama-cpp/build.sh .ci/run; fi
	@$(CARGO) clippy --release --locked --all-targets --workspace -- --deny warnings
	@$(CARGO) clippy --release --locked --no-default-features -- --deny warnings
