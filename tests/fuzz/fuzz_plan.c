// SPDX-License-Identifier: MIT
/*
 * Any description and any trace of the planner. Input: one byte (odd: a trace), then the text. What
 * is taken gives a finite plan, or none and a sentence.
 */
#include <math.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "plan/description.h"
#include "plan/explain.h"
#include "plan/sim/trace.h"

static void check_trace(const char *text, size_t n)
{
	struct ferry_error err = {0};
	struct ferry_trace t;

	if (ferry_trace_parse(text, n, &t, &err)) {
		FUZZ_CHECK(err.text[0] && !t.samples);
		return;
	}
	FUZZ_CHECK(t.n >= 2 && t.step_us >= 1);
	for (size_t i = 0; i < t.n; i++)
		FUZZ_CHECK(t.samples[i].rtt_us >= 0 && t.samples[i].loss < 1);
	free(t.samples);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ferry_plan_description d;
	static struct ferry_plan_sums sums;
	struct ferry_error err = {0};
	struct ferry_plan_choices c;
	char text[512];

	if (!size)
		return 0;
	if (data[0] & 1) {
		check_trace((const char *)data + 1, size - 1);
		return 0;
	}
	ferry_plan_description_defaults(&d);
	if (ferry_plan_description_parse((const char *)data + 1, size - 1, &d, &err)) {
		FUZZ_CHECK(err.text[0]);
		return 0;
	}
	FUZZ_CHECK(!ferry_plan_sum(&d.problem, &sums, &err));
	if (ferry_plan_choose(&d.problem, &sums, &c, &err)) {
		FUZZ_CHECK(err.text[0]);
		return 0;
	}
	FUZZ_CHECK(isfinite(ferry_plan_chosen(&c)->score));
	FUZZ_CHECK(ferry_plan_explain(&d.problem, &sums, &c, text, sizeof(text)) > 0);
	return 0;
}

void ferry_fuzz_seeds(ferry_fuzz_emit *emit, void *arg)
{
	static const char *const seeds[] = {
		"\x02{\"n_layers\":4,\"n_embd\":64,\"device\":{\"decode_us\":[1,2,3,4],\"prefill_us\":1,"
		"\"power_w\":2,\"memory_mb\":1},\"edge\":{\"decode_us\":1,\"prefill_us\":0.1,"
		"\"returns\":true,\"layer_begin\":1},\"link\":{\"rtt_ms\":1,\"up_mbit_s\":10,"
		"\"down_mbit_s\":10,\"loss\":0.1,\"carrier\":true}}",
		"\x02{\"n_layers\":2,\"n_embd\":8,\"n_prompt\":9,\"codecs\":[{\"name\":\"int8\","
		"\"bytes_per_value\":1.1,\"quality_cost\":0}],\"energy\":{\"battery_share\":0.5,"
		"\"headroom_k\":3},\"load\":{\"queue_depth\":1},\"price\":{\"per_mb\":1}}",
		"\x01# trace\n0 8000 8000 20 0 1\n100 8000 8000 20 0 0\n200 1 1 1 0.5 1\n",
	};

	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++)
		emit(arg, seeds[i], strlen(seeds[i]));
}
