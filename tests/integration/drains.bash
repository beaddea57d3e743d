# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# drains.bash - servers that dynos send their logs to: `load drains` after `load lib`.
#
#   certificate              once for a file: a CA of its own, $BASE/ca.pem, and what it says of
#                            127.0.0.1
#   serve NAME https|tcp [tls]  a server whose directory is $BATS_TEST_TMPDIR/NAME; its port is in
#                            $port, its process the last of $servers
#   behave NAME MODE         see drain-server.py
#   got NAME, got_line NAME TEXT  what it has received, and whether TEXT is there
#   end_servers              for teardown, after what sends to them
# shellcheck disable=SC2034 # variables set for the tests
servers=()

certificate() {
	local ec=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
	openssl req -x509 "${ec[@]}" -keyout "$BASE/ca.key" -out "$BASE/ca.pem" -days 2 -subj /CN=ca
	openssl req "${ec[@]}" -keyout "$BASE/key.pem" -out "$BASE/csr.pem" -subj /CN=localhost
	openssl x509 -req -in "$BASE/csr.pem" -CA "$BASE/ca.pem" -CAkey "$BASE/ca.key" \
		-CAcreateserial -days 2 -extfile <(echo subjectAltName=IP:127.0.0.1) -out "$BASE/cert.pem"
	cp "$BASE/cert.pem" "$BASE/chain.pem"
	cat "$BASE/ca.pem" >>"$BASE/chain.pem"
} 2>/dev/null

serve() {
	local dir=$BATS_TEST_TMPDIR/$1 keys=()
	mkdir "$dir"
	[ -z "${3:-}" ] || keys=("$BASE/chain.pem" "$BASE/key.pem")
	(exec 3>&- && exec python3 "$TOP/tests/helpers/drain-server.py" "$2" "$dir" "${keys[@]}" >"$dir/err" 2>&1) &
	servers+=("$!")
	wait_for 20 test -s "$dir/port"
	port=$(cat "$dir/port")
}

behave() { echo "$2" >"$BATS_TEST_TMPDIR/$1/mode.new" && mv "$BATS_TEST_TMPDIR/$1/mode.new" "$BATS_TEST_TMPDIR/$1/mode"; }
got() { cat "$BATS_TEST_TMPDIR/$1/messages" 2>/dev/null; }
got_line() { got "$1" | grep -qF -- "$2"; }

# What a hanging one holds is held no longer; one that was stopped goes on, to its end.
end_servers() {
	local server
	for server in "${servers[@]}"; do
		kill "$server" 2>/dev/null || :
		kill -CONT "$server" 2>/dev/null || :
		wait "$server" 2>/dev/null || :
	done
}
