// SPDX-License-Identifier: MIT
/* The trust file: reading it, and changing one line of it. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "wire/identity.h"
#include "wire/trust.h"

static int load_text(const char *path, char **text, size_t *n, struct ferry_file_stamp *stamp,
		     struct ferry_error *err)
{
	int ret = ferry_guarded_read(path, FERRY_GUARD_TRUST, FERRY_TRUST_MAX_BYTES, text, n, stamp,
				     err);

	if (ret != -ENOENT)
		return ret;
	*stamp = (struct ferry_file_stamp){0};
	*n = 0;
	*text = calloc(1, 1);
	return *text ? 0 : ferry_fail_memory(err, path, 1);
}

int ferry_trust_load(const char *directory, struct ferry_trust *t, struct ferry_error *err)
{
	struct ferry_file_stamp stamp;
	char path[FERRY_KEYS_PATH];
	char *text;
	size_t n;
	int ret;

	*t = (struct ferry_trust){0};
	ret = ferry_keys_path(directory, "trust", path, err);
	if (!ret)
		ret = load_text(path, &text, &n, &stamp, err);
	if (ret)
		return ret;
	ret = ferry_trust_parse(text, n, path, t, err);
	t->stamp = stamp;
	free(text);
	return ret;
}

struct line {
	char *text;
	size_t at;
};

static void append(struct line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void append(struct line *l, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(l->text + l->at, FERRY_TRUST_LINE - l->at, fmt, ap);
	va_end(ap);
	l->at += n > 0 ? (size_t)n : 0;
	if (l->at > FERRY_TRUST_LINE - 1)
		l->at = FERRY_TRUST_LINE - 1;
}

int ferry_trust_line(const struct ferry_grant *g, char text[FERRY_TRUST_LINE],
		     struct ferry_error *err)
{
	char key[FERRY_FINGERPRINT_TEXT];
	struct line l = {.text = text};
	struct ferry_trust again;
	int ret;

	if (!g->name[0])
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL, "a name is missing");
	if (strspn(g->name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") <
	    strlen(g->name))
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "'%s' is no name: it has letters, digits, '.', '_' and '-' only",
				  g->name);
	ferry_fingerprint_text(&g->key, key);
	append(&l, "%s %s role=%s models=", key, g->name,
	       g->roles == FERRY_TRUST_EDGE	? "edge"
	       : g->roles == FERRY_TRUST_DEVICE ? "device"
						: "both");
	for (unsigned i = 0; i < g->n_models; i++)
		append(&l, "%s%s", i ? "," : "", g->models[i]);
	append(&l, "%s", g->n_models ? "" : "*");
	if (g->kv_bytes)
		append(&l, " kv=%llu", (unsigned long long)(g->kv_bytes >> 20));
	if (g->max_sessions)
		append(&l, " sessions=%u", g->max_sessions);
	if (g->expires[0])
		append(&l, " expires=%s", g->expires);
	if (g->revoked[0])
		append(&l, " revoked=%s", g->revoked);
	append(&l, "\n");
	/* What is written must be read as what was meant. */
	ret = ferry_trust_parse(text, strlen(text), "the new line", &again, err);
	if (!ret && (again.n != 1 || memcmp(&again.grants[0].key, &g->key, sizeof(g->key))))
		ret = ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				 "this key's line would not mean what is asked for");
	ferry_trust_release(&again);
	return ret ? -EINVAL : 0;
}

/* Where the line of @key begins and ends; both the end of the text where it has none. */
static void find_line(const char *text, size_t n, const struct ferry_fingerprint *key,
		      size_t *begin, size_t *end)
{
	char name[FERRY_FINGERPRINT_TEXT];
	size_t at = 0;

	ferry_fingerprint_text(key, name);
	while (at < n) {
		const char *newline = memchr(text + at, '\n', n - at);
		size_t next = newline ? (size_t)(newline - text) + 1 : n, word = at;

		while (word < next && (text[word] == ' ' || text[word] == '\t'))
			word++;
		if (next - word >= FERRY_FINGERPRINT_CHARS &&
		    !memcmp(text + word, name, FERRY_FINGERPRINT_CHARS)) {
			*begin = at;
			*end = next;
			return;
		}
		at = next;
	}
	*begin = *end = n;
}

static int replace_line(const char *path, const char *old, size_t n_old,
			const struct ferry_grant *g, struct ferry_error *err)
{
	char line[FERRY_TRUST_LINE];
	size_t begin, end, n_line, n = 0;
	struct ferry_trust check;
	bool open_end;
	char *text;
	int ret = ferry_trust_line(g, line, err);

	if (ret)
		return ret;
	n_line = strlen(line);
	find_line(old, n_old, &g->key, &begin, &end);
	open_end = begin && old[begin - 1] != '\n';
	text = malloc(n_old + n_line + 2);
	if (!text)
		return ferry_fail_memory(err, path, n_old);
	memcpy(text, old, begin);
	n = begin;
	if (open_end)
		text[n++] = '\n';
	memcpy(text + n, line, n_line);
	n += n_line;
	memcpy(text + n, old + end, n_old - end);
	n += n_old - end;
	ret = ferry_trust_parse(text, n, path, &check, err);
	ferry_trust_release(&check);
	if (!ret && n > FERRY_TRUST_MAX_BYTES)
		ret = ferry_fail(err, FERRY_ERROR_FILE, -EFBIG, "%s would be too long", path);
	if (!ret)
		ret = ferry_guarded_write(path, text, n, true, err);
	free(text);
	return ret;
}

static int check_name(const struct ferry_trust *t, const struct ferry_grant *g,
		      struct ferry_error *err)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (!strcmp(t->grants[i].name, g->name) &&
		    !ferry_fingerprint_equal(&t->grants[i].key, &g->key))
			return ferry_fail(err, FERRY_ERROR_CALLER, -EEXIST,
					  "another key is named %s already: choose a name by "
					  "--name",
					  g->name);
	return 0;
}

int ferry_trust_put(const char *directory, const struct ferry_grant *g, struct ferry_error *err)
{
	struct ferry_file_stamp stamp;
	struct ferry_trust t = {0};
	char path[FERRY_KEYS_PATH];
	char *text = NULL;
	size_t n = 0;
	int lock, ret;

	ret = ferry_keys_path(directory, "trust", path, err);
	if (ret)
		return ret;
	lock = ferry_guarded_lock(directory, err);
	if (lock < 0)
		return lock;
	ret = load_text(path, &text, &n, &stamp, err);
	if (!ret)
		ret = ferry_trust_parse(text, n, path, &t, err);
	if (!ret)
		ret = check_name(&t, g, err);
	if (!ret)
		ret = replace_line(path, text, n, g, err);
	ferry_trust_release(&t);
	free(text);
	close(lock);
	return ret;
}
