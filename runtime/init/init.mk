# SPDX-License-Identifier: Apache-2.0
# dyno-init is libc-free: none of the hosted flags, no sanitizer, no coverage.
INIT_CFLAGS := -std=gnu17 -Os -g0 $(WARN) -ffreestanding -nostdlib -static -fno-pie -no-pie \
	-fno-stack-protector -fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns \
	-fomit-frame-pointer -fno-strict-aliasing
ifeq ($(ARCH),x86_64)
INIT_CFLAGS += -fcf-protection=none
endif
INIT_LDFLAGS := -Wl,-z,noseparate-code,-z,max-page-size=4096,--build-id=none,-z,noexecstack,-s
# Source: runtime/doc: dyno-init is under 16 KB
INIT_MAX_BYTES := 16384

$(O)/dyno-init: $(INIT_SRC) $(wildcard runtime/init/*.h) Makefile runtime/init/init.mk
	@mkdir -p $(@D)
	$(call say,CC,$@)gcc $(INIT_CFLAGS) -Iruntime $(INIT_LDFLAGS) -o $@.tmp $<
	$(Q)test $$(stat -c %s $@.tmp) -lt $(INIT_MAX_BYTES) || { echo "$@ is not under $(INIT_MAX_BYTES) bytes"; exit 1; }
	$(Q)mv $@.tmp $@

# The image travels inside dyno.
$(O)/obj/runtime/engine/initimage.o: $(O)/dyno-init
$(O)/obj/runtime/engine/initimage.o: CPPFLAGS += -DINIT_IMAGE_PATH='"$(O)/dyno-init"'
BINS += $(O)/dyno-init
