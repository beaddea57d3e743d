# SPDX-License-Identifier: Apache-2.0
# Policies of system calls.  A program of the build compiles default.policy into C arrays; it is
# built without sanitizers, as it only runs here.  dyno-seccomp compiles those of users.
SECCOMP_COMPILE := $(O)/tool/seccomp-compile
SECCOMP_GEN     := $(O)/gen/seccomp_default.h
SECCOMP_RULES   := $(O)/gen/seccomp_default_rules.h
GEN             += $(SECCOMP_GEN)
BINS            += $(O)/dyno-seccomp

SECCOMP_POLICY  := $(wildcard runtime/seccomp/policy*.c)
SECCOMP_HOST    := runtime/seccomp/compile.c $(filter-out %_json.c,$(SECCOMP_POLICY)) \
	runtime/base/err.c runtime/base/str.c runtime/base/fmt.c

$(SECCOMP_COMPILE): $(SECCOMP_HOST) $(wildcard runtime/seccomp/*.h) Makefile runtime/seccomp/seccomp.mk
	@mkdir -p $(@D)
	$(call say,HOSTCC,$@)$(CC) $(CSTD) -O1 $(WARN) -D_GNU_SOURCE -Iinclude -Iruntime -o $@ \
		$(filter %.c,$^) -lseccomp

# One run makes both headers; the rules are for the unit test.
$(SECCOMP_GEN): runtime/seccomp/default.policy $(SECCOMP_COMPILE)
	@mkdir -p $(@D)
	$(call say,SECCOMP,$@)$(SECCOMP_COMPILE) $< seccomp_default $(SECCOMP_GEN) $(SECCOMP_RULES) || \
		{ rm -f $(SECCOMP_GEN); exit 1; }

$(O)/dyno-seccomp: $(call obj,runtime/seccomp/helper.c $(SECCOMP_POLICY)) $(CORE_LIB)
	$(call say,LD,$@)$(CC) $(ALLCFLAGS) $(LDFLAGS) -pie -o $@ $(filter %.o %.a,$^) -lseccomp -ljansson

$(O)/unit/test_policy: $(call obj,$(SECCOMP_POLICY))
$(O)/unit/test_policy: DYNO_LIBS += -lseccomp
$(O)/unit/test_filter: $(O)/dyno-seccomp

# The reader of container profiles has a fuzzer, and so has all behind it.
$(O)/fuzz/fuzz_policy: $(call obj,$(SECCOMP_POLICY))
$(O)/fuzz/fuzz_policy: DYNO_LIBS += -lseccomp
