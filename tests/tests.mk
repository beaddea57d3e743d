# SPDX-License-Identifier: Apache-2.0
# Packages, demonstration, tests and benchmarks.  Tests run against builds of their own: build/fault
# has the fault points, build/san the sanitizers; build/dyno has neither.

# ---- packages --------------------------------------------------------------------------------
DEPS_BUILD := build-essential pkg-config scdoc libarchive-dev libisal-dev nettle-dev \
	libacl1-dev libxml2-dev liblzma-dev libzstd-dev libbz2-dev liblz4-dev zlib1g-dev libicu-dev \
	libseccomp-dev libcap-dev libjansson-dev libcurl4-openssl-dev
DEPS_SLUGS := python3 $(SLUG_PYTHON) libpq5 nodejs
DEPS_TEST  := libcmocka-dev bats jq curl openssl procps util-linux iproute2 nftables passt redis-tools strace uidmap \
	rsyslog rsyslog-gnutls systemd postgresql-15 nginx-light \
	e2fsprogs xfsprogs btrfs-progs squashfs-tools erofs-utils fuse2fs
DEPS_FUZZ  := clang llvm libclang-rt-14-dev
DEPS_LINT  := clang-format clang-tidy cppcheck shellcheck
DEPS_BENCH := bubblewrap crun isal libarchive-tools wrk
DEPS_BENCH_LOG := conmon ruby-foreman jq
DEPS_VM    := qemu-system-x86 busybox-static cpio kmod e2fsprogs

.PHONY: deps
deps: ## install by apt what builds, slugs and tests need
	$(Q)tests/helpers/deps $(DEPS_BUILD) $(DEPS_SLUGS) $(DEPS_TEST)

# ---- seeing it work --------------------------------------------------------------------------
# Recipes of several builds run make again for each: packages come first, and every build has its
# own O.
submake := $(MAKE) --no-print-directory

.PHONY: demo
demo: ## install, build, and show the guestbook serve, write, restart and forget
	$(Q)tests/helpers/deps $(DEPS_BUILD) $(DEPS_SLUGS) curl jq nftables
	+$(Q)$(submake) all slugs
	$(Q)tests/examples/demo.sh $(O)

# ---- tests -----------------------------------------------------------------------------------
BATS_SRC := $(sort $(wildcard tests/integration/*.bats))
# The build directory from anywhere; abspath would take a blank in the path of the tree for its end.
BUILT := $(if $(filter /%,$(O)),$(O),$(CURDIR)/$(O))
run_tests = DYNO='$(BUILT)/fault/dyno' SLUGS='$(BUILT)/slugs' \
	tests/run --unit tests/unit/test_run.sh $(UNIT_SRC:tests/unit/%.c=$(O)/fault/unit/%) \
	--sanitized $(UNIT_SRC:tests/unit/%.c=$(O)/san/unit/%) --bats $(BATS_SRC)

# What make says of a failed build scrolls away under that of another: its end says which it was.
or_say = || { echo 'FAILED before any test: make $(1)' >&2; exit 1; }

.PHONY: test-builds check check-long
test-builds:
	+$(Q)$(submake) deps $(call or_say,deps)
	+$(Q)$(submake) all slugs $(call or_say,all slugs)
	+$(Q)$(submake) O=$(O)/fault FAULT=1 all units $(call or_say,O=$(O)/fault FAULT=1 all units)
	+$(Q)$(submake) O=$(O)/san SAN=1 units $(call or_say,O=$(O)/san SAN=1 units)

check: test-builds ## unit and integration tests; the last line is "N passed, N failed"
	$(Q)$(run_tests)

check-long: test-builds ## the same with every loop in full length
	$(Q)DYNO_LONG=1 FILE_TIMEOUT=14400 BATS_TEST_TIMEOUT=7200 $(run_tests)

.PHONY: lint
lint: export LINT_FLAGS := $(subst ',,$(CSTD) $(CPPFLAGS))
lint: ## layers, format, analysers, and what no test names
	$(Q)tests/helpers/deps $(DEPS_BUILD) $(DEPS_TEST) $(DEPS_LINT)
	+$(Q)$(submake) all WERROR=1
	$(Q)O=$(O) tests/lint/run

.PHONY: check-vm
check-vm: ## the integration tests on Debian's kernel with cgroup v2 only, in a virtual machine
	$(Q)tests/helpers/deps $(DEPS_VM)
	+$(Q)$(submake) test-builds
	$(Q)tests/vm/check-vm.sh $(O)
