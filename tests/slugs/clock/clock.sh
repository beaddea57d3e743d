#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A worker: one line a second (or every CLOCK_INTERVAL seconds) until it is told to stop.
count=0
trap 'echo "stopping after $count"; exit 0' TERM

while :; do
	count=$((count + 1))
	printf 'tick %d %(%FT%T%z)T\n' "$count" -1
	# a signal is acted on between commands only, and at once during wait
	sleep "${CLOCK_INTERVAL:-1}" &
	wait $!
done
