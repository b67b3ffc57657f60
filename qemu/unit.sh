# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The tests of the module's pure parts, here and without a guest; and tests of those tests.

# For the verdict: what has run here.
HOST_RESULTS=()

# make unit
unit_all() {
	run_unit
	[ -z "${MUTANTS:-}" ] || run_mutants
	python3 -B "$TOP/qemu/verdict.py" --kernel-source "$KSRC" "${HOST_RESULTS[@]}"
}

# unit_cargo COMMAND...: cargo on the unit tests, without the network.
unit_cargo() {
	local command=$1
	shift
	CARGO_HOME=$CACHE/cargo CARGO_TARGET_DIR=$TOP/build/cargo KSRC=$KSRC \
		cargo "$command" --manifest-path "$TOP/tests/unit/Cargo.toml" --offline --locked "$@"
}

# Builds and runs the unit tests; what came out is for the verdict.
run_unit() {
	local start status=0
	fetch_crates
	step "$OUT/log/unit-build.log" "build the unit tests" unit_cargo build --release
	start=$SECONDS
	say "==> run the unit tests on this system; results in build/$RELEASE/log/unit.log"
	timeout -k 5 "$UNIT_TIMEOUT" "$TOP/build/cargo/release/ashmem_unit" \
		>"$OUT/log/unit.log" 2>&1 </dev/null || status=$?
	echo "$status" >"$OUT/log/unit.status"
	say "    $((SECONDS - start)) s"
	HOST_RESULTS+=(--host "unit tests" "$OUT/log/unit.log" "$OUT/log/unit.status")
}

# Whether the unit tests see a mistake in pin.rs: they run on copies with one each.
run_mutants() {
	local dir=$TOP/build/mutants log=$OUT/log/mutants.log start=$SECONDS number=0 file
	rm -rf "$dir/list" "$dir/tree"
	mkdir -p "$dir/list" "$dir/tree/tests"
	cp -r "$TOP/tests/unit" "$dir/tree/tests/"
	step "$OUT/log/mutants-make.log" "put mistakes into copies of pin.rs" \
		python3 -B "$TOP/tests/unit/mutants.py" "$TOP/tests/unit/mutants" "$TOP/pin.rs" "$dir/list"
	say "==> run the unit tests on each; results in build/$RELEASE/log/mutants.log"
	{
		set -- "$dir"/list/*.rs
		printf 'KTAP version 1\n1..%s\n' $#
		for file; do
			number=$((number + 1))
			cp "$file" "$dir/tree/pin.rs"
			run_mutant "$number" "$(basename "$file" .rs)"
		done
	} >"$log"
	echo 0 >"$OUT/log/mutants.status"
	say "    $((SECONDS - start)) s"
	HOST_RESULTS+=(--host "mutants of pin.rs" "$log" "$OUT/log/mutants.status")
}

# run_mutant NUMBER NAME: the copy without a mistake must pass, each other one must be found out.
run_mutant() {
	local dir=$TOP/build/mutants verdict=ok status=0 found
	if ! CARGO_INCREMENTAL=1 CARGO_HOME=$CACHE/cargo CARGO_TARGET_DIR=$dir/cargo KSRC=$KSRC cargo build --release --offline --locked \
		--manifest-path "$dir/tree/tests/unit/Cargo.toml" >"$dir/build.log" 2>&1 </dev/null; then
		sed 's/^/# /' "$dir/build.log"
		echo "not ok $1 $2"
		return
	fi
	# The same in every run: whether a mistake is found is no matter of luck.
	timeout -k 5 "$MUTANT_TIMEOUT" "$dir/cargo/release/ashmem_unit" --seed 1 >"$dir/run.log" 2>&1 </dev/null || status=$?
	found=$(sed -n 's/^not ok [0-9]* /# found by /p' "$dir/run.log")
	# A time that is up, and a crash, are findings, too.
	case $2:$status in
	00-*:0) ;;
	00-*) verdict="not ok" ;;
	*:1[23]?) ;;
	*) [ "$status" = 1 ] && [ -n "$found" ] || verdict="not ok" ;;
	esac
	printf '# status %s\n' "$status"
	[ -z "$found" ] || say "$found"
	echo "$verdict $1 $2"
}
