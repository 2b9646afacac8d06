// SPDX-License-Identifier: MIT
#include "cli/net_autorate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/autorate_settings.h"
#include "net/gateway.h"
#include "tc/units.h"

enum { BYTES_PER_KBIT = 125, FLOOR_DIVISOR = 4, CEILING_FACTOR = 4 };

static bool read_kbps(const char *text, uint32_t *kbps)
{
	uint64_t rate;

	if (!ferry_tc_read_rate(text, &rate) || rate / BYTES_PER_KBIT > UINT32_MAX ||
	    rate / BYTES_PER_KBIT < FERRY_AUTORATE_KBPS_MIN)
		return false;
	*kbps = (uint32_t)(rate / BYTES_PER_KBIT);
	return true;
}

void ferry_cli_parse_autorate(struct argp_state *state, const char *arg, struct net_autorate *a)
{
	const char *comma = arg ? strchr(arg, ',') : NULL;
	char floor[32] = "";

	a->on = true;
	a->off = false;
	a->has_limits = arg;
	if (!arg)
		return;
	if (comma && (size_t)(comma - arg) < sizeof(floor))
		snprintf(floor, sizeof(floor), "%.*s", (int)(comma - arg), arg);
	if (!comma || !read_kbps(floor, &a->floor_kbps) ||
	    !read_kbps(comma + 1, &a->ceiling_kbps) || a->floor_kbps > a->ceiling_kbps)
		argp_error(state,
			   "--autorate takes the least and the highest rate, as 5mbit,40mbit, not "
			   "'%s'",
			   arg);
}

void ferry_cli_parse_reflector(struct argp_state *state, const char *arg, struct net_autorate *a)
{
	struct ferry_echo_address address;
	struct ferry_error err;

	a->none = !arg;
	if (!arg) {
		a->n_reflectors = 0;
		return;
	}
	if (ferry_echo_read_address(arg, &address, &err))
		argp_error(state, "--reflector: %s", err.text);
	if (a->n_reflectors == FERRY_REFLECTORS_MAX)
		argp_error(state, "at most %d reflectors, so '%s' is one too many",
			   FERRY_REFLECTORS_MAX, arg);
	a->reflectors[a->n_reflectors++] = arg;
}

bool ferry_cli_wants_autorate(const struct net_autorate *a)
{
	return a->on || a->none || a->n_reflectors;
}

/* Those that were said now, or before. */
static int choose_reflectors(const struct net_autorate *a,
			     const struct ferry_autorate_settings *was,
			     struct ferry_autorate_settings *s, struct ferry_error *err)
{
	int ret = 0;

	s->n_reflectors = 0;
	memset(s->reflectors, 0, sizeof(s->reflectors));
	for (size_t i = 0; !ret && i < a->n_reflectors; i++)
		ret = ferry_autorate_settings_add(s, a->reflectors[i], err);
	if (was && !a->none && !a->n_reflectors) {
		s->n_reflectors = was->n_reflectors;
		memcpy(s->reflectors, was->reflectors, sizeof(s->reflectors));
	}
	return ret;
}

/* Where it begins: what the qdisc shapes at, else what it will, once ferry.ko is there. */
static uint32_t base_of(const struct ferry_device *device)
{
	struct ferry_gateway_record record;
	struct ferry_qdiscs list;
	uint64_t rate = 0;

	if (!ferry_qdiscs_read(&list, device->index, NULL)) {
		const struct ferry_qdisc *root = ferry_qdiscs_root(&list);

		if (root && root->is_ferry)
			rate = root->rate;
		ferry_qdiscs_free(&list);
	}
	if (!rate && !ferry_gateway_recorded(device, NULL, &record, NULL) && record.qdisc.has_rate)
		rate = record.qdisc.rate;
	rate /= BYTES_PER_KBIT;
	return rate < UINT32_MAX ? (uint32_t)rate : UINT32_MAX;
}

static uint32_t within(uint64_t kbps, uint32_t min, uint32_t max)
{
	return kbps < min ? min : kbps > max ? max : (uint32_t)kbps;
}

int ferry_cli_plan_autorate(const char *name, const struct net_autorate *a,
			    const struct ferry_qdisc_wish *wish, struct ferry_autorate_settings *s,
			    struct ferry_error *err)
{
	struct ferry_autorate_settings was;
	struct ferry_device device;
	bool follows;
	int ret;

	if (!ferry_cli_wants_autorate(a))
		return 0;
	ret = ferry_device_find(name, &device, err);
	if (ret)
		return ret;
	follows = !ferry_autorate_settings_read(NULL, name, &was, NULL) &&
		  ferry_device_same(was.identity, device.identity);
	memset(s, 0, sizeof(*s));
	ret = choose_reflectors(a, follows ? &was : NULL, s, err);
	if (ret)
		return ret;
	if (!a->on && (a->off || !follows))
		return ferry_fail(
			err, FERRY_ERROR_CALLER, -EINVAL,
			"the rate of %s does not follow its link: reflectors take --autorate",
			name);
	if (!a->on) {
		s->limits = was.limits;
		s->identity = was.identity;
		memcpy(s->device, was.device, sizeof(s->device));
		return 0;
	}
	snprintf(s->device, sizeof(s->device), "%s", name);
	s->identity = device.identity;
	s->limits.base_kbps = wish->has_rate ? within(wish->rate / BYTES_PER_KBIT, 0, UINT32_MAX)
					     : base_of(&device);
	if (!s->limits.base_kbps)
		return ferry_fail(
			err, FERRY_ERROR_CALLER, -EINVAL,
			"--autorate needs a rate to begin at: give --rate, or put a qdisc "
			"ferry with a rate on %s",
			name);
	s->limits.floor_kbps = a->has_limits ? a->floor_kbps
					     : within(s->limits.base_kbps / FLOOR_DIVISOR,
						      FERRY_AUTORATE_KBPS_MIN, UINT32_MAX);
	s->limits.ceiling_kbps = a->has_limits
					 ? a->ceiling_kbps
					 : within((uint64_t)s->limits.base_kbps * CEILING_FACTOR,
						  s->limits.floor_kbps, UINT32_MAX);
	return ferry_autorate_settings_check(s, err);
}
