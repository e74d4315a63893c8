# trueup. "make" alone lists what there is. Everything a target needs that this machine lacks, scripts/ installs.

GO ?= go
TEST_TIMEOUT ?= 25m
FUZZ_TIME ?= 60s
# Go refuses to build where git refuses to speak (a checkout that belongs to another user): build without the commit then.
BUILD_FLAGS := $(shell git status >/dev/null 2>&1 || echo -buildvcs=false)

.PHONY: help build demo test test-long test-fuzz test-mutation test-images test-matrix bench lint clean setup

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

build: ## bin/trueup
	@mkdir -p bin
	$(GO) build $(BUILD_FLAGS) -o bin/trueup ./cmd/trueup

setup: ## find or install a MariaDB server program (no service is started)
	@scripts/setup-mariadb.sh

demo: setup build ## a private source with two replicas, damaged, checked, repaired and recovered; stops everything it starts
	bin/trueup demo

test: setup ## unit, property and integration tests on real servers, with the race detector
	@scripts/setup-tools.sh race galera
	REQUIRE_SERVERS=1 $(GO) test -race -timeout $(TEST_TIMEOUT) ./...

test-long: setup ## the same and what takes longer, and test-fuzz
	@scripts/setup-tools.sh race galera
	REQUIRE_SERVERS=1 TRUEUP_TEST_LONG=1 $(GO) test -race -count=1 -timeout 2h ./...
	@$(MAKE) --no-print-directory test-fuzz

test-fuzz: ## every fuzz test for FUZZ_TIME (60s)
	@GO="$(GO)" scripts/test-fuzz.sh "$(FUZZ_TIME)"

test-mutation: setup ## break trueup on purpose in some 100 ways: a test must fail each time; TRUEUP_MUTATION_RUNS=5
	REQUIRE_SERVERS=1 $(GO) test -tags mutation -count=1 -parallel 2 -v -timeout $(TEST_TIMEOUT) ./integration/mutation

test-images: ## the images for test-matrix: official ones, or built from Debian packages; TRUEUP_START_DOCKER=1
	@scripts/test-images.sh

test-matrix: ## integration tests on MySQL and MariaDB in containers; TRUEUP_TEST_IMAGES=mysql:8.4,...
	@GO="$(GO)" scripts/test-matrix.sh $(TEST_ARGS)

bench: setup build ## trueup beside pt-table-checksum and pt-table-sync, and what writers bear; TRUEUP_BENCH_ROWS
	@scripts/setup-tools.sh bench
	$(GO) run ./bench -trueup bin/trueup

lint: ## gofmt, go vet, staticcheck, import rules
	@scripts/setup-tools.sh lint
	@scripts/lint.sh

clean: ## remove what the targets above built
	rm -rf bin .tools
