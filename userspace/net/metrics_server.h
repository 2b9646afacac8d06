/* SPDX-License-Identifier: MIT */
/*
 * Metrics by HTTP, for those on this machine: GET /metrics on a loopback address or a Unix socket.
 * No thread of its own: an event loop waits for the descriptor. Clients, their time and what they
 * may send are bounded, and however often they ask, the text is made at most twice a second.
 */
#ifndef FERRY_NET_METRICS_SERVER_H
#define FERRY_NET_METRICS_SERVER_H

#include <stdint.h>

#include "base/error.h"
#include "net/exposition.h"

enum {
	FERRY_METRICS_CLIENTS_MAX = 16,
	FERRY_METRICS_SECONDS = 5, /* of silence, after which a client goes */
};

struct ferry_metrics_server;

/**
 * ferry_metrics_server_open - listen
 * @address: "127.0.0.1:9559", "[::1]:9559", "localhost:9559" or "/run/ferry/metrics.sock"
 * @fill: makes the text
 *
 * Return: 0, -EINVAL (no such address, or one that others can reach), -EADDRINUSE, or another
 * negative errno with @err filled.
 */
int ferry_metrics_server_open(struct ferry_metrics_server **server, const char *address,
			      void (*fill)(struct ferry_exposition *text, void *data), void *data,
			      struct ferry_error *err);
void ferry_metrics_server_close(struct ferry_metrics_server *server);

int ferry_metrics_server_fd(const struct ferry_metrics_server *server);

/* Serves whoever is there, without waiting. To be called now and then, too, for the time limits. */
void ferry_metrics_server_run(struct ferry_metrics_server *server);

/* How often the text was asked for. */
uint64_t ferry_metrics_server_requests(const struct ferry_metrics_server *server);

#endif
