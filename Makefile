# Muster: what one does to this repository. `make` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

LINT_VERSION := v2.15.0
LINT         := .tools/bin/golangci-lint-$(LINT_VERSION)
INTEROP      := testdata/interop
FUZZTIME     ?= 10s
BENCH        ?= all

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the static binary, bin/muster
	CGO_ENABLED=0 go build -trimpath -o bin/muster ./cmd/muster

.PHONY: run
run: ## run the demo: a cloud and a simulated fleet, nothing to install
	go run ./cmd/muster demo

.PHONY: test
test: test-tools $(INTEROP)/node_modules/.package-lock.json ## install or find what the tests need, then run all of them, race detector on
	go test -race -tags interop,browser -count=1 -timeout 15m ./...

.PHONY: pictures
pictures: ## take pictures of the console's pages, into console/testdata/screenshots
	@scripts/tools.sh browser
	MUSTER_SCREENSHOTS=1 go test -tags browser -count=1 ./console/browsertest

.PHONY: test-tools
test-tools:
	@scripts/tools.sh test
	@scripts/tools.sh browser

$(INTEROP)/node_modules/.package-lock.json: $(INTEROP)/package.json $(INTEROP)/package-lock.json | test-tools
	cd $(INTEROP) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null
	@touch $@

.PHONY: lint
lint: $(LINT) ## format check, vet, static analysis and import fences, as .golangci.yml says
	$(LINT) run --allow-serial-runners ./...

$(LINT):
	GOBIN=$(CURDIR)/.tools/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	mv .tools/bin/golangci-lint $@

.PHONY: format
format: $(LINT) ## format the code as `make lint` expects it
	$(LINT) fmt ./...

.PHONY: check
check: lint test ## all that must pass before a change lands: lint, then every test and the architecture's rules

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (10s)
	@scripts/fuzz.sh $(FUZZTIME)

.PHONY: bench
bench: ## measure Muster side by side with Mosquitto (BENCH=handshakes chooses one)
	@scripts/tools.sh bench
	go run ./bench $(BENCH)

.PHONY: clean
clean: ## remove what these targets made
	rm -rf bin .tools $(INTEROP)/node_modules
