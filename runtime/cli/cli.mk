# SPDX-License-Identifier: Apache-2.0
# The command's own parts that its unit test is linked with; the verbs are tested as a program.
CLI_UNIT_SRC := $(addprefix runtime/cli/,option.c value.c output.c progress.c outfile.c)

$(O)/unit/test_option: $(call obj,$(CLI_UNIT_SRC))
# The library stands before these objects, which need it: once more after them.
$(O)/unit/test_option: DYNO_LIBS += $(CORE_LIB)

$(O)/unit/test_logview: $(call obj,runtime/cli/logview.c)
$(O)/unit/test_logview: DYNO_LIBS += $(CORE_LIB)

$(O)/unit/test_notify: $(call obj,runtime/cli/notify.c runtime/cli/output.c)
$(O)/unit/test_notify: DYNO_LIBS += $(CORE_LIB)

$(O)/unit/test_target: $(call obj,$(addprefix runtime/cli/,target.c))
$(O)/unit/test_table: $(call obj,$(addprefix runtime/cli/,table.c output.c))
$(O)/unit/test_usage: $(call obj,$(addprefix runtime/cli/,usage.c openmetrics.c table.c output.c))
$(O)/unit/test_event: $(call obj,$(addprefix runtime/cli/,event.c output.c))
$(O)/unit/test_target $(O)/unit/test_table $(O)/unit/test_usage $(O)/unit/test_event: DYNO_LIBS += $(CORE_LIB)

# It brings a library of its own.
$(O)/unit/test_foreground: $(call obj,$(addprefix runtime/cli/,foreground.c fleet.c event.c \
	handover.c notify.c printer.c logview.c outfile.c output.c progress.c))
$(O)/unit/test_foreground: DYNO_LIBS += $(CORE_LIB)

$(O)/unit/test_terminal: $(call obj,$(addprefix runtime/cli/,terminal.c terminal_pump.c))
$(O)/unit/test_terminal: DYNO_LIBS += $(CORE_LIB)
