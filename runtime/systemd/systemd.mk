# SPDX-License-Identifier: Apache-2.0
# Units, with the place of the program in them.
UNITS := $(O)/dyno@.service

$(O)/%.service: runtime/systemd/%.service.in Makefile
	@mkdir -p $(@D)
	$(call say,GEN,$@)sed 's,@bindir@,$(prefix)/bin,' $< > $@.tmp && mv $@.tmp $@

all: $(UNITS)
