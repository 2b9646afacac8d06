/* SPDX-License-Identifier: MIT */
/*
 * Where to cut a model between a device and one edge: predicted times of every possibility, and
 * the choice among them. Pure functions: no clock, no memory, no I/O.
 */
#ifndef FERRY_PLAN_SPLIT_COST_H
#define FERRY_PLAN_SPLIT_COST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ferry_layer_cost {
	double decode_us;  /* one token */
	double prefill_us; /* per token of a prompt chunk */
};

struct ferry_node_cost {
	const struct ferry_layer_cost *layers; /* [n_layers]; those it does not hold are not read */
	double embed_us;		       /* one token */
	double head_us;			       /* logits of one token and the choice */
};

struct ferry_link_cost {
	double rtt_us;
	double up_bytes_per_us; /* device to edge; 1 byte per us is 8 Mbit/s */
	double down_bytes_per_us;
};

struct ferry_split_problem {
	uint32_t n_layers;
	struct ferry_node_cost device, edge;
	uint32_t edge_begin, edge_end; /* layers that the edge serves */
	bool edge_embeds;	       /* takes token ids */
	bool edge_heads;	       /* gives tokens */
	struct ferry_link_cost link;
	uint32_t hidden_bytes; /* of one token's hidden state, as it is sent */
	uint32_t up_overhead_bytes, down_overhead_bytes; /* of one request and its answer */
	uint32_t chunk_tokens;				 /* of a prompt chunk */
	uint32_t n_prompt;				 /* tokens */
	uint32_t n_new;					 /* tokens that are expected */
	double tolerance; /* times this close (0.02: 2 %) count as equal */
};

enum ferry_split_mode {
	FERRY_MODE_LOCAL,  /* everything on the device */
	FERRY_MODE_REMOTE, /* token ids go up, tokens come back */
	FERRY_MODE_SPLIT,  /* layers [0, k) on the device, k >= 1 */
};

struct ferry_split_candidate {
	enum ferry_split_mode mode;
	uint32_t k;			    /* layers on the device */
	double prefill_us;		    /* until the first token */
	double decode_us;		    /* each further token */
	double total_us;		    /* INFINITY where it is not possible */
	double device_us, link_us, edge_us; /* the parts of decode_us */
	double bytes;			    /* over the link, both ways, in total */
};

/* How many candidates there are: local, remote, and a split behind each layer. */
static inline size_t ferry_split_n_candidates(const struct ferry_split_problem *p)
{
	return (size_t)p->n_layers + 2;
}

/* Candidate @i: 0 is local, 1 remote, 1 + k the split behind k layers. */
struct ferry_split_candidate ferry_split_predict(const struct ferry_split_problem *p, size_t i);

/*
 * The index of the cheapest: the least total time; among those within the tolerance of it the
 * fewest bytes (so local, where it is one of them), then the least time, then the lowest index.
 */
size_t ferry_split_choose(const struct ferry_split_problem *p);

/**
 * ferry_split_explain - the table and the reason, for people.
 * @chosen: an index
 * @text: receives at most @size bytes with the final NUL; lines end with a newline
 *
 * Return: the length that the whole text has.
 */
size_t ferry_split_explain(const struct ferry_split_problem *p, size_t chosen, char *text,
			   size_t size);

#endif
