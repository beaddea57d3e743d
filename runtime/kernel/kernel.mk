# SPDX-License-Identifier: Apache-2.0
# The seccomp filter: a program of the build compiles the policy into C arrays, see
# runtime/seccomp/compile.c.  It is built without sanitizers: it only runs here.
SECCOMP_COMPILE := $(O)/tool/seccomp-compile
SECCOMP_GEN     := $(O)/gen/seccomp_default.h
SECCOMP_RULES   := $(O)/gen/seccomp_default_rules.h
GEN             += $(SECCOMP_GEN)

$(SECCOMP_COMPILE): runtime/seccomp/compile.c Makefile runtime/kernel/kernel.mk
	@mkdir -p $(@D)
	$(call say,HOSTCC,$@)$(CC) $(CSTD) -O1 $(WARN) -D_GNU_SOURCE -o $@ $< -lseccomp

# One run makes both headers; the rules are for the unit test.
$(SECCOMP_GEN): runtime/seccomp/default.policy $(SECCOMP_COMPILE)
	@mkdir -p $(@D)
	$(call say,SECCOMP,$@)$(SECCOMP_COMPILE) $< seccomp_default $(SECCOMP_GEN) $(SECCOMP_RULES)

# Generated headers are order-only prerequisites of all objects; these two really depend on them.
$(O)/obj/runtime/kernel/seccomp.o $(O)/obj/tests/unit/test_seccomp.o: $(SECCOMP_GEN)

# The parser of mountinfo and /proc/PID/cgroup has a fuzzer.
FUZZ_MODULES += runtime/kernel/cgroup_layout.c

# What loading the filter costs, beside a list of the same calls.
$(O)/bench/seccomp: $(O)/obj/tests/bench/seccomp.o $(O)/obj/runtime/kernel/seccomp.o
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALLCFLAGS) $(LDFLAGS) -pie -o $@ $(filter %.o,$^) -lseccomp

.PHONY: bench-seccomp
bench-seccomp: $(O)/bench/seccomp ## time the load of the seccomp filter
	$(Q)$<
