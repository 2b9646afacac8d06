// SPDX-License-Identifier: MIT
/* What the lines of a trust file mean. */
#include "wire/trust.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"

enum {
	MAX_KV_MIB = 1 << 24,
	MAX_SESSIONS = 1 << 16,
	FIRST_YEAR = 2000,
};

/* Where parsing is. */
struct place {
	const char *name, *start; /* of the line */
	const char *at, *end;	  /* end: of the line */
	uint32_t line;
	struct ferry_error *err;
};

static int wrong(const struct place *p, const char *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int wrong(const struct place *p, const char *at, const char *fmt, ...)
{
	char what[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return ferry_fail(p->err, FERRY_ERROR_FILE, -EBADMSG, "%s, line %u, column %zu: %s",
			  p->name, p->line, (size_t)(at - p->start) + 1, what);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The next word; its length is 0 at the end of the line. */
static const char *next_word(struct place *p, size_t *n)
{
	const char *word;

	while (p->at < p->end && is_blank(*p->at))
		p->at++;
	word = p->at;
	while (p->at < p->end && !is_blank(*p->at))
		p->at++;
	*n = (size_t)(p->at - word);
	return word;
}

static bool is_name_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

static int take_name(struct place *p, struct ferry_grant *g)
{
	size_t n;
	const char *word = next_word(p, &n);

	if (!n)
		return wrong(p, word, "a name is missing behind the fingerprint");
	for (size_t i = 0; i < n; i++)
		if (!is_name_character(word[i]))
			return wrong(p, word + i,
				     "a name has letters, digits, '.', '_' and '-' only");
	if (n >= sizeof(g->name))
		return wrong(p, word + sizeof(g->name) - 1, "a name has at most %d characters",
			     FERRY_TRUST_NAME - 1);
	memcpy(g->name, word, n);
	return 0;
}

static int take_role(const struct place *p, const char *value, size_t n, struct ferry_grant *g)
{
	static const struct {
		const char *name;
		uint8_t roles;
	} roles[] = {{"edge", FERRY_TRUST_EDGE},
		     {"device", FERRY_TRUST_DEVICE},
		     {"both", FERRY_TRUST_EDGE | FERRY_TRUST_DEVICE}};

	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (n == strlen(roles[i].name) && !memcmp(value, roles[i].name, n))
			g->roles = roles[i].roles;
	return g->roles ? 0 : wrong(p, value, "a role is edge, device or both");
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static int take_models(const struct place *p, const char *value, size_t n, struct ferry_grant *g)
{
	const char *end = value + n;

	if (n == 1 && *value == '*')
		return 0;
	while (true) {
		const char *id = value;
		size_t n_id;

		while (value < end && is_hex(*value))
			value++;
		n_id = (size_t)(value - id);
		if (value < end && *value != ',')
			return wrong(p, value, "an id of a model has digits 0-9, a-f");
		if (n_id < FERRY_TRUST_MIN_MODEL || n_id >= FERRY_TRUST_MODEL_TEXT)
			return wrong(p, id, "models is '*' or ids of %d to %d digits",
				     FERRY_TRUST_MIN_MODEL, FERRY_TRUST_MODEL_TEXT - 1);
		if (g->n_models == FERRY_TRUST_MODELS)
			return wrong(p, id, "more than %d models", FERRY_TRUST_MODELS);
		memcpy(g->models[g->n_models++], id, n_id);
		if (value == end)
			return 0;
		value++;
	}
}

static int take_number(const struct place *p, const char *value, size_t n, uint32_t max,
		       uint32_t *number)
{
	uint64_t x = 0;

	for (size_t i = 0; i < n; i++) {
		if (value[i] < '0' || value[i] > '9')
			return wrong(p, value + i, "a whole number has digits only");
		if (x <= max)
			x = x * 10 + (uint64_t)(value[i] - '0');
	}
	if (!x || x > max || *value == '0')
		return wrong(p, value, "a number from 1 to %u is wanted", max);
	*number = (uint32_t)x;
	return 0;
}

bool ferry_trust_is_date(const char *date)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int year, month, day;

	for (int i = 0; i < FERRY_TRUST_DATE - 1; i++)
		if (i == 4 || i == 7 ? date[i] != '-' : date[i] < '0' || date[i] > '9')
			return false;
	if (date[FERRY_TRUST_DATE - 1])
		return false;
	year = (date[0] - '0') * 1000 + (date[1] - '0') * 100 + (date[2] - '0') * 10 + date[3] -
	       '0';
	month = (date[5] - '0') * 10 + date[6] - '0';
	day = (date[8] - '0') * 10 + date[9] - '0';
	if (year < FIRST_YEAR || month < 1 || month > 12 || day < 1)
		return false;
	if (month == 2 && day == 29)
		return year % 4 == 0 && (year % 100 || year % 400 == 0);
	return day <= days[month - 1];
}

void ferry_trust_date(int64_t seconds, char date[FERRY_TRUST_DATE])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(date, FERRY_TRUST_DATE, "%Y-%m-%d", &tm))
		memcpy(date, "9999-12-31", FERRY_TRUST_DATE);
}

bool ferry_trust_date_over(const char *date, int64_t seconds)
{
	char today[FERRY_TRUST_DATE];

	/* Written this way, days sort as text. */
	ferry_trust_date(seconds, today);
	return strcmp(date, today) < 0;
}

static int take_date(const struct place *p, const char *value, size_t n,
		     char date[FERRY_TRUST_DATE])
{
	char text[FERRY_TRUST_DATE] = "";

	if (n == FERRY_TRUST_DATE - 1)
		memcpy(text, value, n);
	if (!ferry_trust_is_date(text))
		return wrong(p, value, "a day is written YYYY-MM-DD");
	memcpy(date, text, sizeof(text));
	return 0;
}

enum setting {
	SET_ROLE,
	SET_MODELS,
	SET_KV,
	SET_SESSIONS,
	SET_EXPIRES,
	SET_REVOKED,
	SETTINGS,
};

static int take_value(const struct place *p, enum setting s, const char *value, size_t n,
		      struct ferry_grant *g)
{
	uint32_t number = 0;
	int ret;

	switch (s) {
	case SET_ROLE:
		return take_role(p, value, n, g);
	case SET_MODELS:
		return take_models(p, value, n, g);
	case SET_KV:
		ret = take_number(p, value, n, MAX_KV_MIB, &number);
		g->kv_bytes = (uint64_t)number << 20;
		return ret;
	case SET_SESSIONS:
		return take_number(p, value, n, MAX_SESSIONS, &g->max_sessions);
	case SET_EXPIRES:
		return take_date(p, value, n, g->expires);
	default:
		return take_date(p, value, n, g->revoked);
	}
}

static int take_setting(struct place *p, const char *word, size_t n, uint32_t *seen,
			struct ferry_grant *g)
{
	static const char *const names[SETTINGS] = {"role",	"models",  "kv",
						    "sessions", "expires", "revoked"};
	const char *equals = memchr(word, '=', n);
	size_t n_key = equals ? (size_t)(equals - word) : n, n_value;

	for (int s = 0; s < SETTINGS; s++) {
		if (strlen(names[s]) != n_key || memcmp(word, names[s], n_key))
			continue;
		if (!equals)
			return wrong(p, word + n, "%s=... lacks its value", names[s]);
		if (*seen & 1u << s)
			return wrong(p, word, "%s comes twice", names[s]);
		*seen |= 1u << s;
		n_value = n - n_key - 1;
		if (!n_value)
			return wrong(p, equals + 1, "%s=... lacks its value", names[s]);
		return take_value(p, (enum setting)s, equals + 1, n_value, g);
	}
	return wrong(p, word, "'%.*s' is none of role, models, kv, sessions, expires, revoked",
		     (int)(n_key < 40 ? n_key : 40), word);
}

static int take_line(struct place *p, struct ferry_grant *g)
{
	size_t n, at;
	const char *word = next_word(p, &n);
	uint32_t seen = 0;
	struct ferry_error why;
	int ret;

	*g = (struct ferry_grant){0};
	if (ferry_fingerprint_parse(word, n, &g->key, &at, &why))
		return wrong(p, word + (at < n ? at : n), "%s", why.text);
	ret = take_name(p, g);
	while (!ret) {
		word = next_word(p, &n);
		if (!n)
			break;
		ret = take_setting(p, word, n, &seen, g);
	}
	if (!ret && !g->roles)
		ret = wrong(p, p->end, "role=... is missing");
	return ret;
}

static int check_unique(const struct place *p, const struct ferry_trust *t,
			const struct ferry_grant *g)
{
	for (uint32_t i = 0; i < t->n; i++) {
		if (ferry_fingerprint_equal(&t->grants[i].key, &g->key))
			return wrong(p, p->start, "this key has a line already");
		if (!strcmp(t->grants[i].name, g->name))
			return wrong(p, p->start, "another key is named %s", g->name);
	}
	return 0;
}

static int add(struct place *p, struct ferry_trust *t, const struct ferry_grant *g)
{
	struct ferry_grant *more;
	int ret = check_unique(p, t, g);

	if (ret)
		return ret;
	if (t->n == FERRY_TRUST_MAX_KEYS)
		return wrong(p, p->start, "more than %d keys", FERRY_TRUST_MAX_KEYS);
	if (!(t->n & (t->n - 1))) {
		more = realloc(t->grants, (t->n ? 2 * t->n : 1) * sizeof(*more));
		if (!more)
			return ferry_fail_memory(p->err, p->name, sizeof(*more));
		t->grants = more;
	}
	t->grants[t->n++] = *g;
	return 0;
}

static bool is_comment(const struct place *p)
{
	const char *c = p->start;

	while (c < p->end && is_blank(*c))
		c++;
	return c == p->end || *c == '#';
}

/* Comments may be in any language; what would not be seen on a terminal is nowhere. */
static int check_characters(const struct place *p)
{
	for (const char *c = p->start; c < p->end; c++)
		if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
			return wrong(p, c, "a control character");
	return 0;
}

int ferry_trust_parse(const char *text, size_t n, const char *name, struct ferry_trust *t,
		      struct ferry_error *err)
{
	const char *end = text + n;
	struct place p = {.name = name, .err = err};
	struct ferry_grant g;
	int ret = 0;

	*t = (struct ferry_trust){0};
	for (const char *at = text; at < end && !ret; at = p.end + 1) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));

		p.start = p.at = at;
		p.end = newline ? newline : end;
		p.line++;
		ret = check_characters(&p);
		if (ret || is_comment(&p))
			continue;
		ret = take_line(&p, &g);
		if (!ret)
			ret = add(&p, t, &g);
	}
	if (ret)
		ferry_trust_release(t);
	return ret;
}

void ferry_trust_release(struct ferry_trust *t)
{
	free(t->grants);
	*t = (struct ferry_trust){0};
}

const struct ferry_grant *ferry_trust_find(const struct ferry_trust *t,
					   const struct ferry_fingerprint *key)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (ferry_fingerprint_equal(&t->grants[i].key, key))
			return &t->grants[i];
	return NULL;
}

bool ferry_grant_has_model(const struct ferry_grant *g, const uint8_t id[32])
{
	char text[FERRY_TRUST_MODEL_TEXT];

	for (int i = 0; i < 32; i++)
		snprintf(text + 2 * i, 3, "%02x", id[i]);
	for (unsigned i = 0; i < g->n_models; i++)
		if (!strncmp(text, g->models[i], strlen(g->models[i])))
			return true;
	return !g->n_models;
}
