/* SPDX-License-Identifier: MIT */
/*
 * Whom this machine trusts, and with what: a text file with a line for each key.
 *
 *	ferry1:mfrg... laptop role=device models=* kv=512 sessions=4 expires=2027-06-30
 *	ferry1:nbsw... phone role=device revoked=2026-11-01
 *
 * Words are separated by blanks or tabs; a line that begins with '#' is a comment. Fingerprint and
 * name come first and are unique. Then, once each and in any order:
 *
 *	role=edge|device|both	what the key may be; required
 *	models=*|ID,ID...	ids (`ferry info`), or their first 8 or more digits [*]
 *	kv=MiB			memory for KV caches, all its connections together [no limit]
 *	sessions=N		at a time, all its connections together [no limit]
 *	expires=YYYY-MM-DD	the last day, in UTC
 *	revoked=YYYY-MM-DD	since when it counts for nothing; the line stays to say so
 */
#ifndef FERRY_WIRE_TRUST_H
#define FERRY_WIRE_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/error.h"
#include "wire/fingerprint.h"
#include "wire/guarded_file.h"

enum {
	FERRY_TRUST_NAME = 64, /* with its NUL */
	FERRY_TRUST_MODELS = 8,
	FERRY_TRUST_MODEL_TEXT = 65, /* hexadecimal digits and a NUL */
	FERRY_TRUST_MIN_MODEL = 8,
	FERRY_TRUST_MAX_KEYS = 1024,
	FERRY_TRUST_MAX_BYTES = 1 << 20,
	FERRY_TRUST_LINE = 1024, /* what one key takes at most */
	FERRY_TRUST_DATE = 11,
};

enum ferry_trust_role {
	FERRY_TRUST_EDGE = 1,
	FERRY_TRUST_DEVICE = 2,
};

struct ferry_grant {
	struct ferry_fingerprint key;
	char name[FERRY_TRUST_NAME];
	uint8_t roles;	  /* bits: enum ferry_trust_role */
	uint8_t n_models; /* 0: every model */
	char models[FERRY_TRUST_MODELS][FERRY_TRUST_MODEL_TEXT];
	uint64_t kv_bytes;		/* 0: no limit of its own */
	uint32_t max_sessions;		/* the same */
	char expires[FERRY_TRUST_DATE]; /* "2027-06-30"; "": never */
	char revoked[FERRY_TRUST_DATE]; /* "": it is not */
};

struct ferry_trust {
	struct ferry_grant *grants;
	uint32_t n;
	struct ferry_file_stamp stamp; /* of the file */
};

/*
 * The text of a file; @name is for messages, which tell line and column. On failure @t is empty.
 * -EBADMSG, -ENOMEM.
 */
int ferry_trust_parse(const char *text, size_t n, const char *name, struct ferry_trust *t,
		      struct ferry_error *err);

/* DIRECTORY/trust; where there is none, nobody is trusted. -EPERM where others may write it. */
int ferry_trust_load(const char *directory, struct ferry_trust *t, struct ferry_error *err);
void ferry_trust_release(struct ferry_trust *t);

const struct ferry_grant *ferry_trust_find(const struct ferry_trust *t,
					   const struct ferry_fingerprint *key);

/* The line of a key, with its line end; -EINVAL for what the file could not hold. */
int ferry_trust_line(const struct ferry_grant *g, char line[FERRY_TRUST_LINE],
		     struct ferry_error *err);

/*
 * Write the line of @g in the place of its key's, or behind all; other lines stay as they are.
 * -EEXIST where another key has its name. The file is replaced at once.
 */
int ferry_trust_put(const char *directory, const struct ferry_grant *g, struct ferry_error *err);

/* "2027-06-30" of a time in seconds since 1970; whether such a day exists; whether it is over. */
void ferry_trust_date(int64_t seconds, char date[FERRY_TRUST_DATE]);
bool ferry_trust_is_date(const char *date);
bool ferry_trust_date_over(const char *date, int64_t seconds);

bool ferry_grant_has_model(const struct ferry_grant *g, const uint8_t id[32]);

#endif
