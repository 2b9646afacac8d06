/* SPDX-License-Identifier: MIT */
/* Numbers with units, as tc's users write them, and names of classes and code points. */
#ifndef FERRY_TC_UNITS_H
#define FERRY_TC_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FERRY_TC_TEXT = 32 }; /* room for any number with its unit */

/*
 * Each takes the whole of @text or nothing; what is negative, empty, infinite or larger than its
 * type is nothing. A fraction of the smallest unit is cut off.
 */
bool ferry_tc_read_rate(const char *text, uint64_t *bytes_ps); /* 20mbit, 2.5mbps; bits if bare */
bool ferry_tc_read_time(const char *text, uint32_t *us);       /* 5ms, 1.5s; microseconds if bare */
bool ferry_tc_read_size(const char *text, uint32_t *bytes);    /* 32mb, 64k; bytes if bare */
bool ferry_tc_read_share(const char *text, uint32_t *permille); /* 25%, 0.5% */
bool ferry_tc_read_integer(const char *text, long least, long most, long *number);

/* Written so that it is read back as the same number. Returns @text, FERRY_TC_TEXT long. */
const char *ferry_tc_write_rate(char *text, uint64_t bytes_ps);
const char *ferry_tc_write_time(char *text, uint32_t us);
const char *ferry_tc_write_size(char *text, uint32_t bytes);
const char *ferry_tc_write_share(char *text, uint32_t permille);

/* By name or number; -1 if there is none. */
int ferry_tc_class(const char *text, size_t length);
int ferry_tc_code_point(const char *text, size_t length);

const char *ferry_tc_class_name(unsigned class); /* "unknown" beyond the last */

/* The class of each code point unless an operator chose another. */
void ferry_tc_default_code_points(uint8_t *classes);

#endif /* FERRY_TC_UNITS_H */
