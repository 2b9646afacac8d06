// SPDX-License-Identifier: MIT
#include "model/tensor_type.h"

#include <stddef.h>
#include <strings.h>

static const struct ferry_type_traits types[] = {
	{FERRY_TYPE_F32, "F32", 1, 4},	       {FERRY_TYPE_F16, "F16", 1, 2},
	{FERRY_TYPE_Q4_0, "Q4_0", 32, 18},     {FERRY_TYPE_Q4_1, "Q4_1", 32, 20},
	{FERRY_TYPE_Q5_0, "Q5_0", 32, 22},     {FERRY_TYPE_Q5_1, "Q5_1", 32, 24},
	{FERRY_TYPE_Q8_0, "Q8_0", 32, 34},     {FERRY_TYPE_Q2_K, "Q2_K", 256, 84},
	{FERRY_TYPE_Q3_K, "Q3_K", 256, 110},   {FERRY_TYPE_Q4_K, "Q4_K", 256, 144},
	{FERRY_TYPE_Q5_K, "Q5_K", 256, 176},   {FERRY_TYPE_Q6_K, "Q6_K", 256, 210},
	{FERRY_TYPE_IQ4_NL, "IQ4_NL", 32, 18}, {FERRY_TYPE_IQ4_XS, "IQ4_XS", 256, 136},
	{FERRY_TYPE_BF16, "BF16", 1, 2},
};

enum { N_TYPES = sizeof(types) / sizeof(types[0]) };

const struct ferry_type_traits *ferry_type_traits(uint32_t type)
{
	for (unsigned i = 0; i < N_TYPES; i++)
		if ((uint32_t)types[i].type == type)
			return &types[i];
	return NULL;
}

const struct ferry_type_traits *ferry_type_by_name(const char *name)
{
	for (unsigned i = 0; i < N_TYPES; i++)
		if (!strcasecmp(types[i].name, name))
			return &types[i];
	return NULL;
}

const struct ferry_type_traits *ferry_type_table(unsigned *n)
{
	*n = N_TYPES;
	return types;
}

/* Types that files in circulation have and Ferry does not read, for the message alone. */
static const struct {
	uint32_t type;
	const char *name;
} foreign_types[] = {
	{4, "Q4_2"},	{5, "Q4_3"},	 {9, "Q8_1"},	{15, "Q8_K"},  {16, "IQ2_XXS"},
	{17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"}, {21, "IQ3_S"}, {22, "IQ2_S"},
	{24, "I8"},	{25, "I16"},	 {26, "I32"},	{27, "I64"},   {28, "F64"},
	{29, "IQ1_M"},	{34, "TQ1_0"},	 {35, "TQ2_0"}, {39, "MXFP4"},
};

const char *ferry_type_foreign_name(uint32_t type)
{
	for (unsigned i = 0; i < sizeof(foreign_types) / sizeof(foreign_types[0]); i++)
		if (foreign_types[i].type == type)
			return foreign_types[i].name;
	return "an unknown type";
}
