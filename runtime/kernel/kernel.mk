# SPDX-License-Identifier: Apache-2.0
# Generated headers are order-only prerequisites of all objects; these two really depend on them.
$(O)/obj/runtime/kernel/seccomp.o $(O)/obj/tests/unit/test_seccomp.o: $(O)/gen/seccomp_default.h

# The parsers of mountinfo and /proc/PID/cgroup, and of the log, have fuzzers.
FUZZ_MODULES += runtime/kernel/cgroup_layout.c runtime/kernel/oomlog.c

# What loading the filter costs, beside a list of the same calls.
$(O)/bench/seccomp: $(O)/obj/tests/bench/seccomp.o $(O)/obj/runtime/kernel/seccomp.o
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALLCFLAGS) $(LDFLAGS) -pie -o $@ $(filter %.o,$^) -lseccomp

.PHONY: bench-seccomp
bench-seccomp: $(O)/bench/seccomp ## time the load of the seccomp filter
	$(Q)$<
