# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The debugging kernels: built from a stock kernel's source, with a configuration of ours (qemu/debug/).

# shellcheck disable=SC2034  # RELEASE, KOBJ and the like are for the other parts

is_debug() {
	case $1 in
	kasan | kcsan) ;;
	*) return 1 ;;
	esac
}

# use_debug_kernel ARCH VARIANT: as use_kernel, which has set the stock kernel of the same source.
use_debug_kernel() {
	local arch=$1 variant=$2 key fragments
	fragments=("$TOP/qemu/debug/common.config" "$TOP/qemu/debug/$variant.config" "$TOP/qemu/debug/$arch.config")
	# The toolchain is LLVM's: rustc and the C compiler must agree on what KASAN has them do.
	KMAKE=(LLVM=1)
	key=$({ cat "${fragments[@]}" && basename "$KSRC" && rustc --version && clang --version; } | sha256sum | cut -c1-12)
	KDIR_CACHE=$CACHE/debug/${RELEASE%%+*}-$variant-$arch-$key
	# That takes minutes, in which others may use the rest of the cache.
	lock_cache "$variant-$arch"
	# Built where it stays: an object tree knows its own path.
	if [ ! -e "$KDIR_CACHE/vmlinuz" ]; then
		remove_tree "$KDIR_CACHE"
		step "$CACHE/log/debug-$variant-$arch.log" "build the debugging kernel $variant for $arch, once" \
			build_debug_kernel "$KDIR_CACHE" "${fragments[@]}"
	fi
	unlock_cache
	KOBJ=$KDIR_CACHE/build
	RELEASE=$(<"$KOBJ/include/config/kernel.release")-$arch
	KIMAGE=$KDIR_CACHE/vmlinuz
	GUEST_MEMORY=$STOCK_MEMORY
	[ "$variant" != kasan ] || GUEST_MEMORY=$KASAN_MEMORY
	SLOWNESS=$DEBUG_SLOWNESS
	TEST_TIMEOUT=$DEBUG_TIMEOUT
}

# build_debug_kernel DIR FRAGMENTS
build_debug_kernel() {
	local dir=$1 image
	shift
	mkdir -p "$dir/build" || return
	cat "$@" >"$dir/wanted" || return
	KCONFIG_ALLCONFIG=$dir/wanted kernel_make -C "$KSRC" O="$dir/build" allnoconfig || return
	check_config "$dir/wanted" "$dir/build/.config" || return
	kernel_make -C "$KSRC" O="$dir/build" || return
	# Modules need neither the objects nor vmlinux itself, but for its BTF.
	find "$dir/build" \( -name '*.o' -o -name '*.a' \) -not -path '*/scripts/*' -not -path '*/tools/*' -delete
	rm -f "$dir"/build/vmlinux.unstripped "$dir"/build/.tmp_vmlinux*
	# Last of all: it tells that the rest is there.
	image=$(kernel_make -C "$KSRC" O="$dir/build" -s image_name) || return
	mv "$dir/build/$image" "$dir/vmlinuz"
}

# check_config WANTED HAVE: nothing that was asked for is silently left out.
check_config() {
	local line status=0
	while read -r line; do
		case $line in
		CONFIG_*)
			grep -qxF "$line" "$2" || {
				echo "the kernel has no $line"
				status=1
			}
			;;
		esac
	done <"$1"
	return "$status"
}

# check_instrumented: the sanitizer has been put into the Rust code, too; without it a run would show nothing.
check_instrumented() {
	local object calls accesses='__asan_(load|store|report|mem)'
	[ "$KERNEL" = kasan ] || accesses='__tsan_(read|write|unaligned|volatile|atomic|mem)'
	for object in ashmem_main.o binder_fd_main.o; do
		calls=$(readelf -rW "$MODULE_DIR/$object" | grep -cE " $accesses") || die "$KERNEL does not see into $object"
		say "    $KERNEL looks at $calls accesses of $object"
	done
}
