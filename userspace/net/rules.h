/* SPDX-License-Identifier: MIT */
/*
 * Rules for the classifier, one on a line (ferry-rules(5)):
 *
 *   port PROTOCOL/PORT[-PORT] [from|to] CLASS
 *   prefix ADDRESS[/BITS] [from|to] [in DEVICE] CLASS
 *   trust ADDRESS[/BITS] [in DEVICE]
 *   sni NAME|*.DOMAIN CLASS
 *   cgroup PATH CLASS
 *   behaviour tokens|exchange|long-exchange|bulk CLASS|off
 *
 * '#' begins a comment. The number of a rule is its place in the file, from 1.
 */
#ifndef FERRY_NET_RULES_H
#define FERRY_NET_RULES_H

#include <stdint.h>

#include "ferry/error.h"
#include "net/classifier.h"

enum ferry_rule_kind {
	FERRY_RULE_PORT,
	FERRY_RULE_PREFIX,
	FERRY_RULE_TRUST,
	FERRY_RULE_SNI,
	FERRY_RULE_CGROUP,
	FERRY_RULE_BEHAVIOUR,
};

enum { FERRY_RULE_TEXT = 256, FERRY_RULE_DEVICE = 16, FERRY_RULES_MAX = 1023 };

struct ferry_rule {
	enum ferry_rule_kind kind;
	unsigned int line;	    /* of the file, from 1 */
	unsigned int column;	    /* of what it is about, in bytes from 1 */
	unsigned int device_column; /* of the interface's name; 0: none */
	uint8_t class;		    /* enum ferry_class, or 0xff for "off" */
	uint8_t ends;		    /* enum ferry_classify_end; 0: both */
	uint8_t protocol;
	uint8_t behaviour; /* enum ferry_behaviour_kind */
	uint16_t first_port, last_port;
	uint8_t address[16];		/* IPv4 as ::ffff:a.b.c.d */
	unsigned int bits;		/* of 128 */
	char device[FERRY_RULE_DEVICE]; /* "": any */
	char text[FERRY_RULE_TEXT];	/* name or path */
};

struct ferry_rules {
	struct ferry_rule *rule; /* [n] */
	unsigned int n;
};

/**
 * ferry_rules_read - read a rules file
 * @name: what to call it in errors
 * @text: [@bytes], need not end with a NUL
 *
 * Return: 0 with @rules to be freed; -EINVAL with "NAME:LINE:COLUMN: what is wrong", columns in
 * bytes from 1; -E2BIG; -ENOMEM. @rules is empty then.
 */
int ferry_rules_read(struct ferry_rules *rules, const char *name, const char *text, size_t bytes,
		     struct ferry_error *err);

/* A file of at most 1 MiB: *text, [*bytes], to be freed. */
int ferry_rules_text(const char *path, char **text, size_t *bytes, struct ferry_error *err);

/* As ferry_rules_read(), from such a file. */
int ferry_rules_load(struct ferry_rules *rules, const char *path, struct ferry_error *err);

void ferry_rules_free(struct ferry_rules *rules);

/**
 * ferry_rules_check - whether rules can be applied now
 *
 * Return: 0, -ENODEV or -ENOENT (a device or a control group that a rule names is not there),
 * -EINVAL (too many levels of control groups) or -ENOSPC (more ports than there is room for).
 */
int ferry_rules_check(const struct ferry_rules *rules, struct ferry_error *err);

/**
 * ferry_rules_apply - make these the rules of a classifier
 *
 * New rules are added before old ones are taken away, so that at no moment none hold. What
 * ferry_rules_check() refuses is refused before anything is changed.
 *
 * Return: 0, -ENODEV, -ENOENT (also where the classifier was stopped meanwhile), -EBUSY (another
 * process changes it for longer than half a minute), -ENOSPC (then old rules that a new one had
 * replaced are gone) or what the kernel said.
 */
int ferry_rules_apply(const struct ferry_rules *rules, struct ferry_classifier *c,
		      struct ferry_error *err);

#endif
