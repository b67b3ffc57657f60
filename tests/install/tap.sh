# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the programs here have in common: one function is one test, as many as a program names.

# run_tests FUNCTION...: a test passes if its function returns 0; what it prints is shown if it does not. With 4 it is
# skipped, for the reason that it prints.
run_tests() {
	local name number=0 bad=0 output status
	printf '1..%d\n' $#
	for name; do
		number=$((number + 1))
		status=0
		output=$("$name" 2>&1 </dev/null) || status=$?
		case $status in
		0) printf 'ok %d %s\n' $number "$name" ;;
		4) printf 'ok %d %s # SKIP %s\n' $number "$name" "$output" ;;
		*)
			bad=1
			printf 'not ok %d %s\n' $number "$name"
			printf '# %s\n' "${output//$'\n'/$'\n# '}"
			;;
		esac
	done
	return $bad
}

# same WHAT WANTED: says what there is instead.
same() {
	[ "$1" = "$2" ] || {
		printf 'this: %s\nnot this: %s\n' "$1" "$2"
		return 1
	}
}

# absent PATH...: none of them is there.
absent() {
	local path
	for path; do
		if [ -e "$path" ] || [ -L "$path" ]; then
			echo "$path is there"
			return 1
		fi
	done
}
