# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# In a guest: what it was told, and where its results go.

# argument NAME: of guest.NAME= on the kernel's command line.
argument() {
	sed -n "s/.*guest\.$1=\([^ ]*\).*/\1/p" /proc/cmdline
}

# The second serial port is a PCI one: results go there, kernel messages do not.
results=/dev/null
for port in /sys/class/tty/ttyS*; do
	case $(readlink -f "$port/device") in
	*/pci*) results=/dev/${port##*/} ;;
	esac
done
[ "$results" = /dev/null ] || stty -F "$results" raw -echo 115200

# The tests drop caches by the ten thousand, and the kernel would say so each time.
echo 4 >/proc/sys/vm/drop_caches
