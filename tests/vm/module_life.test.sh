#!/bin/sh
# SPDX-License-Identifier: MIT
# ferry.ko comes, shows what it promises, refuses to come twice, and goes without a trace.
set -eu
. "$(dirname "$0")/outcome.sh"
module=$BUILD/kmod-$(uname -r)/ferry.ko
[ -f "$module" ] || fail "$module is not built"
version=$(modinfo -F version "$module")

insmod "$module" || fail "ferry.ko does not load"
[ -d /sys/module/ferry ] || fail "the kernel does not list the module"
for class in ferry_link ferry_energy; do
	[ -d /sys/class/$class ] || fail "/sys/class/$class is missing"
	[ -f /sys/class/$class/version ] || fail "/sys/class/$class has no version"
	expect "version of $class" "$(cat /sys/class/$class/version)" "$version"
	expect "size of version of $class" "$(wc -c </sys/class/$class/version)" $((${#version} + 1))
	expect "mode of version of $class" "$(stat -c %a /sys/class/$class/version)" 444
	refused "the version of $class can be written" sh -c "echo 2 >/sys/class/$class/version"
done

refused "ferry.ko loads a second time" insmod "$module"
[ -d /sys/class/ferry_link ] || fail "a refused insmod took the classes of the loaded module away"

rmmod ferry || fail "ferry.ko does not unload"
for path in /sys/module/ferry /sys/class/ferry_link /sys/class/ferry_energy; do
	[ ! -e $path ] || fail "$path is still there after rmmod"
done
