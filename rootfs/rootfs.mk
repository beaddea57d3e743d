# SPDX-License-Identifier: Apache-2.0
# The helpers that read and write archives.  The reader is linked statically where the distribution
# has an archive of a library: only the parts in use come along (libarchive without its XML, ICU
# and ACL), and a start of it loads two libraries, not sixteen.  Of the writer libarchive's parts
# cannot be had one by one, and nobody waits for its start.
BINS += $(O)/dyno-unpack $(O)/dyno-pack

UNPACK_LIB  := $(O)/libunpack.a
UNPACK_LIBS := -Wl,-Bstatic -larchive -lnettle -lzstd -llzma -Wl,-Bdynamic -lisal -pthread

$(UNPACK_LIB): $(call obj,$(filter-out rootfs/unpack.c,$(UNPACK_SRC)))
	$(call say,AR,$@)rm -f $@; $(AR) rcs $@ $^

$(O)/dyno-unpack: $(call obj,rootfs/unpack.c) $(UNPACK_LIB) $(CORE_LIB)
	$(call say,LD,$@)$(CC) $(ALLCFLAGS) $(LDFLAGS) -pie -o $@ $(filter %.o %.a,$^) $(UNPACK_LIBS)

$(O)/dyno-pack: $(call obj,$(PACK_SRC)) $(CORE_LIB)
	$(call say,LD,$@)$(CC) $(ALLCFLAGS) $(LDFLAGS) -pie -o $@ $(filter %.o %.a,$^) \
		-larchive -lnettle

# The description of the host stack as a C string.
GEN += $(O)/gen/stack_host_conf.h
$(O)/gen/stack_host_conf.h: rootfs/stack/host.conf
	@mkdir -p $(@D)
	$(call say,GEN,$@){ echo 'static const char stack_host_conf[] ='; \
		sed -e 's/[\\"]/\\&/g' -e 's/^/"/' -e 's/$$/\\n"/' $<; echo ';'; } > $@.tmp && mv $@.tmp $@

# Tests of the unpacker's parts link them; those of the store run the helpers beside them.
$(O)/unit/test_unpack: $(UNPACK_LIB)
$(O)/unit/test_unpack: DYNO_LIBS += $(CORE_LIB) $(UNPACK_LIBS)
$(O)/unit/test_cage: $(UNPACK_LIB)
$(O)/unit/test_cage: DYNO_LIBS += $(CORE_LIB) $(UNPACK_LIBS)
$(O)/unit/test_store: $(O)/dyno-unpack $(O)/dyno-pack
$(O)/unit/test_copyout: $(O)/dyno-pack

# The fuzzer drives the whole reader.  Its libraries are shared ones: they stand before the objects.
FUZZ_UNPACK := $(filter-out rootfs/unpack.c rootfs/unpack_cage.c rootfs/unpack_verify.c,$(UNPACK_SRC)) \
	rootfs/manifest.c
$(O)/fuzz/fuzz_unpack: $(call obj,$(FUZZ_UNPACK))
$(O)/fuzz/fuzz_unpack: LDFLAGS += -Wl,--no-as-needed -larchive -lnettle -lzstd -llzma -lisal -pthread
