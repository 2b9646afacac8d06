#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds ferry.ko against installed kernel headers, in a directory of its own.
set -euo pipefail

program=scripts/kmod-build.sh
root=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$root/build}

usage() {
	cat <<-EOF
	usage: $program [--kernel VERSION]... [--check] [--source DIR]
	       $program --list

	Builds ferry.ko and prints the path of each module that it built.

	  --kernel VERSION  build for this kernel, as \`uname -r\` names it; may be given more than
	                    once. Default: every kernel whose headers are installed. \`debug\` is
	                    the kernel of scripts/debug-kernel
	  --check           build everything anew with W=1 and sparse, and fail on any warning
	  --source DIR      build the module of DIR (a Kbuild file and its sources, which find
	                    the top of this tree in \$(FERRY_SOURCE)) instead of ferry.ko
	  --list            print the kernels whose headers are installed, oldest first

	ferry.ko goes to \$BUILD/kmod-VERSION/, the module of DIR to \$BUILD/kmod-VERSION-NAME/ where
	NAME is the last part of DIR. BUILD is build/ in the top of the tree unless it is set. The
	sources stay clean: the compiler works on symbolic links to them.

	Debian packages: gcc make linux-headers-amd64, and sparse for --check.
	EOF
}

fail() {
	echo "$program: $*" >&2
	exit 1
}

installed_kernels() {
	local dir
	for dir in /lib/modules/*/build; do
		[ -e "$dir/Makefile" ] || continue
		dir=${dir%/build}
		echo "${dir##*/}"
	done | sort -V
}

kernels=()
check=false
source=
while [ $# -gt 0 ]; do
	case $1 in
	--kernel | --source)
		[ $# -ge 2 ] || fail "$1 needs a value; see --help"
		if [ "$1" = --kernel ]; then kernels+=("$2"); else source=$2; fi
		shift
		;;
	--check) check=true ;;
	--list) installed_kernels && exit 0 ;;
	-h | --help) usage && exit 0 ;;
	*) fail "unknown argument '$1'; see --help" ;;
	esac
	shift
done

if [ ${#kernels[@]} -eq 0 ]; then
	mapfile -t kernels < <(installed_kernels)
	[ ${#kernels[@]} -gt 0 ] ||
		fail "no kernel headers are installed; scripts/setup.sh kernel installs them"
fi
if $check && ! command -v sparse >/dev/null; then
	fail "--check needs sparse; scripts/setup.sh kernel installs it"
fi
if [ -n "$source" ]; then
	[ -f "$source/Kbuild" ] || fail "$source holds no Kbuild file"
	source=$(cd "$source" && pwd)
fi
mkdir -p "$build"
build=$(cd "$build" && pwd)
case $root$build in
*[[:space:]:]*) fail "Kbuild cannot work in a path with a blank or a colon: $root, $build" ;;
esac

# Links to the sources, where the objects may lie beside them.
link_sources() {
	local out=$1
	mkdir -p "$out"
	if [ -n "$source" ]; then
		cp -rsf "$source/." "$out/"
	else
		mkdir -p "$out/include"
		cp -sf "$root/Kbuild" "$out/"
		cp -rsf "$root/kmod" "$out/"
		cp -rsf "$root/include/uapi" "$out/include/"
	fi
	# A source that is gone leaves a dead link, which would hide that something still asks for it.
	find "$out" -xtype l -delete
}

# Neither the flags of a make that called this script nor the user's language: the log is read below.
unset MAKEFLAGS MFLAGS MAKELEVEL
export LC_ALL=C

for kernel in "${kernels[@]}"; do
	headers=/lib/modules/$kernel/build
	if [ "$kernel" = debug ]; then
		headers=$("$root/scripts/debug-kernel" --path) ||
			fail "the debug kernel is not built; \`make debug-kernel\` builds it"
		kernel=$(cat "$headers/include/config/kernel.release")
	fi
	[ -e "$headers/Makefile" ] ||
		fail "there are no headers for kernel '$kernel' under $headers; install linux-headers-$kernel"
	out=$build/kmod-$kernel${source:+-${source##*/}}
	arguments=(-C "$headers" "M=$out" "FERRY_SOURCE=$root" --no-print-directory)
	link_sources "$out"
	log=$out/make.log
	if $check; then
		make "${arguments[@]}" clean >"$log" 2>&1 || { cat "$log" >&2 && exit 1; }
		arguments+=(W=1 C=2 "CF=-D__CHECK_ENDIAN__")
	fi
	make "${arguments[@]}" -j"$(nproc)" modules >"$log" 2>&1 || {
		cat "$log" >&2
		fail "the module does not build for kernel $kernel"
	}
	# Where it stays without, the log says why.
	if [ -z "$source" ]; then "$root/scripts/module-btf" "$out/ferry.ko" "$kernel" >>"$log" 2>&1; fi
	if $check && grep -E '(warning|error):|^WARNING' "$log" >&2; then
		fail "kernel $kernel: the compiler or sparse has complaints"
	fi
	grep -E 'warning:|^WARNING' "$log" >&2 || true
	find "$out" -name '*.ko'
done
