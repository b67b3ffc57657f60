# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What a change must pass before anything is run, and the documentation of the module.

lint_all() {
	local tests
	step "$OUT/log/rustfmt.log" "rustfmt on the modules" \
		rustfmt --check --edition 2021 --config-path "$KSRC/.rustfmt.toml" "$TOP/ashmem.rs" "$TOP/binder_fd.rs"
	check_clippy
	set_compilers
	fetch_crates
	for tests in model binder fuzz; do
		step "$OUT/log/$tests-fmt.log" "rustfmt on tests/$tests" \
			cargo fmt --manifest-path "$TOP/tests/$tests/Cargo.toml" --check
		step "$OUT/log/$tests-clippy.log" "clippy on tests/$tests, warnings are errors" \
			guest_cargo "$tests" clippy --all-targets -- -D warnings
	done
	for tests in unit protocol; do
		step "$OUT/log/$tests-fmt.log" "rustfmt on tests/$tests" \
			cargo fmt --all --manifest-path "$TOP/tests/$tests/Cargo.toml" --check
		step "$OUT/log/$tests-clippy.log" "clippy on tests/$tests, warnings are errors" \
			unit_cargo "$tests" clippy --workspace --all-targets -- -D warnings
	done
	step "$OUT/log/checkpatch.log" "checkpatch on C" check_c
	step "$OUT/log/shellcheck.log" "shellcheck on scripts" check_scripts
	step "$OUT/log/mandoc.log" "mandoc on the manual pages" mandoc -T lint -W warning "$TOP"/docs/man/*
	step "$OUT/log/default.log" "whether make alone builds the modules" check_default
	step "$OUT/log/faults.log" "whether the lists of faults and mistakes fit the sources" check_faults
	say "lint: nothing to complain of"
}

check_clippy() {
	mkdir -p "$OUT/clippy"
	step "$OUT/log/clippy.log" "clippy on the modules, warnings are errors" \
		kernel_make -C "$KOBJ" M="$TOP" MO="$OUT/clippy" CLIPPY=1 W=e modules
}

# What is left out: rules for patches (these are files), and rules that send a program of user space to
# types, macros and functions that only the kernel has.
check_c() {
	local ignored=FILE_PATH_CHANGES,SPDX_LICENSE_TAG,MACRO_ARG_REUSE
	ignored+=,PREFER_KERNEL_TYPES,PREFER_DEFINED_ATTRIBUTE_MACRO,CAMELCASE
	# Tracepoints are written in a way of their own.
	checkpatch "$ignored" ! -name trace.h || return
	checkpatch "$ignored,OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT" -name trace.h
}

# checkpatch IGNORED FIND-ARGUMENTS...: on the files of C that find finds with these.
checkpatch() {
	local ignored=$1
	shift
	# checkpatch leaves a cache of its own where it runs.
	(cd "$OUT" && find "$TOP"/include "$TOP"/helpers "$TOP"/binder_fd "$TOP"/lib "$TOP"/tests "$TOP"/samples \( -name '*.c' -o -name '*.h' \) \
		-not -path '*/target/*' "$@" -print0 | sort -z |
		xargs -0 perl "$KSRC/scripts/checkpatch.pl" --no-tree --no-summary --strict --terse --ignore "$ignored" -f)
}

check_scripts() {
	cd "$TOP" && shellcheck -x .ci/run qemu/*.sh tests/guest/* tests/install/{guest,installed,packaged,purged,tap.sh} \
		packaging/dkms/{prepare-rust,refresh,kernel-postinst} debian/ashmem-dkms.{postinst,postrm} samples/run
}

check_default() {
	make -n -C "$TOP" | grep 'qemu/main\.sh all$'
}

# All faults that `make mutations` and `make unit MUTANTS=1` know are put into copies, which nobody runs.
check_faults() {
	local dir=$OUT/faults entry tests list source
	rm -rf "$dir"
	mkdir -p "$dir"
	make_faults "$dir/drivers" '' || return
	for entry in "${MISTAKES[@]}"; do
		read -r tests list source _ <<<"$entry"
		mkdir -p "$dir/$tests/$list"
		make_mutants "$tests" "$list" "$source" "$dir/$tests/$list" || return
	done
	apply_seeded_bug "$TOP" --dry-run
}

# The documentation of the modules, private items included. rustdoc looks for missing documentation on
# public items only; clippy looks on private ones too.
make_doc() {
	local module
	build_module
	check_clippy
	rm -rf "$OUT/doc"
	for module in ashmem binder_fd; do
		step "$OUT/log/doc-$module.log" "write the documentation of $module" run_rustdoc "$module"
	done
	say "the documentation is build/$RELEASE/doc/{ashmem,binder_fd}/index.html"
}

# run_rustdoc MODULE: rustdoc with the flags that the module is compiled with.
run_rustdoc() {
	local module=$1 command word flags=() skip=
	# The compiler's command line, as Kbuild keeps it: variables in front, other commands behind.
	command=$(sed -n "s/^savedcmd_${module}_main\\.o := //p" "$OUT/module/.${module}_main.o.cmd")
	command=${command#* rustc }
	command=${command%%;*}
	[ -n "$command" ] || {
		echo "Kbuild keeps no command line for ${module}_main.o"
		return 1
	}
	# As the shell splits it: there are quotes in it.
	eval "set -- $command"
	for word; do
		case $skip$word in
		--crate-type | --crate-name | --out-dir) skip=1 ;;
		1*) skip= ;;
		--emit=* | --print=* | -Cpanic* | *.rs) ;;
		*) flags+=("$word") ;;
		esac
	done
	(cd "$KOBJ" && OBJTREE="$KOBJ" RUST_MODFILE=$module RUSTC_BOOTSTRAP=1 rustdoc "${flags[@]}" \
		--document-private-items -D missing_docs -D rustdoc::broken_intra_doc_links \
		--crate-name "$module" -o "$OUT/doc" "$TOP/$module.rs")
}
