/* SPDX-License-Identifier: MIT */
#include "net/rules.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#include <classify.h>

#include "base/error.h"

enum { WORDS_MAX = 8, FILE_BYTES_MAX = 1 << 20, PORTS_IN_RULE_MAX = 1024 };

struct word {
	char text[FERRY_RULE_TEXT];
	unsigned int column; /* from 1 */
};

/* A line taken apart, and where the next word to be read is. */
struct line {
	const char *file;
	unsigned int number;
	struct word words[WORDS_MAX];
	unsigned int n, next;
	unsigned int end_column;
	struct ferry_error *err;
};

static int wrong(const struct line *l, const struct word *w, const char *what)
{
	return ferry_fail(l->err, FERRY_ERROR_FILE, -EINVAL, "%s:%u:%u: %s", l->file, l->number,
			  w ? w->column : l->end_column, what);
}

static const struct word *next_word(struct line *l)
{
	return l->next < l->n ? &l->words[l->next++] : NULL;
}

/* Whether the next word is @text; then it is taken. */
static bool take(struct line *l, const char *text)
{
	if (l->next >= l->n || strcmp(l->words[l->next].text, text))
		return false;
	l->next++;
	return true;
}

static int split(struct line *l, const char *text, size_t bytes)
{
	size_t at = 0;

	while (at < bytes && text[at] != '#') {
		size_t from = at;
		struct word *w;

		if (text[at] == ' ' || text[at] == '\t' || text[at] == '\r') {
			at++;
			continue;
		}
		while (at < bytes && !strchr(" \t\r#", text[at]) && text[at])
			at++;
		w = &l->words[l->n];
		l->end_column = (unsigned int)from + 1;
		if (at < bytes && !text[at])
			return wrong(l, NULL, "there is a NUL byte in this word");
		if (l->n == WORDS_MAX)
			return wrong(l, NULL, "there is no rule with so many words");
		if (at - from >= sizeof(w->text))
			return wrong(l, NULL, "this word is longer than 255 bytes");
		w->column = (unsigned int)from + 1;
		memcpy(w->text, text + from, at - from);
		w->text[at - from] = 0;
		l->n++;
	}
	l->end_column = (unsigned int)at + 1;
	return 0;
}

static int parse_class(struct line *l, struct ferry_rule *rule)
{
	const struct word *w = next_word(l);

	if (!w)
		return wrong(l, NULL, "the class is missing");
#define row(class_, name, dscp, budget, share) \
	if (!strcmp(w->text, name)) {          \
		rule->class = class_;          \
		return 0;                      \
	}
	FERRY_CLASS_TABLE(row)
#undef row
	return wrong(
		l, w,
		"no such class; there are ctrl, token, decode, prefill, kv, default, model, sync");
}

static void parse_ends(struct line *l, struct ferry_rule *rule)
{
	if (take(l, "from"))
		rule->ends = FERRY_CLASSIFY_FROM;
	else if (take(l, "to"))
		rule->ends = FERRY_CLASSIFY_TO;
}

static int parse_device(struct line *l, struct ferry_rule *rule)
{
	const struct word *w;

	if (!take(l, "in"))
		return 0;
	w = next_word(l);
	if (!w || strlen(w->text) >= sizeof(rule->device))
		return wrong(l, w, "\"in\" wants the name of an interface, at most 15 bytes");
	memcpy(rule->device, w->text, strlen(w->text) + 1);
	rule->device_column = w->column;
	return 0;
}

/* A number of at most five digits, and where it ends. */
static const char *parse_number(const char *s, unsigned long *value)
{
	char *end;

	if (!isdigit((unsigned char)*s) || strspn(s, "0123456789") > 5)
		return NULL;
	*value = strtoul(s, &end, 10);
	return end;
}

static int parse_port(struct line *l, struct ferry_rule *rule)
{
	const struct word *w = next_word(l);
	unsigned long first, last;
	const char *s;

	if (!w)
		return wrong(l, NULL, "the port is missing, as tcp/11434");
	if (!strncmp(w->text, "tcp/", 4))
		rule->protocol = IPPROTO_TCP;
	else if (!strncmp(w->text, "udp/", 4))
		rule->protocol = IPPROTO_UDP;
	else
		return wrong(l, w, "a port is written tcp/NUMBER or udp/NUMBER");
	s = parse_number(w->text + 4, &first);
	last = first;
	if (s && *s == '-')
		s = parse_number(s + 1, &last);
	if (!s || *s || !first || last > 65535 || first > last)
		return wrong(l, w, "ports are numbers from 1 to 65535, or FIRST-LAST");
	if (last - first >= PORTS_IN_RULE_MAX)
		return wrong(l, w, "one rule takes at most 1024 ports");
	rule->first_port = (uint16_t)first;
	rule->last_port = (uint16_t)last;
	parse_ends(l, rule);
	return parse_class(l, rule);
}

static int parse_address(struct line *l, struct ferry_rule *rule)
{
	const struct word *w = next_word(l);
	unsigned long bits, most = 128;
	char text[FERRY_RULE_TEXT];
	const char *s;
	char *slash;

	if (!w)
		return wrong(l, NULL, "the address is missing");
	memcpy(text, w->text, sizeof(text));
	slash = strchr(text, '/');
	if (slash)
		*slash = 0;
	if (inet_pton(AF_INET, text, rule->address + 12) == 1) {
		rule->address[10] = rule->address[11] = 0xff;
		most = 32;
	} else if (inet_pton(AF_INET6, text, rule->address) != 1) {
		return wrong(l, w, "that is no IPv4 or IPv6 address");
	}
	bits = most;
	if (slash) {
		s = parse_number(slash + 1, &bits);
		if (!s || *s || bits > most)
			return wrong(l, w,
				     most == 32 ? "the prefix length is not 0 to 32"
						: "the prefix length is not 0 to 128");
	}
	rule->bits = (unsigned int)(bits + 128 - most);
	for (unsigned int i = rule->bits; i < 128; i++)
		if (rule->address[i / 8] & 0x80 >> i % 8)
			return wrong(l, w, "the address has bits behind its prefix length");
	return 0;
}

static int parse_sni(struct line *l, struct ferry_rule *rule)
{
	const struct word *w = next_word(l);
	const char *name;
	size_t n;

	if (!w)
		return wrong(l, NULL, "the name is missing");
	name = w->text + (strncmp(w->text, "*.", 2) ? 0 : 2);
	n = strlen(name);
	if (!n || n > FERRY_CLASSIFY_NAME_BYTES - 3)
		return wrong(l, w, "a name has 1 to 125 bytes");
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("-._", name[i]))
			return wrong(
				l, w,
				"a name is letters, digits, '-', '_' and '.'; \"*.\" only in front");
	for (size_t i = 0; w->text[i]; i++)
		rule->text[i] = (char)tolower((unsigned char)w->text[i]);
	return parse_class(l, rule);
}

/* Its slashes are counted, so that each has to lead one level down. */
static bool is_plain_path(const char *path)
{
	for (const char *s = path; *s == '/'; s += strcspn(s, "/")) {
		s++;
		if (!*s)
			return true;
		if (*s == '/' ||
		    (*s == '.' && (strcspn(s, "/") == 1 || (s[1] == '.' && strcspn(s, "/") == 2))))
			return false;
	}
	return path[0] == '/';
}

static int parse_cgroup(struct line *l, struct ferry_rule *rule)
{
	const struct word *w = next_word(l);

	if (!w || !is_plain_path(w->text))
		return wrong(
			l, w,
			"a control group is a path from the root, as /system.slice/ollama.service");
	memcpy(rule->text, w->text, sizeof(rule->text));
	if (rule->text[1] && rule->text[strlen(rule->text) - 1] == '/')
		rule->text[strlen(rule->text) - 1] = 0;
	return parse_class(l, rule);
}

static int parse_behaviour(struct line *l, struct ferry_rule *rule)
{
	static const char *const names[FERRY_BEHAVIOUR_KINDS] = {
		[FERRY_BEHAVIOUR_TOKENS] = "tokens",
		[FERRY_BEHAVIOUR_EXCHANGE] = "exchange",
		[FERRY_BEHAVIOUR_LONG_EXCHANGE] = "long-exchange",
		[FERRY_BEHAVIOUR_BULK] = "bulk",
	};
	const struct word *w = next_word(l);

	for (int i = 1; w && i < FERRY_BEHAVIOUR_KINDS; i++)
		if (!strcmp(w->text, names[i]))
			rule->behaviour = (uint8_t)i;
	if (!rule->behaviour)
		return wrong(l, w, "behaviour is one of tokens, exchange, long-exchange, bulk");
	if (take(l, "off")) {
		rule->class = FERRY_CLASSIFY_NO_CLASS;
		return 0;
	}
	return parse_class(l, rule);
}

static int parse_rule(struct line *l, struct ferry_rule *rule)
{
	const struct word *w = next_word(l);
	int ret;

	rule->line = l->number;
	rule->column = l->next < l->n ? l->words[l->next].column : w->column;
	if (!strcmp(w->text, "port")) {
		rule->kind = FERRY_RULE_PORT;
		ret = parse_port(l, rule);
	} else if (!strcmp(w->text, "prefix")) {
		rule->kind = FERRY_RULE_PREFIX;
		ret = parse_address(l, rule);
		if (!ret) {
			parse_ends(l, rule);
			ret = parse_device(l, rule);
		}
		if (!ret)
			ret = parse_class(l, rule);
	} else if (!strcmp(w->text, "trust")) {
		rule->kind = FERRY_RULE_TRUST;
		ret = parse_address(l, rule);
		if (!ret)
			ret = parse_device(l, rule);
	} else if (!strcmp(w->text, "sni")) {
		rule->kind = FERRY_RULE_SNI;
		ret = parse_sni(l, rule);
	} else if (!strcmp(w->text, "cgroup")) {
		rule->kind = FERRY_RULE_CGROUP;
		ret = parse_cgroup(l, rule);
	} else if (!strcmp(w->text, "behaviour")) {
		rule->kind = FERRY_RULE_BEHAVIOUR;
		ret = parse_behaviour(l, rule);
	} else {
		return wrong(l, w,
			     "a rule begins with port, prefix, trust, sni, cgroup or behaviour");
	}
	w = ret ? NULL : next_word(l);
	return w ? wrong(l, w, "nothing may follow here") : ret;
}

int ferry_rules_read(struct ferry_rules *rules, const char *name, const char *text, size_t bytes,
		     struct ferry_error *err)
{
	struct ferry_rules read = {0};
	size_t from = 0;
	int ret = 0;

	memset(rules, 0, sizeof(*rules));
	read.rule = calloc(FERRY_RULES_MAX, sizeof(*read.rule));
	if (!read.rule)
		return ferry_fail_memory(err, "rules", FERRY_RULES_MAX * sizeof(*read.rule));
	for (unsigned int number = 1; from < bytes && !ret; number++) {
		const char *end = memchr(text + from, '\n', bytes - from);
		const size_t n = end ? (size_t)(end - text) - from : bytes - from;
		struct line l = {.file = name, .number = number, .err = err};

		ret = split(&l, text + from, n);
		from += n + 1;
		if (ret || !l.n)
			continue;
		if (read.n == FERRY_RULES_MAX)
			ret = ferry_fail(err, FERRY_ERROR_FILE, -E2BIG,
					 "%s:%u:1: there is room for %d rules", name, number,
					 FERRY_RULES_MAX);
		else
			ret = parse_rule(&l, &read.rule[read.n++]);
	}
	if (ret)
		ferry_rules_free(&read);
	*rules = read;
	return ret;
}

int ferry_rules_text(const char *path, char **text, size_t *bytes, struct ferry_error *err)
{
	FILE *f = fopen(path, "re");
	int ret = 0;

	*text = NULL;
	if (!f)
		return ferry_fail(err, FERRY_ERROR_FILE, -errno, "%s cannot be read: %s", path,
				  ferry_errno_text(-errno));
	*text = malloc(FILE_BYTES_MAX + 1);
	if (!*text) {
		fclose(f);
		return ferry_fail_memory(err, "a rules file", FILE_BYTES_MAX + 1);
	}
	*bytes = fread(*text, 1, FILE_BYTES_MAX + 1, f);
	if (ferror(f))
		ret = ferry_fail(err, FERRY_ERROR_FILE, -EIO, "%s cannot be read", path);
	else if (*bytes > FILE_BYTES_MAX)
		ret = ferry_fail(err, FERRY_ERROR_FILE, -E2BIG, "%s is larger than 1 MiB", path);
	fclose(f);
	if (ret) {
		free(*text);
		*text = NULL;
	}
	return ret;
}

int ferry_rules_load(struct ferry_rules *rules, const char *path, struct ferry_error *err)
{
	char *text;
	size_t bytes;
	int ret;

	memset(rules, 0, sizeof(*rules));
	ret = ferry_rules_text(path, &text, &bytes, err);
	if (!ret)
		ret = ferry_rules_read(rules, path, text, bytes, err);
	free(text);
	return ret;
}

void ferry_rules_free(struct ferry_rules *rules)
{
	free(rules->rule);
	memset(rules, 0, sizeof(*rules));
}
