/* SPDX-License-Identifier: MIT */
/*
 * The messages of the node protocol, version 1.0: what is in a frame's body.
 * Documentation/protocol.md describes each field; the order of the fields here is that on the wire.
 *
 * A decoder accepts exactly what the encoder writes: a body that is too short, too long, or has
 * a reserved field set is -EPROTO, and decoding then encoding gives the same bytes. Pointers in a
 * decoded message point into the body and need no alignment. Whether the numbers make sense to
 * this model and session is for the receiver to check.
 */
#ifndef FERRY_WIRE_MESSAGE_H
#define FERRY_WIRE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/error.h"
#include "wire/frame.h"
#include "wire/writer.h"

enum {
	FERRY_WIRE_MODEL_ID = 32,	     /* SHA-256 */
	FERRY_WIRE_ERROR_TEXT = 400,	     /* bytes of an error's sentence */
	FERRY_WIRE_PING_PAYLOAD = 256 << 10, /* bytes, there and back */
	FERRY_WIRE_MAX_LAYERS = 65536,
	FERRY_WIRE_LEASE = 16, /* bytes of a token */
};

/* How hidden states are written. A bit set of them is 1 << encoding | ... */
enum ferry_wire_encoding {
	FERRY_ENCODING_F32 = 0, /* exact */
	FERRY_ENCODING_F16 = 1,
	FERRY_ENCODING_INT8 = 2, /* groups of 32 with a scale */
	FERRY_ENCODING_INT4 = 3, /* the same, and outliers apart */
	FERRY_ENCODINGS = 4,
};

/* Bytes of a row of @n numbers; 0 for an unknown encoding. */
static inline size_t ferry_wire_row_bytes(uint8_t encoding, size_t n)
{
	switch (encoding) {
	case FERRY_ENCODING_F32:
		return 4 * n;
	case FERRY_ENCODING_F16:
		return 2 * n;
	case FERRY_ENCODING_INT8:
		return (n + 31) / 32 * 34;
	case FERRY_ENCODING_INT4:
		return (n + 31) / 32 * 18 + (n + 127) / 128 * 4;
	default:
		return 0;
	}
}

/* What a node offers or wants beside layers. */
enum ferry_wire_parts {
	FERRY_PART_EMBEDDING = 1, /* token ids in */
	FERRY_PART_HEAD = 2,	  /* logits or tokens out */
};

struct ferry_wire_hello {
	uint16_t version_min, version_max; /* stay first in every version to come */
	uint8_t model[FERRY_WIRE_MODEL_ID];
	uint32_t n_layers, n_embd, n_vocab;
	uint32_t layer_begin, layer_end; /* wanted */
	uint8_t parts;			 /* wanted: enum ferry_wire_parts */
	uint8_t encodings;		 /* bit set, those that the device can speak */
	uint32_t max_frame;		 /* bytes of a body that the device takes */
};

struct ferry_wire_welcome {
	uint16_t version;		 /* chosen */
	uint8_t parts;			 /* offered */
	uint8_t encodings;		 /* bit set, those that both can speak */
	uint32_t layer_begin, layer_end; /* served */
	uint32_t max_frame;		 /* bytes of a body, both directions */
	uint32_t max_context;		 /* positions of a session */
	uint32_t max_batch;		 /* tokens of a WORK */
	uint32_t max_sessions;		 /* of this connection */
	uint32_t window_works;		 /* WORKs without an answer, all sessions together */
	uint32_t window_bytes;		 /* of their bodies; a single one may always be max_frame */
	uint32_t idle_ms;		 /* a connection that sends nothing for so long is closed */
	uint64_t free_kv_bytes;		 /* for KV caches, at this moment */
};

enum ferry_wire_code {
	FERRY_CODE_PROTOCOL = 1, /* a broken frame or message, or one that may not come now */
	FERRY_CODE_VERSION = 2,	 /* no version in common */
	FERRY_CODE_MODEL = 3,	 /* another model */
	FERRY_CODE_RANGE = 4,	 /* layers, embedding or head that are not served */
	FERRY_CODE_LIMIT = 5,	 /* too many connections, sessions, tokens, positions or bytes */
	FERRY_CODE_MEMORY = 6,	 /* no room for the KV cache */
	FERRY_CODE_SESSION = 7,	 /* no such session */
	FERRY_CODE_HISTORY = 8,	 /* position or prefix differ from what the edge holds */
	FERRY_CODE_INPUT = 9,	 /* a token id, number or parameter that makes no sense */
	FERRY_CODE_CANCELLED = 10,
	FERRY_CODE_DEADLINE = 11, /* too slow, or silent for too long */
	FERRY_CODE_STOPPING = 12, /* the node is going away */
	FERRY_CODE_COMPUTE = 13,  /* the forward pass failed */
	FERRY_CODE_AUTH = 14,	  /* the key may not do this, or is trusted no more */
};

/* "HISTORY"; NULL for an unknown code. */
const char *ferry_wire_code_name(uint16_t code);

struct ferry_wire_error {
	uint16_t code;
	bool fatal;	  /* the sender closes the connection */
	uint32_t session; /* 0: the connection's; the frame's request id says which request */
	uint16_t n_text;
	const uint8_t *text; /* not NUL-terminated, any bytes */
};

struct ferry_wire_ping {
	uint64_t stamp;	      /* comes back unchanged */
	uint32_t reply_bytes; /* of the answer's payload */
	uint32_t n_payload;
	const uint8_t *payload; /* NULL to write zeros; the receiver ignores it */
};

struct ferry_wire_pong {
	uint64_t stamp;
	uint32_t n_payload; /* zeros */
};

struct ferry_wire_profile {
	uint32_t n_tokens; /* of the prompt chunk to measure; the edge may take fewer */
};

/* What a pass costs. Times beyond 4.29 s are written as the largest number. */
struct ferry_wire_profiled {
	uint32_t layer_begin;
	uint32_t n_layers;
	uint32_t n_tokens; /* that the prompt chunk had */
	uint32_t embed_ns; /* of one token */
	uint32_t head_ns;
	const uint8_t *layers; /* [n_layers] of 8 bytes: ferry_wire_layer_time() */
};

/* What an edge has to do; LOAD, which asks for it, has no body. */
struct ferry_wire_loaded {
	uint32_t n_sessions;	/* of connected devices */
	uint32_t n_leased;	/* of lost connections, kept by their leases */
	uint32_t n_waiting;	/* WORKs that are queued, of all devices */
	uint32_t queue_us;	/* that the WORKs done last waited for their turn, on average */
	uint64_t free_kv_bytes; /* those of leased sessions count as free: they would give way */
};

struct ferry_wire_layer_time {
	uint32_t decode_ns;  /* one token */
	uint32_t prefill_ns; /* per token of a prompt chunk */
};

struct ferry_wire_layer_time ferry_wire_layer_time(const uint8_t *layers, uint32_t i);
void ferry_wire_layer_time_set(uint8_t *layers, uint32_t i, struct ferry_wire_layer_time t);

struct ferry_wire_sampling {
	float temperature;
	uint32_t top_k;
	float top_p;
	float min_p;
	float repeat_penalty;
	uint32_t repeat_window;
	uint64_t seed;
};

struct ferry_wire_open {
	uint32_t session; /* chosen by the device, not 0, not in use on this connection */
	uint32_t layer_begin, layer_end;
	uint32_t n_ctx; /* positions */
	bool head;	/* will ask for logits or tokens */
	uint8_t kv;	/* enum ferry_kv_type */
	struct ferry_wire_sampling sampling;
};

struct ferry_wire_opened {
	uint32_t session;
	uint32_t n_ctx;
	uint64_t kv_bytes;
	uint32_t lease_ms; /* for which the edge keeps the session of a lost connection; 0: not */
	uint8_t lease[FERRY_WIRE_LEASE]; /* all 0 without one */
};

/* Takes the session of a connection that is lost, or of which the edge does not know it yet. */
struct ferry_wire_attach {
	uint32_t session; /* its number on this connection */
	uint8_t lease[FERRY_WIRE_LEASE];
	uint32_t position; /* up to which both hold the same history for certain */
	uint64_t prefix;   /* there */
};

struct ferry_wire_attached {
	uint32_t session;
	uint32_t n_ctx;
	uint32_t position; /* that the edge holds */
	uint32_t lease_ms;
	uint64_t prefix; /* there */
};

struct ferry_wire_fork {
	uint32_t session;
	uint32_t child;	   /* the new session's number */
	uint32_t position; /* what both share: [0, position) */
	uint64_t prefix;   /* there */
};

struct ferry_wire_close {
	uint32_t session;
};

struct ferry_wire_set_sampling {
	uint32_t session;
	struct ferry_wire_sampling sampling;
};

struct ferry_wire_truncate {
	uint32_t session;
	uint32_t position; /* what stays: [0, position) */
	uint64_t prefix;   /* after the last position that stays */
};

enum ferry_wire_input {
	FERRY_INPUT_IDS = 0,	/* u32 each */
	FERRY_INPUT_HIDDEN = 1, /* [n_tokens][n_embd] in `encoding` */
};

enum ferry_wire_output {
	FERRY_OUTPUT_NONE = 0,	 /* only the caches: a prompt chunk */
	FERRY_OUTPUT_HIDDEN = 1, /* [n_tokens][n_embd] in `encoding` */
	FERRY_OUTPUT_LAST = 2,	 /* logits of the last token, [1][n_vocab] F32 */
	FERRY_OUTPUT_LOGITS = 3, /* logits of all tokens, [n_tokens][n_vocab] F32 */
	FERRY_OUTPUT_TOKEN = 4,	 /* the token sampled after the last, u32 */
};

struct ferry_wire_work {
	uint32_t session;
	uint32_t position; /* of the first token */
	uint32_t n_tokens;
	uint8_t input, output, encoding;
	uint64_t prefix_before, prefix_after;
	uint32_t ids_begin, n_ids; /* ids for the repetition penalty: of positions ids_begin ... */
	const uint8_t *ids;	   /* u32 each */
	uint32_t n_data;	   /* bytes */
	const uint8_t *data;	   /* the input */
};

struct ferry_wire_result {
	uint32_t session;
	uint32_t position; /* behind the last token */
	uint32_t n_rows;   /* in data */
	uint8_t output, encoding;
	uint32_t compute_us; /* in the layers and the head */
	uint32_t queue_us;   /* from the whole frame being there to the start */
	uint32_t n_data;
	const uint8_t *data;
};

struct ferry_wire_cancel {
	uint32_t session;
	uint32_t request; /* 0: all of the session */
};

struct ferry_wire_message {
	uint8_t type; /* enum ferry_message_type; BYE and LOAD have no body */
	uint32_t request;
	union {
		struct ferry_wire_hello hello;
		struct ferry_wire_welcome welcome;
		struct ferry_wire_error error;
		struct ferry_wire_ping ping;
		struct ferry_wire_pong pong;
		struct ferry_wire_profile profile;
		struct ferry_wire_profiled profiled;
		struct ferry_wire_loaded loaded;
		struct ferry_wire_open open;
		struct ferry_wire_opened opened;
		struct ferry_wire_close close;
		struct ferry_wire_set_sampling sampling;
		struct ferry_wire_truncate truncate;
		struct ferry_wire_work work;
		struct ferry_wire_result result;
		struct ferry_wire_cancel cancel;
		struct ferry_wire_attach attach;
		struct ferry_wire_attached attached;
		struct ferry_wire_fork fork;
	};
};

/* Writes the body; the caller tests w->failed. */
void ferry_wire_message_encode(struct ferry_writer *w, const struct ferry_wire_message *m);

/* Bytes of the body; SIZE_MAX for a type that does not exist. */
size_t ferry_wire_message_bytes(const struct ferry_wire_message *m);

/**
 * ferry_wire_message_decode - a body to a message.
 * @type, @request: of the frame's header
 * @m: receives the message, which points into @body
 *
 * Return: 0, or -EPROTO with a sentence naming the message and what is wrong in it.
 */
int ferry_wire_message_decode(uint8_t type, uint32_t request, const uint8_t *body, size_t n_body,
			      struct ferry_wire_message *m, struct ferry_error *err);

/*
 * HELLO alone: reads the range of versions and, where @version_only, nothing behind them, so that
 * a device of a later version can be told which one to speak.
 */
int ferry_wire_hello_decode(const uint8_t *body, size_t n_body, bool version_only,
			    struct ferry_wire_hello *m, struct ferry_error *err);

/* The pairs of each message; private to the files message*.c and to tests. */
#define FERRY_WIRE_PAIR(name)                                               \
	void ferry_wire_##name##_encode(struct ferry_writer *w,             \
					const struct ferry_wire_##name *m); \
	const char *ferry_wire_##name##_read(struct ferry_reader *r, struct ferry_wire_##name *m)

/* A reader returns NULL or what is wrong; being too short or too long is for the caller to see. */
FERRY_WIRE_PAIR(hello);
FERRY_WIRE_PAIR(welcome);
FERRY_WIRE_PAIR(error);
FERRY_WIRE_PAIR(ping);
FERRY_WIRE_PAIR(pong);
FERRY_WIRE_PAIR(profile);
FERRY_WIRE_PAIR(profiled);
FERRY_WIRE_PAIR(loaded);
FERRY_WIRE_PAIR(open);
FERRY_WIRE_PAIR(opened);
FERRY_WIRE_PAIR(close);
FERRY_WIRE_PAIR(set_sampling);
FERRY_WIRE_PAIR(truncate);
FERRY_WIRE_PAIR(work);
FERRY_WIRE_PAIR(result);
FERRY_WIRE_PAIR(cancel);
FERRY_WIRE_PAIR(attach);
FERRY_WIRE_PAIR(attached);
FERRY_WIRE_PAIR(fork);
#undef FERRY_WIRE_PAIR

#endif
