# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The tests of the module's pure parts, and of its lock protocols, here and without a guest; and tests of
# those tests.

# For the verdict: what has run here.
HOST_RESULTS=()

# Lists of mistakes: which tests are to see them, the list, the file that they are put into, and what the
# tests are told: the same in every run, for whether a mistake is found is no matter of luck.
MISTAKES=(
	"unit mutants pin.rs --seed 1"
	"unit mutants_runs pin/runs.rs --seed 1"
	"unit mutants_queue binder_fd/queue.rs --seed 1"
	"protocol mutants/region pin/region.rs --first-failure"
	"protocol mutants/ashmem_area ashmem_area.rs --first-failure"
	"protocol mutants/gate ashmem_area/gate.rs --first-failure"
	"protocol mutants/pin pin.rs --first-failure"
)

# make unit
unit_all() {
	run_unit
	[ -z "${MUTANTS:-}" ] || run_all_mutants
	python3 -B "$TOP/qemu/verdict.py" --kernel-source "$KSRC" "${HOST_RESULTS[@]}"
}

# unit_cargo TESTS COMMAND...: cargo on tests for this system, without the network.
unit_cargo() {
	local tests=$1 command=$2
	shift 2
	CARGO_HOME=$CACHE/cargo CARGO_TARGET_DIR=$TOP/build/cargo KSRC=$KSRC \
		cargo "$command" --manifest-path "$TOP/tests/$tests/Cargo.toml" --offline --locked "$@"
}

# Builds and runs them; what came out is for the verdict.
run_unit() {
	fetch_crates
	step "$OUT/log/unit-build.log" "build the unit tests" unit_cargo unit build --release
	step "$OUT/log/protocol-build.log" "build the model check of the lock protocols" unit_cargo protocol build --release
	step "$OUT/log/fuzz-test.log" "check the fuzzer's own parts" unit_cargo fuzz test --release
	run_here unit "the unit tests"
	run_here protocol "the model check of the lock protocols"
}

# run_here TESTS WHAT: runs a program of tests on this system.
run_here() {
	local tests=$1 start=$SECONDS status=0
	say "==> run $2 on this system; results in build/$RELEASE/log/$tests.log"
	timeout -k 5 "$UNIT_TIMEOUT" "$TOP/build/cargo/release/ashmem_$tests" \
		>"$OUT/log/$tests.log" 2>&1 </dev/null || status=$?
	echo "$status" >"$OUT/log/$tests.status"
	say "    $((SECONDS - start)) s"
	HOST_RESULTS+=(--host "$2" "$OUT/log/$tests.log" "$OUT/log/$tests.status")
}

# Whether they see mistakes: they run on copies with one each.
run_all_mutants() {
	local entry words
	for entry in "${MISTAKES[@]}"; do
		read -ra words <<<"$entry"
		run_mutants "${words[@]}"
	done
}

# make_mutants TESTS LIST SOURCE DIR: a copy of a source with each mistake of a list.
make_mutants() {
	python3 -B "$TOP/tests/unit/mutants.py" "$TOP/tests/$1/$2" "$TOP/$3" "$4"
}

# run_mutants TESTS LIST SOURCE ARGUMENTS...: the tests on copies of a source with the mistakes of a list.
run_mutants() {
	local tests=$1 list=$2 source=$3 start=$SECONDS number=0 file name limit=$UNIT_TIMEOUT
	local dir=$TOP/build/mutants-$1
	name=$tests-${list//\//-}
	shift 3
	rm -rf "$dir/list" "$dir/tree"
	mkdir -p "$dir/list" "$dir/tree/tests"
	cp -r "$TOP/tests/unit" "$TOP/tests/protocol" "$dir/tree/tests/"
	cp -r "$TOP"/{pin,ashmem_area,binder_fd}{,.rs} "$dir/tree/"
	step "$OUT/log/$name-make.log" "put mistakes into copies of $source" \
		make_mutants "$tests" "$list" "$source" "$dir/list"
	say "==> run the tests in tests/$tests on each; results in build/$RELEASE/log/$name.log"
	{
		printf 'KTAP version 1\n1..%s\n' "$(find "$dir/list" -name '*.rs' | wc -l)"
		for file in "$dir"/list/*.rs; do
			number=$((number + 1))
			cp "$file" "$dir/tree/$source"
			run_mutant "$number" "$(basename "$file" .rs)" "$@"
		done
	} >"$OUT/log/$name.log"
	echo 0 >"$OUT/log/$name.status"
	say "    $((SECONDS - start)) s"
	HOST_RESULTS+=(--host "mistakes in $source, for tests/$tests" "$OUT/log/$name.log" "$OUT/log/$name.status")
}

# run_mutant NUMBER NAME ARGUMENTS...: for run_mutants. The copy without a mistake must pass, each other
# one must be found out.
run_mutant() {
	local number=$1 name=$2 verdict=ok status=0 found began
	shift 2
	if ! CARGO_INCREMENTAL=1 CARGO_HOME=$CACHE/cargo CARGO_TARGET_DIR=$dir/cargo KSRC=$KSRC cargo build --release --offline --locked \
		--manifest-path "$dir/tree/tests/$tests/Cargo.toml" >"$dir/build.log" 2>&1 </dev/null; then
		sed 's/^/# /' "$dir/build.log"
		echo "not ok $number $name"
		return
	fi
	case $name in
	# All of it must run.
	00-*) set -- ;;
	esac
	began=$SECONDS
	timeout -k 5 "$limit" "$dir/cargo/release/ashmem_$tests" "$@" >"$dir/run.log" 2>&1 </dev/null || status=$?
	found=$(sed -n 's/^not ok [0-9]* /# found by /p' "$dir/run.log")
	# A time that is up, and a crash, are findings, too.
	case $name:$status in
	# Whoever takes that much longer than all of it does not get to an end.
	00-*:0) limit=$((3 * (SECONDS - began) + 30)) ;;
	00-*) verdict="not ok" ;;
	*:124 | *:13[4-9]) ;;
	*) [ "$status" = 1 ] && [ -n "$found" ] || verdict="not ok" ;;
	esac
	printf '# status %s\n' "$status"
	[ -z "$found" ] || say "$found"
	echo "$verdict $number $name"
}
