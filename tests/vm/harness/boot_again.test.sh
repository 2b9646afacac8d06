#!/bin/sh
# SPDX-License-Identifier: MIT
# A machine that goes down before the script began boots again, and says so; one that always does fails.
set -eu
. "$(dirname "$0")/../outcome.sh"
root=$(cd "$(dirname "$0")/../../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '#!/bin/sh\necho began\n' >"$work/script"
chmod +x "$work/script"
real=$(command -v qemu-system-x86_64) || skip "there is no qemu-system-x86_64"

# goes_down N: the first N boots end at once.
goes_down() {
	mkdir -p "$work/bin"
	cat >"$work/bin/qemu-system-x86_64" <<-END
		#!/bin/sh
		echo boot >>"$work/boots"
		[ \$(wc -l <"$work/boots") -le $1 ] || exec $real "\$@"
	END
	chmod +x "$work/bin/qemu-system-x86_64"
	: >"$work/boots"
	status=0
	PATH=$work/bin:$PATH "$root/scripts/vm/run" --kernel "$KERNEL" "$work/script" >"$work/out" 2>"$work/err" ||
		status=$?
}

goes_down 1
expect "exit status after one bad boot" $status 0
expect "output after one bad boot" "$(cat "$work/out")" began
grep -q "once more" "$work/err" || fail "nothing says that it booted again: $(cat "$work/err")"
goes_down 9
expect "exit status where no boot is a good one" $status 120
expect "boots" "$(wc -l <"$work/boots")" 3
