// SPDX-License-Identifier: MIT
#define _GNU_SOURCE /* memmem */
#include "model/chat_template.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/chat_format.h"
#include "model/utf8.h"

/* The parts written so far. */
struct layout {
	const struct ferry_chat_template *t;
	struct ferry_chat_part *parts;
	size_t n_parts, parts_size;
};

struct text {
	const char *bytes;
	size_t n;
};

/* What str.strip() of Python, and so the trim of a template, takes for white space. */
static bool is_space(uint32_t code)
{
	return (code >= 0x09 && code <= 0x0d) || (code >= 0x1c && code <= 0x20) || code == 0x85 ||
	       code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a) ||
	       code == 0x2028 || code == 0x2029 || code == 0x202f || code == 0x205f ||
	       code == 0x3000;
}

static bool is_space_at(const char *bytes, size_t n, unsigned *len)
{
	struct ferry_utf8_char c = ferry_utf8_next((const uint8_t *)bytes, n);

	*len = c.n;
	return c.valid && is_space(c.code);
}

static struct text trim(struct text s, bool front)
{
	unsigned len;

	while (front && s.n && is_space_at(s.bytes, s.n, &len)) {
		s.bytes += len;
		s.n -= len;
	}
	for (size_t end = s.n; end;) {
		/* Back to the start of the last character. */
		end--;
		while (end && ((unsigned char)s.bytes[end] & 0xc0) == 0x80)
			end--;
		if (!is_space_at(s.bytes + end, s.n - end, &len) || len != s.n - end)
			break;
		s.n = end;
	}
	return s;
}

static struct text behind_thinking(struct text s)
{
	static const char mark[] = "</think>";
	const size_t n = sizeof(mark) - 1;
	const char *p;

	while (s.n && (p = memmem(s.bytes, s.n, mark, n))) {
		s.n -= (size_t)(p - s.bytes) + n;
		s.bytes = p + n;
	}
	return s;
}

/* Neighbours of the same kind become one part. */
static int put(struct layout *l, struct text s, bool is_mark)
{
	struct ferry_chat_part *last = l->n_parts ? &l->parts[l->n_parts - 1] : NULL;
	size_t n;
	char *p;

	if (!s.n)
		return 0;
	if (!last || last->is_mark != is_mark) {
		if (l->n_parts == l->parts_size) {
			size_t size = l->parts_size ? 2 * l->parts_size : 8;
			struct ferry_chat_part *parts = realloc(l->parts, size * sizeof(*parts));

			if (!parts)
				return -ENOMEM;
			l->parts = parts;
			l->parts_size = size;
		}
		last = &l->parts[l->n_parts++];
		*last = (struct ferry_chat_part){.is_mark = is_mark};
	}
	if (__builtin_add_overflow(last->n, s.n, &n) || n == SIZE_MAX)
		return -ENOMEM;
	p = realloc(last->text, n + 1);
	if (!p)
		return -ENOMEM;
	memcpy(p + last->n, s.bytes, s.n);
	p[n] = 0;
	last->text = p;
	last->n = n;
	return 0;
}

static int put_mark(struct layout *l, const char *mark)
{
	return mark ? put(l, (struct text){mark, strlen(mark)}, true) : 0;
}

static int find_role(const char *name)
{
	static const char *const names[FERRY_CHAT_ROLES] = {"system", "user", "assistant"};

	for (int i = 0; i < FERRY_CHAT_ROLES; i++)
		if (!strcmp(name, names[i]))
			return i;
	return -1;
}

static struct text content_of(const struct layout *l, const struct ferry_chat_message *m, int role,
			      bool joined)
{
	struct text s = {m->content, strlen(m->content)};

	if (role == FERRY_CHAT_ASSISTANT && l->t->drops_thinking)
		s = behind_thinking(s);
	if (l->t->turn[role].trim)
		s = trim(s, !(joined && l->t->trim_joined));
	return s;
}

static int put_content(struct layout *l, const struct ferry_chat_message *m, int role, bool joined)
{
	return put(l, content_of(l, m, role, joined), false);
}

static int put_system(struct layout *l, const struct ferry_chat_message *m)
{
	int rc = put_mark(l, l->t->turn[FERRY_CHAT_SYSTEM].open);

	if (!rc)
		rc = put_content(l, m, FERRY_CHAT_SYSTEM, false);
	return rc ? rc : put_mark(l, l->t->turn[FERRY_CHAT_SYSTEM].close);
}

/* All system messages, in front of everything else. */
static int put_front(struct layout *l, const struct ferry_chat_message *messages, size_t n)
{
	bool first = true;
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++) {
		if (find_role(messages[i].role) != FERRY_CHAT_SYSTEM)
			continue;
		if (!first)
			rc = put_mark(l, l->t->turn[FERRY_CHAT_SYSTEM].close);
		first = false;
		if (!rc)
			rc = put_content(l, &messages[i], FERRY_CHAT_SYSTEM, false);
	}
	return rc;
}

static int put_turn(struct layout *l, const struct ferry_chat_message *m, int role, bool first,
		    const struct ferry_chat_message *system)
{
	const char *open = l->t->turn[role].open;
	int rc;

	if (role == FERRY_CHAT_USER && !first && l->t->user_again)
		open = l->t->user_again;
	rc = put_mark(l, open);
	if (!rc && system)
		rc = put_system(l, system);
	if (!rc)
		rc = put_content(l, m, role, system != NULL);
	return rc ? rc : put_mark(l, l->t->turn[role].close);
}

static int put_messages(struct layout *l, const struct ferry_chat_message *messages, size_t n,
			bool reply)
{
	const struct ferry_chat_message *merged = NULL;
	bool first = true;
	int rc = 0;

	if (l->t->system == FERRY_CHAT_SYSTEM_FRONT)
		rc = put_front(l, messages, n);
	for (size_t i = 0; i < n && !rc; i++) {
		int role = find_role(messages[i].role);

		if (role != FERRY_CHAT_SYSTEM) {
			rc = put_turn(l, &messages[i], role, first, merged);
			merged = NULL;
			first = false;
		} else if (l->t->system == FERRY_CHAT_SYSTEM_TURN) {
			rc = put_system(l, &messages[i]);
		} else if (l->t->system == FERRY_CHAT_SYSTEM_MERGED) {
			merged = &messages[i];
		}
	}
	return rc || !reply ? rc : put_mark(l, l->t->reply);
}

static int bad_order(const struct ferry_chat_template *t, size_t i, const char *rule,
		     struct ferry_error *err)
{
	return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
			  "message %zu of the conversation does not fit template %s: %s", i + 1,
			  t->name, rule);
}

/* The order of an alternating template: [system] user assistant user ... */
static int check_order(const struct ferry_chat_template *t,
		       const struct ferry_chat_message *messages, size_t n, struct ferry_error *err)
{
	size_t begin = n && find_role(messages[0].role) == FERRY_CHAT_SYSTEM;

	for (size_t i = begin; i < n; i++) {
		int role = find_role(messages[i].role);

		if (role == FERRY_CHAT_SYSTEM)
			return bad_order(t, i, "only the first message can be the system's", err);
		if ((role == FERRY_CHAT_USER) != ((i - begin) % 2 == 0))
			return bad_order(t, i, "user and assistant take turns, the user first",
					 err);
	}
	if (begin == n)
		return bad_order(t, n, "a message of the user must be there", err);
	return 0;
}

static int check(const struct ferry_chat_template *t, const struct ferry_chat_message *messages,
		 size_t n, bool reply, struct ferry_error *err)
{
	int rc;

	for (size_t i = 0; i < n; i++) {
		if (!messages[i].role || !messages[i].content)
			return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
					  "message %zu of the conversation has no role or no "
					  "content",
					  i + 1);
		if (find_role(messages[i].role) < 0)
			return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
					  "message %zu of the conversation has the role \"%.32s\"; "
					  "roles are system, user and assistant",
					  i + 1, messages[i].role);
	}
	rc = t->alternates ? check_order(t, messages, n, err) : 0;
	if (rc)
		return rc;
	if (reply && !t->reply && (!n || find_role(messages[n - 1].role) != FERRY_CHAT_USER))
		return bad_order(t, n ? n - 1 : 0,
				 "the model can only answer where the user spoke last", err);
	return 0;
}

int ferry_chat_format(const struct ferry_chat_template *t,
		      const struct ferry_chat_message *messages, size_t n_messages, bool reply,
		      struct ferry_chat_part **parts, size_t *n_parts, struct ferry_error *err)
{
	struct layout l = {.t = t};
	int rc;

	*parts = NULL;
	*n_parts = 0;
	rc = check(t, messages, n_messages, reply, err);
	if (rc)
		return rc;
	if (put_messages(&l, messages, n_messages, reply)) {
		ferry_chat_parts_free(l.parts, l.n_parts);
		return ferry_fail(err, FERRY_ERROR_MEMORY, -ENOMEM,
				  "out of memory while laying out %zu messages", n_messages);
	}
	*parts = l.parts;
	*n_parts = l.n_parts;
	return 0;
}

void ferry_chat_parts_free(struct ferry_chat_part *parts, size_t n_parts)
{
	for (size_t i = 0; i < n_parts; i++)
		free(parts[i].text);
	free(parts);
}
