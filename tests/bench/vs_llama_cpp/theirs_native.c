// SPDX-License-Identifier: MIT
/*
 * theirs_native: what `ferry bench` measures, measured of llama.cpp by calling its C library: one
 * prefill of P tokens and N decoded tokens behind it, per round. Built by `run` against the
 * headers and libraries that the npm package brings, so that structures passed by value match.
 *
 * Settings are llama-bench's: a thread pool that lives as long as the context and polls at level
 * 50, physical batches of 512, F16 keys and values, logits of the last token only.
 */
#include <argp.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "llama.h"

enum {
	FAILED = 1,
	USAGE = 2,
	MAX_ROUNDS = 99,
	PHYSICAL_BATCH = 512,
	WARM_UP_TOKENS = 128,
};

struct options {
	const char *libraries, *model;
	int n_threads, n_prompt, n_decode, n_rounds;
	enum llama_flash_attn_type flash_attention;
	const char *tokens; /* comma-separated; print the logits behind the last one instead */
};

struct rig {
	struct options o;
	struct llama_model *model;
	struct llama_context *context;
	ggml_threadpool_t pool;
	void (*pool_free)(ggml_threadpool_t pool);
	int32_t n_vocab;
	llama_token *prompt; /* [n_prompt] */
	double load_s, prefill_tok_s[MAX_ROUNDS], decode_tok_s[MAX_ROUNDS];
};

static int number(struct argp_state *state, const char *arg, int min, int max)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(arg, &end, 10);
	if (errno || end == arg || *end || v < min || v > max)
		argp_error(state, "%s: a whole number from %d to %d is needed", arg, min, max);
	return (int)v;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'L':
		o->libraries = arg;
		return 0;
	case 'm':
		o->model = arg;
		return 0;
	case 't':
		o->n_threads = number(state, arg, 1, GGML_MAX_N_THREADS);
		return 0;
	case 'p':
		o->n_prompt = number(state, arg, 1, 1 << 20);
		return 0;
	case 'n':
		o->n_decode = number(state, arg, 1, 1 << 20);
		return 0;
	case 'r':
		o->n_rounds = number(state, arg, 1, MAX_ROUNDS);
		return 0;
	case 'f':
		if (!strcmp(arg, "on"))
			o->flash_attention = LLAMA_FLASH_ATTN_TYPE_ENABLED;
		else if (!strcmp(arg, "off"))
			o->flash_attention = LLAMA_FLASH_ATTN_TYPE_DISABLED;
		else
			argp_error(state, "--flash-attention is on or off");
		return 0;
	case 'l':
		o->tokens = arg;
		return 0;
	case ARGP_KEY_END:
		if (!o->libraries || !o->model)
			argp_error(state, "--libraries and --model are needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option option_table[] = {
	{"libraries", 'L', "DIR", 0, "where the package keeps libggml-cpu-*.so", 0},
	{"model", 'm', "FILE", 0, "the GGUF file", 0},
	{"threads", 't', "N", 0, "threads (default 2)", 0},
	{"prompt", 'p', "N", 0, "tokens of the prefill (default 128)", 0},
	{"decode", 'n', "N", 0, "tokens to decode behind it (default 32)", 0},
	{"rounds", 'r', "N", 0, "rounds behind a warm-up; the medians are printed (default 1)", 0},
	{"flash-attention", 'f', "on|off", 0, "default off", 0},
	{"logits", 'l', "IDS", 0,
	 "only evaluate these token ids and print the logits behind the last one, as text", 0},
	{0},
};

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* The library logs every tensor; only its complaints matter here. */
static void log_complaints(enum ggml_log_level level, const char *text, void *data)
{
	(void)data;
	if (level == GGML_LOG_LEVEL_ERROR)
		fputs(text, stderr);
}

static bool fail(const char *what)
{
	fprintf(stderr, "theirs_native: %s\n", what);
	return false;
}

static bool load(struct rig *r)
{
	struct llama_model_params params = llama_model_default_params();
	double start = now_s();

	params.n_gpu_layers = 0;
	r->model = llama_model_load_from_file(r->o.model, params);
	if (!r->model)
		return fail("llama.cpp cannot load the model");
	r->load_s = now_s() - start;
	r->n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(r->model));
	return true;
}

static bool create_context(struct rig *r)
{
	struct llama_context_params params = llama_context_default_params();
	uint32_t n_ctx = (uint32_t)(r->o.n_prompt + r->o.n_decode);

	params.n_ctx = n_ctx;
	params.n_batch = r->o.n_prompt > PHYSICAL_BATCH ? (uint32_t)r->o.n_prompt : PHYSICAL_BATCH;
	params.n_ubatch = PHYSICAL_BATCH;
	params.n_threads = r->o.n_threads;
	params.n_threads_batch = r->o.n_threads;
	params.flash_attn_type = r->o.flash_attention;
	params.type_k = GGML_TYPE_F16;
	params.type_v = GGML_TYPE_F16;
	params.no_perf = true;
	r->context = llama_init_from_model(r->model, params);
	if (!r->context)
		return fail("llama.cpp cannot create a context");
	/* A prefill must be one batch; and these would differ with headers of another release. */
	if (llama_n_ctx(r->context) < n_ctx || (int)llama_n_batch(r->context) < r->o.n_prompt ||
	    llama_n_ubatch(r->context) > PHYSICAL_BATCH ||
	    llama_n_threads(r->context) != r->o.n_threads)
		return fail("the context is not what was asked for");
	return true;
}

/* The CPU library is a plug-in; it makes the pool that its kernels run on. */
static void *cpu_symbol(const char *name)
{
	ggml_backend_dev_t cpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);

	if (!cpu)
		return NULL;
	return ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(cpu), name);
}

static bool attach_pool(struct rig *r)
{
	struct ggml_threadpool_params params = ggml_threadpool_params_default(r->o.n_threads);
	ggml_threadpool_t (*pool_new)(struct ggml_threadpool_params * params);

	*(void **)&pool_new = cpu_symbol("ggml_threadpool_new");
	*(void **)&r->pool_free = cpu_symbol("ggml_threadpool_free");
	r->pool = pool_new && r->pool_free ? pool_new(&params) : NULL;
	if (!r->pool)
		return fail("llama.cpp cannot create a thread pool");
	llama_attach_threadpool(r->context, r->pool, NULL);
	return true;
}

static bool evaluate(struct rig *r, llama_token *ids, int n)
{
	if (llama_decode(r->context, llama_batch_get_one(ids, n)))
		return fail("llama_decode() failed");
	llama_synchronize(r->context);
	return true;
}

/* The ids that `ferry bench` takes. */
static llama_token token_at(const struct rig *r, int position)
{
	return (llama_token)((uint32_t)position * 7919u % (uint32_t)r->n_vocab);
}

static bool logits_are_finite(const struct rig *r)
{
	const float *logits = llama_get_logits_ith(r->context, -1);

	for (int i = 0; i < r->n_vocab; i++)
		if (!isfinite(logits[i]))
			return fail("the logits are not finite");
	return true;
}

static void forget(struct rig *r)
{
	llama_memory_clear(llama_get_memory(r->context), false);
}

static bool warm_up(struct rig *r)
{
	llama_token id = token_at(r, 1);
	int n = r->o.n_prompt < WARM_UP_TOKENS ? r->o.n_prompt : WARM_UP_TOKENS;

	return evaluate(r, r->prompt, n) && (n == r->o.n_prompt || evaluate(r, &id, 1));
}

static bool measure_round(struct rig *r, int round)
{
	double start;

	forget(r);
	start = now_s();
	if (!evaluate(r, r->prompt, r->o.n_prompt))
		return false;
	r->prefill_tok_s[round] = r->o.n_prompt / (now_s() - start);
	start = now_s();
	for (int i = 0; i < r->o.n_decode; i++) {
		llama_token id = token_at(r, r->o.n_prompt + i);

		if (!evaluate(r, &id, 1))
			return false;
	}
	r->decode_tok_s[round] = r->o.n_decode / (now_s() - start);
	return logits_are_finite(r);
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, int n)
{
	qsort(values, (size_t)n, sizeof(*values), compare_doubles);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* Which of the package's libggml-cpu-*.so was chosen for this machine. */
static void print_cpu_library(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[4096], *name = NULL;

	while (maps && !name && fgets(line, sizeof(line), maps))
		name = strstr(line, "libggml-cpu");
	if (name) {
		name[strcspn(name, "\n")] = 0;
		printf("  \"cpu_library\": \"%s\",\n", name);
	}
	if (maps)
		fclose(maps);
}

static void print_result(struct rig *r)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	printf("{\n  \"version\": \"%s\",\n", llama_version());
	print_cpu_library();
	printf("  \"flash_attention\": %s,\n  \"n_threads\": %d,\n  \"n_prompt\": %d,\n"
	       "  \"n_decode\": %d,\n  \"rounds\": %d,\n",
	       r->o.flash_attention == LLAMA_FLASH_ATTN_TYPE_ENABLED ? "true" : "false",
	       r->o.n_threads, r->o.n_prompt, r->o.n_decode, r->o.n_rounds);
	printf("  \"prefill_tok_s\": %.4f,\n  \"decode_tok_s\": %.4f,\n  \"load_s\": %.4f,\n"
	       "  \"peak_rss_bytes\": %lld\n}\n",
	       median(r->prefill_tok_s, r->o.n_rounds), median(r->decode_tok_s, r->o.n_rounds),
	       r->load_s, (long long)usage.ru_maxrss * 1024);
}

static bool bench(struct rig *r)
{
	r->prompt = calloc((size_t)r->o.n_prompt, sizeof(*r->prompt));
	if (!r->prompt)
		return fail("out of memory");
	for (int i = 0; i < r->o.n_prompt; i++)
		r->prompt[i] = token_at(r, i);
	if (!warm_up(r))
		return false;
	for (int i = 0; i < r->o.n_rounds; i++)
		if (!measure_round(r, i))
			return false;
	print_result(r);
	return true;
}

/* One number per line, for a comparison with `ferry logits`. */
static bool print_logits(struct rig *r)
{
	const float *logits;
	const char *at = r->o.tokens;
	char *end;

	for (;;) {
		long v = strtol(at, &end, 10);
		llama_token id = (llama_token)v;

		if (end == at || v < 0 || v >= r->n_vocab)
			return fail("--logits wants token ids, separated by commas");
		if (!evaluate(r, &id, 1))
			return false;
		if (*end != ',')
			break;
		at = end + 1;
	}
	logits = llama_get_logits_ith(r->context, -1);
	for (int i = 0; i < r->n_vocab; i++)
		printf("%.9g\n", (double)logits[i]);
	return true;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.doc = "Prefill and decode speed of llama.cpp's library, as one JSON object.",
	};
	static struct rig r;

	r.o = (struct options){
		.n_threads = 2,
		.n_prompt = 128,
		.n_decode = 32,
		.n_rounds = 1,
		.flash_attention = LLAMA_FLASH_ATTN_TYPE_DISABLED,
	};
	argp_err_exit_status = USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, &r.o);
	llama_log_set(log_complaints, NULL);
	ggml_backend_load_all_from_path(r.o.libraries);
	llama_backend_init();
	if (!load(&r) || !create_context(&r) || !attach_pool(&r) ||
	    !(r.o.tokens ? print_logits(&r) : bench(&r)))
		return FAILED;
	llama_free(r.context);
	r.pool_free(r.pool);
	llama_model_free(r.model);
	free(r.prompt);
	return fflush(stdout) ? FAILED : 0;
}
