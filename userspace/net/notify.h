/* SPDX-License-Identifier: MIT */
/*
 * What the service manager wants to hear: the protocol of sd_notify(3), a datagram of lines to the
 * socket that $NOTIFY_SOCKET names. libsystemd would bring decompressors and a megabyte into a
 * process that has to stay small.
 */
#ifndef FERRY_NET_NOTIFY_H
#define FERRY_NET_NOTIFY_H

#include <stdint.h>

/*
 * A socket to the service manager, -1 where nobody listens. To be opened before anything is given
 * up; takes the variables out of the environment.
 *
 * @watchdog_us: set to the longest silence that the manager bears, 0 where it does not watch
 */
int ferry_notify_open(uint64_t *watchdog_us);

/* "READY=1", "WATCHDOG=1", "STATUS=...". Never waits; what cannot be sent is lost. */
void ferry_notify(int fd, const char *state);

#endif
