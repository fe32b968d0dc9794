# Tuma. `make help` lists the targets; CONTRIBUTING.md says when to use them.
.POSIX:
.SUFFIXES:

# The linter is pinned: another version finds other things. It is built by the Go command, so that
# nothing has to be installed; the first build takes two to five minutes, later runs seconds.
GOLANGCI = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
TEST_TIMEOUT = 40m
FUZZTIME = 20s
MINUTES = 10
SEEDS = 200
SEED = 1

.PHONY: help build demo quick test proof sim mutations crash lost storm bench check fmt vet lint tidy docs vuln fuzz clean

help: ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | \
		while IFS='|' read -r target what; do printf '%-8s %s\n' "$$target" "$$what"; done

build: ## build bin/enqueuer, bin/worker, bin/poller and bin/sandbox
	go build -trimpath -o bin/ ./cmd/enqueuer ./cmd/worker ./cmd/poller ./cmd/sandbox

demo: build ## run everything in one process against simulated providers
	bin/sandbox up

# The package e2e takes longest, so it begins first. The second command makes the long runs that the
# first one leaves out (proctest.LongRuns).
test: ## run all tests with the race detector (as root: installs what they need)
	scripts/need-redis
	scripts/need-cc
	scripts/need-chromium
	scripts/need-promtool
	scripts/need-standardwebhooks
	go test -race -timeout $(TEST_TIMEOUT) ./internal/test/e2e ./...
	go test -timeout $(TEST_TIMEOUT) ./internal/state

quick: ## run the tests that need no process of their own, for the inner loop (make test runs all)
	scripts/need-redis
	go test -short ./...

proof: ## send 200,000 recipients through real processes and compare every cent with the ledger
	scripts/need-redis
	TUMA_E2E_RECIPIENTS=200000 go test -count=1 -timeout $(TEST_TIMEOUT) -v \
		-run '^TestTwoHundredThousand$$' ./internal/test/e2e

sim: ## run SEEDS=200 scenarios of everything that can go wrong, from SEED=1 on
	scripts/need-redis
	go test -count=1 -timeout $(TEST_TIMEOUT) -v -run '^TestSimulation$$' ./internal/test/sim \
		-sim.seeds $(SEEDS) -sim.seed $(SEED)

mutations: ## break scripts and code on purpose, line by line: the simulation must notice each
	scripts/need-redis
	go test -count=1 -timeout $(TEST_TIMEOUT) -v -run '^TestEveryBreak' ./internal/test/sim -sim.breaks

storm: ## break everything for MINUTES=10 as SEED=1 plans it, then compare the ledgers
	scripts/need-redis
	go test -count=1 -timeout $$(($(MINUTES) + 40))m -v -run '^TestStorm$$' ./internal/test/chaos \
		-minutes $(MINUTES) -seed $(SEED)

lost: ## cut the power of Redis, and promote replicas that lag
	scripts/need-redis
	go test -count=1 -timeout $(TEST_TIMEOUT) -v -run 'Lost|Fsync|Replica|Acknowledg' ./internal/test/chaos

crash: ## kill real processes before and after everything that they do, and check the ledgers
	scripts/need-redis
	go test -count=1 -timeout $(TEST_TIMEOUT) -v \
		-run '^(TestCrashPoints|TestTheLedgerShowsABadRecovery|TestABudgetIsKeptThroughKills)$$' \
		./internal/test/e2e

bench: ## measure against the floor and a peer, and write docs/benchmarks.md
	scripts/need-redis
	go run ./bench -write docs/benchmarks.md

check: fmt vet lint tidy ## run every check that is no test

fmt: ## list files that gofmt would change, and fail if there are any
	@files=$$(gofmt -l bench client cmd deploy docs internal) && test -z "$$files" || { \
		echo "not formatted (run gofmt -w on them):" >&2; echo "$$files" >&2; exit 1; }

vet: ## look for likely mistakes
	go vet ./...

lint: ## run the linters of .golangci.yaml
	go run $(GOLANGCI) run ./...

tidy: ## check go.mod and the house rules of internal/tidy
	go mod tidy -diff
	go test -count=1 ./internal/tidy

# The packages whose code the pages repeat; one after the other, since several write into one page.
PAGES = ./internal/airtime ./internal/cli ./internal/config ./internal/providers/catalog \
	./internal/test/sim ./internal/test/e2e ./internal/ops

docs: ## write what docs/ and README.md repeat from the code
	scripts/need-redis
	scripts/need-promtool
	go test -count=1 -p 1 $(PAGES) -run '^(TestThePageOf|TestDashboardAndAlertsOnALiveScrape$$)/^page$$' \
		-write-docs

vuln: ## look for known vulnerabilities (exit code 75: the database cannot be reached)
	scripts/vuln

fuzz: ## run every fuzz test for a short while (FUZZTIME=20s)
	scripts/fuzz $(FUZZTIME)

clean: ## remove what build made
	rm -rf bin
