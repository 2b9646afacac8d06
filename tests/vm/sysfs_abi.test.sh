#!/bin/sh
# SPDX-License-Identifier: MIT
# Documentation/ABI names every file that the module puts into sysfs, and no other.
set -eu
. "$(dirname "$0")/outcome.sh"
cd "$(dirname "$0")/../.."
module=$BUILD/kmod-$(uname -r)/ferry.ko
[ -f "$module" ] || fail "$module is not built"

insmod "$module"
live=$(find /sys/class/ferry_link/ /sys/class/ferry_energy/ -type f | tr -s / | sort)
documented=$(sed -n 's/^What:[[:space:]]*//p' Documentation/ABI/testing/sysfs-class-ferry_* | sort)
[ -n "$documented" ] || fail "Documentation/ABI/testing documents nothing"
expect "what sysfs has" "$live" "$documented"
