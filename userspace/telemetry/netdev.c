// SPDX-License-Identifier: MIT
#include <limits.h>
#include <net/if.h>
#include <string.h>

#include "telemetry/collect.h"
#include "telemetry/sysfs.h"

enum { KBIT_PER_MBIT = 1000 };

static enum ferry_link_state state_of(const char *device)
{
	char operstate[FERRY_SYSFS_TEXT];
	int64_t flags, carrier;

	if (!ferry_sysfs_number(device, "flags", &flags) && !(flags & IFF_UP))
		return FERRY_LINK_STATE_DOWN;
	if (!ferry_sysfs_number(device, "carrier", &carrier) && !carrier)
		return FERRY_LINK_STATE_NO_CARRIER;
	if (!ferry_sysfs_text(device, "operstate", operstate) && !strcmp(operstate, "dormant"))
		return FERRY_LINK_STATE_DORMANT;
	return FERRY_LINK_STATE_UP;
}

void ferry_collect_netdev(const char *root, uint64_t now_us, struct ferry_reading_list *list,
			  struct ferry_netdev_bytes *bytes, size_t *n_bytes)
{
	char base[PATH_MAX], device[PATH_MAX];
	struct ferry_sysfs_names names;

	*n_bytes = 0;
	if (!ferry_sysfs_path(base, sizeof(base), root, "class/net"))
		return;
	ferry_sysfs_list(base, "", &names);
	for (size_t i = 0; i < names.n; i++) {
		int64_t ifindex, speed, tx, rx;
		struct ferry_reading r;

		/* bonding_masters is a file among the devices. */
		if (!ferry_sysfs_path(device, sizeof(device), base, names.name[i]) ||
		    ferry_sysfs_number(device, "ifindex", &ifindex) || ifindex <= 0 ||
		    ifindex > INT_MAX)
			continue;
		ferry_reading_begin(&r, FERRY_READING_OF_LINK, names.name[i], now_us);
		r.provenance = FERRY_PROVENANCE_KERNEL;
		r.ifindex = (uint32_t)ifindex;
		ferry_reading_set(&r, FERRY_STATE, state_of(device));
		/* -1 where there is no carrier, an error where there is no such thing as speed. */
		if (!ferry_sysfs_number(device, "speed", &speed) && speed > 0 &&
		    speed <= UINT32_MAX)
			ferry_reading_set(&r, FERRY_CAPACITY_KBPS, speed * KBIT_PER_MBIT);
		if (!ferry_reading_list_add(list, &r))
			continue;
		if (!ferry_sysfs_number(device, "statistics/tx_bytes", &tx) &&
		    !ferry_sysfs_number(device, "statistics/rx_bytes", &rx) && tx >= 0 && rx >= 0)
			bytes[(*n_bytes)++] = (struct ferry_netdev_bytes){
				.ifindex = r.ifindex, .tx = (uint64_t)tx, .rx = (uint64_t)rx};
	}
}
