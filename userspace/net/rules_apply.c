/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/error.h"
#include "net/classifier_private.h"
#include "net/rules.h"

enum { KEY_BYTES_MAX = sizeof(struct ferry_classify_name), PATH_BYTES = 4096 };

/* A set of rules on its way into the maps. */
struct change {
	struct ferry_classifier *c;
	struct ferry_classify_settings settings; /* that will hold */
	uint8_t generation; /* 0 or FERRY_CLASSIFY_GENERATION: of the new rules */
	struct ferry_error *err;
};

static const struct {
	enum ferry_classifier_map map;
	const char *what;
	unsigned int room;
} tables[] = {
	[FERRY_RULE_PORT] = {FERRY_MAP_PORTS, "ports", FERRY_CLASSIFY_PORTS},
	[FERRY_RULE_PREFIX] = {FERRY_MAP_PREFIXES, "prefixes", FERRY_CLASSIFY_PREFIXES},
	[FERRY_RULE_TRUST] = {FERRY_MAP_TRUSTED, "trusted prefixes", FERRY_CLASSIFY_PREFIXES},
	[FERRY_RULE_SNI] = {FERRY_MAP_NAMES, "server names", FERRY_CLASSIFY_NAMES},
	[FERRY_RULE_CGROUP] = {FERRY_MAP_CGROUPS, "control groups", FERRY_CLASSIFY_CGROUPS},
};

static int fail_room(const struct ferry_rule *rule, struct ferry_error *err)
{
	return ferry_fail(err, FERRY_ERROR_MEMORY, -ENOSPC,
			  "line %u, column %u: one too many: there is room for %u %s", rule->line,
			  rule->column, tables[rule->kind].room, tables[rule->kind].what);
}

static int put(struct change *change, const struct ferry_rule *rule, const void *key,
	       const struct ferry_classify_rule *value)
{
	const int map = change->c->maps[tables[rule->kind].map];
	const int ret = bpf_map_update_elem(map, key, value, BPF_ANY) ? -errno : 0;

	if (ret == -E2BIG || ret == -ENOSPC)
		return fail_room(rule, change->err);
	if (ret)
		return ferry_fail(change->err, FERRY_ERROR_SYSTEM, ret,
				  "line %u, column %u: the rule cannot be added: %s", rule->line,
				  rule->column, ferry_errno_text(ret));
	return 0;
}

static uint32_t word_of(uint32_t protocol, uint32_t port)
{
	return (protocol == IPPROTO_UDP ? 65536 / 64 : 0) + port / 64;
}

static int put_ports(struct change *change, const struct ferry_rule *rule,
		     const struct ferry_classify_rule *value)
{
	const int bits_map = change->c->maps[FERRY_MAP_PORT_BITS];

	for (uint32_t port = rule->first_port; port <= rule->last_port; port++) {
		const uint32_t key = FERRY_CLASSIFY_PORT_KEY(rule->protocol, port);
		const uint32_t word = word_of(rule->protocol, port);
		uint64_t bits = 0;
		const int ret = put(change, rule, &key, value);

		if (ret)
			return ret;
		bpf_map_lookup_elem(bits_map, &word, &bits);
		bits |= 1ULL << port % 64;
		if (bpf_map_update_elem(bits_map, &word, &bits, BPF_ANY))
			return ferry_fail(change->err, FERRY_ERROR_SYSTEM, -EIO,
					  "line %u, column %u: the rule cannot be added",
					  rule->line, rule->column);
	}
	return 0;
}

static int put_name(struct change *change, const struct ferry_rule *rule,
		    const struct ferry_classify_rule *value)
{
	const bool domain = rule->text[0] == '*';
	const char *name = rule->text + domain;
	struct ferry_classify_name key = {0};
	const size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		key.reversed[i] = (uint8_t)name[n - 1 - i];
	key.bits = (uint32_t)(n + !domain) * 8;
	change->settings.flags |= FERRY_CLASSIFY_HAS_NAMES;
	return put(change, rule, &key, value);
}

/* Id of the control group, and how many levels below the root it is. */
static int find_cgroup(const struct ferry_rule *rule, uint64_t *id, unsigned int *level,
		       struct ferry_error *err)
{
	char line[PATH_BYTES], path[PATH_BYTES], mount[PATH_BYTES] = "";
	FILE *f = fopen("/proc/self/mounts", "re");
	struct stat st;

	while (f && fgets(line, sizeof(line), f)) {
		char *save = NULL, *where;

		strtok_r(line, " ", &save);
		where = strtok_r(NULL, " ", &save);
		if (where && save && !strncmp(save, "cgroup2 ", 8) &&
		    strlen(where) < sizeof(mount) - FERRY_RULE_TEXT)
			memcpy(mount, where, strlen(where) + 1);
	}
	if (f)
		fclose(f);
	if (!mount[0])
		return ferry_fail(err, FERRY_ERROR_SYSTEM, -ENOENT,
				  "line %u, column %u: no cgroup v2 hierarchy is mounted",
				  rule->line, rule->column);
	*level = 0;
	for (const char *s = rule->text; *s && rule->text[1]; s++)
		*level += *s == '/';
	if (*level >= FERRY_CLASSIFY_CGROUP_LEVELS)
		return ferry_fail(
			err, FERRY_ERROR_CALLER, -EINVAL,
			"line %u, column %u: a control group may be at most %d levels deep",
			rule->line, rule->column, FERRY_CLASSIFY_CGROUP_LEVELS - 1);
	memcpy(path, mount, strlen(mount) + 1);
	memcpy(path + strlen(mount), rule->text, strlen(rule->text) + 1);
	if (stat(path, &st) || !S_ISDIR(st.st_mode))
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENOENT,
				  "line %u, column %u: there is no control group %s", rule->line,
				  rule->column, rule->text);
	*id = st.st_ino;
	return 0;
}

static int put_cgroup(struct change *change, const struct ferry_rule *rule,
		      const struct ferry_classify_rule *value)
{
	unsigned int level;
	uint64_t id;
	const int ret = find_cgroup(rule, &id, &level, change->err);

	if (ret)
		return ret;
	change->settings.cgroup_levels |= 1U << level;
	return put(change, rule, &id, value);
}

static int put_rule(struct change *change, const struct ferry_rule *rule, uint16_t id)
{
	const struct ferry_classify_rule value = {
		.id = id,
		.class = rule->class,
		.ends = rule->ends | change->generation,
		.device = rule->device[0] ? if_nametoindex(rule->device) : 0,
	};
	struct ferry_classify_prefix prefix = {.bits = rule->bits};

	switch (rule->kind) {
	case FERRY_RULE_PORT:
		return put_ports(change, rule, &value);
	case FERRY_RULE_PREFIX:
	case FERRY_RULE_TRUST:
		memcpy(prefix.address, rule->address, sizeof(prefix.address));
		change->settings.flags |= rule->kind == FERRY_RULE_TRUST
						  ? FERRY_CLASSIFY_HAS_TRUST
						  : FERRY_CLASSIFY_HAS_PREFIXES;
		return put(change, rule, &prefix, &value);
	case FERRY_RULE_SNI:
		return put_name(change, rule, &value);
	case FERRY_RULE_CGROUP:
		return put_cgroup(change, rule, &value);
	case FERRY_RULE_BEHAVIOUR:
		change->settings.kinds[rule->behaviour] = rule->class;
		return 0;
	}
	return 0;
}

static void clear_bit(struct ferry_classifier *c, uint32_t key)
{
	const uint32_t port = key & 0xffff, word = word_of(key >> 16, port);
	uint64_t bits = 0;

	bpf_map_lookup_elem(c->maps[FERRY_MAP_PORT_BITS], &word, &bits);
	bits &= ~(1ULL << port % 64);
	bpf_map_update_elem(c->maps[FERRY_MAP_PORT_BITS], &word, &bits, BPF_ANY);
}

/* Takes away what belongs to the other generation. */
static void remove_old(struct change *change, enum ferry_rule_kind kind)
{
	const int map = change->c->maps[tables[kind].map];
	uint8_t key[KEY_BYTES_MAX] __attribute__((aligned(8)));
	uint8_t next[KEY_BYTES_MAX] __attribute__((aligned(8)));
	struct ferry_classify_rule value;
	bool first = true;

	for (unsigned int i = 0; i < 2 * tables[kind].room + 2; i++) {
		if (bpf_map_get_next_key(map, first ? NULL : key, next))
			break;
		if (!bpf_map_lookup_elem(map, next, &value) &&
		    (value.ends & FERRY_CLASSIFY_GENERATION) != change->generation) {
			uint32_t port_key;

			memcpy(&port_key, next, sizeof(port_key));
			if (!bpf_map_delete_elem(map, next)) {
				if (kind == FERRY_RULE_PORT)
					clear_bit(change->c, port_key);
				continue; /* from the same place */
			}
		}
		memcpy(key, next, sizeof(key));
		first = false;
	}
}

int ferry_rules_check(const struct ferry_rules *rules, struct ferry_error *err)
{
	unsigned int ports = 0;

	for (unsigned int i = 0; i < rules->n; i++) {
		const struct ferry_rule *rule = &rules->rule[i];
		unsigned int level;
		uint64_t id;
		int ret;

		if (rule->kind == FERRY_RULE_PORT)
			ports += (unsigned int)(rule->last_port - rule->first_port) + 1;
		/* Of the others there cannot be more than there are rules, which is less. */
		if (ports > FERRY_CLASSIFY_PORTS)
			return fail_room(rule, err);
		if (rule->device[0] && !if_nametoindex(rule->device))
			return ferry_fail(err, FERRY_ERROR_CALLER, -ENODEV,
					  "line %u, column %u: there is no interface %s",
					  rule->line, rule->device_column, rule->device);
		if (rule->kind != FERRY_RULE_CGROUP)
			continue;
		ret = find_cgroup(rule, &id, &level, err);
		if (ret)
			return ret;
	}
	return 0;
}

/* Rule numbers get another meaning: what they counted belongs to the old rules. */
static void clear_hits(struct ferry_classifier *c, unsigned int n)
{
	const int cpus = libbpf_num_possible_cpus();
	uint64_t *zeros = cpus > 0 ? calloc((size_t)cpus, sizeof(*zeros)) : NULL;

	for (uint32_t id = 1; zeros && id <= n; id++)
		bpf_map_update_elem(c->maps[FERRY_MAP_HITS], &id, zeros, BPF_ANY);
	free(zeros);
}

static int apply(const struct ferry_rules *rules, struct ferry_classifier *c,
		 struct ferry_error *err)
{
	const uint32_t has = FERRY_CLASSIFY_HAS_TRUST | FERRY_CLASSIFY_HAS_PREFIXES |
			     FERRY_CLASSIFY_HAS_NAMES;
	struct change change = {.c = c, .err = err};
	int ret = ferry_classifier_get_settings(c, err);

	if (ret)
		return ret;
	change.generation = c->settings.generation ^ FERRY_CLASSIFY_GENERATION;
	change.settings = c->settings;
	change.settings.generation = change.generation;
	change.settings.flags &= ~has;
	change.settings.cgroup_levels = 0;
	clear_hits(c, FERRY_RULES_MAX);
	for (unsigned int i = 0; i < rules->n && !ret; i++)
		ret = put_rule(&change, &rules->rule[i], (uint16_t)(i + 1));
	if (ret) {
		/* Those that came in go again; one that took an old one's place leaves a gap. */
		change.generation ^= FERRY_CLASSIFY_GENERATION;
		for (int kind = FERRY_RULE_PORT; kind <= FERRY_RULE_CGROUP; kind++)
			remove_old(&change, (enum ferry_rule_kind)kind);
		return ret;
	}
	c->settings = change.settings;
	c->settings.epoch++;
	ret = ferry_classifier_put_settings(c, err);
	if (ret)
		return ret;
	for (int kind = FERRY_RULE_PORT; kind <= FERRY_RULE_CGROUP; kind++)
		remove_old(&change, (enum ferry_rule_kind)kind);
	/* What was looked up since may have been an old rule that was still there. */
	c->settings.epoch++;
	return ferry_classifier_put_settings(c, err);
}

int ferry_rules_apply(const struct ferry_rules *rules, struct ferry_classifier *c,
		      struct ferry_error *err)
{
	struct ferry_pins lock;
	int ret = ferry_rules_check(rules, err);

	/* Two at once would take each other's rules for old ones. */
	if (!ret)
		ret = ferry_pins_open(&lock, c->pins.root, c->device, 0, err);
	if (ret)
		return ret;
	ret = apply(rules, c, err);
	ferry_pins_close(&lock);
	return ret;
}
