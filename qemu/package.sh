# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# On the host: the Debian packages, made in a root of their own.

# in_package_root COMMAND...: there debhelper, lintian and the like are.
in_package_root() {
	# shellcheck disable=SC2034  # make_root and enter_root see it
	local ROOT_PACKAGES=("${PACKAGE_ROOT_PACKAGES[@]}") ROOT_NAME="a root for Debian packages"
	in_build_root "$@"
}

# make_deb: build/deb/*.deb, built from a copy of the checkout.
make_deb() {
	local dir=$TOP/build/deb
	rm -rf "$dir"
	mkdir -p "$dir/source"
	tar -C "$TOP" -c --exclude=./build --exclude=./.git --exclude-vcs-ignores . | tar -C "$dir/source" -x
	# The first time the root is made, which says so itself.
	in_package_root true
	step "$TOP/build/log/deb.log" "build the packages" \
		in_package_root sh -c 'cd build/deb/source && dpkg-buildpackage --unsigned-source --unsigned-changes'
	step "$TOP/build/log/lintian.log" "check the packages with lintian" \
		in_package_root sh -c 'lintian --allow-root --fail-on error,warning,info,pedantic --display-info --pedantic build/deb/*.changes'
	rm -rf "$dir/source"
	say "the packages are:"
	(cd "$TOP" && ls build/deb/*.deb)
}
