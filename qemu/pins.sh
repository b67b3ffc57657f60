# shellcheck shell=bash disable=SC2034  # read by the scripts that source this
# SPDX-License-Identifier: GPL-2.0
#
# Everything that is pinned, in one place.

# The distribution whose compilers built the stock kernels, and where those kernels are.
SUITE=trixie
KERNEL_SUITE=trixie-backports

# The oldest kernel that the module is written for: the packages know it from the same file.
OLDEST_KERNEL=$(<"$TOP/packaging/dkms/oldest-kernel")

# What the build root has: the kernel's compilers, cross compilers for the tests, QEMU.
ROOT_PACKAGES=(
	ca-certificates
	# the kernel and the module
	make rustc rust-src rustfmt rust-clippy bindgen clang llvm lld gcc libc6-dev gcc-aarch64-linux-gnu
	bc bison flex libelf-dev libssl-dev pahole kmod cpio perl python3 rsync xz-utils git
	# the tests
	cargo libstd-rust-dev libstd-rust-dev:arm64 libc6-dev-arm64-cross
	gcc-i686-linux-gnu libc6-dev-i386-cross gcc-arm-linux-gnueabihf libc6-dev-armhf-cross
	shellcheck mandoc patch
	# the guests
	busybox-static qemu-system-x86 qemu-system-arm seabios ipxe-qemu
)

# What draws the plots of the benchmarks: a root of its own, for only they need it.
PLOT_PACKAGES=(gnuplot-nox fonts-dejavu-core)

# What the root has in which Debian packages are made.
PACKAGE_ROOT_PACKAGES=(build-essential ca-certificates debhelper dh-dkms e2fsprogs fakeroot lintian pkgconf)

# The system that the packages are installed on, but for its kernel.
SYSTEM_ROOT_PACKAGES=(apt ca-certificates initramfs-tools systemd systemd-sysv udev xz-utils)

# Packages for the arm64 guest that cannot be installed beside those of the host.
GUEST_ARM64_PACKAGES=(busybox-static:arm64)

# The guests.
STOCK_MEMORY=1024
GUEST_MEMORY=$STOCK_MEMORY
GUEST_CPUS=2

# How much longer than its limit a suite may take, here or where it is slow.
SLOWNESS=${SLOWNESS:-1}

# Wall-clock limits in seconds: a test guest, its kernel until it is up, the model test and those of binder in it, the
# unit tests, the demonstration, the probe of kvm.
TEST_TIMEOUT=$((2400 * SLOWNESS))
BOOT_TIMEOUT=$((300 * SLOWNESS))
MODEL_TIMEOUT=900
BINDER_TIMEOUT=900
UNIT_TIMEOUT=$((600 * SLOWNESS))
RUN_TIMEOUT=300
PROBE_TIMEOUT=30

# The guests of debugging kernels: memory for what KASAN and kmemleak keep in mind, how much longer a suite may take, and
# the limit for all of them.
KASAN_MEMORY=2048
DEBUG_SLOWNESS=$((10 * SLOWNESS))
DEBUG_TIMEOUT=$((7200 * SLOWNESS))

# The guest that boots that system: memory, and the limit for it.
SYSTEM_MEMORY=2048
SYSTEM_TIMEOUT=3600

# How long races are looked for, in seconds.
STRESS_TIME=1800

# How long the fuzzer searches, in seconds.
FUZZ_TIME=600
