# SPDX-License-Identifier: Apache-2.0
# dyno - one makefile for everything.  `make help` lists the targets.
#
#   O=DIR      build directory (build)      WERROR=1  warnings are errors
#   SAN=1      address and UB sanitizers    V=1       show the commands
#   FUZZ=1     clang, libFuzzer             COV=1     gcov
#   FAULT=1    fault points (DYNO_FAULT)    prefix=, DESTDIR= for install
MAKEFLAGS += -rR
.SUFFIXES:
.SECONDEXPANSION:
SHELL := /bin/bash

VERSION := 0.1.0
O       ?= build
prefix  ?= /usr/local
bindir      = $(DESTDIR)$(prefix)/bin
libexecdir  = $(DESTDIR)$(prefix)/libexec/dyno
libdir      = $(DESTDIR)$(prefix)/lib
includedir  = $(DESTDIR)$(prefix)/include
mandir      = $(DESTDIR)$(prefix)/share/man
completedir = $(DESTDIR)$(prefix)/share/bash-completion/completions
unitdir     = $(DESTDIR)$(prefix)/lib/systemd/system
CC      := gcc
AR      := gcc-ar
Q       := $(if $(V),,@)
say      = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)';)
# Builds use every core unless the caller says otherwise.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif

CSTD     := -std=gnu17
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wformat=2 -Wvla -Walloca -Wundef -Wconversion \
	-Wsign-conversion -Wswitch-enum -Wimplicit-fallthrough -Wnull-dereference -Wdate-time \
	-Wnested-externs -Wredundant-decls
GCCWARN  := -Wduplicated-cond -Wduplicated-branches -Wlogical-op -Wjump-misses-init \
	-Wstack-usage=65536
HARDEN   := -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection \
	-fno-common -fno-strict-aliasing -fvisibility=hidden
LDHARDEN := -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code
ARCH     := $(shell uname -m)
ifeq ($(ARCH),x86_64)
HARDEN   += -fcf-protection=full
endif
OPT      := -O2 -g
PIE      := -fPIE
LINKPIE  := -static-pie

ifdef FUZZ
CC       := clang
AR       := llvm-ar-14
SAN      := 1
SANFLAGS := -fsanitize=fuzzer-no-link
endif
ifdef SAN
SANFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
HARDEN   := -fno-common -fno-strict-aliasing -fvisibility=hidden
LINKPIE  := -pie
OPT      := -O1 -g
endif
ifdef COV
SANFLAGS += --coverage
LINKPIE  := -pie
endif
ifneq ($(CC),clang)
WARN     += $(GCCWARN)
HARDEN   += -ftrivial-auto-var-init=zero
endif
ifdef WERROR
WARN     += -Werror
endif

DEFS     := -D_GNU_SOURCE -DDYNO_VERSION='"$(VERSION)"' $(if $(FAULT),-DDYNO_WITH_FAULTS)
CPPFLAGS += $(DEFS) -Iinclude -Iruntime -I. -I$(O)/gen
CFLAGS   ?= $(OPT)
# What libcore needs beside libc.  dyno holds it (static-pie); tests take it as it is installed.
DYNO_LIBS := -ljansson
ALLCFLAGS = $(CSTD) $(CFLAGS) $(WARN) $(HARDEN) $(PIE) $(SANFLAGS) \
	'-ffile-prefix-map=$(CURDIR)=.' -MMD -MP
LDFLAGS  += $(LDHARDEN) $(SANFLAGS)

.PHONY: all
all:

# ---- sources ---------------------------------------------------------------------------------
# libcore: everything that dyno, the helpers and the tests share.  The unpacker's own files are
# apart: nothing else may link an archive library.
LAYERS    := base model kernel engine
CORE_SRC  := $(wildcard $(LAYERS:%=runtime/%/*.c)) $(filter-out rootfs/unpack% rootfs/pack%,$(wildcard rootfs/*.c))
CLI_SRC   := $(wildcard runtime/cli/*.c)
UNPACK_SRC := $(wildcard rootfs/unpack*.c)
PACK_SRC  := $(wildcard rootfs/pack*.c)
INIT_SRC  := runtime/init/init.c
UNIT_SRC  := $(wildcard tests/unit/test_*.c)
FUZZ_SRC  := $(wildcard tests/fuzz/fuzz_*.c)

obj = $(patsubst %.c,$(O)/obj/%.o,$(1))
CORE_LIB := $(O)/libcore.a

# Else make removes the objects of tests, each time by a long line.
.PRECIOUS: $(O)/obj/%.o
$(O)/obj/%.o: %.c Makefile | $$(GEN)
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CPPFLAGS) $(ALLCFLAGS) -c -o $@ $<

$(CORE_LIB): $(call obj,$(CORE_SRC))
	$(call say,AR,$@)rm -f $@; $(AR) rcs $@ $^

# ---- generated sources -----------------------------------------------------------------------
# Each *.mk beside a module adds its generators to GEN, its programs to BINS, its checks to the
# targets below.
GEN  :=
BINS :=
include $(sort $(wildcard runtime/*/*.mk rootfs/*.mk tests/*.mk tests/*/*.mk))

# ---- the command -----------------------------------------------------------------------------
BINS += $(O)/dyno
$(O)/dyno: $(call obj,$(CLI_SRC)) $(CORE_LIB)
	$(call say,LD,$@)$(CC) $(ALLCFLAGS) $(LDFLAGS) $(LINKPIE) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(DYNO_LIBS)

all: $(BINS) ## build/dyno and its helpers, runnable in place (the default)

# ---- unit tests ------------------------------------------------------------------------------
UNIT_BINS := $(patsubst tests/unit/%.c,$(O)/unit/%,$(UNIT_SRC))
# What a later make would have to compile again.
.SECONDARY: $(UNIT_SRC:%.c=$(O)/obj/%.o)
$(O)/unit/%: $(O)/obj/tests/unit/%.o $(CORE_LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALLCFLAGS) $(LDFLAGS) -pie -o $@ $(filter %.o,$^) $(filter %.a,$^) -lcmocka $(DYNO_LIBS)

.PHONY: units unit
units: $(UNIT_BINS)

unit: units ## run the unit tests of this build
	$(Q)tests/run --unit $(UNIT_BINS)

# ---- installation ----------------------------------------------------------------------------
HELPERS := $(O)/dyno-unpack $(O)/dyno-pack $(O)/dyno-monitor $(O)/dyno-seccomp $(O)/dyno-drain \
	$(O)/dyno-forward

.PHONY: install
install: all $(HELPERS) ## install below $(DESTDIR)$(prefix)
	install -d $(bindir) $(libexecdir) $(libdir)/pkgconfig $(includedir) $(completedir)
	install -m 755 $(O)/dyno $(bindir)/dyno
	install -m 755 $(HELPERS) $(libexecdir)/
	install -m 644 include/dyno.h $(includedir)/dyno.h
	install -m 644 $(LIBDYNO) $(LIBDYNO_A) $(libdir)/
	ln -sf $(notdir $(LIBDYNO)) $(libdir)/libdyno.so
	install -m 644 $(O)/dyno.pc $(libdir)/pkgconfig/dyno.pc
	install -m 644 $(COMPLETION) $(completedir)/dyno
	install -D -m 644 -t $(unitdir) $(UNITS)
	$(Q)for page in $(MANPAGES); do \
		install -v -D -m 644 $$page $(mandir)/man$${page##*.}/$${page##*/} || exit 1; done

.PHONY: clean
clean: ## remove the build directory
	rm -rf $(O)

.PHONY: help
help: ## this list
	@echo 'targets (O=DIR SAN=1 WERROR=1 FAULT=1 COV=1 V=1 as variables):'
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  %-12s %s\n", $$1, $$2 }' \
		$(MAKEFILE_LIST) | sort -u

-include $(shell find $(O)/obj -name '*.d' 2>/dev/null)
