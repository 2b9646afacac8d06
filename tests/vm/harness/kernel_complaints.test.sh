#!/bin/sh
# SPDX-License-Identifier: MIT
# Whatever the kernel complains about makes the run fail, although the script itself is content.
set -eu
. "$(dirname "$0")/../outcome.sh"
root=$(cd "$(dirname "$0")/../../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
module=$("$root/scripts/kmod-build.sh" --kernel "$KERNEL" --source "$root/tests/vm/oops")

# complains SCRIPT-TEXT WORDS: the run ends with 120 and WORDS on stderr.
complains() {
	printf '#!/bin/sh\n%s\nexit 0\n' "$1" >"$work/script"
	chmod +x "$work/script"
	status=0
	"$root/scripts/vm/run" --kernel "$KERNEL" "$work/script" >"$work/out" 2>"$work/err" || status=$?
	expect "exit status of '$1'" $status 120
	grep -q "$2" "$work/err" || fail "'$1' failed without '$2': $(cat "$work/err")"
}

complains "insmod $module how=null" "NULL pointer dereference"
complains "insmod $module how=warn" "WARNING: CPU"
complains "echo BUG: in words only >/dev/kmsg" "BUG: in words only"
complains "busybox poweroff -f" "went down before"

# And the same module, well-behaved, does not.
printf '#!/bin/sh\nexec insmod %s how=none\n' "$module" >"$work/script"
"$root/scripts/vm/run" --kernel "$KERNEL" "$work/script" || fail "a well-behaved module fails"
