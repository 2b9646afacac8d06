// SPDX-License-Identifier: MIT
#include "tc/units.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "linux/ferry.h"

struct unit {
	const char *name;
	double scale;
};

/* In bits per second; tc counts bytes with "bps". */
static const struct unit rates[] = {
	{"", 1},	{"bit", 1},	   {"kbit", 1e3},	 {"mbit", 1e6},
	{"gbit", 1e9},	{"tbit", 1e12},	   {"kibit", 1024},	 {"mibit", 1048576.0},
	{"bps", 8},	{"kbps", 8e3},	   {"mbps", 8e6},	 {"gbps", 8e9},
	{"tbps", 8e12}, {"kibps", 8192.0}, {"mibps", 8388608.0}, {NULL, 0},
};

static const struct unit times[] = {{"", 1},	   {"us", 1},  {"usec", 1},  {"ms", 1e3},
				    {"msec", 1e3}, {"s", 1e6}, {"sec", 1e6}, {NULL, 0}};

static const struct unit sizes[] = {{"", 1},	    {"b", 1},	     {"k", 1024},
				    {"kb", 1024},   {"m", 1048576},  {"mb", 1048576},
				    {"g", 1 << 30}, {"gb", 1 << 30}, {NULL, 0}};

static const struct unit shares[] = {{"%", 10}, {NULL, 0}};

static bool read_number(const char *text, const struct unit *units, double most, double *number)
{
	char *end;

	/* strtod also takes signs, blanks, hexadecimal and words. */
	if (!isdigit((unsigned char)*text) || strpbrk(text, "xX"))
		return false;
	*number = strtod(text, &end);
	for (; units->name; units++) {
		if (strcasecmp(units->name, end) != 0)
			continue;
		*number *= units->scale;
		return isfinite(*number) && *number < most;
	}
	return false;
}

static bool read_u32(const char *text, const struct unit *units, uint32_t *value)
{
	double number;

	if (!read_number(text, units, (double)UINT32_MAX + 1, &number))
		return false;
	*value = (uint32_t)number;
	return true;
}

bool ferry_tc_read_rate(const char *text, uint64_t *bytes_ps)
{
	double bits;

	if (!read_number(text, rates, ldexp(1, 64), &bits))
		return false;
	*bytes_ps = (uint64_t)(bits / 8);
	/* 0 means "unshaped", which is not what somebody asked for who wrote 1bit. */
	return *bytes_ps || bits == 0.0;
}

bool ferry_tc_read_time(const char *text, uint32_t *us)
{
	return read_u32(text, times, us);
}

bool ferry_tc_read_size(const char *text, uint32_t *bytes)
{
	return read_u32(text, sizes, bytes);
}

bool ferry_tc_read_share(const char *text, uint32_t *permille)
{
	double number;

	/* 0.29 * 1000 is a little less than 290. */
	if (!read_number(text, shares, 1e6, &number) || fabs(number - round(number)) > 1e-6)
		return false;
	*permille = (uint32_t)round(number);
	return true;
}

bool ferry_tc_read_integer(const char *text, long least, long most, long *number)
{
	char *end;

	errno = 0;
	*number = strtol(text, &end, 0);
	return !errno && end != text && !*end && !isspace((unsigned char)*text) &&
	       *number >= least && *number <= most;
}

/* The largest unit in which the number is whole. */
static const char *write_number(char *text, uint64_t number, uint64_t step,
				const char *const *names)
{
	while (names[1] && number && number % step == 0) {
		number /= step;
		names++;
	}
	snprintf(text, FERRY_TC_TEXT, "%" PRIu64 "%s", number, *names);
	return text;
}

const char *ferry_tc_write_rate(char *text, uint64_t bytes_ps)
{
	static const char *const bits[] = {"bit", "Kbit", "Mbit", "Gbit", "Tbit", NULL};
	static const char *const bytes[] = {"bps", NULL};

	if (bytes_ps > UINT64_MAX / 8)
		return write_number(text, bytes_ps, 1000, bytes);
	return write_number(text, bytes_ps * 8, 1000, bits);
}

const char *ferry_tc_write_time(char *text, uint32_t us)
{
	static const char *const names[] = {"us", "ms", "s", NULL};

	return write_number(text, us, 1000, names);
}

const char *ferry_tc_write_size(char *text, uint32_t bytes)
{
	static const char *const names[] = {"b", "Kb", "Mb", "Gb", NULL};

	return write_number(text, bytes, 1024, names);
}

const char *ferry_tc_write_share(char *text, uint32_t permille)
{
	if (permille % 10)
		snprintf(text, FERRY_TC_TEXT, "%u.%u%%", permille / 10, permille % 10);
	else
		snprintf(text, FERRY_TC_TEXT, "%u%%", permille / 10);
	return text;
}

static const char *const class_names[FERRY_CLASS_COUNT] = {
#define NAME(class, name, dscp, budget, share) [class] = name,
	FERRY_CLASS_TABLE(NAME)
#undef NAME
};

const char *ferry_tc_class_name(unsigned class)
{
	return class < FERRY_CLASS_COUNT ? class_names[class] : "unknown";
}

/* A number from 0 to @most - 1, of @length digits; -1 if it is none. */
static int read_index(const char *text, size_t length, int most)
{
	char copy[FERRY_TC_TEXT];
	long number;

	if (length >= sizeof(copy))
		return -1;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return ferry_tc_read_integer(copy, 0, most - 1, &number) ? (int)number : -1;
}

int ferry_tc_class(const char *text, size_t length)
{
	for (int i = 0; i < FERRY_CLASS_COUNT; i++)
		if (strlen(class_names[i]) == length && !strncasecmp(text, class_names[i], length))
			return i;
	return read_index(text, length, FERRY_CLASS_COUNT);
}

int ferry_tc_code_point(const char *text, size_t length)
{
	/* RFC 2474, 2597, 3246, 5865, 8622 */
	static const struct {
		const char *name;
		int value;
	} others[] = {{"EF", 46}, {"VA", 44}, {"LE", 1}};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strlen(others[i].name) == length && !strncasecmp(text, others[i].name, length))
			return others[i].value;
	if (length == 3 && !strncasecmp(text, "CS", 2) && text[2] >= '0' && text[2] <= '7')
		return (text[2] - '0') * 8;
	if (length == 4 && !strncasecmp(text, "AF", 2) && text[2] >= '1' && text[2] <= '4' &&
	    text[3] >= '1' && text[3] <= '3')
		return (text[2] - '0') * 8 + (text[3] - '0') * 2;
	return read_index(text, length, FERRY_DSCP_COUNT);
}

void ferry_tc_default_code_points(uint8_t *classes)
{
	memset(classes, FERRY_CLASS_DEFAULT, FERRY_DSCP_COUNT);
#define POINT(class, name, dscp, budget, share) classes[dscp] = class;
	FERRY_CLASS_TABLE(POINT)
#undef POINT
}
