// SPDX-License-Identifier: MIT
#include "plan/description.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

enum { MOST_TOKENS = 1 << 24 };

void ferry_plan_description_defaults(struct ferry_plan_description *d)
{
	static const uint32_t lengths[] = {16, 32, 64, 128, 256};

	memset(d, 0, sizeof(*d));
	strcpy(d->codec_names[0], "f32");
	d->codecs[0] = (struct ferry_plan_codec){d->codec_names[0], 4, 0};
	d->problem = (struct ferry_plan_problem){
		.device = {.layers = d->device},
		.edge = {.layers = d->edge},
		.memory = d->memory,
		.codecs = d->codecs,
		.n_codecs = 1,
		.up_overhead_bytes = 56,
		.down_overhead_bytes = 40,
		.n_chunk_lengths = sizeof(lengths) / sizeof(lengths[0]),
		.n_prompt = 64,
		.n_new = 128,
		.tolerance = 0.02,
		.edge_embeds = true,
		.edge_heads = true,
	};
	memcpy(d->problem.chunk_tokens, lengths, sizeof(lengths));
}

/* A member that is a number: where it goes, and what it is multiplied by on the way. */
struct member {
	const char *name;
	double *to;
	double scale, max;
};

static int bad(struct ferry_error *err, const char *where, const char *name, const char *what)
{
	return ferry_fail(err, FERRY_ERROR_CALLER, -EBADMSG, "'%.40s' in %s: %s", name, where,
			  what);
}

static int read_number(const json_t *v, const char *where, const struct member *m,
		       struct ferry_error *err)
{
	double x = json_is_number(v) ? json_number_value(v) : NAN;

	if (!(x >= 0) || x > m->max)
		return bad(err, where, m->name,
			   "takes a number that is not negative, and not huge");
	*m->to = x * m->scale;
	return 0;
}

/* Members that are none of @members are left to the caller, who names them in @others. */
static int read_members(const json_t *object, const char *where, const struct member *members,
			size_t n, const char *others, struct ferry_error *err)
{
	const char *name;
	json_t *v;
	int ret = 0;

	if (!json_is_object(object))
		return ferry_fail(err, FERRY_ERROR_CALLER, -EBADMSG, "%s is not a JSON object",
				  where);
	json_object_foreach((json_t *)object, name, v)
	{
		char word[48];
		size_t i = 0;

		while (i < n && strcmp(members[i].name, name))
			i++;
		if (i < n)
			ret = read_number(v, where, &members[i], err);
		else if (snprintf(word, sizeof(word), " %s ", name) >= (int)sizeof(word) ||
			 strchr(name, ' ') || !strstr(others, word))
			ret = bad(err, where, name, "is not known");
		if (ret)
			return ret;
	}
	return 0;
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* One number for all layers, or one for each. */
static int read_layers(const json_t *v, const char *name, uint32_t n, double *first, size_t stride,
		       double scale, struct ferry_error *err)
{
	if (!v)
		return 0;
	if (json_is_array(v) && json_array_size(v) != n)
		return bad(err, "the description", name, "takes a number, or one for each layer");
	for (uint32_t i = 0; i < n; i++) {
		const struct member m = {name, (double *)((char *)first + i * stride), scale, 1e15};
		int ret = read_number(json_is_array(v) ? json_array_get(v, i) : v,
				      "the description", &m, err);

		if (ret)
			return ret;
	}
	return 0;
}

static int read_node(const json_t *o, const char *where, uint32_t n, struct ferry_node_cost *node,
		     struct ferry_layer_cost *layers, double *begin, double *end,
		     struct ferry_error *err)
{
	double power_w = 0;
	const struct member members[] = {
		{"embed_us", &node->embed_us, 1, 1e12},
		{"head_us", &node->head_us, 1, 1e12},
		{"memory_mb", &node->memory_bytes, 1e6, 1e12},
		{"power_w", &power_w, 1, 1e6},
		{"layer_begin", begin, 1, FERRY_PLAN_MAX_LAYERS},
		{"layer_end", end, 1, FERRY_PLAN_MAX_LAYERS},
	};
	int ret;

	if (!o)
		return 0;
	ret = read_members(o, where, members, COUNT(members),
			   " decode_us prefill_us decode_uj prefill_uj embeds heads returns ", err);
	if (!ret)
		ret = read_layers(json_object_get(o, "decode_us"), "decode_us", n,
				  &layers->decode_us, sizeof(*layers), 1, err);
	if (!ret)
		ret = read_layers(json_object_get(o, "prefill_us"), "prefill_us", n,
				  &layers->prefill_us, sizeof(*layers), 1, err);
	/* 1 W for 1 us is 1 uJ. */
	for (uint32_t i = 0; !ret && power_w > 0 && i < n; i++) {
		layers[i].decode_uj = power_w * layers[i].decode_us;
		layers[i].prefill_uj = power_w * layers[i].prefill_us;
	}
	if (power_w > 0) {
		node->embed_uj = power_w * node->embed_us;
		node->head_uj = power_w * node->head_us;
	}
	if (!ret)
		ret = read_layers(json_object_get(o, "decode_uj"), "decode_uj", n,
				  &layers->decode_uj, sizeof(*layers), 1, err);
	if (!ret)
		ret = read_layers(json_object_get(o, "prefill_uj"), "prefill_uj", n,
				  &layers->prefill_uj, sizeof(*layers), 1, err);
	return ret;
}

static int read_flag(const json_t *o, const char *name, bool *to, struct ferry_error *err)
{
	const json_t *v = json_object_get(o, name);

	if (!v)
		return 0;
	if (!json_is_boolean(v))
		return bad(err, "the description", name, "takes true or false");
	*to = json_is_true(v);
	return 0;
}

static int read_codecs(const json_t *v, struct ferry_plan_description *d, struct ferry_error *err)
{
	if (!v)
		return 0;
	if (!json_is_array(v) || !json_array_size(v) || json_array_size(v) > FERRY_PLAN_MAX_CODECS)
		return bad(err, "the description", "codecs", "takes 1 to 8 objects");
	d->problem.n_codecs = (uint32_t)json_array_size(v);
	for (uint32_t i = 0; i < d->problem.n_codecs; i++) {
		const json_t *o = json_array_get(v, i), *name = json_object_get(o, "name");
		struct ferry_plan_codec *c = &d->codecs[i];
		const struct member members[] = {{"bytes_per_value", &c->bytes_per_value, 1, 64},
						 {"quality_cost", &c->quality_cost, 1, 1e9}};
		int ret;

		*c = (struct ferry_plan_codec){.name = d->codec_names[i]};
		ret = read_members(o, "codecs", members, COUNT(members), " name ", err);
		if (ret)
			return ret;
		if (!json_is_string(name) || json_string_length(name) >= sizeof(d->codec_names[i]))
			return bad(err, "codecs", "name", "takes a short text");
		strcpy(d->codec_names[i], json_string_value(name));
	}
	return 0;
}

static int read_all(const json_t *root, struct ferry_plan_description *d, struct ferry_error *err)
{
	struct ferry_plan_problem *p = &d->problem;
	double n_layers = p->n_layers, n_embd = p->n_embd, n_prompt = p->n_prompt, n_new = p->n_new;
	double begin = 0, end = n_layers, unused = 0, throttle = p->energy.throttle_slowdown;
	const json_t *edge = json_object_get(root, "edge"), *v;
	const struct member top[] = {
		{"n_layers", &n_layers, 1, FERRY_PLAN_MAX_LAYERS},
		{"n_embd", &n_embd, 1, 1 << 20},
		{"n_prompt", &n_prompt, 1, MOST_TOKENS},
		{"n_new", &n_new, 1, MOST_TOKENS},
		{"embed_bytes", &p->embed_bytes, 1, 1e15},
		{"head_bytes", &p->head_bytes, 1, 1e15},
		{"quality_budget", &p->quality_budget, 1, 1e9},
		{"tolerance", &p->tolerance, 1, 10},
		{"first_deadline_ms", &p->first_deadline_us, 1e3, 1e12},
		{"token_deadline_ms", &p->token_deadline_us, 1e3, 1e12},
	};
	const struct member link[] = {
		{"rtt_ms", &p->link.rtt_us, 1e3, 1e9},
		{"rttvar_ms", &p->link.rttvar_us, 1e3, 1e9},
		{"up_mbit_s", &p->link.up_bytes_per_us, 0.125, 1e9},
		{"down_mbit_s", &p->link.down_bytes_per_us, 0.125, 1e9},
		{"loss", &p->link.loss, 1, 0.999},
		{"age_ms", &p->link.age_us, 1e3, 1e12},
		{"stale_ms", &p->link_stale_us, 1e3, 1e12},
	};
	const struct member load[] = {{"queue_depth", &p->load.queue_depth, 1, 1e9},
				      {"n_batched", &p->load.n_batched, 1, 1e9},
				      {"batch_cost", &p->load.batch_cost, 1, 1e3}};
	const struct member energy[] = {
		{"radio_up_uj_per_byte", &p->energy.radio_up_uj_per_byte, 1, 1e9},
		{"radio_down_uj_per_byte", &p->energy.radio_down_uj_per_byte, 1, 1e9},
		{"radio_active_w", &p->energy.radio_active_w, 1, 1e6},
		{"radio_tail_ms", &p->energy.radio_tail_us, 1e3, 1e9},
		{"battery_share", &p->energy.battery_share, 1, 1},
		{"headroom_k", &p->energy.headroom_k, 1, 1e3},
		{"throttle_slowdown", &throttle, 1, 1e3},
	};
	const struct member price[] = {{"edge_per_s", &p->price.edge_per_us, 1e-6, 1e12},
				       {"per_mb", &p->price.per_byte, 1e-6, 1e12}};
	int ret = read_members(root, "the description", top, COUNT(top),
			       " device edge link load energy price codecs weight_bytes kv_bytes ",
			       err);

	if (!ret && (n_layers < 1 || n_embd < 1))
		ret = ferry_fail(err, FERRY_ERROR_CALLER, -EBADMSG,
				 "n_layers and n_embd are missing or 0");
	if (ret)
		return ret;
	p->n_layers = (uint32_t)n_layers;
	p->n_embd = (uint32_t)n_embd;
	p->n_prompt = (uint32_t)n_prompt;
	p->n_new = (uint32_t)n_new;
	end = p->n_layers;
	ret = read_layers(json_object_get(root, "weight_bytes"), "weight_bytes", p->n_layers,
			  &d->memory->weight_bytes, sizeof(d->memory[0]), 1, err);
	if (!ret)
		ret = read_layers(json_object_get(root, "kv_bytes"), "kv_bytes", p->n_layers,
				  &d->memory->kv_bytes, sizeof(d->memory[0]), 1, err);
	if (!ret)
		ret = read_node(json_object_get(root, "device"), "device", p->n_layers, &p->device,
				d->device, &unused, &unused, err);
	if (!ret)
		ret = read_node(edge, "edge", p->n_layers, &p->edge, d->edge, &begin, &end, err);
	p->edge_begin = (uint32_t)begin;
	p->edge_end = (uint32_t)end;
	if (!ret && (p->edge_begin > p->edge_end || p->edge_end > p->n_layers))
		ret = bad(err, "edge", "layer_end", "is not behind layer_begin, or not a layer");
	if (!ret)
		ret = read_flag(edge, "embeds", &p->edge_embeds, err);
	if (!ret)
		ret = read_flag(edge, "heads", &p->edge_heads, err);
	if (!ret)
		ret = read_flag(edge, "returns", &p->edge_returns, err);
	if (!ret && (v = json_object_get(root, "link"))) {
		bool carrier = true;

		ret = read_members(v, "link", link, COUNT(link), " carrier ", err);
		if (!ret)
			ret = read_flag(v, "carrier", &carrier, err);
		p->link.no_carrier = !carrier;
	}
	if (!ret && (v = json_object_get(root, "load")))
		ret = read_members(v, "load", load, COUNT(load), "", err);
	if (!ret && (v = json_object_get(root, "price")))
		ret = read_members(v, "price", price, COUNT(price), "", err);
	if (!ret && (v = json_object_get(root, "energy"))) {
		ret = read_members(v, "energy", energy, COUNT(energy), "", err);
		p->energy.on_battery = json_object_get(v, "battery_share");
		p->energy.temperature_known = json_object_get(v, "headroom_k");
		p->energy.throttle_slowdown = throttle;
	}
	return ret ? ret : read_codecs(json_object_get(root, "codecs"), d, err);
}

int ferry_plan_description_parse(const char *bytes, size_t n, struct ferry_plan_description *d,
				 struct ferry_error *err)
{
	json_error_t why;
	json_t *root = json_loadb(bytes, n, JSON_REJECT_DUPLICATES, &why);
	int ret;

	if (!root)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EBADMSG,
				  "the description is not JSON: line %d: %s", why.line, why.text);
	ret = read_all(root, d, err);
	json_decref(root);
	return ret;
}
