// SPDX-License-Identifier: MIT
#include "wire/message.h"

#include <errno.h>

#include "base/error.h"

const char *ferry_wire_code_name(uint16_t code)
{
	static const char *const names[] = {
		[FERRY_CODE_PROTOCOL] = "PROTOCOL", [FERRY_CODE_VERSION] = "VERSION",
		[FERRY_CODE_MODEL] = "MODEL",	    [FERRY_CODE_RANGE] = "RANGE",
		[FERRY_CODE_LIMIT] = "LIMIT",	    [FERRY_CODE_MEMORY] = "MEMORY",
		[FERRY_CODE_SESSION] = "SESSION",   [FERRY_CODE_HISTORY] = "HISTORY",
		[FERRY_CODE_INPUT] = "INPUT",	    [FERRY_CODE_CANCELLED] = "CANCELLED",
		[FERRY_CODE_DEADLINE] = "DEADLINE", [FERRY_CODE_STOPPING] = "STOPPING",
		[FERRY_CODE_COMPUTE] = "COMPUTE",   [FERRY_CODE_AUTH] = "AUTH",
	};

	return code < sizeof(names) / sizeof(names[0]) ? names[code] : NULL;
}

void ferry_wire_message_encode(struct ferry_writer *w, const struct ferry_wire_message *m)
{
	switch (m->type) {
	case FERRY_MESSAGE_HELLO:
		ferry_wire_hello_encode(w, &m->hello);
		return;
	case FERRY_MESSAGE_WELCOME:
		ferry_wire_welcome_encode(w, &m->welcome);
		return;
	case FERRY_MESSAGE_ERROR:
		ferry_wire_error_encode(w, &m->error);
		return;
	case FERRY_MESSAGE_BYE:
	case FERRY_MESSAGE_LOAD:
		return;
	case FERRY_MESSAGE_PING:
		ferry_wire_ping_encode(w, &m->ping);
		return;
	case FERRY_MESSAGE_PONG:
		ferry_wire_pong_encode(w, &m->pong);
		return;
	case FERRY_MESSAGE_PROFILE:
		ferry_wire_profile_encode(w, &m->profile);
		return;
	case FERRY_MESSAGE_PROFILED:
		ferry_wire_profiled_encode(w, &m->profiled);
		return;
	case FERRY_MESSAGE_LOADED:
		ferry_wire_loaded_encode(w, &m->loaded);
		return;
	case FERRY_MESSAGE_OPEN:
		ferry_wire_open_encode(w, &m->open);
		return;
	case FERRY_MESSAGE_OPENED:
		ferry_wire_opened_encode(w, &m->opened);
		return;
	case FERRY_MESSAGE_CLOSE:
		ferry_wire_close_encode(w, &m->close);
		return;
	case FERRY_MESSAGE_SAMPLING:
		ferry_wire_set_sampling_encode(w, &m->sampling);
		return;
	case FERRY_MESSAGE_TRUNCATE:
		ferry_wire_truncate_encode(w, &m->truncate);
		return;
	case FERRY_MESSAGE_WORK:
		ferry_wire_work_encode(w, &m->work);
		return;
	case FERRY_MESSAGE_RESULT:
		ferry_wire_result_encode(w, &m->result);
		return;
	case FERRY_MESSAGE_CANCEL:
		ferry_wire_cancel_encode(w, &m->cancel);
		return;
	case FERRY_MESSAGE_ATTACH:
		ferry_wire_attach_encode(w, &m->attach);
		return;
	case FERRY_MESSAGE_ATTACHED:
		ferry_wire_attached_encode(w, &m->attached);
		return;
	case FERRY_MESSAGE_FORK:
		ferry_wire_fork_encode(w, &m->fork);
		return;
	}
	w->failed = true;
}

size_t ferry_wire_message_bytes(const struct ferry_wire_message *m)
{
	struct ferry_writer w = ferry_writer_counting();

	ferry_wire_message_encode(&w, m);
	return w.failed ? SIZE_MAX : w.at;
}

static const char *read_body(struct ferry_reader *r, struct ferry_wire_message *m)
{
	switch (m->type) {
	case FERRY_MESSAGE_HELLO:
		return ferry_wire_hello_read(r, &m->hello);
	case FERRY_MESSAGE_WELCOME:
		return ferry_wire_welcome_read(r, &m->welcome);
	case FERRY_MESSAGE_ERROR:
		return ferry_wire_error_read(r, &m->error);
	case FERRY_MESSAGE_BYE:
	case FERRY_MESSAGE_LOAD:
		return NULL;
	case FERRY_MESSAGE_PING:
		return ferry_wire_ping_read(r, &m->ping);
	case FERRY_MESSAGE_PONG:
		return ferry_wire_pong_read(r, &m->pong);
	case FERRY_MESSAGE_PROFILE:
		return ferry_wire_profile_read(r, &m->profile);
	case FERRY_MESSAGE_PROFILED:
		return ferry_wire_profiled_read(r, &m->profiled);
	case FERRY_MESSAGE_LOADED:
		return ferry_wire_loaded_read(r, &m->loaded);
	case FERRY_MESSAGE_OPEN:
		return ferry_wire_open_read(r, &m->open);
	case FERRY_MESSAGE_OPENED:
		return ferry_wire_opened_read(r, &m->opened);
	case FERRY_MESSAGE_CLOSE:
		return ferry_wire_close_read(r, &m->close);
	case FERRY_MESSAGE_SAMPLING:
		return ferry_wire_set_sampling_read(r, &m->sampling);
	case FERRY_MESSAGE_TRUNCATE:
		return ferry_wire_truncate_read(r, &m->truncate);
	case FERRY_MESSAGE_WORK:
		return ferry_wire_work_read(r, &m->work);
	case FERRY_MESSAGE_RESULT:
		return ferry_wire_result_read(r, &m->result);
	case FERRY_MESSAGE_CANCEL:
		return ferry_wire_cancel_read(r, &m->cancel);
	case FERRY_MESSAGE_ATTACH:
		return ferry_wire_attach_read(r, &m->attach);
	case FERRY_MESSAGE_ATTACHED:
		return ferry_wire_attached_read(r, &m->attached);
	case FERRY_MESSAGE_FORK:
		return ferry_wire_fork_read(r, &m->fork);
	}
	return "its type does not exist in this version";
}

static int check_read(const struct ferry_reader *r, uint8_t type, const char *wrong,
		      struct ferry_error *err)
{
	const char *name = ferry_message_name(type);

	if (!wrong && r->failed)
		wrong = "it is too short";
	else if (!wrong && r->at != r->size)
		wrong = "it is too long";
	if (!wrong)
		return 0;
	if (!name)
		return ferry_fail(err, FERRY_ERROR_PEER, -EPROTO, "bad message of type %u: %s",
				  type, wrong);
	return ferry_fail(err, FERRY_ERROR_PEER, -EPROTO, "bad %s message: %s", name, wrong);
}

int ferry_wire_message_decode(uint8_t type, uint32_t request, const uint8_t *body, size_t n_body,
			      struct ferry_wire_message *m, struct ferry_error *err)
{
	struct ferry_reader r = ferry_reader(body, n_body);
	const char *wrong;

	memset(m, 0, sizeof(*m));
	m->type = type;
	m->request = request;
	wrong = read_body(&r, m);
	return check_read(&r, type, wrong, err);
}

int ferry_wire_hello_decode(const uint8_t *body, size_t n_body, bool version_only,
			    struct ferry_wire_hello *m, struct ferry_error *err)
{
	struct ferry_reader r = ferry_reader(body, n_body);
	const char *wrong = NULL;

	memset(m, 0, sizeof(*m));
	if (version_only) {
		m->version_min = ferry_read_le16(&r);
		m->version_max = ferry_read_le16(&r);
		r.size = r.failed ? r.size : r.at;
	} else {
		wrong = ferry_wire_hello_read(&r, m);
	}
	return check_read(&r, FERRY_MESSAGE_HELLO, wrong, err);
}
