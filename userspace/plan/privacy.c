// SPDX-License-Identifier: MIT
#include "plan/privacy.h"

/*
 * An embedding is a row of a table that the edge holds as well, so a hidden state that no layer
 * has changed is as good as the token id.
 */
bool ferry_privacy_allows(enum ferry_privacy level, enum ferry_plan_mode mode, uint32_t k1)
{
	switch (mode) {
	case FERRY_MODE_LOCAL:
		return true;
	case FERRY_MODE_REMOTE:
		return level == FERRY_PRIVACY_TOKENS;
	case FERRY_MODE_SPLIT:
		return k1 >= 1 && (level == FERRY_PRIVACY_TOKENS || level == FERRY_PRIVACY_HIDDEN);
	case FERRY_MODE_USHAPE:
		return k1 >= 1 && (level == FERRY_PRIVACY_TOKENS || level == FERRY_PRIVACY_HIDDEN ||
				   level == FERRY_PRIVACY_USHAPE);
	default:
		return false;
	}
}

const char *ferry_privacy_name(enum ferry_privacy level)
{
	static const char *const names[] = {"tokens", "hidden", "ushape", "none"};

	return (unsigned)level < FERRY_N_PRIVACY ? names[level] : "unknown";
}

const char *ferry_plan_mode_name(enum ferry_plan_mode mode)
{
	static const char *const names[] = {"local", "remote", "split", "ushape"};

	return (unsigned)mode < FERRY_N_MODES ? names[mode] : "unknown";
}
