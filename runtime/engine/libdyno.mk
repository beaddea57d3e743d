# SPDX-License-Identifier: Apache-2.0
# The library: libcore with the names of dyno.h alone.  Its objects are the command's own, compiled
# so that they may stand in a shared object; what that costs the command was measured: nothing.
LIBDYNO   := $(O)/libdyno.so.0
LIBDYNO_A := $(O)/libdyno.a
BINS      += $(LIBDYNO) $(LIBDYNO_A) $(O)/dyno.pc

$(call obj,$(CORE_SRC)): PIE := -fPIC -fno-semantic-interposition

$(LIBDYNO): $(call obj,$(CORE_SRC)) runtime/engine/libdyno.map runtime/engine/libdyno.mk
	$(call say,LD,$@)$(CC) $(ALLCFLAGS) $(LDFLAGS) -shared -Wl,-soname,$(@F) \
		-Wl,--version-script=runtime/engine/libdyno.map \
		$(if $(SANFLAGS),,-Wl,-z,defs) -o $@.tmp $(filter %.o,$^) $(DYNO_LIBS) && mv $@.tmp $@

# One object whose inner names are local: a program may have an err_set() of its own.
$(LIBDYNO_A): $(call obj,$(CORE_SRC)) runtime/engine/libdyno.mk
	$(call say,AR,$@)$(CC) -nostdlib -r -o $(O)/libdyno.o $(filter %.o,$^) && \
		objcopy --localize-hidden $(O)/libdyno.o && rm -f $@ && $(AR) rcs $@ $(O)/libdyno.o

$(O)/dyno.pc: runtime/engine/libdyno.pc.in $(O)/gen/places.h
	$(call say,GEN,$@)sed -e 's,@prefix@,$(prefix),' -e 's,@version@,$(VERSION),' $< > $@.tmp && \
		mv $@.tmp $@

# Where the helpers are once installed; another prefix makes another one.
GEN += $(O)/gen/places.h
.PHONY: places
$(O)/gen/places.h: places
	@mkdir -p $(@D)
	@echo '#define LIBEXEC_DIR "$(prefix)/libexec/dyno"' | cmp -s - $@ || \
		echo '#define LIBEXEC_DIR "$(prefix)/libexec/dyno"' > $@
