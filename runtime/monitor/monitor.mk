# SPDX-License-Identifier: Apache-2.0
# The monitor of a dyno that lives by itself: the engine without the command.
BINS += $(O)/dyno-monitor

$(O)/dyno-monitor: $(call obj,runtime/monitor/main.c) $(CORE_LIB)
	$(call say,LD,$@)$(CC) $(ALLCFLAGS) $(LDFLAGS) $(LINKPIE) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(DYNO_LIBS)
