# SPDX-License-Identifier: GPL-2.0
#
# `make help` lists what there is. Kbuild reads the file Kbuild, not this one.

TARGETS := all run shell test test-debug test-install matrix bench fuzz stress coverage mutations unit lint doc update deb
MODULE_FILES := M=$(CURDIR)
.DEFAULT_GOAL := all

.PHONY: $(TARGETS) install uninstall clean distclean help

ifneq ($(KDIR),)

# The ordinary way, against a kernel tree that has Rust enabled, with this system's own tools.
all:
	+$(MAKE) -C $(KDIR) $(MODULE_FILES) modules

clean:
	+$(MAKE) -C $(KDIR) $(MODULE_FILES) clean

# The release is in a file, or Debian's headers know it.
RELEASE = $(or $(file <$(KDIR)/include/config/kernel.release),$(shell $(MAKE) -s -C $(KDIR) kernelrelease))
# Under DESTDIR nobody can load the modules yet: who puts them in place runs depmod there. The kernel's own
# modules_install leaves it out where there is no System.map, as in Debian's headers.
INSTALLED = $(DESTDIR)/lib/modules/$(RELEASE)/updates
RUN_DEPMOD = $(if $(DESTDIR),true,depmod)
MANUAL_PAGES := docs/man/ashmem.4 docs/man/binder_fd.4

install: all
	+$(MAKE) -C $(KDIR) $(MODULE_FILES) INSTALL_MOD_PATH=$(DESTDIR) DEPMOD=true modules_install
	install -D -m 644 packaging/modules-load.d/ashmem.conf $(DESTDIR)/usr/lib/modules-load.d/ashmem.conf
	install -D -m 644 packaging/udev/60-ashmem.rules $(DESTDIR)/usr/lib/udev/rules.d/60-ashmem.rules
	install -D -m 644 include/uapi/linux/ashmem.h $(DESTDIR)/usr/local/include/linux/ashmem.h
	install -D -m 644 -t $(DESTDIR)/usr/local/share/man/man4 $(MANUAL_PAGES)
	$(RUN_DEPMOD) $(RELEASE)

uninstall:
	rm -f $(foreach module,ashmem binder_fd,$(INSTALLED)/$(module).ko $(INSTALLED)/$(module).ko.*)
	rm -f $(DESTDIR)/usr/lib/modules-load.d/ashmem.conf $(DESTDIR)/usr/lib/udev/rules.d/60-ashmem.rules
	rm -f $(DESTDIR)/usr/local/include/linux/ashmem.h
	rm -f $(addprefix $(DESTDIR)/usr/local/share/man/man4/,$(notdir $(MANUAL_PAGES)))
	$(RUN_DEPMOD) $(RELEASE)

else

install uninstall:
	$(error make $@ wants KDIR=, a kernel tree that has Rust enabled)

$(TARGETS):
	@ARCH='$(ARCH)' KERNEL='$(KERNEL)' ACCEL='$(ACCEL)' MIRROR='$(MIRROR)' TESTS='$(TESTS)' SLOWNESS='$(SLOWNESS)' TIME='$(TIME)' CALLS='$(CALLS)' SEEDED='$(SEEDED)' V='$(V)' \
		MUTANTS='$(MUTANTS)' PROFILE='$(PROFILE)' qemu/main.sh $@

clean:
	rm -rf build

distclean:
	@qemu/main.sh distclean

endif

help:
	@echo 'make run         boot a stock kernel, load the module, show it at work'
	@echo 'make test        run every test suite on x86_64 and arm64'
	@echo 'make test-debug  the same in kernels that look for what a stock kernel hides: KASAN, KCSAN and more'
	@echo 'make bench       what each operation costs, beside its like on a memfd; PROFILE=row counts by symbol'
	@echo 'make fuzz        random system calls in a debugging kernel, for ten minutes or TIME=, or until CALLS= are executed; SEEDED=1 has a bug to find'
	@echo 'make stress      the tests of races over and over, for half an hour or TIME='
	@echo 'make coverage    which lines of the modules the suites reach, and why not the others'
	@echo 'make mutations   faults put into the modules one by one: the suites must find each (MUTANTS=name,name)'
	@echo 'make unit        the tests of the pure parts, on this system; with MUTANTS=1 tests of those tests, too'
	@echo 'make             build the module for the default kernel; with KDIR=... for that kernel tree'
	@echo 'make install     with KDIR=...: the modules for that kernel, under DESTDIR=; make uninstall'
	@echo 'make deb         Debian packages, in build/deb'
	@echo 'make test-install  those installed in a Debian 13 with a stock kernel, which is then booted'
	@echo 'make matrix      the suites on the newest two versions of Linux in each flavour: hours; KERNEL=7.3-rt is one of them'
	@echo 'make shell       a shell in a guest with the module and the tests'
	@echo 'make lint        rustfmt, clippy, checkpatch, shellcheck'
	@echo 'make doc         the documentation of the module, private items included'
	@echo 'make update      look for newer kernels than the ones that were picked'
	@echo 'make clean       remove what was built; make distclean also what was fetched'
	@echo
	@echo 'ARCH=x86_64|arm64   KERNEL=cloud|generic|rt|16k or a version or a release'
	@echo 'ACCEL=tcg|kvm   MIRROR=(a Debian mirror)   TESTS=name,name   SLOWNESS=times   TIME=seconds   CALLS=number   V=1'
