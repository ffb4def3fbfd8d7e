# k8ts: `make help` lists the targets. `sudo make up` and `sudo make test` need nothing but Debian 12, Node.js 20+, git, make and sudo.
SHELL := /bin/bash
.DEFAULT_GOAL := help
JEST := NODE_OPTIONS=--experimental-vm-modules npx --no-install jest
NODES ?= 2
export NPM_CONFIG_UPDATE_NOTIFIER := false

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

node_modules/.package-lock.json: package.json package-lock.json
	@rm -rf node_modules
	@deploy/step "npm packages" deploy/as-owner npm ci --ignore-scripts --no-progress --no-audit --no-fund --no-update-notifier --loglevel=error
	@deploy/as-owner touch $@

SOURCES := $(shell find proto machinery agent controlplane cli -name '*.ts' -not -name '*.test.ts' -not -name '*.integration.ts' 2>/dev/null) proto/api/table/k8s-api-1.36.json

dist/k8ts.mjs: node_modules/.package-lock.json $(SOURCES) deploy/build.mjs package.json
	@deploy/step "bundle" deploy/as-owner node deploy/build.mjs

.PHONY: build
build: dist/k8ts.mjs ## Build the one bundle, dist/k8ts.mjs

.PHONY: up
up: ## Set up this machine, start a cluster on it and deploy a small demo
	@deploy/up.sh

.PHONY: install
install: ## Install what k8ts needs and put it on the PATH; start nothing
	@deploy/install.sh

.PHONY: down
down: ## Stop the cluster; its state stays
	@test -x dist/k8ts.mjs || { echo "k8ts was never built here; nothing runs"; exit 0; }; dist/k8ts.mjs down

.PHONY: reset
reset: ## Remove every trace of the cluster from this machine
	@test -x dist/k8ts.mjs || $(MAKE) --no-print-directory build; dist/k8ts.mjs reset --yes
	@test "$$(readlink -f /usr/local/bin/k8ts)" != "$$PWD/dist/k8ts.mjs" || { rm -f /usr/local/bin/k8ts && echo "✔ the link /usr/local/bin/k8ts is removed"; }

.PHONY: install-systemd
install-systemd: dist/k8ts.mjs ## Let systemd run it (UNIT=k8ts, k8ts-server or k8ts-agent)
	@deploy/systemd/install.sh $(or $(UNIT),k8ts)

.PHONY: proto
proto: node_modules/.package-lock.json ## Write generated code again from the tables
	for generate in proto/*/generate.ts proto/plugins/*/generate.ts; do npx --no-install tsx $$generate || exit 1; done

.PHONY: check
check: node_modules/.package-lock.json ## Types, lint, format, layers, cycles, dead code, generated code, unit tests
	@deploy/check.sh

.PHONY: unit
unit: node_modules/.package-lock.json ## Unit tests alone
	@$(JEST)

.PHONY: deps
deps: ## Install the Debian packages that k8ts needs
	@deploy/debian-packages.sh

.PHONY: test-deps
test-deps: ## Install the Debian packages that the tests need besides
	@deploy/debian-packages.sh etcd-server etcd-client docker-registry wrk

.PHONY: test
test: test-deps dist/k8ts.mjs ## Everything: checks, unit tests, and the suites on real containerd, kernel and kubectl
	@deploy/test.sh

.PHONY: e2e
e2e: test-deps dist/k8ts.mjs ## The suites on the real thing alone (SUITE=name for one)
	@e2e/run.sh $(SUITE)

.PHONY: lab
lab: deps dist/k8ts.mjs ## Keep a cluster of one control node and NODES workers up in network namespaces
	@npx --no-install tsx e2e/lab/main.ts up --nodes $(NODES)

.PHONY: lab-down
lab-down: ## Take the lab away
	@npx --no-install tsx e2e/lab/main.ts down

.PHONY: bench
bench: deps dist/k8ts.mjs ## Measure the API server (beside upstream's where it is), start, pods, a full node, memory and CPU, and the CRI floor
	@npx --no-install tsx e2e/bench/main.ts

.PHONY: bench-scale
bench-scale: deps dist/k8ts.mjs ## Measure 5,000 Deployments and 50,000 pods on 1,000 made-up nodes, and a kill -9 of their server
	@npx --no-install tsx e2e/bench/main.ts --only scale

.PHONY: chaos
chaos: test-deps dist/k8ts.mjs ## Kill k8ts 50 times while pods come and go (ROUNDS), its API server 200 times under writes (KILLS), its control plane in rollouts, replace 50 pods under load (PODS)
	@E2E_CHAOS_ROUNDS=$${ROUNDS:-50} e2e/run.sh chaos
	@E2E_STORE_KILLS=$${KILLS:-200} e2e/run.sh store-chaos
	@E2E_CONTROL_KILLS=$${ROUNDS:-50} E2E_STANDSTILL_MS=60000 e2e/run.sh convergence
	@E2E_LOAD_PODS=$${PODS:-50} e2e/run.sh load
	@STORE_DAMAGE_RUNS=300 STORE_KILLS=50 $(JEST) controlplane/store/sqlite/damage controlplane/store/sqlite/crash

.PHONY: soak
soak: deps dist/k8ts.mjs ## An hour (SOAK_MINUTES) of pods of all kinds under kills of k8ts, runtime and processes; fails on what is left over
	@npx --no-install tsx e2e/soak/main.ts

.PHONY: conformance
conformance: deps dist/k8ts.mjs ## Official conformance specs (CONFORMANCE_SUITE=dir of the suite's scripts, FOCUS=regex)
	@e2e/conformance.sh

.PHONY: upstream
upstream: deps dist/k8ts.mjs ## Upstream's controllers, scheduler, kubelet and proxy against our API server (CONFORMANCE_DIR=their programs)
	@e2e/upstream.sh

.PHONY: clean
clean: ## Remove what was built
	rm -rf dist node_modules
