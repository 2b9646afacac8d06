/* SPDX-License-Identifier: MIT */
/*
 * What tc of iproute2 expects of a plugin, and what a plugin may use of tc: no distribution
 * packages a header for it. tc looks for $TC_LIB_DIR/q_KIND.so and in it for a KIND_qdisc_util. The
 * layout below is that of iproute2 6.1, which Debian 12 has.
 *
 * As little as possible is taken from tc, and no enum of its own, whose values move with versions.
 */
#ifndef FERRY_TC_PLUGIN_H
#define FERRY_TC_PLUGIN_H

#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct qdisc_util {
	struct qdisc_util *next; /* tc's own */
	const char *id;
	/* Adds attributes to the message; 0, or -1 after saying why not. */
	int (*parse_qopt)(struct qdisc_util *util, int argc, char **argv, struct nlmsghdr *message,
			  const char *device);
	int (*print_qopt)(struct qdisc_util *util, FILE *file, struct rtattr *options);
	int (*print_xstats)(struct qdisc_util *util, FILE *file, struct rtattr *statistics);
	/* Of classes; a classless qdisc has none. */
	int (*parse_copt)(struct qdisc_util *util, int argc, char **argv, struct nlmsghdr *message,
			  const char *device);
	int (*print_copt)(struct qdisc_util *util, FILE *file, struct rtattr *options);
};

/* libnetlink. The length is that of the whole message. */
int addattr_l(struct nlmsghdr *message, int max_length, int type, const void *data, int length);
struct rtattr *addattr_nest(struct nlmsghdr *message, int max_length, int type);
int addattr_nest_end(struct nlmsghdr *message, struct rtattr *nest);

/* tc -j */
typedef struct json_writer json_writer_t;
bool is_json_context(void);
json_writer_t *get_json_writer(void);
void jsonw_name(json_writer_t *writer, const char *name);
void jsonw_start_array(json_writer_t *writer);
void jsonw_end_array(json_writer_t *writer);
void jsonw_start_object(json_writer_t *writer);
void jsonw_end_object(json_writer_t *writer);
void jsonw_string_field(json_writer_t *writer, const char *name, const char *value);
void jsonw_bool_field(json_writer_t *writer, const char *name, bool value);
void jsonw_u64_field(json_writer_t *writer, const char *name, uint64_t value);
void jsonw_s64_field(json_writer_t *writer, const char *name, int64_t value);

/* How lines end: another string with -oneline. */
extern const char *_SL_;
/* tc -d */
extern int show_details;

#endif /* FERRY_TC_PLUGIN_H */
