// SPDX-License-Identifier: MIT
/*
 * Any bytes from a device to an edge that holds a model. Input: one byte (bit 0: the harness shakes
 * hands first, bit 1: and opens a session), then what the device sends before it hangs up. Whatever
 * it is, afterwards the edge has no connection and no session left, but those that it keeps for a
 * device that lost its connection, and no more of them than it should.
 */
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/weights.h"
#include "fixtures/tiny_model.h"
#include "fuzz/fuzz.h"
#include "node/edge_private.h"

enum {
	GREET = 1,
	OPEN = 2,
	SESSION = 1,
	GUARD_US = 20000000,
};

/* Made at the first call, for all inputs. */
static struct ferry_edge *the_edge(void)
{
	static struct ferry_edge *edge;
	struct ferry_edge_options o = {
		.listen = "127.0.0.1:0", .n_threads = 1, .max_context = 64, .max_batch = 8};
	struct ferry_model *model;
	char *path;

	if (edge)
		return edge;
	path = ferry_tiny_model_temp(&(struct ferry_tiny_model){.n_layers = 1, .n_vocab = 512});
	FUZZ_CHECK(path && !ferry_model_load(path, &model, NULL));
	FUZZ_CHECK(!ferry_weights_prepare(model, NULL, NULL));
	FUZZ_CHECK(!ferry_edge_new(model, &o, &edge, NULL));
	unlink(path);
	free(path);
	return edge;
}

struct stream {
	uint8_t bytes[64 << 10];
	size_t n;
};

static void add(struct stream *s, const struct ferry_wire_message *m)
{
	struct ferry_outgoing *out;

	FUZZ_CHECK(!ferry_outgoing_new(FERRY_WIRE_VERSION_MAX, sizeof(s->bytes), m, &out, NULL));
	FUZZ_CHECK(out->n <= sizeof(s->bytes) - s->n);
	memcpy(s->bytes + s->n, out->bytes, out->n);
	s->n += out->n;
	free(out);
}

static void add_hello(struct stream *s)
{
	const struct ferry_model *m = the_edge()->models[0]->model;
	struct ferry_wire_message hello = {.type = FERRY_MESSAGE_HELLO, .request = 1};

	hello.hello = (struct ferry_wire_hello){
		.version_min = FERRY_WIRE_VERSION_MIN,
		.version_max = FERRY_WIRE_VERSION_MAX,
		.n_layers = m->hp.n_layers,
		.n_embd = m->hp.n_embd,
		.n_vocab = m->hp.n_vocab,
		.layer_end = m->hp.n_layers,
		.encodings = 15,
		.max_frame = FERRY_FRAME_MAX,
	};
	memcpy(hello.hello.model, m->id, sizeof(m->id));
	add(s, &hello);
}

static struct ferry_wire_message open_message(void)
{
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_OPEN, .request = 2};

	m.open = (struct ferry_wire_open){
		.session = SESSION,
		.layer_end = 1,
		.n_ctx = 32,
		.head = true,
		.sampling = {.top_p = 1, .repeat_penalty = 1},
	};
	return m;
}

static void send_all(int fd, const uint8_t *bytes, size_t n)
{
	/* Without waiting: an edge that has hung up may leave the rest unread. */
	if (n && send(fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return;
}

static bool is_busy(const struct ferry_edge *e)
{
	return ferry_edge_has_work(e) ||
	       (e->peers && (e->peers->wants_profile || e->peers->wants_attach));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct stream s;
	struct ferry_edge *e = the_edge();
	uint64_t guard = ferry_now_us() + GUARD_US;
	struct ferry_link *link;
	int fds[2];

	if (!size)
		return 0;
	FUZZ_CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	FUZZ_CHECK(!ferry_loop_adopt(e->loop, fds[0], FERRY_ROLE_EDGE, &link, NULL));
	ferry_edge_peer_accept(e, link);
	s.n = 0;
	if (data[0] & GREET)
		add_hello(&s);
	if ((data[0] & (GREET | OPEN)) == (GREET | OPEN)) {
		struct ferry_wire_message m = open_message();

		add(&s, &m);
	}
	send_all(fds[1], s.bytes, s.n);
	send_all(fds[1], data + 1, size - 1);
	/* What was sent is done before the end is seen, which would drop it. */
	for (unsigned quiet = 0; quiet < 3; quiet = is_busy(e) ? 0 : quiet + 1) {
		FUZZ_CHECK(ferry_now_us() < guard);
		FUZZ_CHECK(!ferry_edge_step(e, 0, NULL));
	}
	shutdown(fds[1], SHUT_WR);
	while (e->stats.n_connections) {
		FUZZ_CHECK(ferry_now_us() < guard);
		FUZZ_CHECK(!ferry_edge_step(e, guard, NULL));
	}
	close(fds[1]);
	ferry_edge_step(e, 0, NULL); /* the link's own end */
	FUZZ_CHECK(!e->stats.n_sessions && !e->sessions && !e->peers);
	FUZZ_CHECK(e->stats.n_leased <= e->options.max_sessions);
	FUZZ_CHECK(e->stats.kv_bytes == e->stats.leased_bytes);
	ferry_edge_lease_drop_all(e);
	FUZZ_CHECK(!e->leased && !e->stats.n_leased && !e->stats.kv_bytes);
	return 0;
}

/* A conversation behind a handshake and an OPEN, all valid. */
static void add_works(struct stream *s)
{
	static uint8_t hidden[8 * 4 * 512];
	static const uint8_t ids[] = {1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0};
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_WORK, .request = 10};

	m.work = (struct ferry_wire_work){
		.session = SESSION,
		.n_tokens = 3,
		.input = FERRY_INPUT_IDS,
		.output = FERRY_OUTPUT_TOKEN,
		.prefix_after = 7,
		.n_data = sizeof(ids),
		.data = ids,
	};
	add(s, &m);
	m.work.position = 3;
	m.work.prefix_before = 7;
	m.work.input = FERRY_INPUT_HIDDEN;
	m.work.output = FERRY_OUTPUT_HIDDEN;
	m.work.encoding = FERRY_ENCODING_F16;
	m.work.n_tokens = 2;
	m.work.n_data = 2 * 2 * the_edge()->models[0]->model->hp.n_embd;
	m.work.data = hidden;
	m.work.ids_begin = 2;
	m.work.n_ids = 3;
	m.work.ids = ids;
	add(s, &m);
	m = (struct ferry_wire_message){.type = FERRY_MESSAGE_SAMPLING, .request = 11};
	m.sampling = (struct ferry_wire_set_sampling){SESSION, {1.5f, 3, 0.9f, 0.01f, 1.2f, 4, 99}};
	add(s, &m);
	m = (struct ferry_wire_message){.type = FERRY_MESSAGE_TRUNCATE, .request = 12};
	m.truncate = (struct ferry_wire_truncate){SESSION, 2, 5};
	add(s, &m);
	m = (struct ferry_wire_message){.type = FERRY_MESSAGE_WORK, .request = 20};
	m.work = (struct ferry_wire_work){
		.session = SESSION,
		.position = 2,
		.n_tokens = 1,
		.output = FERRY_OUTPUT_TOKEN,
		.prefix_before = 5,
		.n_data = 4,
		.data = ids,
	};
	add(s, &m);
	m.work.output = FERRY_OUTPUT_LAST;
	m.work.position = 3;
	m.work.prefix_before = 0;
	add(s, &m);
	m.work.output = FERRY_OUTPUT_LOGITS;
	m.work.position = 4;
	m.work.n_tokens = 2;
	m.work.n_data = 8;
	add(s, &m);
}

/* The messages that end something, and those that need no session. */
static void add_others(struct stream *s)
{
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_CANCEL, .request = 13};

	m.cancel.session = SESSION;
	add(s, &m);
	m = (struct ferry_wire_message){.type = FERRY_MESSAGE_PING, .request = 14};
	m.ping.reply_bytes = 100;
	add(s, &m);
	m = (struct ferry_wire_message){.type = FERRY_MESSAGE_PROFILE, .request = 15};
	add(s, &m);
	m = (struct ferry_wire_message){.type = FERRY_MESSAGE_LOAD, .request = 17};
	add(s, &m);
	m = (struct ferry_wire_message){.type = FERRY_MESSAGE_FORK, .request = 18};
	m.fork = (struct ferry_wire_fork){SESSION, SESSION + 1, 3, 7};
	add(s, &m);
	m = (struct ferry_wire_message){.type = FERRY_MESSAGE_ATTACH, .request = 19};
	m.attach = (struct ferry_wire_attach){.session = SESSION + 2, .position = 3, .prefix = 7};
	add(s, &m);
	m = (struct ferry_wire_message){.type = FERRY_MESSAGE_CLOSE, .request = 16};
	m.close.session = SESSION;
	add(s, &m);
	m = open_message();
	add(s, &m);
	m = (struct ferry_wire_message){.type = FERRY_MESSAGE_BYE};
	add(s, &m);
}

void ferry_fuzz_seeds(ferry_fuzz_emit *emit, void *arg)
{
	static struct stream s;
	struct ferry_wire_message m = open_message();

	for (uint8_t how = 0; how <= (GREET | OPEN); how++) {
		for (unsigned part = 1; part < 4; part++) {
			if (how == OPEN)
				continue;
			s.n = 1;
			s.bytes[0] = how;
			if (!how)
				add_hello(&s);
			if (!(how & OPEN))
				add(&s, &m);
			if (part & 1)
				add_works(&s);
			if (part & 2)
				add_others(&s);
			emit(arg, s.bytes, s.n);
		}
	}
}
