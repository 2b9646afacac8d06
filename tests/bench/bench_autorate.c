// SPDX-License-Identifier: MIT
/*
 * usage: bench_autorate [TRACE [REFLECTORS [yields]]]
 *
 * The rate controller on the simulated bottleneck beside fixed rates, first with senders that
 * never give way, then with some that do as TCP does: by the round trips of local connections, and
 * on a gateway that only forwards by those of a reflector. With the number of a trace, each of its
 * decisions. Nothing is measured: the figures are the same on every machine.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../unit/net/bottleneck.h"

static void print(const struct ferry_autorate_decision *d, double seconds, double capacity,
		  double queue_ms, void *data)
{
	char text[800];

	(void)data;
	ferry_autorate_print(d, "wan0", text, sizeof(text));
	printf("%7.2f C=%6.0f q=%5.0f %s\n", seconds, capacity, queue_ms, text);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		uint32_t base_kbps;
		unsigned int reflectors;
	} ways[] = {{"autorate", 20000, 0},
		    {"reflector", 20000, 1},
		    {"20 Mbit/s", 20000, 0},
		    {"5 Mbit/s", 5000, 0}};
	struct bottleneck_options o = {.controlled = true, .visit = print};
	struct bottleneck_result r;

	if (argc > 1) {
		o.trace = (enum bottleneck_trace)(strtoul(argv[1], NULL, 10) % TRACES);
		o.reflectors = argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 10) : 0;
		o.yields = argc > 3;
		bottleneck_run(&o, &r);
		return 0;
	}
	o.visit = NULL;
	printf("%-6s %-12s %-10s %6s %8s %8s %8s %9s %6s\n", "from", "trace", "rate", "share",
	       "p50 ms", "p95 ms", "p99 ms", "changes/m", "turns");
	for (int run = 0; run < 2 * TRACES; run++)
		for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
			o.trace = (enum bottleneck_trace)(run % TRACES);
			o.yields = run >= TRACES;
			o.controlled = i < 2;
			o.reflectors = ways[i].reflectors;
			o.limits = (struct ferry_autorate_limits){1000, 100000, ways[i].base_kbps};
			bottleneck_run(&o, &r);
			printf("%-6s %-12s %-10s %5.1f%% %8.0f %8.0f %8.0f %9u %6u\n",
			       o.yields ? "TCP" : "flood", bottleneck_name(o.trace), ways[i].name,
			       r.share * 100, r.p50_ms, r.p95_ms, r.p99_ms, r.changes, r.reversals);
		}
	return 0;
}
