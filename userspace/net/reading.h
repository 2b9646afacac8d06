/* SPDX-License-Identifier: MIT */
/*
 * What can be pushed into ferry.ko and read from it: values with the names that they have in sysfs.
 * The attributes, their units and ranges are those of include/uapi/linux/ferry.h.
 */
#ifndef FERRY_NET_READING_H
#define FERRY_NET_READING_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "net/family.h"

enum ferry_net_object {
	FERRY_NET_LINK,
	FERRY_NET_ENERGY,
	FERRY_NET_MODEL,
	FERRY_NET_MODE,
};

enum ferry_key_type {
	FERRY_KEY_U8,
	FERRY_KEY_U32,
	FERRY_KEY_S32,
	FERRY_KEY_U64,
	FERRY_KEY_WORD, /* a u32 that has names */
	FERRY_KEY_TEXT,
};

enum {
	FERRY_KEY_IN = 1,  /* can be pushed */
	FERRY_KEY_OUT = 2, /* can be read */
	FERRY_READINGS_MAX = 24,
	FERRY_READING_TEXT = 32,
};

/* One kind of value. */
struct ferry_key {
	const char *name;
	int attribute;
	enum ferry_key_type type;
	unsigned int direction;
	int64_t min;
	uint64_t max;
	const char *const *words; /* of FERRY_KEY_WORD: by number, @max the last */
	uint32_t refused;	  /* bits of those that cannot be pushed */
};

/* One value. */
struct ferry_key_value {
	const struct ferry_key *key;
	uint64_t number; /* of FERRY_KEY_S32: sign-extended */
	char text[FERRY_READING_TEXT];
};

/* What is pushed in one message, or was read of one object; in the order of the table. */
struct ferry_key_values {
	size_t n;
	struct ferry_key_value value[FERRY_READINGS_MAX];
};

/**
 * ferry_key_parse - read a word like "srtt_us=1200"
 * @values: the value is added, or takes the place of an earlier one with the same key
 *
 * Return: 0, or -EINVAL with @err, which says what is expected instead.
 */
int ferry_key_parse(enum ferry_net_object object, const char *word, struct ferry_key_values *values,
		    struct ferry_error *err);

/* The value of @name, or NULL. */
const struct ferry_key_value *ferry_key_find(const struct ferry_key_values *values,
					     const char *name);

/* The word of a FERRY_KEY_WORD value; "?" for a number without one. */
const char *ferry_key_word(const struct ferry_key_value *value);

/**
 * ferry_net_push - push values
 * @name: of the network device or the energy source; NULL for the model and the mode
 *
 * Return: 0, or a negative errno with @err filled.
 */
int ferry_net_push(struct ferry_family *family, enum ferry_net_object object, const char *name,
		   const struct ferry_key_values *values, struct ferry_error *err);

/**
 * ferry_net_remove - remove an energy source that was pushed
 *
 * Return: 0, or a negative errno with @err filled.
 */
int ferry_net_remove(struct ferry_family *family, const char *name, struct ferry_error *err);

/**
 * ferry_net_read - read all links, all energy sources, or the mode
 * @visit: called for each; anything but 0 ends the reading and is returned
 *
 * Return: 0, what @visit returned, or a negative errno with @err filled.
 */
int ferry_net_read(struct ferry_family *family, enum ferry_net_object object,
		   int (*visit)(const struct ferry_key_values *values, void *data), void *data,
		   struct ferry_error *err);

#endif
