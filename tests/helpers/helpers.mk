# SPDX-License-Identifier: Apache-2.0
# Programs that only tests need; they come with the builds that have fault points, beside dyno,
# where the tests' own user finds them.
ifdef FAULT
BINS += $(O)/deny-syscall $(O)/hostile

$(O)/deny-syscall: $(O)/obj/tests/helpers/deny-syscall.o $(CORE_LIB)
	$(call say,LD,$@)$(CC) $(ALLCFLAGS) $(LDFLAGS) -pie -o $@ $(filter %.o %.a,$^) -lseccomp

# It runs inside dynos, of whatever stack: static.
$(O)/hostile: $(call obj,$(wildcard tests/helpers/hostile/*.c)) $(CORE_LIB)
	$(call say,LD,$@)$(CC) $(ALLCFLAGS) $(LDFLAGS) -static-pie -o $@ $(filter %.o %.a,$^) -lseccomp
endif
