# SPDX-License-Identifier: MIT
# Sourced by tests that let allocations fail: `begin_failures`, the test, `end_failures`.
#
# By default an allocation that may sleep never fails, and each failure prints a trace. Other parts of the
# kernel print one as well where they get no memory, which is no fault: so the console is silent meanwhile,
# and what the kernel says is looked through here.
begin_failures() {
	for kind in failslab fail_page_alloc; do
		echo N >/sys/kernel/debug/$kind/ignore-gfp-wait
		echo 0 >/sys/kernel/debug/$kind/verbose
	done
	dmesg --console-level crit
	dmesg --follow >/tmp/kernel.log &
	follower=$!
}

end_failures() {
	sleep 1
	kill $follower
	dmesg --console-level debug
	if grep -E -A 30 '\b(BUG|WARNING|Oops|KASAN|UBSAN)\b|general protection|refcount_t:|ODEBUG' /tmp/kernel.log ||
		grep -E -A 30 'possible (circular|recursive)|suspicious RCU|to become free' /tmp/kernel.log; then
		fail "the kernel complained"
	fi
}
