# SPDX-License-Identifier: Apache-2.0
# dyno-errors(7): the head as it is, then one entry for each line `"class" @ code @ "text"`.
FILENAME ~ /\.head$/ { print; next }
NF {
	split($0, part, / *@ */)
	gsub(/"/, "", part[1])
	gsub(/" *"/, "", part[3]) # strings that the compiler would join
	gsub(/"/, "", part[3])
	gsub(/ +$/, "", part[3])
	gsub(/_/, "\\_", part[3])
	if (part[1] == "none")
		next
	printf "*%s* (%s)\n\t%s.\n\n", part[1], part[2], part[3]
}
