// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixtures/key_folder.h"
#include "wire/trust.h"

#define KEY_A "ferry1:aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq"
#define KEY_B "ferry1:bbaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq"

/* RFC 4648 has the alphabet; the value was made by Python's base64.b32encode(bytes(range(32))). */
static void a_fingerprint_has_one_text(void **state)
{
	struct ferry_fingerprint f, again;
	char text[FERRY_FINGERPRINT_TEXT];
	size_t at;

	(void)state;
	for (int i = 0; i < 32; i++)
		f.bytes[i] = (uint8_t)i;
	ferry_fingerprint_text(&f, text);
	assert_string_equal(text, KEY_A);
	assert_int_equal(strlen(text), FERRY_FINGERPRINT_CHARS);
	assert_int_equal(ferry_fingerprint_parse(text, strlen(text), &again, &at, NULL), 0);
	assert_true(ferry_fingerprint_equal(&f, &again));
	for (size_t n = 0; n < FERRY_FINGERPRINT_CHARS; n++) {
		assert_int_equal(ferry_fingerprint_parse(text, n, &again, &at, NULL), -EINVAL);
		assert_int_equal(at, n);
	}
	assert_int_equal(ferry_fingerprint_parse(KEY_A "a", 60, &again, &at, NULL), -EINVAL);
	for (size_t i = 0; i < FERRY_FINGERPRINT_CHARS; i++) {
		char wrong[FERRY_FINGERPRINT_TEXT];

		memcpy(wrong, text, sizeof(wrong));
		wrong[i] = i < 7 ? '?' : '1';
		assert_int_equal(ferry_fingerprint_parse(wrong, strlen(wrong), &again, &at, NULL),
				 -EINVAL);
		assert_int_equal(at, i);
		wrong[i] = '\0';
		assert_int_equal(
			ferry_fingerprint_parse(wrong, FERRY_FINGERPRINT_CHARS, &again, &at, NULL),
			-EINVAL);
	}
	/* The four bits that are left over. */
	text[FERRY_FINGERPRINT_CHARS - 1] = 'r';
	assert_int_equal(ferry_fingerprint_parse(text, strlen(text), &again, &at, NULL), -EINVAL);
}

static void lines_mean_what_they_say(void **state)
{
	static const char text[] =
		"# whom we trust\n\n"
		"\t" KEY_A "  laptop\trole=device models=00112233,aabbccddeeff0011 "
		"kv=512 sessions=4 expires=2027-06-30\n"
		"   # an old one\n" KEY_B " gw-1.example_x revoked=2026-11-01 role=both";
	static const uint8_t first[32] = {0x00, 0x11, 0x22, 0x33, 0x44};
	static const uint8_t second[32] = {0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x00, 0x12};
	struct ferry_error err;
	struct ferry_trust t;
	const struct ferry_grant *g;

	(void)state;
	if (ferry_trust_parse(text, strlen(text), "trust", &t, &err))
		fail_msg("%s", err.text);
	assert_int_equal(t.n, 2);
	g = ferry_trust_find(&t, &t.grants[0].key);
	assert_string_equal(g->name, "laptop");
	assert_int_equal(g->roles, FERRY_TRUST_DEVICE);
	assert_int_equal(g->n_models, 2);
	assert_true(ferry_grant_has_model(g, first));
	assert_false(ferry_grant_has_model(g, second));
	assert_int_equal(g->kv_bytes, 512 << 20);
	assert_int_equal(g->max_sessions, 4);
	assert_string_equal(g->expires, "2027-06-30");
	assert_string_equal(g->revoked, "");
	g = &t.grants[1];
	assert_string_equal(g->name, "gw-1.example_x");
	assert_int_equal(g->roles, FERRY_TRUST_DEVICE | FERRY_TRUST_EDGE);
	assert_true(ferry_grant_has_model(g, second));
	assert_string_equal(g->revoked, "2026-11-01");
	assert_int_equal(g->kv_bytes, 0);
	ferry_trust_release(&t);
}

static void mistakes_are_named_by_line_and_column(void **state)
{
	static const struct {
		const char *text, *says;
	} wrong[] = {
		{"x\n", "line 1, column 1:"},
		{"# c\n\n ferry1:abc", "line 3, column 12:"},
		{KEY_A, "column 60: a name is missing"},
		{KEY_A "\n", "column 60: a name is missing"},
		{KEY_A "x y role=edge", "column 60:"},
		{KEY_A " a/b role=edge", "column 62:"},
		{KEY_A
		 " 0123456789012345678901234567890123456789012345678901234567890123 role=edge",
		 "at most 63"},
		{KEY_A " a", "column 62: role=... is missing"},
		{KEY_A " a role=", "column 68: role=... lacks"},
		{KEY_A " a role", "lacks its value"},
		{KEY_A " a role=boss", "column 68: a role is"},
		{KEY_A " a role=edge role=edge", "column 73: role comes twice"},
		{KEY_A " a role=edge color=red", "column 73: 'color' is none"},
		{KEY_A " a role=edge =1", "'' is none"},
		{KEY_A " a role=edge models=", "lacks"},
		{KEY_A " a role=edge models=1234567", "column 80: models is"},
		{KEY_A " a role=edge models=12345678,", "column 89: models is"},
		{KEY_A " a role=edge models=1234567G", "column 87: an id"},
		{KEY_A " a role=edge models=12345678,*", "column 89: an id"},
		{KEY_A " a role=edge models=11111111,11111112,11111113,11111114,11111115,"
		       "11111116,11111117,11111118,11111119",
		 "more than 8 models"},
		{KEY_A " a role=edge kv=0", "column 76: a number from 1"},
		{KEY_A " a role=edge kv=01", "column 76: a number from 1"},
		{KEY_A " a role=edge kv=-1", "column 76: a whole number"},
		{KEY_A " a role=edge kv=99999999999999999999999999", "a number from 1"},
		{KEY_A " a role=edge kv=16777217", "a number from 1"},
		{KEY_A " a role=edge sessions=65537", "a number from 1"},
		{KEY_A " a role=edge sessions=4x", "column 83: a whole number"},
		{KEY_A " a role=edge expires=2027-02-29", "column 81: a day"},
		{KEY_A " a role=edge expires=2100-02-29", "a day"},
		{KEY_A " a role=edge expires=2027-13-01", "a day"},
		{KEY_A " a role=edge expires=2027-00-01", "a day"},
		{KEY_A " a role=edge expires=2027-01-00", "a day"},
		{KEY_A " a role=edge expires=2027-1-1", "a day"},
		{KEY_A " a role=edge expires=1999-01-01", "a day"},
		{KEY_A " a role=edge expires=2027-01-011", "a day"},
		{KEY_A " a role=edge\r\n", "column 72: a control"},
		{"# \x1b[2J\n", "column 3: a control"},
		{KEY_A " a role=edge\n" KEY_A " b role=edge", "line 2, column 1: this key"},
		{KEY_A " a role=edge\n" KEY_B " a role=edge", "line 2, column 1: another key"},
	};
	struct ferry_error err;
	struct ferry_trust t;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(
			ferry_trust_parse(wrong[i].text, strlen(wrong[i].text), "trust", &t, &err),
			-EBADMSG);
		if (!strstr(err.text, wrong[i].says))
			fail_msg("'%s' does not say '%s'", err.text, wrong[i].says);
		assert_int_equal(t.n, 0);
		assert_null(t.grants);
	}
	assert_int_equal(ferry_trust_parse("a\0b", 3, "trust", &t, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "column 2: a control"));
}

static void there_are_no_more_keys_than_allowed(void **state)
{
	enum { LINE = FERRY_FINGERPRINT_CHARS + 32 };
	char *text = malloc((FERRY_TRUST_MAX_KEYS + 1) * LINE);
	struct ferry_fingerprint f = {{0}};
	struct ferry_error err;
	struct ferry_trust t;
	size_t n = 0, all = 0;

	(void)state;
	for (unsigned i = 0; i <= FERRY_TRUST_MAX_KEYS; i++) {
		char key[FERRY_FINGERPRINT_TEXT];

		f.bytes[0] = (uint8_t)i;
		f.bytes[1] = (uint8_t)(i >> 8);
		ferry_fingerprint_text(&f, key);
		all = n;
		n += (size_t)sprintf(text + n, "%s n%u role=edge\n", key, i);
	}
	assert_int_equal(ferry_trust_parse(text, all, "trust", &t, &err), 0);
	assert_int_equal(t.n, FERRY_TRUST_MAX_KEYS);
	ferry_trust_release(&t);
	assert_int_equal(ferry_trust_parse(text, n, "trust", &t, &err), -EBADMSG);
	free(text);
}

static void days_end_at_midnight(void **state)
{
	char date[FERRY_TRUST_DATE];

	(void)state;
	ferry_trust_date(1782777599, date); /* 2026-06-29 23:59:59 UTC */
	assert_string_equal(date, "2026-06-29");
	assert_false(ferry_trust_date_over("2026-06-29", 1782777599));
	assert_true(ferry_trust_date_over("2026-06-29", 1782777600));
	assert_false(ferry_trust_date_over("2026-06-30", 1782777600));
	/* A clock that makes no sense trusts nobody for longer than was said. */
	assert_true(ferry_trust_date_over("2026-06-29", INT64_MAX));
	assert_true(ferry_trust_is_date("2028-02-29"));
}

static char *contents(const char *folder)
{
	char path[128];
	static char text[8192];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/trust", folder);
	f = fopen(path, "r");
	if (!f)
		return NULL;
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static void set_contents(const char *folder, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/trust", folder);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static struct ferry_grant grant(const char *key, const char *name)
{
	struct ferry_grant g = {.roles = FERRY_TRUST_DEVICE};
	size_t at;

	assert_int_equal(ferry_fingerprint_parse(key, strlen(key), &g.key, &at, NULL), 0);
	snprintf(g.name, sizeof(g.name), "%s", name);
	return g;
}

static void putting_changes_one_line(void **state)
{
	struct ferry_grant a = grant(KEY_A, "a"), b = grant(KEY_B, "b");
	struct key_folder f;
	struct ferry_error err;
	struct ferry_trust t;
	struct stat st;
	char path[128];
	int lock;

	(void)state;
	assert_int_equal(key_folder_make(&f), 0);
	assert_int_equal(ferry_trust_load(f.path, &t, &err), 0);
	assert_int_equal(t.n, 0);
	set_contents(f.path, "# mine\n" KEY_A " old role=edge\n# end");
	a.kv_bytes = 64 << 20;
	a.max_sessions = 2;
	a.n_models = 1;
	strcpy(a.models[0], "0011223344");
	strcpy(a.expires, "2030-01-31");
	assert_int_equal(ferry_trust_put(f.path, &a, &err), 0);
	assert_string_equal(contents(f.path),
			    "# mine\n" KEY_A " a role=device models=0011223344 kv=64 sessions=2 "
			    "expires=2030-01-31\n# end");
	assert_int_equal(ferry_trust_put(f.path, &b, &err), 0);
	assert_string_equal(contents(f.path),
			    "# mine\n" KEY_A " a role=device models=0011223344 kv=64 sessions=2 "
			    "expires=2030-01-31\n# end\n" KEY_B " b role=device models=*\n");
	snprintf(path, sizeof(path), "%s/trust", f.path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(ferry_trust_load(f.path, &t, &err), 0);
	assert_int_equal(t.n, 2);
	ferry_trust_release(&t);

	strcpy(b.name, "a");
	assert_int_equal(ferry_trust_put(f.path, &b, &err), -EEXIST);
	strcpy(b.name, "b c");
	assert_int_equal(ferry_trust_put(f.path, &b, &err), -EINVAL);
	strcpy(b.name, "b\n" KEY_B);
	assert_int_equal(ferry_trust_put(f.path, &b, &err), -EINVAL);
	strcpy(b.name, "b");
	strcpy(b.expires, "2030-1-31");
	assert_int_equal(ferry_trust_put(f.path, &b, &err), -EINVAL);
	b.expires[0] = '\0';

	set_contents(f.path, "nonsense\n");
	assert_int_equal(ferry_trust_put(f.path, &b, &err), -EBADMSG);
	assert_string_equal(contents(f.path), "nonsense\n");
	set_contents(f.path, "");
	lock = ferry_guarded_lock(f.path, &err);
	assert_true(lock >= 0);
	assert_int_equal(ferry_trust_put(f.path, &b, &err), -EAGAIN);
	close(lock);
	key_folder_remove(&f);
}

static void files_that_others_may_write_are_not_used(void **state)
{
	struct key_folder f;
	struct ferry_error err;
	struct ferry_trust t;
	struct ferry_grant b = grant(KEY_B, "b");
	char path[128];

	(void)state;
	assert_int_equal(key_folder_make(&f), 0);
	set_contents(f.path, "");
	snprintf(path, sizeof(path), "%s/trust", f.path);
	for (int mode = 0; mode < 0100; mode++) {
		chmod(path, 0600 | (mode_t)mode);
		assert_int_equal(ferry_trust_load(f.path, &t, &err), mode & 022 ? -EPERM : 0);
	}
	chmod(path, 0600);
	chmod(f.path, 0777);
	assert_int_equal(ferry_trust_put(f.path, &b, &err), -EPERM);
	chmod(f.path, 0700);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(ferry_trust_load(f.path, &t, &err), -EINVAL);
	key_folder_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fingerprint_has_one_text),
		cmocka_unit_test(lines_mean_what_they_say),
		cmocka_unit_test(mistakes_are_named_by_line_and_column),
		cmocka_unit_test(there_are_no_more_keys_than_allowed),
		cmocka_unit_test(days_end_at_midnight),
		cmocka_unit_test(putting_changes_one_line),
		cmocka_unit_test(files_that_others_may_write_are_not_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
