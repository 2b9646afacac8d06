// SPDX-License-Identifier: MIT
#include "net/reading.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/ferry.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

/* clang-format off */
#define ferry_row(value_, name_) [value_] = name_,
static const char *const provenances[] = {FERRY_PROVENANCE_TABLE(ferry_row)};
static const char *const states[] = {FERRY_LINK_STATE_TABLE(ferry_row)};
static const char *const kinds[] = {FERRY_ENERGY_KIND_TABLE(ferry_row)};
static const char *const modes[] = {FERRY_MODE_TABLE(ferry_row)};
#undef ferry_row

enum {IN = FERRY_KEY_IN, OUT = FERRY_KEY_OUT, BOTH = IN | OUT};

#define U8(name_, attribute_, direction_, max_) \
	{name_, attribute_, FERRY_KEY_U8, direction_, 0, max_, NULL, 0}
#define U32(name_, attribute_, direction_, min_, max_) \
	{name_, attribute_, FERRY_KEY_U32, direction_, min_, max_, NULL, 0}
#define S32(name_, attribute_, direction_, min_, max_) \
	{name_, attribute_, FERRY_KEY_S32, direction_, min_, max_, NULL, 0}
#define U64(name_, attribute_, direction_, max_) \
	{name_, attribute_, FERRY_KEY_U64, direction_, 0, max_, NULL, 0}
#define WORD(name_, attribute_, count_, words_, refused_) \
	{name_, attribute_, FERRY_KEY_WORD, BOTH, 0, (count_) - 1, words_, refused_}
#define TEXT(name_, attribute_, direction_) \
	{name_, attribute_, FERRY_KEY_TEXT, direction_, 0, FERRY_READING_TEXT - 1, NULL, 0}

static const struct ferry_key link_keys[] = {
	TEXT("name", FERRY_LINK_A_NAME, OUT),
	U32("ifindex", FERRY_LINK_A_IFINDEX, OUT, 1, INT_MAX),
	WORD("state", FERRY_LINK_A_STATE, FERRY_LINK_STATE_COUNT, states, 0),
	U32("tx_rate_kbps", FERRY_LINK_A_TX_RATE_KBPS, BOTH, 0, UINT32_MAX),
	U32("rx_rate_kbps", FERRY_LINK_A_RX_RATE_KBPS, BOTH, 0, UINT32_MAX),
	U32("capacity_kbps", FERRY_LINK_A_CAPACITY_KBPS, BOTH, 0, UINT32_MAX),
	U32("srtt_us", FERRY_LINK_A_SRTT_US, BOTH, 0, FERRY_LINK_RTT_US_MAX),
	U32("rttvar_us", FERRY_LINK_A_RTTVAR_US, BOTH, 0, FERRY_LINK_RTT_US_MAX),
	U32("retransmit_ppm", FERRY_LINK_A_RETRANSMIT_PPM, BOTH, 0, FERRY_PPM),
	S32("signal_dbm", FERRY_LINK_A_SIGNAL_DBM, BOTH, FERRY_LINK_SIGNAL_DBM_MIN,
	    FERRY_LINK_SIGNAL_DBM_MAX),
	U32("backlog_bytes", FERRY_LINK_A_BACKLOG_BYTES, OUT, 0, UINT32_MAX),
	WORD("source", FERRY_LINK_A_PROVENANCE, FERRY_PROVENANCE_COUNT, provenances,
	     1U << FERRY_PROVENANCE_NONE | 1U << FERRY_PROVENANCE_KERNEL),
	U32("age_ms", FERRY_LINK_A_AGE_MS, BOTH, 0, FERRY_AGE_MS_MAX),
	U32("valid_ms", FERRY_LINK_A_VALID_MS, IN, FERRY_VALID_MS_MIN, FERRY_VALID_MS_MAX),
};

static const struct ferry_key energy_keys[] = {
	TEXT("name", FERRY_ENERGY_A_NAME, OUT),
	WORD("kind", FERRY_ENERGY_A_KIND, FERRY_ENERGY_KIND_COUNT, kinds,
	     1U << FERRY_ENERGY_KIND_MODEL | 1U << FERRY_ENERGY_KIND_TOTAL),
	U64("power_uw", FERRY_ENERGY_A_POWER_UW, BOTH, FERRY_POWER_UW_MAX),
	U64("counter_uj", FERRY_ENERGY_A_COUNTER_UJ, IN, UINT64_MAX),
	U32("counter_bits", FERRY_ENERGY_A_COUNTER_BITS, IN, 1, 64),
	U64("counter_max_uj", FERRY_ENERGY_A_COUNTER_MAX_UJ, IN, UINT64_MAX),
	U64("energy_uj", FERRY_ENERGY_A_ENERGY_UJ, OUT, UINT64_MAX),
	S32("temperature_mdeg", FERRY_ENERGY_A_TEMPERATURE_MDEG, BOTH, FERRY_TEMPERATURE_MDEG_MIN,
	    FERRY_TEMPERATURE_MDEG_MAX),
	U32("battery_ppm", FERRY_ENERGY_A_BATTERY_PPM, BOTH, 0, FERRY_PPM),
	U64("battery_uwh", FERRY_ENERGY_A_BATTERY_UWH, BOTH, UINT64_MAX),
	U8("charging", FERRY_ENERGY_A_CHARGING, BOTH, 1),
	WORD("source", FERRY_ENERGY_A_PROVENANCE, FERRY_PROVENANCE_COUNT, provenances,
	     1U << FERRY_PROVENANCE_NONE | 1U << FERRY_PROVENANCE_KERNEL),
	U32("error_ppm", FERRY_ENERGY_A_ERROR_PPM, BOTH, 0, FERRY_PPM),
	TEXT("mirror_of", FERRY_ENERGY_A_MIRROR_OF, BOTH),
	U32("age_ms", FERRY_ENERGY_A_AGE_MS, BOTH, 0, FERRY_AGE_MS_MAX),
	U32("valid_ms", FERRY_ENERGY_A_VALID_MS, IN, FERRY_VALID_MS_MIN, FERRY_VALID_MS_MAX),
};

static const struct ferry_key model_keys[] = {
	U64("idle_uw", FERRY_MODEL_A_IDLE_UW, IN, FERRY_POWER_UW_MAX),
	U64("busy_uw", FERRY_MODEL_A_BUSY_UW, IN, FERRY_POWER_UW_MAX),
	U32("tx_nj_per_byte", FERRY_MODEL_A_TX_NJ_PER_BYTE, IN, 0, UINT32_MAX),
	U32("rx_nj_per_byte", FERRY_MODEL_A_RX_NJ_PER_BYTE, IN, 0, UINT32_MAX),
	U64("airtime_uw", FERRY_MODEL_A_AIRTIME_UW, IN, FERRY_POWER_UW_MAX),
	U32("airtime_ppm", FERRY_MODEL_A_AIRTIME_PPM, IN, 0, FERRY_PPM),
	U32("error_ppm", FERRY_MODEL_A_ERROR_PPM, IN, 0, FERRY_PPM),
};

static const struct ferry_key mode_keys[] = {
	WORD("mode", FERRY_MODE_A_MODE, FERRY_MODE_COUNT, modes, 0),
};
/* clang-format on */

/* An object: its keys, its attributes, its commands. */
static const struct {
	const char *title;
	const struct ferry_key *keys;
	size_t n_keys;
	int max;
	uint8_t get;
	uint8_t set;
} objects[] = {
	[FERRY_NET_LINK] = {"a link", link_keys, sizeof(link_keys) / sizeof(link_keys[0]),
			    FERRY_LINK_A_MAX, FERRY_CMD_LINK_GET, FERRY_CMD_LINK_SET},
	[FERRY_NET_ENERGY] = {"an energy source", energy_keys,
			      sizeof(energy_keys) / sizeof(energy_keys[0]), FERRY_ENERGY_A_MAX,
			      FERRY_CMD_ENERGY_GET, FERRY_CMD_ENERGY_SET},
	[FERRY_NET_MODEL] = {"the model", model_keys, sizeof(model_keys) / sizeof(model_keys[0]),
			     FERRY_MODEL_A_MAX, FERRY_CMD_UNSPEC, FERRY_CMD_MODEL_SET},
	[FERRY_NET_MODE] = {"the mode", mode_keys, 1, FERRY_MODE_A_MAX, FERRY_CMD_MODE_GET,
			    FERRY_CMD_MODE_SET},
};

/* "a, b, c", as far as there is room; @word returns NULL for what does not belong in the list. */
static void list_words(char *out, size_t size, const char *(*word)(const void *, size_t),
		       const void *list, size_t n)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		const char *text = word(list, i);

		if (!text)
			continue;
		used += (size_t)snprintf(out + used, used < size ? size - used : 0, "%s%s",
					 !used ? "" : ", ", text);
		if (used >= size)
			return;
	}
}

static const char *key_name(const void *list, size_t i)
{
	const struct ferry_key *keys = list;

	return keys[i].direction & FERRY_KEY_IN ? keys[i].name : NULL;
}

static const char *word_name(const void *list, size_t i)
{
	const struct ferry_key *key = list;

	return key->refused >> i & 1 ? NULL : key->words[i];
}

static int parse_word(const struct ferry_key *key, const char *text, uint64_t *number,
		      struct ferry_error *err)
{
	char known[160];

	for (size_t i = 0; i <= key->max; i++) {
		if (key->refused >> i & 1 || strcmp(text, key->words[i]))
			continue;
		*number = i;
		return 0;
	}
	list_words(known, sizeof(known), word_name, key, (size_t)key->max + 1);
	return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL, "%s is one of %s, not '%.40s'",
			  key->name, known, text);
}

static int parse_number(const struct ferry_key *key, const char *text, uint64_t *number,
			struct ferry_error *err)
{
	const bool negative = text[0] == '-';
	const char *digits = text + negative;
	unsigned long long n;
	char *end;

	/* strtoull() would take blanks and a sign of its own. */
	errno = 0;
	n = strtoull(digits, &end, 10);
	if (digits[0] < '0' || digits[0] > '9' || *end || errno ||
	    (negative ? n > (uint64_t)-key->min : n > key->max) ||
	    (!negative && key->min > 0 && n < (uint64_t)key->min))
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "%s takes a whole number from %" PRId64 " to %" PRIu64
				  ", not '%.40s'",
				  key->name, key->min, key->max, text);
	*number = negative ? (uint64_t)-n : n;
	return 0;
}

int ferry_key_parse(enum ferry_net_object object, const char *word, struct ferry_key_values *values,
		    struct ferry_error *err)
{
	const char *equals = strchr(word, '=');
	struct ferry_key_value value = {0};
	char known[320];
	int ret = 0;

	for (size_t i = 0; equals && i < objects[object].n_keys; i++) {
		const struct ferry_key *key = &objects[object].keys[i];

		if (key->direction & FERRY_KEY_IN && strlen(key->name) == (size_t)(equals - word) &&
		    !strncmp(key->name, word, (size_t)(equals - word)))
			value.key = key;
	}
	if (!value.key) {
		list_words(known, sizeof(known), key_name, objects[object].keys,
			   objects[object].n_keys);
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "'%.40s' is no KEY=VALUE of %s; its keys are %s", word,
				  objects[object].title, known);
	}
	equals++;
	if (value.key->type == FERRY_KEY_WORD) {
		ret = parse_word(value.key, equals, &value.number, err);
	} else if (value.key->type != FERRY_KEY_TEXT) {
		ret = parse_number(value.key, equals, &value.number, err);
	} else if (!equals[0] || strlen(equals) > value.key->max) {
		ret = ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				 "%s takes 1 to %" PRIu64 " characters, not '%.40s'",
				 value.key->name, value.key->max, equals);
	} else {
		strcpy(value.text, equals);
	}
	if (ret)
		return ret;
	for (size_t i = 0; i < values->n; i++) {
		if (values->value[i].key != value.key)
			continue;
		values->value[i] = value;
		return 0;
	}
	values->value[values->n++] = value;
	return 0;
}

const struct ferry_key_value *ferry_key_find(const struct ferry_key_values *values,
					     const char *name)
{
	for (size_t i = 0; i < values->n; i++)
		if (!strcmp(values->value[i].key->name, name))
			return &values->value[i];
	return NULL;
}

const char *ferry_key_word(const struct ferry_key_value *value)
{
	return value->number <= value->key->max ? value->key->words[value->number] : "?";
}

static int put_value(struct nl_msg *msg, const struct ferry_key_value *value)
{
	const int attribute = value->key->attribute;

	switch (value->key->type) {
	case FERRY_KEY_U8:
		return nla_put_u8(msg, attribute, (uint8_t)value->number);
	case FERRY_KEY_U64:
		return nla_put_u64(msg, attribute, value->number);
	case FERRY_KEY_TEXT:
		return nla_put_string(msg, attribute, value->text);
	default:
		return nla_put_u32(msg, attribute, (uint32_t)value->number);
	}
}

/* A length that is not that of its type is what a kernel module of another version would send. */
static int get_value(const struct nlattr *attr, struct ferry_key_value *value)
{
	static const int sizes[] = {
		[FERRY_KEY_U8] = 1,  [FERRY_KEY_U32] = 4,  [FERRY_KEY_S32] = 4,
		[FERRY_KEY_U64] = 8, [FERRY_KEY_WORD] = 4, [FERRY_KEY_TEXT] = 0,
	};
	const enum ferry_key_type type = value->key->type;

	if (type == FERRY_KEY_TEXT) {
		nla_strlcpy(value->text, attr, sizeof(value->text));
		return 0;
	}
	if (nla_len(attr) != sizes[type])
		return -EPROTO;
	if (type == FERRY_KEY_U8)
		value->number = nla_get_u8(attr);
	else if (type == FERRY_KEY_U64)
		value->number = nla_get_u64(attr);
	else if (type == FERRY_KEY_S32)
		value->number = (uint64_t)(int64_t)nla_get_s32(attr);
	else
		value->number = nla_get_u32(attr);
	return 0;
}

int ferry_net_push(struct ferry_family *family, enum ferry_net_object object, const char *name,
		   const struct ferry_key_values *values, struct ferry_error *err)
{
	unsigned int ifindex = 0;
	struct nl_msg *msg;
	int ret = 0;

	if (object == FERRY_NET_LINK) {
		ifindex = if_nametoindex(name);
		if (!ifindex)
			return ferry_fail(err, FERRY_ERROR_CALLER, -ENODEV,
					  "there is no network device '%.40s' in this network "
					  "namespace",
					  name);
	}
	msg = ferry_family_request(family, objects[object].set, 0, err);
	if (!msg)
		return -ENOMEM;
	if (object == FERRY_NET_LINK)
		ret = nla_put_u32(msg, FERRY_LINK_A_IFINDEX, ifindex);
	else if (object == FERRY_NET_ENERGY)
		ret = nla_put_string(msg, FERRY_ENERGY_A_NAME, name);
	for (size_t i = 0; !ret && i < values->n; i++)
		ret = put_value(msg, &values->value[i]);
	if (ret) {
		nlmsg_free(msg);
		return ferry_fail_memory(err, "a netlink message", 0);
	}
	return ferry_family_exchange(family, msg, 0, NULL, NULL, err);
}

int ferry_net_remove(struct ferry_family *family, const char *name, struct ferry_error *err)
{
	struct nl_msg *msg = ferry_family_request(family, FERRY_CMD_ENERGY_DEL, 0, err);

	if (!msg)
		return -ENOMEM;
	if (nla_put_string(msg, FERRY_ENERGY_A_NAME, name)) {
		nlmsg_free(msg);
		return ferry_fail_memory(err, "a netlink message", 0);
	}
	return ferry_family_exchange(family, msg, 0, NULL, NULL, err);
}

/* A reading in progress. */
struct reading {
	enum ferry_net_object object;
	int (*visit)(const struct ferry_key_values *values, void *data);
	void *data;
};

static int on_object(struct nlattr **attrs, void *data)
{
	const struct reading *r = data;
	struct ferry_key_values values = {0};

	for (size_t i = 0; i < objects[r->object].n_keys; i++) {
		const struct ferry_key *key = &objects[r->object].keys[i];

		if (!attrs[key->attribute] || !(key->direction & FERRY_KEY_OUT))
			continue;
		values.value[values.n].key = key;
		if (get_value(attrs[key->attribute], &values.value[values.n++]))
			return -EPROTO;
	}
	return r->visit(&values, r->data);
}

int ferry_net_read(struct ferry_family *family, enum ferry_net_object object,
		   int (*visit)(const struct ferry_key_values *values, void *data), void *data,
		   struct ferry_error *err)
{
	struct reading r = {.object = object, .visit = visit, .data = data};
	const int flags = object == FERRY_NET_MODE ? 0 : NLM_F_DUMP;

	return ferry_family_exchange(family,
				     ferry_family_request(family, objects[object].get, flags, err),
				     objects[object].max, on_object, &r, err);
}
