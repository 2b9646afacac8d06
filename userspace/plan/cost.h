/* SPDX-License-Identifier: MIT */
/*
 * What a plan would take: times, energy, bytes and money of one cut, predicted.
 *
 * A prompt goes through stations, each of which handles one chunk at a time: device, uplink, edge,
 * and in a U shape downlink and device again. A chunk begins at a station when the station is free
 * and the chunk has left the one before; the device comes to the second part when it is through
 * with the first one of all chunks.
 */
#ifndef FERRY_PLAN_COST_H
#define FERRY_PLAN_COST_H

#include "ferry/error.h"
#include "plan/problem.h"

enum ferry_plan_quantity {
	FERRY_SUM_DEVICE_PREFILL, /* us */
	FERRY_SUM_DEVICE_DECODE,
	FERRY_SUM_DEVICE_PREFILL_UJ,
	FERRY_SUM_DEVICE_DECODE_UJ,
	FERRY_SUM_EDGE_PREFILL,
	FERRY_SUM_EDGE_DECODE,
	FERRY_SUM_EDGE_PREFILL_UJ,
	FERRY_SUM_EDGE_DECODE_UJ,
	FERRY_SUM_WEIGHTS, /* bytes */
	FERRY_SUM_KV,	   /* bytes of one position */
	FERRY_N_SUMS,
};

/* Sums over the layers [0, k), so that any range costs one subtraction. */
struct ferry_plan_sums {
	double below[FERRY_PLAN_MAX_LAYERS + 1][FERRY_N_SUMS]; /* [n_layers + 1] */
};

/*
 * Return: 0, or -EINVAL where the numbers of layers do not fit each other or FERRY_PLAN_MAX_LAYERS.
 * The sums hold as long as the layers' costs do; link, load, and lengths may change.
 */
int ferry_plan_sum(const struct ferry_plan_problem *p, struct ferry_plan_sums *sums,
		   struct ferry_error *err);

/* The parts of a problem that are the same for all cuts. */
struct ferry_plan_terms {
	const struct ferry_plan_problem *p;
	const struct ferry_plan_sums *sums;
	double slowdown; /* of the device, by its temperature */
	double up_us_per_byte, down_us_per_byte;
	double exchange_us;		  /* there and back, with what losses add on average */
	double edge_slowdown, edge_waits; /* by load: of a decode step, and in steps */
	double hidden_bytes[2];		  /* of one token's, where it crosses once and twice */
	uint32_t codec[2];		  /* FERRY_PLAN_MAX_CODECS: none is good enough */
	double per_us, per_uj, per_money;
	double own_energy;	/* what a joule of the device counts */
	const char *link_fault; /* why the link cannot be used; NULL: it can */
};

void ferry_plan_terms(const struct ferry_plan_problem *p, const struct ferry_plan_sums *sums,
		      struct ferry_plan_terms *out);

/*
 * Why @cut cannot be; NULL: it can. Privacy, what the edge serves, codecs, memory, link.
 */
const char *ferry_plan_obstacle(const struct ferry_plan_terms *t, const struct ferry_plan_cut *cut);

enum { FERRY_PLAN_STATIONS = 5 };

/* What each station does with a token of the prompt, and with a chunk beside its tokens, in us. */
struct ferry_plan_stations {
	unsigned n; /* 3, in a U shape 5 */
	double token[FERRY_PLAN_STATIONS], chunk[FERRY_PLAN_STATIONS];
};

/* Of a cut that uses the edge. */
struct ferry_plan_stations ferry_plan_stations(const struct ferry_plan_terms *t,
					       const struct ferry_plan_cut *cut);

/* @pipeline_us, if not NULL, receives what the chunks of the prompt take, a part of first_us. */
struct ferry_plan ferry_plan_predict(const struct ferry_plan_terms *t,
				     const struct ferry_plan_cut *cut, uint32_t chunk_tokens,
				     double *pipeline_us);

/* The least that the chunks of a prompt take in any order: the work of the busiest station. */
double ferry_plan_busiest_us(const struct ferry_plan_terms *t, const struct ferry_plan_cut *cut,
			     uint32_t chunk_tokens);

static inline bool ferry_plan_late(const struct ferry_plan_problem *p, double first_us,
				   double token_us)
{
	return (p->first_deadline_us > 0 && first_us > p->first_deadline_us) ||
	       (p->token_deadline_us > 0 && token_us > p->token_deadline_us);
}

#endif
