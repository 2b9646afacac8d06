#!/bin/sh
# SPDX-License-Identifier: MIT
# A script's exit status, arguments, directory and output come through as they were.
set -eu
. "$(dirname "$0")/../outcome.sh"
run=$(cd "$(dirname "$0")/../../.." && pwd)/scripts/vm/run
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/script with blank" <<'SCRIPT'
#!/bin/bash
echo "$PWD"
uname -r
printf '<%s>' "$@"
echo to-stderr >/dev/stderr
sleep 1000 &
seq 20000
touch "$(dirname "$0")/written inside"
exit 3
SCRIPT
chmod +x "$work/script with blank"
cd "$work"
status=0
output=$("$run" --kernel "$KERNEL" "./script with blank" "it's" '$HOME "x"' '' 'a
b' ) || status=$?
expect "exit status" $status 3
expect "output" "$output" "$(echo "$work"; echo "$KERNEL"
	printf '<%s>' "it's" '$HOME "x"' '' 'a
b'; echo to-stderr; seq 20000)"
[ ! -e "$work/written inside" ] || fail "the machine wrote to the host's files"
