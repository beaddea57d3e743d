# SPDX-License-Identifier: Apache-2.0
# Man pages from scdoc sources, the page of error classes from errclass.h, completion from the
# option tables of the program itself.

MAN_SRC    := $(wildcard runtime/doc/*.scd)
MANPAGES   := $(patsubst runtime/doc/%.scd,$(O)/man/%,$(MAN_SRC)) $(O)/man/dyno-errors.7
COMPLETION := $(O)/dyno.bash

# scdoc puts the date of the build into a page unless it is told one: that of the last release.
MAN_EPOCH  := $(or $(SOURCE_DATE_EPOCH),1780272000)

$(O)/man/%: runtime/doc/%.scd
	@mkdir -p $(@D)
	$(call say,MAN,$@)SOURCE_DATE_EPOCH=$(MAN_EPOCH) scdoc < $< > $@.tmp && mv $@.tmp $@

# The preprocessor reads the list, so that it need not stand one class on a line.
$(O)/gen/errors.list: runtime/base/errclass.h
	@mkdir -p $(@D)
	$(call say,GEN,$@){ echo '#include "$<"'; \
		echo '#define ROW(n, e, name, code, text) @@ name @ code @ text'; \
		echo 'DYNO_ERR_CLASSES(ROW)'; } | $(CC) -E -P -I. - | tr -d '\n' | \
		sed 's/ *@@ */\n/g' > $@.tmp && mv $@.tmp $@

# The names of the classes are to be found in the page by grep: no zero-width \& after their dots.
$(O)/man/dyno-errors.7: $(O)/gen/errors.list runtime/doc/errors.awk runtime/doc/errors.head
	@mkdir -p $(@D)
	$(call say,MAN,$@)awk -f runtime/doc/errors.awk runtime/doc/errors.head $< | \
		SOURCE_DATE_EPOCH=$(MAN_EPOCH) scdoc | sed 's/\.\\&\([a-z]\)/.\1/g' > $@.tmp && \
		mv $@.tmp $@

$(COMPLETION): $(O)/dyno
	$(call say,GEN,$@)$< help --completion bash > $@.tmp && mv $@.tmp $@

all: $(MANPAGES) $(COMPLETION)
