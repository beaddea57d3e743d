# SPDX-License-Identifier: Apache-2.0
# Tests that let an allocation fail.
$(O)/unit/test_dynospec: LDFLAGS += -Wl,--wrap=calloc,--wrap=realloc
