/* SPDX-License-Identifier: MIT */
/*
 * Records of links that are up: a file for each in a directory that goes with the next start of the
 * machine, as qdiscs and classifiers do. A record is written beside the old one and takes its place
 * in one step.
 */
#ifndef FERRY_NET_GATEWAY_RECORD_H
#define FERRY_NET_GATEWAY_RECORD_H

#include "net/gateway.h"

/* The directory, and the lock on it of whoever changes anything. */
struct ferry_gateway_records {
	char path[FERRY_GATEWAY_PATH];
	int lock; /* descriptor, -1 */
};

/*
 * Takes the lock, after making the directory where @make says so; -ENOENT where it is not there,
 * -EBUSY where somebody has the lock for longer than a minute.
 */
int ferry_gateway_lock(struct ferry_gateway_records *records, const char *path, bool make,
		       struct ferry_error *err);
void ferry_gateway_unlock(struct ferry_gateway_records *records);

int ferry_gateway_write(const struct ferry_gateway_records *records,
			const struct ferry_gateway_record *record, struct ferry_error *err);

/* Record of an index in this network namespace; -ENOENT, -EPROTO for one that is damaged. */
int ferry_gateway_read(const char *directory, unsigned int device,
		       struct ferry_gateway_record *record, struct ferry_error *err);

/* The rules that were applied; @text NULL: it is not known which hold. */
int ferry_gateway_keep_rules(const struct ferry_gateway_records *records, unsigned int device,
			     const char *text, size_t bytes, struct ferry_error *err);

/* Removes every file about the index, whole or not. */
void ferry_gateway_forget(const struct ferry_gateway_records *records, unsigned int device);

#endif
