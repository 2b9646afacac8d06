/* SPDX-License-Identifier: MIT */
/*
 * At which rate to shape a link whose capacity changes, so that the queue stays in our own qdisc,
 * where it is scheduled, and does not grow behind it. No I/O and no clock: each step takes what
 * is known with its age, and gives a rate, why, and all that it went by.
 *
 * Where the parts come from:
 * - delay above its base under load lowers the rate, by more the longer it is, and a pause follows,
 *   as in cake-autorate (its 0.99 .. 0.75, its refractory period);
 * - how far to go down is what the receivers acknowledge, as BBR's delivery rate, less what drains
 *   the queue that has grown in about a second. cake's autorate-ingress sets 15/16 of such an
 *   estimate;
 * - up it goes only under load: fast to just below the rate that was too much last, slowly past
 *   it, and faster again the longer nothing happens (CUBIC's curve around its last maximum);
 * - after a long idle time it goes back to the operator's rate, as cake-autorate's decay does;
 * - time in our own queue is no fault of the link: Little's law takes it off the round trip, but
 *   for one packet's only where echoes pass that queue;
 * - where nobody acknowledges, what had left the qdisc when an echo did has got through with it.
 */
#ifndef FERRY_NET_AUTORATE_H
#define FERRY_NET_AUTORATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FERRY_AUTORATE_STEP_MS = 250,	  /* between two steps under load */
	FERRY_AUTORATE_FRESH_MS = 2500,	  /* what is older says nothing */
	FERRY_AUTORATE_LINK_PERCENT = 95, /* of the link-layer rate, at most */
	FERRY_AUTORATE_KBPS_MIN = 64,	  /* of any floor */
	FERRY_AUTORATE_TARGET_US = 15000, /* least delay that is called one */
	FERRY_AUTORATE_TARGET_MAX =
		40000, /* the same on a link whose round trips vary by themselves */
};

struct ferry_autorate_limits {
	uint32_t floor_kbps, ceiling_kbps; /* 64 <= floor <= base <= ceiling */
	uint32_t base_kbps;		   /* the operator's rate: where it begins and idles */
};

/* One value and how old it is. */
struct ferry_autorate_value {
	bool known;
	uint32_t age_ms;
	uint64_t value;
};

/* What a step goes by. */
struct ferry_autorate_input {
	uint64_t now_ms;			   /* of any clock that does not go backwards */
	uint32_t present_kbps;			   /* what the qdisc shapes at */
	struct ferry_autorate_value link_kbps;	   /* nl80211's or ethtool's */
	struct ferry_autorate_value sent_kbps;	   /* what left the qdisc since the last step */
	struct ferry_autorate_value backlog_bytes; /* what waits in it */
	/* Likewise acknowledged, of known flows; or all that got through with echoes. */
	struct ferry_autorate_value acked_kbps;
	struct ferry_autorate_value srtt_us;
	struct ferry_autorate_value growth_us; /* of srtt_us over the least round trips */
	struct ferry_autorate_value rttvar_us;
	struct ferry_autorate_value retransmit_ppm;
	bool passes_queue; /* the round trips are of packets that do not wait in our own queue */
};

/* clang-format off */
#define FERRY_AUTORATE_TABLE(row)                                              \
	row(FERRY_AUTORATE_STEADY,   "steady")   /* in the band between up and down */ \
	row(FERRY_AUTORATE_DELAY,    "delay")    /* down: a queue grows behind us */   \
	row(FERRY_AUTORATE_LOSS,     "loss")     /* down: segments are lost, less arrives */ \
	row(FERRY_AUTORATE_LINK,     "link")     /* down: the link layer has no more */ \
	row(FERRY_AUTORATE_RECOVER,  "recover")  /* up, to what was too much last */   \
	row(FERRY_AUTORATE_PROBE,    "probe")    /* up, past it */                     \
	row(FERRY_AUTORATE_IDLE,     "idle")     /* nothing to learn; later, back to the base */ \
	row(FERRY_AUTORATE_PAUSE,    "pause")    /* the last change has not come round yet */ \
	row(FERRY_AUTORATE_BLIND,    "blind")    /* kept: no fresh round trips */      \
	row(FERRY_AUTORATE_UNKNOWN,  "no-round-trips") /* kept: nobody knows of any */  \
	row(FERRY_AUTORATE_CONTRADICTION, "contradiction") /* kept: readings exclude each other */ \
	row(FERRY_AUTORATE_NOT_OURS, "not-ours") /* kept: the delay does not follow our rate */ \
	row(FERRY_AUTORATE_LIMITS,   "limits")   /* into the floor or the ceiling */   \
	row(FERRY_AUTORATE_ADOPTED,  "adopted")  /* somebody else has set the rate */
/* clang-format on */

/* clang-format off */
enum ferry_autorate_reason {
#define row(reason, name) reason,
	FERRY_AUTORATE_TABLE(row)
#undef row
	FERRY_AUTORATE_REASONS,
};
/* clang-format on */

struct ferry_autorate_decision {
	uint32_t kbps; /* what to shape at; the present rate where nothing is to change */
	enum ferry_autorate_reason reason;
	struct ferry_autorate_input input;
	int64_t delay_us;	/* behind our queue, above the base; 0 if unknown */
	uint32_t threshold_us;	/* above which it counts */
	uint32_t own_us;	/* time in our own queue */
	uint32_t capacity_kbps; /* estimated from what was acknowledged; 0 if unknown */
	bool loaded;
};

/* Between steps. All 0 before the first. */
struct ferry_autorate {
	bool begun, over;
	uint64_t last_ms, lowered_ms, idle_ms; /* last step; last decrease; since when idle */
	double target_kbps;		       /* the rate with its fraction */
	double link_cut_kbps;		       /* the rate before the link layer took from it */
	double knee_kbps;		       /* what was too much last; 0: nothing yet */
	double coverage; /* share of what is sent that known flows acknowledge */
	double sent_kbps, acked_kbps, backlog_bytes; /* smoothed */
	uint64_t calm_ms;			     /* loaded without delay for this long */
	uint64_t delayed_ms;			     /* delay above the threshold for this long */
	uint64_t last_delay_us;			     /* of the last step */
	uint64_t delayed_us;			     /* the growth when that began */
	double delayed_kbps;			     /* and the rate */
	uint64_t ignored_us;			     /* growth that is not ours */
	uint32_t set_kbps;			     /* what the last decision said */
};

/**
 * ferry_autorate_step - the next rate
 * @state: changed
 * @decision: filled
 *
 * floor <= kbps <= ceiling always, and kbps <= 95 % of a fresh link-layer rate unless that is below
 * the floor.
 */
void ferry_autorate_step(const struct ferry_autorate_limits *limits, struct ferry_autorate *state,
			 const struct ferry_autorate_input *input,
			 struct ferry_autorate_decision *decision);

/* "delay"; "?" outside the table. */
const char *ferry_autorate_reason(enum ferry_autorate_reason reason);

/* "wan0: 20000 -> 17000 kbit/s (delay); sent=... ": one line with every input and its age. */
void ferry_autorate_print(const struct ferry_autorate_decision *decision, const char *device,
			  char *text, size_t size);

#endif
