# SPDX-License-Identifier: Apache-2.0
# The parser of state.json has a fuzzer.
FUZZ_MODULES += runtime/engine/statefile.c runtime/engine/members.c
