/* SPDX-License-Identifier: MIT */
/*
 * Tells the classifiers of this machine (bpf/classify.bpf.c) what class a socket sends, so that no
 * rule has to guess. Classifiers are found by their pins; there may be none.
 */
#ifndef FERRY_WIRE_SOCKET_REGISTER_H
#define FERRY_WIRE_SOCKET_REGISTER_H

#include "wire/traffic_class.h"

/**
 * ferry_socket_register - everything that @fd sends from now on is of class @c
 * @deadline_us: for each packet, from when it reaches the qdisc; 0: the budget of the class
 * @directory: where classifiers pin their maps; NULL for the usual place
 *
 * Idempotent; each classifier of the socket's network namespace is told, and a class that is told
 * again replaces the one before. Where a classifier has no room, sockets of processes that have
 * ended are dropped. Takes what bpf(2) takes (CAP_BPF) and the right to enter the directory, which
 * is root's. Never blocks.
 *
 * Return: how many classifiers know it now, 0 where there is none or this process may not tell
 * them: marks are hints, and DSCP and SO_PRIORITY remain.
 */
int ferry_socket_register(int fd, enum ferry_traffic_class c, uint64_t deadline_us,
			  const char *directory);

/*
 * Closes @fd and takes it out of the register, in this order: closing sends the last packets.
 * Returns how many classifiers knew it.
 */
int ferry_socket_close(int fd, const char *directory);

#endif
