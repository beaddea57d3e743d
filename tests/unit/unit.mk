# SPDX-License-Identifier: Apache-2.0
# Tests that let an allocation fail.
$(O)/unit/test_dynospec: LDFLAGS += -Wl,--wrap=calloc,--wrap=realloc
# Tests of what a bound on time does, which must not depend on how fast the machine is.
$(O)/unit/test_receipt: LDFLAGS += -Wl,--wrap=clock_gettime
# Tests of a helper's own files, which no library has.
$(O)/unit/test_drain $(O)/unit/test_outlet: $(patsubst %,$(O)/obj/runtime/drain/%.o,drain file outlet ring)
$(O)/unit/test_drain $(O)/unit/test_outlet: DYNO_LIBS += -lcurl
