# SPDX-License-Identifier: Apache-2.0
# Fuzzers of the parsers.  `fuzz` builds them with clang's libFuzzer in a build directory of their
# own and puts them into $(O)/fuzz; `fuzz-smoke` runs each for FUZZ_SECONDS from its seed corpus and
# fails with the first crash, leak or hang.  What a run finds goes to $(O)/fuzz/found, never into
# the tree.  Parsers are pure, so layers 0 and 1 suffice; a module that has a fuzzer and lies
# elsewhere is named in FUZZ_MODULES.  Warnings are gcc's business: WERROR does not reach clang.
FUZZ_SECONDS ?= 60
FUZZ_MODULES += $(wildcard runtime/base/*.c runtime/model/*.c)
FUZZ_BINS    := $(patsubst tests/fuzz/%.c,$(O)/fuzz/%,$(FUZZ_SRC))

ifdef FUZZ
$(O)/fuzz/%: $(O)/obj/tests/fuzz/%.o $$(call obj,$$(FUZZ_MODULES))
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALLCFLAGS) $(LDFLAGS) -fsanitize=fuzzer -pie -o $@ $(filter %.o,$^) \
		$(DYNO_LIBS)

.SECONDARY: $(call obj,$(FUZZ_SRC))
.PHONY: fuzz-bins
fuzz-bins: $(FUZZ_BINS)
endif

.PHONY: fuzz fuzz-smoke fuzz-slugs
fuzz: ## build the fuzzers (clang, libFuzzer)
	$(Q)$(MAKE) --no-print-directory FUZZ=1 WERROR= O=$(O)-fuzz fuzz-bins
	$(Q)mkdir -p $(O)/fuzz && cp $(patsubst $(O)/%,$(O)-fuzz/%,$(FUZZ_BINS)) $(O)/fuzz/

fuzz-smoke: fuzz ## run each fuzzer for FUZZ_SECONDS (60)
	$(Q)for f in $(notdir $(FUZZ_BINS)); do \
		seeds=tests/fuzz/corpus/$${f#fuzz_}; found=$(O)/fuzz/found/$$f/; \
		mkdir -p $$found && $(O)/fuzz/$$f -max_total_time=$(FUZZ_SECONDS) -verbosity=0 \
			-timeout=10 -rss_limit_mb=1024 -max_len=65536 -print_final_stats=1 \
			-artifact_prefix=$$found $$found $$seeds || { echo "$$f failed"; exit 1; }; \
	done

# The whole of it, by the program that users run: as root it is the privileged path that is tried.
fuzz-slugs: all slugs ## mutated slugs through dyno slug add, canaries around the store, FUZZ_SECONDS
	$(Q)tests/fuzz/slug_add.py -t $(FUZZ_SECONDS) $(O)/dyno $(O)/slugs/*.tgz
