// SPDX-License-Identifier: MIT
#include <string.h>

#include "cli/command.h"

enum ferry_kv_type ferry_cli_kv(struct argp_state *state, const char *arg)
{
	static const enum ferry_kv_type types[] = {FERRY_KV_F16, FERRY_KV_Q8};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(arg, ferry_kv_type_name(types[i])))
			return types[i];
	argp_error(state, "--kv takes 'f16' or 'q8', not '%s'", arg);
	return FERRY_KV_F16;
}
