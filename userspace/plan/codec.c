// SPDX-License-Identifier: MIT
#include "plan/codec.h"

#include <string.h>

const struct ferry_plan_codec *ferry_plan_codec_find(const char *name)
{
	static const struct ferry_plan_codec codecs[] = {
		{"f32", 4, 0},
		{"f16", 2, 0.0002},
		{"int8", 34.0 / 32, 0.0061},
		{"int4", 18.0 / 32 + 4.0 / 128, 0.0912},
	};

	for (size_t i = 0; name && i < sizeof(codecs) / sizeof(codecs[0]); i++)
		if (!strcmp(codecs[i].name, name))
			return &codecs[i];
	return NULL;
}
