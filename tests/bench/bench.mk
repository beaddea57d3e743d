# SPDX-License-Identifier: Apache-2.0
# Programs that measure.  floor is linked as statically as a program can be: no loader, no PIE.
BENCH_BINS := $(O)/bench/pairs $(O)/bench/floor

$(O)/bench/floor-init: tests/bench/floor-init.c runtime/init/syscall.h tests/bench/bench.mk
	@mkdir -p $(@D)
	$(call say,CC,$@)gcc $(INIT_CFLAGS) -Iruntime $(INIT_LDFLAGS) -o $@ $<

$(O)/obj/tests/bench/floor.o: $(O)/bench/floor-init $(SECCOMP_GEN)
$(O)/obj/tests/bench/floor.o: CPPFLAGS += -DFLOOR_INIT_PATH='"$(O)/bench/floor-init"'
$(O)/obj/tests/bench/floor.o: PIE := -fno-pie

$(O)/bench/floor: $(O)/obj/tests/bench/floor.o $(CORE_LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -static -no-pie $(LDHARDEN) -o $@ $(filter %.o,$^) $(filter %.a,$^)

$(O)/bench/pairs: $(O)/obj/tests/bench/pairs.o $(call obj,$(wildcard runtime/base/*.c))
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALLCFLAGS) $(LDFLAGS) -pie -o $@ $(filter %.o,$^)

.PHONY: bench bench-programs
bench-programs: $(BENCH_BINS)

bench: ## time a warm start beside the floor program, crun and bwrap
	$(Q)tests/helpers/deps $(DEPS_BUILD) $(DEPS_SLUGS) $(DEPS_BENCH)
	+$(Q)$(submake) all slugs bench-programs
	$(Q)tests/bench/start.sh $(O)

.PHONY: bench-monitors
bench-monitors: ## memory and CPU of the supervisors of 500 idle dynos
	$(Q)tests/helpers/deps $(DEPS_BUILD) jq
	+$(Q)$(submake) all
	$(Q)tests/bench/monitors.sh $(O)

$(O)/bench/record: $(O)/obj/tests/bench/record.o $(CORE_LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALLCFLAGS) $(LDFLAGS) -pie -o $@ $(filter %.o,$^) $(filter %.a,$^) $(DYNO_LIBS)

.PHONY: bench-record
bench-record: $(O)/bench/record ## time exit records, events and state files, on disk and in memory
	$(Q)for top in /var/tmp /dev/shm; do \
		dir=$$(mktemp -d $$top/dyno-bench.XXXXXX) && echo "in $$top:" && $< $$dir; \
		rm -rf "$$dir"; done

$(O)/bench/logpath: $(O)/obj/tests/bench/logpath.o $(CORE_LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALLCFLAGS) $(LDFLAGS) -pie -o $@ $(filter %.o,$^) $(filter %.a,$^) $(DYNO_LIBS)

.PHONY: bench-log
bench-log: $(O)/bench/logpath $(O)/bench/pairs ## time an app's output into its log beside cat, conmon and foreman, on disk and in memory
	$(Q)tests/helpers/deps $(DEPS_BUILD) $(DEPS_BENCH_LOG)
	+$(Q)$(submake) all
	$(Q)TMPDIR=/var/tmp tests/bench/log.sh $(O)
	$(Q)TMPDIR=/dev/shm tests/bench/log.sh $(O)

.PHONY: bench-exec
bench-exec: $(O)/bench/pairs ## time a command in what runs beside crun, and what a terminal adds
	$(Q)tests/helpers/deps $(DEPS_BUILD) $(DEPS_SLUGS) $(DEPS_BENCH)
	+$(Q)$(submake) all slugs
	$(Q)tests/bench/exec.sh $(O)

.PHONY: bench-network
bench-network: ## requests and bytes per second by each way to a dyno, beside DNAT and pasta
	$(Q)tests/helpers/deps $(DEPS_BUILD) wrk nftables nginx-light passt jq curl
	+$(Q)$(submake) all
	$(Q)tests/bench/network.sh $(O)

.PHONY: bench-pasta
bench-pasta: $(O)/bench/pairs ## time a start without root with a private network beside the host's
	$(Q)tests/helpers/deps $(DEPS_BUILD) $(DEPS_SLUGS) passt
	+$(Q)$(submake) all slugs
	$(Q)tests/bench/pasta.sh $(O)

.PHONY: bench-publish
bench-publish: ## a million requests over 100 swaps, and a tenth of them over 100 restarts
	$(Q)tests/helpers/deps $(DEPS_BUILD) wrk nodejs jq
	+$(Q)$(submake) all
	$(Q)tests/bench/publish.sh $(O)
