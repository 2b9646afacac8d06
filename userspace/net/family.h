/* SPDX-License-Identifier: MIT */
/*
 * A connection to the generic netlink family of ferry.ko. One request at a time; every wait has a
 * deadline; what the kernel refuses comes back as one sentence, the kernel's own where it has one.
 */
#ifndef FERRY_NET_FAMILY_H
#define FERRY_NET_FAMILY_H

#include <stdint.h>

#include "base/error.h"

struct nl_msg;
struct nlattr;

struct ferry_family;

/**
 * ferry_family_open - find the family of the kernel module
 * @family: set on success, closed by ferry_family_close()
 *
 * Return: 0, -ENOENT where the module is not loaded, or another negative errno; @err is filled.
 */
int ferry_family_open(struct ferry_family **family, struct ferry_error *err);
void ferry_family_close(struct ferry_family *family);

/**
 * ferry_family_request - begin a message
 * @cmd: enum ferry_cmd
 * @flags: NLM_F_DUMP, or 0
 *
 * Return: the message, to which attributes are added; NULL and @err where there is no memory.
 */
struct nl_msg *ferry_family_request(struct ferry_family *family, uint8_t cmd, int flags,
				    struct ferry_error *err);

/* Called with the attributes of an answer, [type] up to @max; anything but 0 ends the reading. */
typedef int ferry_family_answer(struct nlattr **attrs, void *data);

/**
 * ferry_family_exchange - send a request, and read what comes until it is answered
 * @request: from ferry_family_request(); freed in any case. NULL is -ENOMEM, so that building a
 *           message needs no check of its own
 * @max: largest attribute that @answer wants to see
 * @answer: may be NULL where nothing but success is expected
 *
 * Return: 0, what @answer returned, or a negative errno with @err filled.
 */
int ferry_family_exchange(struct ferry_family *family, struct nl_msg *request, int max,
			  ferry_family_answer *answer, void *data, struct ferry_error *err);

#endif
