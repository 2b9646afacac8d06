/* SPDX-License-Identifier: MIT */
/*
 * What a decision rests on: model, nodes, link, load, energy, privacy, objective. Values that
 * nobody knows are zero, which means: costs nothing, weighs nothing, has no limit.
 *
 * Times are in us, rates in bytes per us (1 byte per us is 8 Mbit/s), energies in uJ.
 */
#ifndef FERRY_PLAN_PROBLEM_H
#define FERRY_PLAN_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plan/privacy.h"

enum {
	FERRY_PLAN_MAX_LAYERS = 1024,
	FERRY_PLAN_MAX_CODECS = 8,
	FERRY_PLAN_MAX_CHUNKS = 8,
};

struct ferry_layer_cost {
	double decode_us;  /* one token */
	double prefill_us; /* per token of a prompt chunk */
	double decode_uj, prefill_uj;
};

struct ferry_node_cost {
	const struct ferry_layer_cost *layers; /* [n_layers]; those it does not hold are not read */
	double embed_us;		       /* one token */
	double head_us;			       /* logits of one token and the choice */
	double embed_uj, head_uj;
	double memory_bytes; /* for weights and KV cache; 0: no limit */
};

struct ferry_layer_memory {
	double weight_bytes;
	double kv_bytes; /* of one position */
};

struct ferry_link_cost {
	double rtt_us;
	double up_bytes_per_us; /* device to edge */
	double down_bytes_per_us;
	double rttvar_us; /* mean deviation of the RTT, as TCP has it */
	double loss;	  /* of packets, 0 .. 1 */
	double age_us;	  /* of these readings */
	bool no_carrier;
};

/* An encoding of hidden states. */
struct ferry_plan_codec {
	const char *name;
	double bytes_per_value;
	double quality_cost; /* for each time that a hidden state crosses the link; 0: exact */
};

struct ferry_plan_load {
	double queue_depth; /* work items that wait at the edge before ours */
	double n_batched;   /* other sessions whose decode steps share a pass with ours */
	double batch_cost;  /* what each of them adds to a pass, as a share of the pass alone */
};

struct ferry_plan_energy {
	double radio_up_uj_per_byte, radio_down_uj_per_byte;
	double radio_active_w; /* as long as an answer is awaited */
	double radio_tail_us;  /* for which the radio stays active afterwards */
	bool on_battery;
	double battery_share; /* 0 .. 1, with on_battery */
	bool temperature_known;
	double headroom_k;	  /* to the temperature at which the device slows down */
	double throttle_slowdown; /* times as slow without any headroom; 0: 1 */
};

/* score = us * per_us + uJ * per_uj + money * per_money */
struct ferry_plan_objective {
	double per_us, per_uj, per_money;
};

struct ferry_plan_price {
	double edge_per_us; /* of computing */
	double per_byte;    /* either way */
};

struct ferry_plan_problem {
	uint32_t n_layers, n_embd;
	struct ferry_node_cost device, edge;
	const struct ferry_layer_memory *memory; /* [n_layers]; NULL: not known */
	double embed_bytes, head_bytes;		 /* of their weights */
	uint32_t edge_begin, edge_end;		 /* layers that the edge serves */
	bool edge_embeds;			 /* takes token ids */
	bool edge_heads;			 /* gives tokens */
	bool edge_returns;			 /* gives hidden states */
	struct ferry_link_cost link;
	struct ferry_plan_load load;
	struct ferry_plan_energy energy;
	struct ferry_plan_price price;
	enum ferry_privacy privacy;
	struct ferry_plan_objective objective;	     /* all 0: time alone */
	double first_deadline_us, token_deadline_us; /* 0: none */
	const struct ferry_plan_codec *codecs;	     /* [n_codecs] */
	uint32_t n_codecs;
	double quality_budget; /* what the crossings of a token may cost in total */
	double link_stale_us;  /* readings of the link that are older do not count; 0: all count */
	uint32_t up_overhead_bytes, down_overhead_bytes; /* of one message */
	uint32_t chunk_tokens[FERRY_PLAN_MAX_CHUNKS];	 /* lengths of prompt chunks to try */
	uint32_t n_chunk_lengths;
	uint32_t n_prompt; /* tokens */
	uint32_t n_new;	   /* tokens that are expected */
	double tolerance;  /* scores this close (0.02: 2 %) count as equal */
};

/*
 * Layers [0, k1) run on the device, [k1, k2) on the edge, [k2, n_layers) and the output head on
 * the device. The output head is the edge's in REMOTE and SPLIT, where k2 is n_layers.
 */
struct ferry_plan_cut {
	enum ferry_plan_mode mode;
	uint32_t k1, k2;
};

struct ferry_plan {
	struct ferry_plan_cut cut;
	uint32_t codec;	       /* index; of modes that send hidden states */
	uint32_t chunk_tokens; /* of the prompt */
	double first_us;       /* until the first token */
	double token_us;       /* each further token */
	double total_us;
	double device_us, link_us, edge_us; /* the parts of token_us */
	double device_uj, edge_uj, radio_uj;
	double up_bytes, down_bytes; /* in total */
	double money;
	double score;	 /* INFINITY where it is not possible; less is better */
	bool late;	 /* misses a deadline */
	const char *why; /* it is not possible; NULL where it is */
};

#endif
