/* SPDX-License-Identifier: MIT */
/*
 * The traffic classes of DESIGN §3, as the socket of a connection announces them.
 */
#ifndef FERRY_WIRE_TRAFFIC_CLASS_H
#define FERRY_WIRE_TRAFFIC_CLASS_H

#include <stdint.h>

enum ferry_traffic_class {
	FERRY_TRAFFIC_CTRL = 0,
	FERRY_TRAFFIC_TOKEN = 1,
	FERRY_TRAFFIC_DECODE = 2,
	FERRY_TRAFFIC_PREFILL = 3,
	FERRY_TRAFFIC_KV = 4,
	FERRY_TRAFFIC_DEFAULT = 5,
	FERRY_TRAFFIC_MODEL = 6,
	FERRY_TRAFFIC_SYNC = 7,
	FERRY_TRAFFIC_CLASSES = 8,
};

/* "decode"; NULL outside the table. */
const char *ferry_traffic_class_name(enum ferry_traffic_class c);

/* Differentiated services code point, 6 bits. */
uint8_t ferry_traffic_class_dscp(enum ferry_traffic_class c);

/*
 * Sets DSCP and SO_PRIORITY of a TCP socket. Classes above 6 have no SO_PRIORITY without
 * CAP_NET_ADMIN and go by DSCP alone. A kernel that refuses is not an error: marks are hints.
 */
void ferry_traffic_class_set(int fd, enum ferry_traffic_class c);

#endif
