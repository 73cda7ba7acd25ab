# The tasks of this repository. `make` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

LINT_VERSION := v2.15.0
LINT         := .tools/bin/golangci-lint-$(LINT_VERSION)
INTEROP      := testdata/interop
HELM_VERSION := v3.19.4
HELM         := .tools/bin/helm-$(HELM_VERSION)
S3SERVER     := .tools/bin/s3server
UNOPTIMIZED  := -ldflags='-s -w' -gcflags='github.com/...=-N -l' -gcflags='k8s.io/...=-N -l' # tools that run for a second: less to compile
FUZZTIME     ?= 10s
BENCH        ?= all

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the static binary, bin/muster
	CGO_ENABLED=0 go build -trimpath -o bin/muster ./cmd/muster

.PHONY: run
run: ## run the demo: a cloud and a simulated fleet, nothing to install
	go run ./cmd/muster demo

.PHONY: test
test: test-tools $(S3SERVER) ## run all tests, most with the race detector; INSTALL=1 installs what they need
	@scripts/test.sh

$(S3SERVER): $(wildcard testdata/s3server/*)
	go build -C testdata/s3server $(UNOPTIMIZED) -o $(CURDIR)/$@ .

.PHONY: pictures
pictures: ## take pictures of the console's pages, into console/testdata/screenshots
	@scripts/tools.sh browser
	MUSTER_SCREENSHOTS=1 go test -tags browser -count=1 ./console/browsertest

.PHONY: soak
soak: ## run the tests that can run longer at their length: a million bad packets, a town of gateways
	MUSTER_BAD_INPUT=1000000 MUSTER_TOWN=1 go test -vet=off -count=1 -run 'BadInputLeaves|Town' -v ./cloud

.PHONY: upgrade
upgrade: ## restart servers of an older revision, OLD=tag, into this one, under a fleet
	@scripts/upgrade.sh $(OLD)

.PHONY: siege
siege: ## connect devices while strangers do their worst, at full size; less than three minutes
	MUSTER_SIEGE=full go test -count=1 -timeout 3m -v ./siege

.PHONY: chaos
chaos: ## break things under a fleet for ten minutes and judge what is left (SEED=n replays)
	@scripts/tools.sh chaos
	go run ./chaos $(if $(SEED),-seed $(SEED) -rounds 1)

.PHONY: chaos-cluster
chaos-cluster: ## the same under three servers on a Redis Cluster behind HAProxy (SEED=n replays)
	@scripts/tools.sh chaos-cluster
	go run ./chaos -cluster $(if $(SEED),-seed $(SEED) -rounds 1)

.PHONY: test-tools
test-tools:
	@scripts/tools.sh test browser

.PHONY: sdk
sdk: ## check the client SDKs in sdk/; INSTALL=1 installs what that needs
	@scripts/tools.sh sdk
	@for makefile in sdk/*/Makefile; do $(MAKE) --no-print-directory -C "$${makefile%/Makefile}" check; done
	@$(MAKE) --no-print-directory -C sdk/c size fuzz FUZZTIME=10
	go test -tags sdk -vet=off -count=1 -timeout 10m -parallel 64 ./conform ./sdk/sdktest

.PHONY: lint
lint: $(LINT) ## format check, vet, static analysis and import fences, as .golangci.yml says
	$(LINT) run --allow-serial-runners ./...

$(LINT):
	GOBIN=$(CURDIR)/.tools/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	mv .tools/bin/golangci-lint $@

.PHONY: helm
helm: $(HELM) ## check the Helm chart: its style, and that one server and several can be rendered
	$(HELM) lint --strict --quiet --set redis.existingSecret=redis deploy/helm/muster
	$(HELM) template muster deploy/helm/muster --set redis.existingSecret=redis >/dev/null
	$(HELM) template muster deploy/helm/muster -f deploy/helm/several.yaml >/dev/null

$(HELM):
	GOBIN=$(CURDIR)/.tools/bin go install $(UNOPTIMIZED) helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)
	mv .tools/bin/helm $@

.PHONY: format
format: $(LINT) ## format the code as `make lint` expects it
	$(LINT) fmt ./...

.PHONY: check
check: lint test ## what must pass before a change lands, but for the SDKs: the linter, then all tests

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
