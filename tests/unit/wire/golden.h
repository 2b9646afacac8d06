/* SPDX-License-Identifier: MIT */
/*
 * Every message of version 1.0 once, with the bytes of its body, which were computed apart from the
 * encoder (Python's struct). A change here is a change of the protocol.
 */
#ifndef FERRY_TESTS_GOLDEN_H
#define FERRY_TESTS_GOLDEN_H

#include "wire/message.h"

struct golden {
	struct ferry_wire_message message;
	const char *hex;
};

static const uint8_t golden_ids[] = {7, 0, 0, 0, 8, 0, 0, 0};
static const uint8_t golden_ones[] = {0, 0, 0x80, 0x3f, 0, 0, 0x80, 0x3f};
static const uint8_t golden_layers[] = {100, 0, 0, 0, 200, 0, 0, 0, 0x2c, 1, 0, 0, 0x90, 1, 0, 0};
static const uint8_t golden_42[] = {42, 0, 0, 0};

#define GOLDEN_SAMPLING                                                                 \
	{                                                                               \
		.temperature = 0.5f, .top_k = 40, .top_p = 0.9f, .min_p = 0.05f,        \
		.repeat_penalty = 1.1f, .repeat_window = 64, .seed = 0x1122334455667788 \
	}

#define GOLDEN_LEASE                                                                          \
	{                                                                                     \
		0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, \
			0xad, 0xae, 0xaf                                                      \
	}

static const struct golden goldens[] = {
	{{.type = FERRY_MESSAGE_HELLO,
	  .hello = {.version_min = 0x0100,
		    .version_max = 0x0100,
		    .model = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
			      16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31},
		    .n_layers = 32,
		    .n_embd = 2048,
		    .n_vocab = 32000,
		    .layer_begin = 8,
		    .layer_end = 32,
		    .parts = FERRY_PART_HEAD,
		    .encodings = 3,
		    .max_frame = 8 << 20}},
	 "00010001000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20000000"
	 "00080000007d000008000000200000000203000000008000"},
	{{.type = FERRY_MESSAGE_WELCOME,
	  .welcome = {.version = 0x0100,
		      .parts = FERRY_PART_EMBEDDING | FERRY_PART_HEAD,
		      .encodings = 1,
		      .layer_begin = 0,
		      .layer_end = 32,
		      .max_frame = 8 << 20,
		      .max_context = 4096,
		      .max_batch = 64,
		      .max_sessions = 8,
		      .window_works = 16,
		      .window_bytes = 16 << 20,
		      .idle_ms = 600000,
		      .free_kv_bytes = 1ull << 33}},
	 "000103010000000020000000000080000010000040000000080000001000000000000001c0270900"
	 "0000000002000000"},
	{{.type = FERRY_MESSAGE_ERROR,
	  .error = {.code = FERRY_CODE_HISTORY,
		    .session = 5,
		    .n_text = 3,
		    .text = (const uint8_t *)"abc"}},
	 "08000000050000000300616263"},
	{{.type = FERRY_MESSAGE_BYE}, ""},
	{{.type = FERRY_MESSAGE_PING,
	  .ping = {.stamp = 0x0102030405060708,
		   .reply_bytes = 9,
		   .n_payload = 3,
		   .payload = (const uint8_t *)"xyz"}},
	 "08070605040302010900000078797a"},
	{{.type = FERRY_MESSAGE_PONG, .pong = {.stamp = 0x0102030405060708, .n_payload = 3}},
	 "0807060504030201000000"},
	{{.type = FERRY_MESSAGE_PROFILE, .profile = {.n_tokens = 16}}, "10000000"},
	{{.type = FERRY_MESSAGE_PROFILED,
	  .profiled = {.layer_begin = 4,
		       .n_layers = 2,
		       .n_tokens = 16,
		       .embed_ns = 1000,
		       .head_ns = 2000,
		       .layers = golden_layers}},
	 "040000000200000010000000e8030000d007000064000000c80000002c01000090010000"},
	{{.type = FERRY_MESSAGE_OPEN,
	  .open = {.session = 5,
		   .layer_begin = 8,
		   .layer_end = 32,
		   .n_ctx = 1024,
		   .head = true,
		   .kv = 0,
		   .sampling = GOLDEN_SAMPLING}},
	 "05000000080000002000000000040000010000000000003f280000006666663fcdcc4c3dcdcc8c3f"
	 "400000008877665544332211"},
	{{.type = FERRY_MESSAGE_OPENED,
	  .opened = {.session = 5,
		     .n_ctx = 1024,
		     .kv_bytes = 123456789012,
		     .lease_ms = 60000,
		     .lease = GOLDEN_LEASE}},
	 "0500000000040000141a99be1c00000060ea0000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"},
	{{.type = FERRY_MESSAGE_CLOSE, .close = {.session = 5}}, "05000000"},
	{{.type = FERRY_MESSAGE_SAMPLING, .sampling = {.session = 5, .sampling = GOLDEN_SAMPLING}},
	 "050000000000003f280000006666663fcdcc4c3dcdcc8c3f400000008877665544332211"},
	{{.type = FERRY_MESSAGE_TRUNCATE,
	  .truncate = {.session = 5, .position = 17, .prefix = 0x8877665544332211}},
	 "05000000110000001122334455667788"},
	{{.type = FERRY_MESSAGE_WORK,
	  .work = {.session = 5,
		   .position = 16,
		   .n_tokens = 2,
		   .input = FERRY_INPUT_HIDDEN,
		   .output = FERRY_OUTPUT_TOKEN,
		   .encoding = FERRY_ENCODING_F32,
		   .prefix_before = 0x1111,
		   .prefix_after = 0x2222,
		   .ids_begin = 16,
		   .n_ids = 2,
		   .ids = golden_ids,
		   .n_data = 8,
		   .data = golden_ones}},
	 "05000000100000000200000001040000111100000000000022220000000000001000000002000000"
	 "07000000080000000000803f0000803f"},
	{{.type = FERRY_MESSAGE_RESULT,
	  .result = {.session = 5,
		     .position = 18,
		     .n_rows = 1,
		     .output = FERRY_OUTPUT_TOKEN,
		     .encoding = FERRY_ENCODING_F32,
		     .compute_us = 1500,
		     .queue_us = 20,
		     .n_data = 4,
		     .data = golden_42}},
	 "0500000012000000010000000400dc050000140000002a000000"},
	{{.type = FERRY_MESSAGE_CANCEL, .cancel = {.session = 5, .request = 77}},
	 "050000004d000000"},
	{{.type = FERRY_MESSAGE_LOAD}, ""},
	{{.type = FERRY_MESSAGE_LOADED,
	  .loaded = {.n_sessions = 3,
		     .n_leased = 1,
		     .n_waiting = 7,
		     .queue_us = 1500,
		     .free_kv_bytes = 1ull << 33}},
	 "030000000100000007000000dc0500000000000002000000"},
	{{.type = FERRY_MESSAGE_ATTACH,
	  .attach = {.session = 6,
		     .lease = GOLDEN_LEASE,
		     .position = 17,
		     .prefix = 0x8877665544332211}},
	 "06000000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
	 "110000001122334455667788"},
	{{.type = FERRY_MESSAGE_ATTACHED,
	  .attached = {.session = 6,
		       .n_ctx = 1024,
		       .position = 18,
		       .lease_ms = 60000,
		       .prefix = 0x8877665544332211}},
	 "06000000000400001200000060ea00001122334455667788"},
	{{.type = FERRY_MESSAGE_FORK,
	  .fork = {.session = 5, .child = 6, .position = 17, .prefix = 0x8877665544332211}},
	 "0500000006000000110000001122334455667788"},
};

enum { N_GOLDENS = sizeof(goldens) / sizeof(goldens[0]) };

/* Hex to bytes; returns how many. */
static inline size_t golden_bytes(const char *hex, uint8_t *out)
{
	size_t n = 0;

	for (; hex[0]; hex += 2) {
		unsigned high = hex[0] <= '9' ? (unsigned)(hex[0] - '0')
					      : (unsigned)(hex[0] - 'a' + 10);
		unsigned low = hex[1] <= '9' ? (unsigned)(hex[1] - '0')
					     : (unsigned)(hex[1] - 'a' + 10);

		out[n++] = (uint8_t)(high << 4 | low);
	}
	return n;
}

#endif
