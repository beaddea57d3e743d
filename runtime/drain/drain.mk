# SPDX-License-Identifier: Apache-2.0
# The helper that sends logs elsewhere.  libcurl and its TLS are linked into nothing else.
BINS += $(O)/dyno-drain

DRAIN_SRC := $(wildcard runtime/drain/*.c)

$(O)/dyno-drain: $(call obj,$(DRAIN_SRC)) $(CORE_LIB)
	$(call say,LD,$@)$(CC) $(ALLCFLAGS) $(LDFLAGS) -pie -o $@ $(filter %.o %.a,$^) -lcurl
