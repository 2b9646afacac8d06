#!/bin/bash
# SPDX-License-Identifier: MIT
# A script that hangs is killed when its time is up, and neither that nor an interrupted run leaves
# a process or a file behind.
set -eu
. "$(dirname "$0")/../outcome.sh"
run=$(cd "$(dirname "$0")/../../.." && pwd)/scripts/vm/run
work=$(mktemp -d)
export TMPDIR=$work/tmp
mkdir "$TMPDIR"
trap 'rm -rf "$work"' EXIT

left_behind() {
	[ -z "$(ls "$TMPDIR")" ] || fail "$1 left files behind: $(ls "$TMPDIR")"
	# The command line of QEMU names the run's directory.
	if grep -lF "$TMPDIR/" /proc/[0-9]*/cmdline 2>/dev/null; then
		fail "$1 left a process behind"
	fi
}

printf '#!/bin/sh\necho started\nexec sleep ${1:-100000}\n' >"$work/hang"
chmod +x "$work/hang"

# Somewhat more than a boot takes here; where the machine has become busier meanwhile, and time was up
# before the script ran, more.
SECONDS=0
"$run" --kernel "$KERNEL" "$work/hang" 0 >/dev/null
limit=$((SECONDS + 10))
for attempt in 1 2 3 4; do
	status=0
	output=$("$run" --kernel "$KERNEL" --timeout $limit "$work/hang" 2>"$work/stderr") || status=$?
	expect "exit status of attempt $attempt" $status 124
	[ -z "$output" ] || break
	limit=$((2 * limit))
done
expect "output" "$output" started
grep -q 'killed after' "$work/stderr" || fail "nothing says that the script was killed"
left_behind "a run that timed out"

mkfifo "$work/output"
"$run" --kernel "$KERNEL" "$work/hang" >"$work/output" 2>&1 &
exec 3<"$work/output"
read -r line <&3
[ "$line" = started ] || fail "the run began with: $line $(cat <&3)"
kill -TERM $!
status=0
wait $! || status=$?
expect "exit status of an interrupted run" $status 143
left_behind "an interrupted run"
