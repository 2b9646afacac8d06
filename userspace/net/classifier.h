/* SPDX-License-Identifier: MIT */
/*
 * The BPF classifier of an interface: loaded, attached to its way out, pinned, so that it stays
 * when the process that started it ends, however it ends. Everything takes root, or CAP_BPF,
 * CAP_NET_ADMIN and CAP_PERFMON.
 */
#ifndef FERRY_NET_CLASSIFIER_H
#define FERRY_NET_CLASSIFIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/error.h"

struct ferry_classifier;

enum ferry_classifier_hook {
	FERRY_HOOK_ANY,	   /* tcx where the kernel has it (6.6), else clsact */
	FERRY_HOOK_CLSACT, /* a filter of our own on clsact */
	FERRY_HOOK_TCX,	   /* a link of our own; clsact is not touched */
};

struct ferry_classifier_options {
	size_t size;	       /* of this structure, as its user knows it */
	const char *device;    /* name of the interface */
	uint16_t major;	       /* of its qdisc's handle, 1 to 0xfffe */
	const char *directory; /* where to pin, on bpffs; NULL: as above */
	enum ferry_classifier_hook hook;
	bool rewrite_dscp; /* write the class's DSCP into packets */
	bool tunnel;  /* remember verdicts for the interface that carries this tunnel's packets */
	bool carrier; /* ask what tunnels remembered */
};

/**
 * ferry_classifier_start - attach the classifier, or take over the one that is there
 *
 * Idempotent. One that runs keeps its rules, registered sockets and counters and gets the options;
 * one of another version is replaced, and loses them. Foreign filters are left as they are.
 *
 * Return: 0 with *@out to be closed, -ENODEV (no such interface, or its link header is unknown),
 * -EPERM, -ENOTDIR (no BPF file system), -EBUSY (another process is at it), -EOPNOTSUPP (the hook
 * cannot be had) or what the kernel said.
 */
int ferry_classifier_start(struct ferry_classifier **out,
			   const struct ferry_classifier_options *options, struct ferry_error *err);

/* One that runs already, else -ENOENT. @directory as in the options. */
int ferry_classifier_open(struct ferry_classifier **out, const char *device, const char *directory,
			  struct ferry_error *err);

/* Gives up the descriptors; the classifier goes on. @c may be NULL. */
void ferry_classifier_close(struct ferry_classifier *c);

/*
 * Takes the classifier off the interface and leaves what was found: our filter goes, others stay,
 * and clsact goes only where we made it and nobody else uses it. Also for an interface that has
 * gone.
 * @c is closed, whatever comes of it.
 */
int ferry_classifier_stop(struct ferry_classifier *c, struct ferry_error *err);

/*
 * Likewise, by the index of an interface that may have gone, and also where a start was killed
 * before it was done. Nothing to take away is no error.
 */
int ferry_classifier_clear(unsigned int device, const char *directory, struct ferry_error *err);

struct ferry_classifier_status {
	unsigned int device; /* ifindex */
	uint16_t major;
	uint32_t program; /* id, as bpftool shows it */
	enum ferry_classifier_hook hook;
	bool rewrite_dscp;
	/* How often rules were applied, half steps counted; 0: there are none. */
	uint32_t rule_changes;
	bool attached; /* false: the interface has gone, or somebody took the filter away */
	int tier;      /* 0, or 2 where the program asks ferry.ko for the handle of its qdisc */
	char why[160]; /* this tier */
};

int ferry_classifier_status(struct ferry_classifier *c, struct ferry_classifier_status *status,
			    struct ferry_error *err);

/* What has been decided since the start, by enum ferry_classify_source and enum ferry_class. */
struct ferry_classifier_count {
	uint64_t packets, bytes;
};

/* @counts: [FERRY_CLASSIFY_SOURCES][FERRY_CLASS_COUNT] of bpf/classify.h. */
int ferry_classifier_counts(struct ferry_classifier *c, struct ferry_classifier_count *counts,
			    struct ferry_error *err);

/* What each rule has decided: @packets [@n], of rule i + 1 at i. */
int ferry_classifier_hits(struct ferry_classifier *c, uint64_t *packets, unsigned int n,
			  struct ferry_error *err);

/* "kept", "socket" ... of enum ferry_classify_source; NULL beyond the last. */
const char *ferry_classifier_source_name(unsigned int source);

/* A flow that is asked about. Addresses as text, of one version. */
struct ferry_classifier_question {
	const char *from, *to;
	uint16_t from_port, to_port;
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP or any other */
	uint8_t dscp;
	uint64_t cookie; /* of its socket, 0: not one of ours */
};

struct ferry_classifier_answer {
	unsigned int source, class;
	unsigned int rule; /* number, 0 where no rule decided; rule->line of ferry_rules_read() */
	uint64_t rule_packets; /* that this rule decided so far */
	bool known;	       /* behaviour has seen the flow */
	uint64_t flow_packets; /* with payload, of those that no rule knew */
};

/*
 * What a packet of this flow would get now. Control groups and the interface by which packets come
 * in are not part of the question: rules that ask for them do not answer.
 */
int ferry_classifier_explain(struct ferry_classifier *c,
			     const struct ferry_classifier_question *question,
			     struct ferry_classifier_answer *answer, struct ferry_error *err);

#endif
