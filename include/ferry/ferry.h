/* SPDX-License-Identifier: MIT */
/*
 * libferry: run a language model here, on an edge node, or across both.
 *
 *	struct ferry_error err;
 *	struct ferry_model *model;
 *	struct ferry_session *session;
 *
 *	if (ferry_model_open("model.gguf", NULL, &model, &err))
 *		fail(err.text);
 *	struct ferry_session_options o = FERRY_SESSION_OPTIONS_INIT;
 *	o.edge = "[::1]:7070";
 *	if (ferry_session_open(model, &o, &session, &err))
 *		fail(err.text);
 *	ferry_session_generate(session, "Once upon a time", NULL, on_token, NULL, &err);
 *
 * Conventions. Functions that can fail return 0 or a negative errno and fill a struct
 * ferry_error (which may be NULL) with one sentence. Every option struct begins with its own size,
 * set by its *_INIT macro, so that a program built against an older header keeps its meaning; a
 * NULL option struct means all defaults. Strings are UTF-8. Nothing is printed, no signal
 * handler is installed, no environment variable is read but by ferry_default_cache()
 * and ferry_default_keys().
 *
 * Threads. A model may be used by any number of threads at once. A session belongs to one thread
 * at a time, except for ferry_session_cancel(), which any thread or signal handler may call.
 */
#ifndef FERRY_H
#define FERRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FERRY_API __attribute__((visibility("default")))

/* "0.1.0" of the library that runs, which may be newer than this header. */
FERRY_API const char *ferry_version(void);

/* ---- model: userspace/api/model.c ---- */

struct ferry_model;

struct ferry_model_options {
	size_t size;
	/*
	 * Directory for files of packed weights, made where only it is missing; NULL: none. The
	 * first open of a model writes a file as large as the model, which all later ones, and all
	 * processes, map. A file beside the model is used first. Where neither works, the weights
	 * are packed into memory (see cache_problem). Files may be removed at any time.
	 */
	const char *cache;
};
#define FERRY_MODEL_OPTIONS_INIT                           \
	{                                                  \
		.size = sizeof(struct ferry_model_options) \
	}

struct ferry_model_info {
	size_t size; /* set by the caller, as for options */
	const char *name;
	const char *architecture;
	uint32_t n_layers;
	uint32_t n_embd; /* floats of a hidden state */
	uint32_t n_vocab;
	uint32_t n_ctx_train; /* positions the model was trained for */
	uint64_t n_params;
	uint64_t n_bytes;	   /* of the weights, as stored */
	uint8_t id[32];		   /* equal on two nodes that hold the same model */
	const char *cache_file;	   /* that packed weights are mapped from; NULL: none */
	const char *cache_problem; /* why there is none although one was wanted; NULL */
};
#define FERRY_MODEL_INFO_INIT                           \
	{                                               \
		.size = sizeof(struct ferry_model_info) \
	}

/**
 * ferry_model_open - map a GGUF file and check it.
 * @path: the file; it must not be changed while the model is open
 * @options: or NULL
 * @model: on success, released by ferry_model_close() after its last session
 *
 * Return: 0; -ENOENT, -EACCES, -EISDIR, ... where it cannot be opened; -EBADMSG where it is
 * damaged; -ENOTSUP for a version, architecture, feature or tensor type that Ferry does not know;
 * -ENOMEM.
 */
FERRY_API int ferry_model_open(const char *path, const struct ferry_model_options *options,
			       struct ferry_model **model, struct ferry_error *err);
FERRY_API void ferry_model_close(struct ferry_model *model);

/**
 * ferry_default_cache - the directory for packed weights that users expect.
 * @path: receives $CACHE_DIRECTORY (which systemd sets), else $XDG_CACHE_HOME/ferry, else
 *        $HOME/.cache/ferry, of @size bytes at most
 *
 * Makes the directory above it where that is missing.
 * Return: 0, -ENOENT where none of them is set, -ENAMETOOLONG.
 */
FERRY_API int ferry_default_cache(char *path, size_t size, struct ferry_error *err);

/* The same for keys: $CONFIGURATION_DIRECTORY, $XDG_CONFIG_HOME/ferry, $HOME/.config/ferry. */
FERRY_API int ferry_default_keys(char *path, size_t size, struct ferry_error *err);

/* The strings live as long as the model. -EINVAL where info->size is not set. */
FERRY_API int ferry_model_describe(const struct ferry_model *model, struct ferry_model_info *info,
				   struct ferry_error *err);

enum ferry_tokenize_flags {
	FERRY_TOKENIZE_BOS = 1, /* begin-of-text in front, where the model wants one */
	FERRY_TOKENIZE_SPECIAL =
		2, /* control tokens written in the text become ids: trusted text only */
};

/**
 * ferry_model_tokenize - text to token ids.
 * @ids: receives *n_ids ids, released with ferry_free()
 *
 * Return: 0, -ENODATA where the model has no tokenizer that Ferry can use, -E2BIG, -ENOMEM.
 */
FERRY_API int ferry_model_tokenize(const struct ferry_model *model, const char *text,
				   size_t n_bytes, unsigned flags, int32_t **ids, size_t *n_ids,
				   struct ferry_error *err);

/* Token ids to text, NUL-terminated, released with ferry_free(). -EINVAL for a bad id. */
FERRY_API int ferry_model_detokenize(const struct ferry_model *model, const int32_t *ids,
				     size_t n_ids, char **text, size_t *n_bytes,
				     struct ferry_error *err);

FERRY_API void ferry_free(void *memory);

/* ---- session: userspace/api/session.c ---- */

struct ferry_session;

enum ferry_split {
	FERRY_SPLIT_NONE = -1, /* all layers here, no edge asked */
	FERRY_SPLIT_AUTO = -2, /* probe link and nodes, take the cheapest */
			       /* 0 .. n_layers: so many layers here, the others on the edge */
};

enum ferry_kv {
	FERRY_KV_CACHE_F16 = 0,
	FERRY_KV_CACHE_F32 = 1,
	FERRY_KV_CACHE_Q8 = 2, /* about half of F16 */
};

/* What to do when an edge is lost in the middle of a conversation. */
enum ferry_fallback {
	FERRY_FALLBACK_LOCAL = 0, /* go on here, and come back when an edge can be reached */
	FERRY_FALLBACK_WAIT = 1,  /* wait for an edge */
	FERRY_FALLBACK_FAIL = 2,  /* the call fails */
};

/* How hidden states travel to the edge and back. */
enum ferry_link_codec {
	FERRY_LINK_CODEC_DEFAULT = 0, /* INT8 */
	FERRY_LINK_CODEC_F32 = 1,     /* exact: the same tokens wherever the layers run */
	FERRY_LINK_CODEC_F16 = 2,
	FERRY_LINK_CODEC_INT8 = 3, /* about a byte a number */
	FERRY_LINK_CODEC_INT4 = 4, /* about five bits a number */
	FERRY_LINK_CODEC_AUTO = 5, /* the fewest bytes that hardly cost quality */
};

struct ferry_session_options {
	size_t size;
	uint32_t n_ctx;	    /* positions; 0: the model's own, 4096 at most */
	uint32_t n_threads; /* 0: the CPUs that this process may use */
	int32_t kv;	    /* enum ferry_kv */
	/* "HOST:PORT" or "[V6]:PORT", or several with commas between them, the best first; or NULL */
	const char *edge;
	int32_t split;	       /* enum ferry_split or a layer; ignored without an edge */
	uint32_t deadline_ms;  /* for every wait on the edge; 0: 5000 */
	bool insecure;	       /* no encryption, even off loopback and where keys are given */
	int32_t fallback;      /* enum ferry_fallback */
	uint32_t wait_ms;      /* for FERRY_FALLBACK_WAIT; 0: 60000 */
	uint32_t silence_ms;   /* with a fallback: least silence of a lost edge; 0: 150 */
	uint32_t warm_percent; /* of the time spent waiting: compute the edge's layers here, too */
	/* Called with each decision in one line, valid during the call; or NULL. */
	void (*on_decision)(void *data, const char *line);
	void *data;
	/*
	 * Directory with this machine's key and the file of whom it trusts, as `ferry keys` makes
	 * them (see ferry_default_keys()); NULL: none. With keys the connection is encrypted;
	 * without any, only an edge on loopback is connected to.
	 */
	const char *keys;
	const char *ca, *certificate, *key; /* PEM files instead: all three or none */
	int32_t codec;			    /* enum ferry_link_codec */
};
#define FERRY_SESSION_OPTIONS_INIT                                                      \
	{                                                                               \
		.size = sizeof(struct ferry_session_options), .split = FERRY_SPLIT_AUTO \
	}

/**
 * ferry_session_open - a conversation: a KV cache and, with an edge, a connection.
 * @session: on success, released by ferry_session_close()
 *
 * Return: 0; -EINVAL; -ENOMEM; -ECONNREFUSED, -ETIMEDOUT and others where the edge is not to be
 * had; -EPROTO where it breaks the protocol; -EPERM for an edge off loopback without keys; -EACCES
 * where this machine and the edge do not trust each other; -ENOENT, -EPERM and -EBADMSG for keys
 * that are missing, that others may read, or that are damaged.
 */
FERRY_API int ferry_session_open(struct ferry_model *model,
				 const struct ferry_session_options *options,
				 struct ferry_session **session, struct ferry_error *err);
FERRY_API void ferry_session_close(struct ferry_session *session);

/* temperature 0 (the default) or less is greedy: the highest logit. */
struct ferry_sampling_options {
	size_t size;
	float temperature;
	uint32_t top_k;		/* 0: all */
	float top_p;		/* (0, 1]; 1: all */
	float min_p;		/* [0, 1]; 0: all */
	float repeat_penalty;	/* > 0; 1: none */
	uint32_t repeat_window; /* last tokens that the penalty sees; 0: all */
	uint64_t seed;		/* the same seed gives the same text, wherever the layers run */
};
#define FERRY_SAMPLING_OPTIONS_INIT                                           \
	{                                                                     \
		.size = sizeof(struct ferry_sampling_options), .top_p = 1.0f, \
		.repeat_penalty = 1.0f, .repeat_window = 64                   \
	}

/*
 * Add tokens to the history (prefill). -ENOSPC where they do not fit the context, -EINVAL for an id
 * outside the vocabulary: nothing is added then. After any other failure they may be in the history
 * and run with the next call; ferry_session_truncate() to the n_tokens of before takes them back.
 */
FERRY_API int ferry_session_append(struct ferry_session *session, const int32_t *ids, size_t n_ids,
				   struct ferry_error *err);

/**
 * ferry_session_next - choose the next token and add it to the history.
 * @sampling: or NULL for greedy
 * @id: receives the token; *ended (or NULL) whether it ends the turn
 *
 * Return: 0; -ENODATA while the history is empty; -ENOSPC at the end of the context; -ECANCELED;
 * -EBADMSG where the model gives no finite result; the codes of a lost edge.
 */
FERRY_API int ferry_session_next(struct ferry_session *session,
				 const struct ferry_sampling_options *sampling, int32_t *id,
				 bool *ended, struct ferry_error *err);

/**
 * ferry_session_move - run other layers on the edge, from the next token on; tokens stay the same.
 * @split: layers that run here, or FERRY_SPLIT_NONE
 *
 * Return: 0; -EINVAL; -ECANCELED; the codes of the edge, upon which all layers run here.
 */
FERRY_API int ferry_session_move(struct ferry_session *session, int32_t split,
				 struct ferry_error *err);

/* Forget all tokens from position @n on. */
FERRY_API int ferry_session_truncate(struct ferry_session *session, size_t n,
				     struct ferry_error *err);

struct ferry_generate_options {
	size_t size;
	uint32_t max_tokens;			/* 0: until the turn or the context ends */
	struct ferry_sampling_options sampling; /* stays the last: it may grow itself */
};
#define FERRY_GENERATE_OPTIONS_INIT                            \
	{                                                      \
		.size = sizeof(struct ferry_generate_options), \
		.sampling = FERRY_SAMPLING_OPTIONS_INIT        \
	}

/*
 * Called with whole UTF-8 characters as they come; @text is NUL-terminated and valid during the
 * call. A non-zero return stops the generation, which then returns 0.
 */
typedef int (*ferry_text_fn)(void *data, const char *text, size_t n_bytes);

/**
 * ferry_session_generate - append a prompt and stream the continuation.
 * @prompt: NUL-terminated; an empty one continues the history, and is an error without one
 *
 * Return: 0 at the end of the turn, of max_tokens, or when @on_text stopped it; else as
 * ferry_session_append() and ferry_session_next().
 */
FERRY_API int ferry_session_generate(struct ferry_session *session, const char *prompt,
				     const struct ferry_generate_options *options,
				     ferry_text_fn on_text, void *data, struct ferry_error *err);

/* Makes the running or next call return -ECANCELED, once. Any thread, any signal handler. */
FERRY_API void ferry_session_cancel(struct ferry_session *session);

struct ferry_session_stats {
	size_t size;
	uint64_t n_tokens; /* in the history */
	uint32_t split;	   /* layers that run here; n_layers where all do */
	uint32_t n_layers;
	uint64_t local_us;   /* computing here */
	uint64_t edge_us;    /* computing on the edge, as it reports */
	uint64_t wait_us;    /* waiting for the edge, its computing included */
	uint64_t bytes_sent; /* to the edge, framing included */
	uint64_t bytes_received;
	uint64_t rtt_us;     /* of the link, smoothed; 0 without an edge */
	uint32_t n_lost;     /* times that an edge failed or its link was lost */
	uint32_t n_attached; /* times that a lost session was found again on its edge */
	uint32_t n_moves;    /* times that layers went elsewhere */
};
#define FERRY_SESSION_STATS_INIT                           \
	{                                                  \
		.size = sizeof(struct ferry_session_stats) \
	}
FERRY_API int ferry_session_get_stats(const struct ferry_session *session,
				      struct ferry_session_stats *stats, struct ferry_error *err);

#ifdef __cplusplus
}
#endif

#endif
