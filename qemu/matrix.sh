# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The suites on every stock kernel in reach: the two newest minor versions that the distribution has, in each
# flavour, for each architecture; and the table of them in the README.

# matrix_guests ARCHITECTURES: those that KERNEL names, or all. Results stay until the sources change: it takes
# hours, and need not be done in one go.
matrix_guests() {
	local arch wish dir=$TOP/build/matrix key rows=() complete=1 status=0 count=0
	mkdir -p "$dir"
	key=$(source_key)
	lock_cache
	look_for_kernels
	unlock_cache
	for arch in x86_64 arm64; do
		KARCH=$arch
		for wish in $(matrix_kernels); do
			rows+=("${wish#*-} ${wish%%-*}")
			if grep -qxF "$arch" <<<"$1" && [ "${KERNEL:-$wish}" = "$wish" ]; then
				count=$((count + 1))
				# One that is asked for by name is run, whether it has passed before or not.
				if [ -n "${KERNEL:-}" ] || ! has_passed "$dir/$arch-$wish-$key"; then
					matrix_kernel "$arch" "$wish" || status=1
				fi
			fi
			[ -e "$dir/$arch-$wish-$key" ] || complete=
		done
	done
	[ "$count" != 0 ] || die "KERNEL=$KERNEL is none of the matrix: $(matrix_kernels | tr '\n' ' ')"
	mapfile -t rows < <(printf '%s\n' "${rows[@]}" | sort -k 1,1 -k 2,2Vr -u)
	matrix_table >"$dir/matrix.md"
	cat "$dir/matrix.md"
	if [ -n "$complete" ]; then
		write_between "the table of make matrix" "$dir/matrix.md" "$TOP/README.md"
		say "the table is in the README"
	fi
	cat "$dir"/*-"$key" | awk '{ passed += $2; failed += $3; skipped += $4 }
		END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }'
	return "$status"
}

# has_passed RESULT: whether it is there, and nothing failed.
has_passed() {
	[ -e "$1" ] && awk '{ exit $3 != 0 }' "$1"
}

# VERSION-FLAVOUR of each kernel for KARCH.
matrix_kernels() {
	local version flavour
	complete_kernels '[^ ]*' | cut -d . -f 1-2 | uniq | head -n 2 | while read -r version; do
		for flavour in $(flavours); do
			say "$version-$flavour"
		done
	done
}

# matrix_kernel ARCHITECTURE VERSION-FLAVOUR: what `make test` does in guests of it. Leaves the release and the three totals.
matrix_kernel() {
	local log=$dir/$1-$2.log result=$dir/$1-$2 status=0 release totals RELEASE
	rm -f "$result"-*
	# The newest there is now, not the one that was the newest once.
	find_kernel "$2"
	say "==> make test ARCH=$1 KERNEL=$2; its output in ${log#"$TOP"/}"
	ARCH=$1 KERNEL=$RELEASE TESTS='' GUESTS_ONLY=1 "$TOP/qemu/inside.sh" test >"$log" 2>&1 </dev/null || status=$?
	release=$(sed -n 's/^==> build the module for \(.*\) \.\.\. .*/\1/p' "$log")
	totals=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed\(, \([0-9]*\) skipped\)\?$/\1 \2 \4/p' "$log" | tail -n 1)
	[ -n "$totals" ] || totals='0 1 0'
	say "${release:-none} $totals" >"$result-$key"
	tail -n 1 "$log" | sed 's/^/    /'
	[ "$status" = 0 ] || grep -E 'FAILED|^error' "$log" || true
	return "$status"
}

# The table, from the results that there are: a row for each of `rows`.
matrix_table() {
	local row flavour version arch file release passed failed skipped cell
	printf '| flavour | Linux | x86_64 | arm64 |\n|---|---|---|---|\n'
	for row in "${rows[@]}"; do
		read -r flavour version <<<"$row"
		# shellcheck disable=SC2016  # no command, but Markdown
		printf '| `%s` | %s |' "$flavour" "$version"
		for arch in x86_64 arm64; do
			file=$dir/$arch-$version-$flavour-$key
			cell="not tried"
			# shellcheck disable=SC2034  # flavours() sees it
			KARCH=$arch
			if ! flavours | grep -qw "$flavour"; then
				cell="there is none"
			elif [ -e "$file" ]; then
				read -r release passed failed skipped <"$file"
				cell="${release%%+*}: $passed passed, $failed failed, ${skipped:-0} skipped"
			fi
			printf ' %s |' "$cell"
		done
		printf '\n'
	done
}

# write_between WHAT TEXT FILE: the text takes the place of what stands between two comments that name it.
write_between() {
	awk -v begin="<!-- $1 -->" -v end="<!-- end of $1 -->" -v text="$2" '
		$0 == end { skip = 0 }
		!skip
		$0 == begin { while ((getline line < text) > 0) print line; skip = 1 }
	' "$3" >"$3.part"
	cat "$3.part" >"$3"
	rm "$3.part"
}
