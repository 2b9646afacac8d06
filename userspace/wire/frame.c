// SPDX-License-Identifier: MIT
#include "wire/frame.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/error.h"

const char *ferry_message_name(uint8_t type)
{
	switch (type) {
	case FERRY_MESSAGE_HELLO:
		return "HELLO";
	case FERRY_MESSAGE_WELCOME:
		return "WELCOME";
	case FERRY_MESSAGE_ERROR:
		return "ERROR";
	case FERRY_MESSAGE_BYE:
		return "BYE";
	case FERRY_MESSAGE_PING:
		return "PING";
	case FERRY_MESSAGE_PONG:
		return "PONG";
	case FERRY_MESSAGE_PROFILE:
		return "PROFILE";
	case FERRY_MESSAGE_PROFILED:
		return "PROFILED";
	case FERRY_MESSAGE_LOAD:
		return "LOAD";
	case FERRY_MESSAGE_LOADED:
		return "LOADED";
	case FERRY_MESSAGE_OPEN:
		return "OPEN";
	case FERRY_MESSAGE_OPENED:
		return "OPENED";
	case FERRY_MESSAGE_CLOSE:
		return "CLOSE";
	case FERRY_MESSAGE_SAMPLING:
		return "SAMPLING";
	case FERRY_MESSAGE_TRUNCATE:
		return "TRUNCATE";
	case FERRY_MESSAGE_WORK:
		return "WORK";
	case FERRY_MESSAGE_RESULT:
		return "RESULT";
	case FERRY_MESSAGE_CANCEL:
		return "CANCEL";
	case FERRY_MESSAGE_ATTACH:
		return "ATTACH";
	case FERRY_MESSAGE_ATTACHED:
		return "ATTACHED";
	case FERRY_MESSAGE_FORK:
		return "FORK";
	}
	return NULL;
}

void ferry_frame_header_encode(uint8_t bytes[FERRY_FRAME_HEADER],
			       const struct ferry_frame_header *h)
{
	ferry_store_le32(bytes, FERRY_WIRE_MAGIC);
	ferry_store_le16(bytes + 4, h->version);
	bytes[6] = h->type;
	bytes[7] = 0;
	ferry_store_le32(bytes + 8, h->n_body);
	ferry_store_le32(bytes + 12, h->request);
}

int ferry_frame_header_decode(const uint8_t bytes[FERRY_FRAME_HEADER], struct ferry_frame_header *h,
			      struct ferry_error *err)
{
	uint32_t magic = ferry_load_le32(bytes);

	if (magic != FERRY_WIRE_MAGIC)
		return ferry_fail(err, FERRY_ERROR_PEER, -EPROTO,
				  "the bytes received are not Ferry's node protocol (they begin "
				  "with %02x %02x %02x %02x)",
				  bytes[0], bytes[1], bytes[2], bytes[3]);
	h->version = ferry_load_le16(bytes + 4);
	h->type = bytes[6];
	h->n_body = ferry_load_le32(bytes + 8);
	h->request = ferry_load_le32(bytes + 12);
	if (bytes[7])
		return ferry_fail(err, FERRY_ERROR_PEER, -EPROTO,
				  "a frame of type %u has flags 0x%02x, which no version defines",
				  h->type, bytes[7]);
	return 0;
}
