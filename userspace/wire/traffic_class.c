// SPDX-License-Identifier: MIT
#include "wire/traffic_class.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <stddef.h>
#include <sys/socket.h>

static const struct {
	const char *name;
	uint8_t dscp;
} classes[FERRY_TRAFFIC_CLASSES] = {
	[FERRY_TRAFFIC_CTRL] = {"ctrl", 16},	   /* CS2 */
	[FERRY_TRAFFIC_TOKEN] = {"token", 46},	   /* EF */
	[FERRY_TRAFFIC_DECODE] = {"decode", 34},   /* AF41 */
	[FERRY_TRAFFIC_PREFILL] = {"prefill", 36}, /* AF42 */
	[FERRY_TRAFFIC_KV] = {"kv", 26},	   /* AF31 */
	[FERRY_TRAFFIC_DEFAULT] = {"default", 0},  /* CS0 */
	[FERRY_TRAFFIC_MODEL] = {"model", 10},	   /* AF11 */
	[FERRY_TRAFFIC_SYNC] = {"sync", 1},	   /* LE */
};

const char *ferry_traffic_class_name(enum ferry_traffic_class c)
{
	return (unsigned)c < FERRY_TRAFFIC_CLASSES ? classes[c].name : NULL;
}

uint8_t ferry_traffic_class_dscp(enum ferry_traffic_class c)
{
	return (unsigned)c < FERRY_TRAFFIC_CLASSES ? classes[c].dscp : 0;
}

void ferry_traffic_class_set(int fd, enum ferry_traffic_class c)
{
	int tos = ferry_traffic_class_dscp(c) << 2, priority = (int)c;

	/* A v6 socket takes IP_TOS too: it counts where the peer is v4-mapped. The priority comes
	 * last, because the kernel derives one from the TOS. */
	setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
	setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority));
}
