/* SPDX-License-Identifier: MIT */
#ifndef FERRY_ERROR_H
#define FERRY_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

/* Whose fault it was, and so who can do something about it. */
enum ferry_error_kind {
	FERRY_ERROR_NONE = 0,
	FERRY_ERROR_CALLER,    /* an argument is wrong; the same call will fail again */
	FERRY_ERROR_FILE,      /* a file is missing, unreadable, damaged or of an unknown kind */
	FERRY_ERROR_PEER,      /* the other node broke the protocol or refused */
	FERRY_ERROR_LINK,      /* the link was lost, or nothing came before the deadline */
	FERRY_ERROR_MEMORY,    /* memory or another resource of this machine ran out */
	FERRY_ERROR_SYSTEM,    /* the operating system refused a call */
	FERRY_ERROR_CANCELLED, /* ferry_session_cancel() was called */
};

enum { FERRY_ERROR_TEXT = 480 };

/*
 * Filled by every call that can fail. `code` is the negative errno that the call also
 * returned; `text` is one sentence without a newline that names the file, tensor or peer
 * and says what to do. A caller that needs no text passes NULL.
 */
struct ferry_error {
	int code;
	enum ferry_error_kind kind;
	char text[FERRY_ERROR_TEXT];
};

#ifdef __cplusplus
}
#endif

#endif
