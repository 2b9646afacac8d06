// SPDX-License-Identifier: MIT
/*
 * Any bytes as a trust file. What is taken is written again, line by line, and read as the same.
 */
#include <string.h>

#include "fuzz/fuzz.h"
#include "wire/trust.h"

#define KEY_A "ferry1:aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq"
#define KEY_B "ferry1:bbaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq"

static void check_line(const struct ferry_grant *g)
{
	char line[FERRY_TRUST_LINE], again[FERRY_TRUST_LINE];
	uint8_t id[32] = {0};
	struct ferry_trust t;

	FUZZ_CHECK(!ferry_trust_line(g, line, NULL));
	FUZZ_CHECK(!ferry_trust_parse(line, strlen(line), "line", &t, NULL));
	FUZZ_CHECK(t.n == 1 && !ferry_trust_line(&t.grants[0], again, NULL));
	FUZZ_CHECK(!strcmp(line, again));
	FUZZ_CHECK(ferry_grant_has_model(g, id) == ferry_grant_has_model(&t.grants[0], id));
	FUZZ_CHECK(g->roles && g->roles <= 3 && g->n_models <= FERRY_TRUST_MODELS);
	ferry_trust_release(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ferry_error err = {0};
	struct ferry_trust t;

	if (ferry_trust_parse((const char *)data, size, "trust", &t, &err)) {
		FUZZ_CHECK(err.code && err.text[0] && !t.n && !t.grants);
		return 0;
	}
	FUZZ_CHECK(t.n <= FERRY_TRUST_MAX_KEYS);
	for (uint32_t i = 0; i < t.n; i++) {
		FUZZ_CHECK(ferry_trust_find(&t, &t.grants[i].key) == &t.grants[i]);
		check_line(&t.grants[i]);
	}
	ferry_trust_release(&t);
	return 0;
}

void ferry_fuzz_seeds(ferry_fuzz_emit *emit, void *arg)
{
	static const char *const seeds[] = {
		"# whom we trust\n\n" KEY_A " laptop role=device models=* kv=512 sessions=4 "
		"expires=2027-06-30\n" KEY_B " gw role=edge revoked=2026-11-01\n",
		KEY_A "\tx\trole=both models=00112233,aabbccddeeff0011\n  # end",
		KEY_A " a role=edge\n" KEY_A " b role=edge\n",
	};

	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++)
		emit(arg, seeds[i], strlen(seeds[i]));
}
