# SPDX-License-Identifier: Apache-2.0
# The parser of state.json and the reader of logs have fuzzers.
FUZZ_MODULES += runtime/engine/statefile.c runtime/engine/members.c runtime/engine/logfile.c
