// SPDX-License-Identifier: MIT
/*
 * story - continue a text with libferry, here or together with an edge node.
 *
 *	cc story.c $(pkg-config --cflags --libs ferry) -o story
 *	./story model.gguf "Once upon a time" [EDGE-HOST:PORT]
 */
#include <ferry/ferry.h>

#include <signal.h>
#include <stdio.h>

static struct ferry_session *session;

static void on_interrupt(int sig)
{
	(void)sig;
	ferry_session_cancel(session);
}

static int on_text(void *data, const char *text, size_t n_bytes)
{
	(void)data;
	fwrite(text, 1, n_bytes, stdout);
	return fflush(stdout);
}

int main(int argc, char **argv)
{
	struct ferry_session_options where = FERRY_SESSION_OPTIONS_INIT;
	struct ferry_generate_options how = FERRY_GENERATE_OPTIONS_INIT;
	struct ferry_session_stats stats = FERRY_SESSION_STATS_INIT;
	struct ferry_model *model;
	struct ferry_error err;
	int ret;

	if (argc < 3 || argc > 4) {
		fprintf(stderr, "usage: %s MODEL PROMPT [EDGE-HOST:PORT]\n", argv[0]);
		return 2;
	}
	if (ferry_model_open(argv[1], NULL, &model, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	where.edge = argc > 3 ? argv[3] : NULL;
	ret = ferry_session_open(model, &where, &session, &err);
	if (ret)
		goto close_model;
	signal(SIGINT, on_interrupt);
	how.max_tokens = 100;
	how.sampling.temperature = 0.7f;
	how.sampling.top_p = 0.9f;
	how.sampling.seed = 1;
	ret = ferry_session_generate(session, argv[2], &how, on_text, NULL, &err);
	if (!ret)
		ret = ferry_session_get_stats(session, &stats, &err);
	if (!ret)
		printf("\n[%u of %u layers here, %llu bytes sent]\n", stats.split, stats.n_layers,
		       (unsigned long long)stats.bytes_sent);
	/* A handler must not find a session that is closed. */
	signal(SIGINT, SIG_DFL);
	ferry_session_close(session);
close_model:
	ferry_model_close(model);
	if (ret)
		fprintf(stderr, "%s\n", err.text);
	return ret ? 1 : 0;
}
