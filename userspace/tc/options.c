// SPDX-License-Identifier: MIT
/*
 * Options of `tc qdisc add|change|replace ... ferry`, turned into attributes. Ranges are the
 * kernel's to know; what is said here is what a user who mistyped wants to hear.
 */
#include "tc/options.h"

#include <stdarg.h>
#include <string.h>

#include "linux/ferry.h"
#include "tc/units.h"

enum {
	MESSAGE_BYTES = 4096,
};

static const char usage[] =
	"Usage: ... ferry [ rate RATE | unlimited ] [ overhead BYTES ] [ mpu BYTES ] [ limit BYTES ]\n"
	"                 [ ecn | noecn ] [ target TIME ] [ interval TIME ]\n"
	"                 [ ce_threshold TIME | noce_threshold ]\n"
	"                 [ split-gso auto | always | never ] [ fwmark MASK ]\n"
	"                 [ dscp POINT:CLASS[,POINT:CLASS...] | dscp default ] [ wash | nowash ]\n"
	"                 [ class CLASS [ budget TIME ] [ share PERCENT ] ]...\n"
	"CLASS := { ctrl | token | decode | prefill | kv | default | model | sync | 0..7 }\n"
	"POINT := { CS0..CS7 | AF11..AF43 | EF | VA | LE | 0..63 }\n";

struct class_options {
	bool given, has_budget, has_share;
	uint32_t budget, share;
};

struct parser {
	struct nlmsghdr *message;
	int argc;
	char **argv;
	uint32_t seen; /* a bit for each attribute that was given */
	struct class_options classes[FERRY_CLASS_COUNT];
	int class; /* that `budget` and `share` belong to; -1 before the first */
};

__attribute__((format(printf, 1, 2))) static int refuse(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	fputs("Error: ferry: ", stderr);
	vfprintf(stderr, format, list);
	fputs(".\n", stderr);
	va_end(list);
	return -1;
}

/* The word behind the option that stands at argv[0]; NULL after saying that there is none. */
static const char *value_of(struct parser *p)
{
	const char *option = p->argv[0];

	if (p->argc < 2) {
		refuse("%s needs a value", option);
		return NULL;
	}
	p->argc--;
	p->argv++;
	return p->argv[0];
}

static int put(struct parser *p, int attribute, const char *option, const void *data, int length)
{
	if (p->seen & 1u << attribute)
		return refuse("%s is given twice, or contradicts an earlier option", option);
	p->seen |= 1u << attribute;
	return addattr_l(p->message, MESSAGE_BYTES, attribute, data, length) ? -1 : 0;
}

static int put_u8(struct parser *p, int attribute, uint8_t value)
{
	return put(p, attribute, p->argv[0], &value, sizeof(value));
}

static int parse_rate(struct parser *p, const char *option, int attribute)
{
	const char *text = value_of(p);
	uint64_t rate;

	if (!text)
		return -1;
	if (!ferry_tc_read_rate(text, &rate))
		return refuse("%s takes a rate like 20mbit, not '%s'", option, text);
	return put(p, attribute, option, &rate, sizeof(rate));
}

static int parse_time(struct parser *p, const char *option, int attribute)
{
	const char *text = value_of(p);
	uint32_t us;

	if (!text)
		return -1;
	if (!ferry_tc_read_time(text, &us))
		return refuse("%s takes a time like 5ms, not '%s'", option, text);
	return put(p, attribute, option, &us, sizeof(us));
}

static int parse_limit(struct parser *p, const char *option, int attribute)
{
	const char *text = value_of(p);
	uint32_t bytes;

	if (!text)
		return -1;
	if (!ferry_tc_read_size(text, &bytes))
		return refuse("%s takes a size like 8mb, not '%s'", option, text);
	return put(p, attribute, option, &bytes, sizeof(bytes));
}

static int parse_bytes(struct parser *p, const char *option, int attribute)
{
	const char *text = value_of(p);
	long number;
	int32_t bytes;

	if (!text)
		return -1;
	if (!ferry_tc_read_integer(text, INT32_MIN, INT32_MAX, &number) ||
	    (attribute == TCA_FERRY_MPU && number < 0))
		return refuse("%s takes a number of bytes, not '%s'", option, text);
	bytes = (int32_t)number;
	return put(p, attribute, option, &bytes, sizeof(bytes));
}

static int parse_mask(struct parser *p, const char *option, int attribute)
{
	const char *text = value_of(p);
	long number;
	uint32_t mask;

	if (!text)
		return -1;
	if (!ferry_tc_read_integer(text, 0, UINT32_MAX, &number))
		return refuse("%s takes a mask like 0xf0, not '%s'", option, text);
	mask = (uint32_t)number;
	return put(p, attribute, option, &mask, sizeof(mask));
}

static int parse_split(struct parser *p, const char *option, int attribute)
{
	static const char *const names[FERRY_SPLIT_GSO_COUNT] = {
		[FERRY_SPLIT_GSO_NEVER] = "never",
		[FERRY_SPLIT_GSO_AUTO] = "auto",
		[FERRY_SPLIT_GSO_ALWAYS] = "always",
	};
	const char *text = value_of(p);

	if (!text)
		return -1;
	for (uint8_t i = 0; i < FERRY_SPLIT_GSO_COUNT; i++)
		if (!strcmp(text, names[i]))
			return put(p, attribute, option, &i, sizeof(i));
	return refuse("%s is auto, always or never, not '%s'", option, text);
}

static int parse_code_points(struct parser *p, const char *option, int attribute)
{
	uint8_t classes[FERRY_DSCP_COUNT];
	bool given[FERRY_DSCP_COUNT] = {false};
	const char *text = value_of(p);

	if (!text)
		return -1;
	ferry_tc_default_code_points(classes);
	if (!strcmp(text, "default"))
		return put(p, attribute, option, classes, sizeof(classes));
	for (;;) {
		size_t n = strcspn(text, ",");
		const char *colon = memchr(text, ':', n);
		int point = colon ? ferry_tc_code_point(text, (size_t)(colon - text)) : -1;
		int class = colon ? ferry_tc_class(colon + 1, (size_t)(text + n - colon - 1)) : -1;

		if (point < 0 || class < 0)
			return refuse("%s takes pairs like EF:token, not '%.*s'", option, (int)n,
				      text);
		if (given[point])
			return refuse("%s says twice what '%.*s' is", option, (int)(colon - text),
				      text);
		given[point] = true;
		classes[point] = (uint8_t) class;
		if (!text[n])
			break;
		text += n + 1;
	}
	return put(p, attribute, option, classes, sizeof(classes));
}

static int parse_class(struct parser *p)
{
	const char *text = value_of(p);
	int class = text ? ferry_tc_class(text, strlen(text)) : -1;

	if (!text)
		return -1;
	if (class < 0)
		return refuse("there is no class '%s'", text);
	if (p->classes[class].given)
		return refuse("class %s is given twice", text);
	p->classes[class].given = true;
	p->class = class;
	return 0;
}

static int parse_class_option(struct parser *p, bool is_budget)
{
	const char *option = p->argv[0];
	const char *text = value_of(p);
	struct class_options *class = p->class < 0 ? NULL : &p->classes[p->class];

	if (!text)
		return -1;
	if (!class)
		return refuse("%s stands behind `class CLASS`", option);
	if (is_budget ? class->has_budget : class->has_share)
		return refuse("%s of class %s is given twice", option,
			      ferry_tc_class_name(p->class));
	if (is_budget) {
		class->has_budget = true;
		if (!ferry_tc_read_time(text, &class->budget))
			return refuse("%s takes a time like 50ms, not '%s'", option, text);
		return 0;
	}
	class->has_share = true;
	if (!ferry_tc_read_share(text, &class->share))
		return refuse("%s takes a percentage in steps of 0.1%%, not '%s'", option, text);
	return 0;
}

/* Options with a value, and the attribute that each becomes. */
static const struct {
	const char *name;
	int attribute;
	int (*parse)(struct parser *p, const char *option, int attribute);
} with_value[] = {
	{"rate", TCA_FERRY_RATE64, parse_rate},
	{"overhead", TCA_FERRY_OVERHEAD, parse_bytes},
	{"mpu", TCA_FERRY_MPU, parse_bytes},
	{"limit", TCA_FERRY_LIMIT, parse_limit},
	{"target", TCA_FERRY_TARGET, parse_time},
	{"interval", TCA_FERRY_INTERVAL, parse_time},
	{"ce_threshold", TCA_FERRY_CE_THRESHOLD, parse_time},
	{"split-gso", TCA_FERRY_SPLIT_GSO, parse_split},
	{"fwmark", TCA_FERRY_FWMARK, parse_mask},
	{"dscp", TCA_FERRY_DSCP, parse_code_points},
};

static const struct {
	const char *name;
	int attribute;
	uint8_t value;
} flags[] = {
	{"ecn", TCA_FERRY_ECN, 1},
	{"noecn", TCA_FERRY_ECN, 0},
	{"wash", TCA_FERRY_WASH, 1},
	{"nowash", TCA_FERRY_WASH, 0},
};

static int parse_option(struct parser *p)
{
	static const uint64_t no_rate;
	static const uint32_t no_threshold;
	const char *option = p->argv[0];

	for (size_t i = 0; i < sizeof(with_value) / sizeof(with_value[0]); i++)
		if (!strcmp(option, with_value[i].name))
			return with_value[i].parse(p, option, with_value[i].attribute);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (!strcmp(option, flags[i].name))
			return put_u8(p, flags[i].attribute, flags[i].value);
	if (!strcmp(option, "unlimited"))
		return put(p, TCA_FERRY_RATE64, option, &no_rate, sizeof(no_rate));
	if (!strcmp(option, "noce_threshold"))
		return put(p, TCA_FERRY_CE_THRESHOLD, option, &no_threshold, sizeof(no_threshold));
	if (!strcmp(option, "class"))
		return parse_class(p);
	if (!strcmp(option, "budget") || !strcmp(option, "share"))
		return parse_class_option(p, *option == 'b');
	if (!strcmp(option, "help")) {
		fputs(usage, stderr);
		return -1;
	}
	return refuse("there is no option '%s'; `tc qdisc add ferry help` lists them", option);
}

static int put_classes(struct parser *p)
{
	struct rtattr *classes =
		addattr_nest(p->message, MESSAGE_BYTES, TCA_FERRY_CLASSES | NLA_F_NESTED);

	for (uint8_t i = 0; i < FERRY_CLASS_COUNT; i++) {
		const struct class_options *class = &p->classes[i];
		struct rtattr *nest;

		if (!class->given)
			continue;
		if (!class->has_budget && !class->has_share)
			return refuse("class %s says neither budget nor share",
				      ferry_tc_class_name(i));
		nest = addattr_nest(p->message, MESSAGE_BYTES, TCA_FERRY_CLASS | NLA_F_NESTED);
		if (addattr_l(p->message, MESSAGE_BYTES, TCA_FERRY_CLASS_ID, &i, sizeof(i)) ||
		    (class->has_budget &&
		     addattr_l(p->message, MESSAGE_BYTES, TCA_FERRY_CLASS_BUDGET, &class->budget,
			       sizeof(class->budget))) ||
		    (class->has_share && addattr_l(p->message, MESSAGE_BYTES, TCA_FERRY_CLASS_SHARE,
						   &class->share, sizeof(class->share))))
			return -1;
		addattr_nest_end(p->message, nest);
	}
	addattr_nest_end(p->message, classes);
	return 0;
}

int ferry_tc_parse_options(struct qdisc_util *util, int argc, char **argv, struct nlmsghdr *message,
			   const char *device)
{
	struct parser p = {.message = message, .argc = argc, .argv = argv, .class = -1};
	struct rtattr *options;

	(void)util;
	(void)device;
	/* Without NLA_F_NESTED, as tc writes TCA_OPTIONS of every kind. */
	options = addattr_nest(message, MESSAGE_BYTES, TCA_OPTIONS);
	for (; p.argc > 0; p.argc--, p.argv++)
		if (parse_option(&p))
			return -1;
	if (p.class >= 0 && put_classes(&p))
		return -1;
	addattr_nest_end(message, options);
	return 0;
}
