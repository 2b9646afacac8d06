/* SPDX-License-Identifier: MIT */
#ifndef FERRY_MODEL_CHAT_FORMAT_H
#define FERRY_MODEL_CHAT_FORMAT_H

#include <stdbool.h>

enum ferry_chat_role {
	FERRY_CHAT_SYSTEM,
	FERRY_CHAT_USER,
	FERRY_CHAT_ASSISTANT,
	FERRY_CHAT_ROLES,
};

enum ferry_chat_system {
	FERRY_CHAT_SYSTEM_TURN,	  /* a turn like the others, anywhere */
	FERRY_CHAT_SYSTEM_FRONT,  /* all of them in front of the conversation */
	FERRY_CHAT_SYSTEM_MERGED, /* the first message only; goes into the first user turn */
};

/* One chat format. Texts that are NULL are empty. */
struct ferry_chat_template {
	const char *name;
	struct {
		const char *open, *close;
		bool trim; /* white space at both ends of the content goes */
	} turn[FERRY_CHAT_ROLES];
	const char *user_again; /* opens the user turns behind the first, where they differ */
	const char *reply;	/* opens the turn that the model is to write; NULL: the user turn
				 * already did, and must be the last */
	enum ferry_chat_system system;
	bool alternates;     /* user and assistant must take turns, the user first */
	bool trim_joined;    /* a system message in the user turn keeps the user's leading space */
	bool drops_thinking; /* of assistant turns only what follows the last </think> */
};

#endif
