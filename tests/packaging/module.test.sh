#!/bin/bash
# SPDX-License-Identifier: MIT
# R-45: ferry.ko comes and goes without leaving a file, by `make modules_install` for every kernel whose headers
# are installed, and by DKMS. All of it in a folder of its own: nothing here touches /lib or /var.
set -eu
. "$(dirname "$0")/../vm/outcome.sh"
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mapfile -t kernels < <("$root/scripts/kmod-build.sh" --list)
[ ${#kernels[@]} -gt 0 ] || skip "no kernel headers are installed"
version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"$/\1/p' "$root/kmod/dkms.conf")
expect "version in kmod/dkms.conf" "$version" \
	"$(sed -n 's/^#define FERRY_VERSION "\(.*\)"$/\1/p' "$root/kmod/version.h")"

# What there is below the folder $1, less the index that depmod keeps.
files() { (cd "$1" && find . ! -name 'modules.*' | sort); }

# By hand.
for kernel in "${kernels[@]}"; do mkdir -p "$work/root/lib/modules/$kernel"; done
before=$(files "$work/root")
BUILD=$work/build "$root/scripts/kmod-build.sh" >/dev/null
for kernel in "${kernels[@]}"; do touch "$work/root/lib/modules/$kernel"/modules.{order,builtin,builtin.modinfo}; done
BUILD=$work/build "$root/scripts/kmod-install" --root "$work/root" >/dev/null
for kernel in "${kernels[@]}"; do
	expect "what modprobe would load" "$(modprobe -d "$work/root" -S "$kernel" --show-depends ferry)" \
		"insmod $work/root/lib/modules/$kernel/updates/ferry.ko "
done
"$root/scripts/kmod-install" --root "$work/root" --uninstall
expect "files after modules_uninstall" "$(files "$work/root")" "$before"
"$root/scripts/kmod-install" --root "$work/root" --uninstall | grep -q 'not installed' ||
	fail "a second uninstall says nothing"
if "$root/scripts/kmod-install" --root "$work/root" --dkms-source "$root/kmod" 2>/dev/null; then
	fail "the sources for DKMS are written over what is there"
fi

# By DKMS, which does the same for every kernel: the first.
PATH=$PATH:/usr/sbin
command -v dkms >/dev/null || skip "DKMS is not installed; scripts/setup.sh dkms installs it (the rest passed)"
[ "$(id -u)" = 0 ] || skip "DKMS wants to be root (the rest passed)"
mkdir "$work"/{tree,source,install}
dkms_here() {
	dkms "$@" --no-depmod --dkmstree "$work/tree" --sourcetree "$work/source" --installtree "$work/install" \
		>"$work/dkms.log" 2>&1 || fail "dkms $1: $(cat "$work/dkms.log" "$work"/tree/ferry/*/build/make.log 2>&1)"
}
"$root/scripts/kmod-install" --dkms-source "$work/source/ferry-$version"
kernel=${kernels[0]}
mkdir "$work/install/$kernel"
dkms_here add "ferry/$version"
before=$(files "$work/install")
dkms_here build "ferry/$version" -k "$kernel"
dkms_here install "ferry/$version" -k "$kernel"
module=$(find "$work/install" -name 'ferry.ko*')
[ -n "$module" ] || fail "DKMS installed nothing for $kernel"
expect "version of what DKMS built for $kernel" "$(modinfo -F version "$module")" "$version"
expect "kernel of what DKMS built" "$(modinfo -F vermagic "$module" | cut -d ' ' -f 1)" "$kernel"
dkms_here remove "ferry/$version" -k "$kernel"
expect "files after dkms remove" "$(files "$work/install")" "$before"
expect "what DKMS keeps" "$(find "$work/tree" -name '*.ko*' -o -name 'ferry-*')" ""
