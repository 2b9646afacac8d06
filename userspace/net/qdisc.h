/* SPDX-License-Identifier: MIT */
/*
 * Queueing disciplines of an interface: what is there, with the numbers of those of kind ferry, and
 * putting one there, changing it, and giving back what was found.
 */
#ifndef FERRY_NET_QDISC_H
#define FERRY_NET_QDISC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/ferry.h>

#include "ferry/error.h"

enum {
	FERRY_QDISC_KIND = 16,
	FERRY_QDISC_OPTIONS = 2048,
	FERRY_QDISC_ROOT = 0xffffffff, /* parent of a root qdisc */
};

/* A class within a qdisc of kind ferry; TCA_FERRY_CSTATS_* and TCA_FERRY_CLASS_*. */
struct ferry_qdisc_class {
	uint64_t packets, bytes, drops, limit_drops, marks, late;
	uint32_t backlog, qlen, flows, p50_us, p99_us;
	uint32_t budget_us, share; /* 0: no deadline; thousandths */
	uint64_t sources[FERRY_SOURCE_COUNT];
};

struct ferry_qdisc {
	char kind[FERRY_QDISC_KIND];
	uint32_t handle; /* 0: the kernel made it by itself */
	uint32_t parent;
	bool sized; /* has a size table or an estimator, or shares its filters */
	/* As the kernel gave them; more bytes than there is room for: none are here. */
	size_t option_bytes;
	uint8_t options[FERRY_QDISC_OPTIONS] __attribute__((aligned(4)));
	uint64_t packets, bytes, drops;
	uint32_t backlog, qlen;
	/* Of kind ferry only. */
	bool is_ferry;
	uint64_t rate; /* bytes/s, 0: unshaped */
	uint8_t mode;  /* enum ferry_mode */
	uint32_t memory, memory_limit;
	struct ferry_qdisc_class classes[FERRY_CLASS_COUNT];
};

struct ferry_qdiscs {
	struct ferry_qdisc *qdisc; /* [n]; the root first where there is one */
	size_t n;
};

/* Return: 0 with @list to be freed, or negative errno. An interface that has gone has none. */
int ferry_qdiscs_read(struct ferry_qdiscs *list, unsigned int device, struct ferry_error *err);
void ferry_qdiscs_free(struct ferry_qdiscs *list);

/* The root qdisc, NULL where there is none. */
const struct ferry_qdisc *ferry_qdiscs_root(const struct ferry_qdiscs *list);

/* By handle, but for 0; NULL where there is none. */
const struct ferry_qdisc *ferry_qdiscs_find(const struct ferry_qdiscs *list, uint32_t handle);

/*
 * Whether the kernel would make the same qdisc again from what it shows of it, so that it can be
 * taken away and given back; else *why has the reason, as "it has classes".
 */
bool ferry_qdisc_restorable(const struct ferry_qdiscs *list, const struct ferry_qdisc *q,
			    const char **why);

/* Filters on the qdisc, or negative errno. */
int ferry_qdisc_filters(unsigned int device, uint32_t handle, struct ferry_error *err);

/* What is to be set of a qdisc of kind ferry; what is absent keeps its value. */
struct ferry_qdisc_wish {
	bool has_rate, has_overhead, has_mpu;
	uint64_t rate; /* bytes/s, 0: unshaped */
	int32_t overhead;
	uint32_t mpu;
};

bool ferry_qdisc_wishes(const struct ferry_qdisc_wish *wish);

/**
 * ferry_qdisc_put - make a qdisc of kind ferry the root of an interface, in place of what is there
 *
 * Return: 0, -ENOPKG where ferry.ko is not loaded, -EPERM, -ENODEV, -EINVAL (an option is out of
 * range) or what the kernel said.
 */
int ferry_qdisc_put(unsigned int device, uint32_t handle, const struct ferry_qdisc_wish *wish,
		    struct ferry_error *err);

/* Changes one that is there, in place: queues and counters stay. */
int ferry_qdisc_change(unsigned int device, const struct ferry_qdisc *q,
		       const struct ferry_qdisc_wish *wish, struct ferry_error *err);

/* Gives the options back that @was had when it was read. */
int ferry_qdisc_change_back(unsigned int device, const struct ferry_qdisc *was,
			    struct ferry_error *err);

/**
 * ferry_qdisc_restore - give the interface the root back that it had
 * @handle: of the root that is there now
 * @was: what was there; of handle 0, whatever the kernel makes by itself
 */
int ferry_qdisc_restore(unsigned int device, uint32_t handle, const struct ferry_qdisc *was,
			struct ferry_error *err);

#endif
