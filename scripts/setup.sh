#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the Debian packages that a purpose needs and that are missing, and says which.
# Run twice, it does nothing the second time.
set -eu

usage() {
	cat <<-EOF
	usage: scripts/setup.sh [--list] [PURPOSE...]

	  build   compile, test and fuzz userspace and the BPF programs (default)
	  kernel  compile the module against Debian's kernel
	  vm      boot Debian's kernel under QEMU for \`make vm-check\`
	  debug   build the debug kernel for \`make vm-debug\`
	  dkms    let DKMS build the module for every kernel that is installed
	  arm     build for aarch64 and run its tests under emulation for \`make check-arm\`
	  train   train the demo model again (demo/model)

	--list prints the packages instead of installing them.
	EOF
}

packages_build="gcc clang clang-format-14 libclang-rt-14-dev meson ninja-build pkg-config python3
	liburing-dev libopenblas-dev libpcre2-dev libssl-dev openssl libjansson-dev libcmocka-dev
	libnl-3-dev libnl-genl-3-dev libbpf-dev libcap-dev libmicrohttpd-dev libseccomp-dev bpftool linux-libc-dev libelf-dev zlib1g-dev iproute2"
packages_kernel="gcc make sparse linux-headers-amd64 linux-headers-6.12-amd64 binutils dwarves xz-utils"
packages_vm="$packages_kernel qemu-system-x86 linux-image-amd64 linux-image-6.12-amd64 busybox-static cpio
	iproute2 iw kmod lm-sensors wireguard-tools zstd lz4"
packages_debug="$packages_vm linux-source-6.1 bc bison flex m4 libelf-dev"
packages_dkms="$packages_kernel dkms"
# Libraries for aarch64 are no packages of this machine: scripts/arm-sysroot fetches them.
packages_arm="gcc meson ninja-build pkg-config python3 gcc-aarch64-linux-gnu qemu-user"
packages_train="python3 python3-numpy python3-torch"

list=false
purposes=
for arg; do
	case $arg in
	--list) list=true ;;
	-h | --help) usage && exit 0 ;;
	build | kernel | vm | debug | dkms | arm | train) purposes="$purposes $arg" ;;
	*)
		echo "scripts/setup.sh: unknown purpose '$arg'" >&2
		usage >&2
		exit 2
		;;
	esac
done

wanted=
for purpose in ${purposes:-build}; do
	eval "wanted=\"\$wanted \$packages_$purpose\""
done
# shellcheck disable=SC2086 # a list of words
wanted=$(printf '%s\n' $wanted | sort -u)

if $list; then
	echo "$wanted"
	exit 0
fi
if ! command -v dpkg-query >/dev/null; then
	echo "scripts/setup.sh: this is no Debian system; install what these packages hold by hand:" >&2
	echo "$wanted" >&2
	exit 1
fi

missing=
for package in $wanted; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=
	[ "$status" = installed ] || missing="$missing $package"
done
if [ -z "$missing" ]; then
	exit 0
fi
echo "scripts/setup.sh: installing$missing"
root=
if [ "$(id -u)" != 0 ]; then
	root=$(command -v sudo) || {
		echo "scripts/setup.sh: as root, run: apt-get install$missing" >&2
		exit 1
	}
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # $missing is a list of words
install() { $root apt-get install -y -q --no-install-recommends $missing; }
if ! apt-cache show $missing >/dev/null 2>&1; then
	$root apt-get update -q
fi
# Old package lists name files that the mirror no longer has: fetch the lists again, once.
install || { $root apt-get update -q && install; }
