/* SPDX-License-Identifier: MIT */
/*
 * A link of a gateway: its qdisc, its classifier and its rules, put there together and taken away
 * together. What was found is written down first, so that it can be given back whatever happens in
 * between; whoever is killed halfway is taken over by the next up or down.
 */
#ifndef FERRY_NET_GATEWAY_H
#define FERRY_NET_GATEWAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/error.h"
#include "net/classifier.h"
#include "net/device.h"
#include "net/qdisc.h"

#define FERRY_GATEWAY_DIRECTORY "/run/ferry/net"
#define FERRY_GATEWAY_RULES	"/etc/ferry/rules"

enum {
	FERRY_GATEWAY_MAJOR = 0xfe, /* of our qdisc; the next ones where it is taken */
	FERRY_GATEWAY_NOTES = 8,
	FERRY_GATEWAY_NOTE = 240,
	FERRY_GATEWAY_PATH = 1024,
};

/* Where records and pins are; all NULL: the usual places. */
struct ferry_gateway_places {
	const char *records, *pins;
};

/* What is to hold from now on. What is not said holds on as an earlier up said it. */
struct ferry_gateway_options {
	size_t size;	    /* of this structure, as its user knows it */
	const char *device; /* name of the interface */
	struct ferry_gateway_places places;
	struct ferry_qdisc_wish qdisc;
	const char *rules; /* file; at first FERRY_GATEWAY_RULES, else those that are built in */
	enum ferry_classifier_hook hook;
	uint16_t major; /* of the qdisc that verdicts are for; 0: chosen */
	/* 1, 0, or -1: not said, which is 0 at first. As in struct ferry_classifier_options. */
	int rewrite_dscp, tunnel, carrier;
};

/* Sentences about what could not be had and why, and what was done instead. */
struct ferry_gateway_notes {
	unsigned int n;
	char note[FERRY_GATEWAY_NOTES][FERRY_GATEWAY_NOTE];
};

/* What became of the qdisc. */
enum ferry_gateway_qdisc {
	FERRY_GATEWAY_MADE, /* the root is ours, or will be once ferry.ko is there */
	FERRY_GATEWAY_USED, /* somebody else's qdisc ferry, where it is */
	FERRY_GATEWAY_LEFT, /* the root could not be given back, and was left alone */
};

/* What is written down about a link that is up. */
struct ferry_gateway_record {
	uint64_t namespace, identity;
	unsigned int device;
	char name[FERRY_DEVICE_NAME];
	enum ferry_gateway_qdisc how;
	uint32_t handle; /* of the qdisc that verdicts are for */
	bool changed;	 /* the options of a qdisc that was USED */
	/* What was there before: the root, or the qdisc that was USED. */
	struct ferry_qdisc found;
	bool found_clsact;
	unsigned int found_filters;
	/* What was asked for. */
	struct ferry_qdisc_wish qdisc;
	enum ferry_classifier_hook hook;
	bool rewrite_dscp, tunnel, carrier;
	char rules[FERRY_GATEWAY_PATH]; /* file, "" for those that are built in */
};

/**
 * ferry_gateway_up - put qdisc, classifier and rules on an interface, or change what is there
 * @notes: what could not be had
 *
 * A first up that fails leaves nothing behind, a later one leaves what was there. Without ferry.ko
 * there is no qdisc, and a note says so.
 *
 * Return: 0, -EPERM (the sentence names the capability), -ENODEV, -ENETDOWN, -EINVAL (rules, or an
 * option out of range), -EBUSY (a rate was asked for where the root cannot be ours; or another up
 * is at it for longer than a minute) or what the kernel said.
 */
int ferry_gateway_up(const struct ferry_gateway_options *options, struct ferry_gateway_notes *notes,
		     struct ferry_error *err);

/**
 * ferry_gateway_down - take it all away and give back what was found
 * @device: name of the interface; it may have gone, or have another name by now
 *
 * Return: 0, also where nothing is up (a note says so); -ENODEV where there is neither such an
 * interface nor a record of one; -EPERM, -EBUSY or what the kernel said.
 */
int ferry_gateway_down(const char *device, const struct ferry_gateway_places *places,
		       struct ferry_gateway_notes *notes, struct ferry_error *err);

/* The record of an interface that is up, else -ENOENT. Everyone may read it. */
int ferry_gateway_recorded(const struct ferry_device *device,
			   const struct ferry_gateway_places *places,
			   struct ferry_gateway_record *record, struct ferry_error *err);

/* Calls @visit with each record of this network namespace; anything but 0 ends it. */
int ferry_gateway_each(const struct ferry_gateway_places *places,
		       int (*visit)(const struct ferry_gateway_record *record, void *data),
		       void *data, struct ferry_error *err);

/**
 * ferry_gateway_set_rules - other rules for a link that is up
 * @path: the file, which later ups go on using
 */
int ferry_gateway_set_rules(const char *device, const struct ferry_gateway_places *places,
			    const char *path, struct ferry_error *err);

/*
 * The rules that hold, as they were read: *text, [*bytes], to be freed. -ENOENT where none were
 * applied. For root only.
 */
int ferry_gateway_rules(const struct ferry_gateway_record *record,
			const struct ferry_gateway_places *places, char **text, size_t *bytes,
			struct ferry_error *err);

void ferry_gateway_note(struct ferry_gateway_notes *notes, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
