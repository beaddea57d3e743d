# SPDX-License-Identifier: Apache-2.0
# What stands behind a published port.
BINS += $(O)/dyno-forward

$(O)/dyno-forward: $(call obj,$(wildcard runtime/forward/*.c)) $(CORE_LIB)
	$(call say,LD,$@)$(CC) $(ALLCFLAGS) $(LDFLAGS) $(LINKPIE) -o $@ $(filter %.o,$^) $(filter %.a,$^)

$(O)/unit/test_pump: $(call obj,runtime/forward/pump.c)
