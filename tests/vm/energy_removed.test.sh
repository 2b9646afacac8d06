#!/bin/bash
# SPDX-License-Identifier: MIT
# vm: --count-time --skip-idle --cpus 1
# A power supply and a thermal zone that are removed while they are read, by drivers that are slow to
# answer: nobody is called in a module that is gone, and their sources are stale two periods
# later (R-38). A kernel that complains fails the test.
set -eu
. "$(dirname "$0")/outcome.sh"
module=$BUILD/kmod-$(uname -r)/ferry.ko
fake=$BUILD/kmod-$(uname -r)-fake/fake.ko
for file in "$module" "$fake"; do [ -f "$file" ] || fail "$file is not built"; done
sources=/sys/class/ferry_energy

# state_within SECONDS STATE SOURCE: waits until the source has the state.
state_within() {
	for _ in $(seq $(($1 * 10))); do
		[ "$(cat "$sources/$3/state" 2>/dev/null)" != "$2" ] || return 0
		sleep 0.1
	done
	fail "$3 is '$(cat "$sources/$3/state" 2>&1)' $1 s later, not '$2'"
}

insmod "$module" thermal=fake_soc
(while sleep 0.2; do cat $sources/*/* >/dev/null 2>&1 || true; done) &
trap 'kill $(jobs -p)' EXIT
for cycle in 1 2 3 4; do
	# Slow enough that some cycles end while a driver is being asked.
	insmod "$fake" slow_ms=$((cycle % 2 * 700))
	[ "$cycle" -gt 1 ] || state_within 15 live psy-fake_battery
	sleep 0.$((cycle * 2 + 1))
	rmmod fake || fail "the sampler keeps the fake machine in use"
done
insmod "$fake"
state_within 5 live psy-fake_battery
state_within 5 live thermal-fake_soc
# Until the periods are no longer those of the slow drivers above.
sleep 4
rmmod fake
# Two periods, and the tenths that this shell takes to look.
state_within 3 stale psy-fake_battery
state_within 1 stale thermal-fake_soc
expect "power of a source that is gone" "$(cat $sources/psy-fake_battery/power_uw)" unknown
expect "temperature of a zone that is gone" "$(cat $sources/thermal-fake_soc/temperature_mdeg)" unknown
expect "source of one that is gone" "$(cat $sources/psy-fake_battery/source)" none
# The sum is taken once a second.
for _ in $(seq 20); do
	[ "$(cat $sources/total/source)" != none ] || break
	sleep 0.1
done
expect "total of a machine without sources" "$(cat $sources/total/source)" none
insmod "$fake" slow_ms=900
sleep 0.5
# Both at once, while a driver is being asked.
rmmod ferry || fail "ferry.ko does not unload while it samples"
rmmod fake
