#!/bin/sh
# SPDX-License-Identifier: MIT
# vm: --count-time --skip-idle --cpus 1
# The netlink family: R-07 (who may do what), R-40 (events, and recovery of a slow reader), readings that are
# pushed, read, and refused. Readings that hold for a second and a half have to be seen meanwhile, so time
# must not pass while a busy host does something else.
set -eu
. "$(dirname "$0")/outcome.sh"
module=$BUILD/kmod-$(uname -r)/ferry.ko
[ -f "$module" ] || fail "$module is not built"

insmod "$module"
# The roles of the test may not be stopped by anything but the module.
sysctl -qw kernel.unprivileged_userns_clone=1 2>/dev/null || true
# Without a cache of compiled Python: the tree is not to be written to.
PYTHONDONTWRITEBYTECODE=1 python3 "$(dirname "$0")/netlink/run.py"

# The command: what it pushes it shows, and each refusal is one sentence.
ferry=$BUILD/userspace/cli/ferry
[ -x "$ferry" ] || skip "$ferry is not built; \`make\` builds it"
"$ferry" net push link lo srtt_us=1500 signal_dbm=-60 state=degraded source=estimate valid_ms=60000
ip link set lo up
shown=$("$ferry" net show link)
case $shown in
"name=lo ifindex=1 state=degraded "*" srtt_us=1500 signal_dbm=-60 "*" source=estimate age_ms="*) ;;
*) fail "ferry net shows '$shown'" ;;
esac
"$ferry" net push mode saver
"$ferry" net show --json >/tmp/shown
python3 - <<-EOT || fail "the JSON is $(cat /tmp/shown)"
	import json
	shown = json.load(open("/tmp/shown"))
	assert shown["mode"] == "saver" and shown["links"][0]["signal_dbm"] == -60, shown
EOT
"$ferry" net push mode normal

# sentence PART COMMAND...: it fails with one line, which holds PART.
sentence() {
	part=$1
	shift
	if "$@" >/tmp/out 2>/tmp/sentence; then fail "$* succeeds"; fi
	expect "lines that '$*' prints" "$(cat /tmp/out /tmp/sentence | wc -l)" 1
	grep -q "$part" /tmp/sentence || fail "'$*' says: $(cat /tmp/sentence)"
}
user() { setpriv --reuid 1000 --clear-groups "$@"; }
sentence "no network device 'wan9'" "$ferry" net push link wan9 srtt_us=1 source=fake
sentence "provenance" "$ferry" net push link lo srtt_us=1
sentence "too old" "$ferry" net push link lo srtt_us=1 source=fake age_ms=5000 valid_ms=4000
sentence "no permission" user "$ferry" net push mode saver
sentence "no permission" user "$ferry" net push link lo srtt_us=1 source=fake
sentence "no permission" user "$ferry" net show energy
user "$ferry" net show >/tmp/shown || fail "a user cannot look at links and mode"
expect "mode that a user sees" "$(tail -n 1 /tmp/shown)" mode=normal
rmmod ferry || fail "ferry.ko does not unload"
sentence "module ferry is not loaded" "$ferry" net show
