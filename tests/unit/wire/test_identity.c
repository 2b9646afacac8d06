// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixtures/key_folder.h"

static void key_path(const struct key_folder *f, char path[128])
{
	snprintf(path, 128, "%s/key.pem", f->path);
}

static void a_key_is_made_once_and_is_secret(void **state)
{
	struct ferry_identity *id;
	struct key_folder f, g;
	struct ferry_error err;
	struct stat st;
	char path[128];

	(void)state;
	assert_int_equal(key_folder_make(&f), 0);
	assert_int_equal(key_folder_make(&g), 0);
	assert_false(ferry_fingerprint_equal(&f.key, &g.key));
	key_path(&f, path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(ferry_identity_create(f.path, &err), -EEXIST);
	assert_int_equal(ferry_identity_load(f.path, &id, &err), 0);
	assert_true(ferry_fingerprint_equal(&f.key, ferry_identity_fingerprint(id)));
	ferry_identity_free(id);
	for (int mode = 1; mode < 0100; mode++) {
		chmod(path, 0600 | (mode_t)mode);
		assert_int_equal(ferry_identity_load(f.path, &id, &err), -EPERM);
		assert_non_null(strstr(err.text, "chmod"));
		assert_null(id);
	}
	unlink(path);
	assert_int_equal(ferry_identity_load(f.path, &id, &err), -ENOENT);
	/* A link is not followed: who can make one must not choose our key. */
	key_path(&g, path);
	{
		char link_path[128];

		key_path(&f, link_path);
		assert_int_equal(symlink(path, link_path), 0);
		assert_int_equal(ferry_identity_load(f.path, &id, &err), -ELOOP);
	}
	key_folder_remove(&f);
	key_folder_remove(&g);
	assert_int_equal(ferry_identity_create("/nonexistent/keys", &err), -ENOENT);
}

static void write_key(const struct key_folder *f, EVP_PKEY *key, const char *password)
{
	char path[128];
	FILE *out;

	key_path(f, path);
	unlink(path);
	out = fopen(path, "w");
	assert_non_null(out);
	chmod(path, 0600);
	PEM_write_PKCS8PrivateKey(out, key, password ? EVP_aes_128_cbc() : NULL, password,
				  password ? (int)strlen(password) : 0, NULL, NULL);
	fclose(out);
}

static void what_is_no_key_of_ours_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "-----BEGIN PRIVATE KEY-----\n", "garbage",
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"};
	EVP_PKEY *p256 = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	struct ferry_identity *id;
	struct key_folder f;
	struct ferry_error err;
	char path[128];

	(void)state;
	assert_int_equal(key_folder_make(&f), 0);
	key_path(&f, path);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		FILE *out = fopen(path, "w");

		assert_non_null(out);
		fputs(texts[i], out);
		fclose(out);
		assert_int_equal(ferry_identity_load(f.path, &id, &err), -EBADMSG);
		assert_non_null(strstr(err.text, path));
	}
	write_key(&f, p256, NULL);
	assert_int_equal(ferry_identity_load(f.path, &id, &err), -EINVAL);
	assert_non_null(strstr(err.text, "Ed25519"));
	/* OpenSSL would ask the terminal for the password, and wait. */
	write_key(&f, ed, "secret");
	assert_int_equal(ferry_identity_load(f.path, &id, &err), -EBADMSG);
	assert_int_equal(truncate(path, 1 << 20), 0);
	assert_int_equal(ferry_identity_load(f.path, &id, &err), -EFBIG);
	EVP_PKEY_free(p256);
	EVP_PKEY_free(ed);
	key_folder_remove(&f);
}

/* RFC 8410, 10.3: a private key, and 10.1: its public one, of which this is the SHA-256. */
static void the_fingerprint_is_that_of_the_public_key(void **state)
{
	static const char private_key[] =
		"-----BEGIN PRIVATE KEY-----\n"
		"MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
		"-----END PRIVATE KEY-----\n";
	static const uint8_t spki[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70,
				       0x03, 0x21, 0x00, 0x19, 0xbf, 0x44, 0x09, 0x69, 0x84,
				       0xcd, 0xfe, 0x85, 0x41, 0xba, 0xc1, 0x67, 0xdc, 0x3b,
				       0x96, 0xc8, 0x50, 0x86, 0xaa, 0x30, 0xb6, 0xb6, 0xcb,
				       0x0c, 0x5c, 0x38, 0xad, 0x70, 0x31, 0x66, 0xe1};
	struct ferry_fingerprint want;
	struct ferry_identity *id;
	struct key_folder f;
	struct ferry_error err;
	unsigned n = sizeof(want.bytes);
	char path[128];
	FILE *out;

	(void)state;
	assert_int_equal(key_folder_make(&f), 0);
	key_path(&f, path);
	out = fopen(path, "w");
	assert_non_null(out);
	fputs(private_key, out);
	fclose(out);
	if (ferry_identity_load(f.path, &id, &err))
		fail_msg("%s", err.text);
	EVP_Digest(spki, sizeof(spki), want.bytes, &n, EVP_sha256(), NULL);
	assert_memory_equal(ferry_identity_fingerprint(id), &want, sizeof(want));
	ferry_identity_free(id);
	key_folder_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_made_once_and_is_secret),
		cmocka_unit_test(what_is_no_key_of_ours_is_refused),
		cmocka_unit_test(the_fingerprint_is_that_of_the_public_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
