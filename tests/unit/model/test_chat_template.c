// SPDX-License-Identifier: MIT
/*
 * Conversations laid out as each format wants them, to the byte.
 */
#include <errno.h>

#include "model/chat_template.h"
#include "vocab_builder.h"

#define BAR   "\xef\xbd\x9c"
#define EOS   "<" BAR "end\xe2\x96\x81of\xe2\x96\x81sentence" BAR ">"
#define USER  "<" BAR "User" BAR ">"
#define REPLY "<" BAR "Assistant" BAR ">"

enum { MAX_MESSAGES = 8 };

/* White space tells which contents a format trims. */
static const struct ferry_chat_message conversation[] = {
	{"system", " Be brief. "}, {"user", "Hi"},	 {"assistant", " Hello. "},
	{"user", " Why?\n"},	   {"assistant", "So."}, {"user", "\tOh"},
};

enum { N_CONVERSATION = sizeof(conversation) / sizeof(conversation[0]) };

static const struct {
	const char *name;
	const char *with_system; /* the conversation, open for a reply */
	const char *without;	 /* its first user message and the answer, closed */
} formats[] = {
	{"chatml",
	 "<|im_start|>system\n Be brief. <|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
	 "<|im_start|>assistant\n Hello. <|im_end|>\n<|im_start|>user\n Why?\n<|im_end|>\n"
	 "<|im_start|>assistant\nSo.<|im_end|>\n<|im_start|>user\n\tOh<|im_end|>\n"
	 "<|im_start|>assistant\n",
	 "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n Hello. <|im_end|>\n"},
	{"llama2",
	 "[INST] <<SYS>>\n Be brief. \n<</SYS>>\n\nHi [/INST] Hello. </s><s>[INST] Why? [/INST] "
	 "So. </s><s>[INST] Oh [/INST]",
	 "[INST] Hi [/INST] Hello. </s>"},
	{"llama3",
	 "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
	 "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
	 "<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>"
	 "<|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|>"
	 "<|start_header_id|>assistant<|end_header_id|>\n\nSo.<|eot_id|>"
	 "<|start_header_id|>user<|end_header_id|>\n\nOh<|eot_id|>"
	 "<|start_header_id|>assistant<|end_header_id|>\n\n",
	 "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
	 "<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>"},
	{"gemma",
	 "<start_of_turn>user\n Be brief. \n\nHi<end_of_turn>\n<start_of_turn>model\nHello."
	 "<end_of_turn>\n<start_of_turn>user\nWhy?<end_of_turn>\n<start_of_turn>model\nSo."
	 "<end_of_turn>\n<start_of_turn>user\nOh<end_of_turn>\n<start_of_turn>model\n",
	 "<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nHello.<end_of_turn>\n"},
	{"mistral",
	 "[INST]  Be brief. \n\nHi[/INST] Hello.</s>[INST]  Why?\n[/INST] So.</s>"
	 "[INST] \tOh[/INST]",
	 "[INST] Hi[/INST] Hello.</s>"},
	{"mistral-v0",
	 "[INST]  Be brief. \n\nHi [/INST] Hello. </s>[INST]  Why?\n [/INST]So.</s>"
	 "[INST] \tOh [/INST]",
	 "[INST] Hi [/INST] Hello. </s>"},
	{"mistral-v1",
	 " [INST]  Be brief. \n\nHi [/INST]  Hello. </s> [INST]  Why?\n [/INST] So.</s>"
	 " [INST] \tOh [/INST]",
	 " [INST] Hi [/INST]  Hello. </s>"},
	{"mistral-v3-tekken",
	 "[INST] Be brief. \n\nHi[/INST] Hello. </s>[INST] Why?\n[/INST]So.</s>[INST]\tOh[/INST]",
	 "[INST]Hi[/INST] Hello. </s>"},
	{"mistral-v7",
	 "[SYSTEM_PROMPT]  Be brief. [/SYSTEM_PROMPT][INST] Hi[/INST]  Hello. </s>[INST]  Why?\n"
	 "[/INST] So.</s>[INST] \tOh[/INST]",
	 "[INST] Hi[/INST]  Hello. </s>"},
	{"mistral-v7-tekken",
	 "[SYSTEM_PROMPT] Be brief. [/SYSTEM_PROMPT][INST]Hi[/INST] Hello. </s>[INST] Why?\n"
	 "[/INST]So.</s>[INST]\tOh[/INST]",
	 "[INST]Hi[/INST] Hello. </s>"},
	{"zephyr",
	 "<|system|>\n Be brief. </s>\n<|user|>\nHi</s>\n<|assistant|>\n Hello. </s>\n"
	 "<|user|>\n Why?\n</s>\n<|assistant|>\nSo.</s>\n<|user|>\n\tOh</s>\n<|assistant|>\n",
	 "<|user|>\nHi</s>\n<|assistant|>\n Hello. </s>\n"},
	{"zephyr-endoftext",
	 "<|system|>\n Be brief. <|endoftext|>\n<|user|>\nHi<|endoftext|>\n<|assistant|>\n Hello. "
	 "<|endoftext|>\n<|user|>\n Why?\n<|endoftext|>\n<|assistant|>\nSo.<|endoftext|>\n"
	 "<|user|>\n\tOh<|endoftext|>\n<|assistant|>\n",
	 "<|user|>\nHi<|endoftext|>\n<|assistant|>\n Hello. <|endoftext|>\n"},
	{"phi3",
	 "<|system|>\n Be brief. <|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\n Hello. <|end|>\n"
	 "<|user|>\n Why?\n<|end|>\n<|assistant|>\nSo.<|end|>\n<|user|>\n\tOh<|end|>\n"
	 "<|assistant|>\n",
	 "<|user|>\nHi<|end|>\n<|assistant|>\n Hello. <|end|>\n"},
	{"phi4-mini",
	 "<|system|> Be brief. <|end|><|user|>Hi<|end|><|assistant|> Hello. <|end|>"
	 "<|user|> Why?\n<|end|><|assistant|>So.<|end|><|user|>\tOh<|end|><|assistant|>",
	 "<|user|>Hi<|end|><|assistant|> Hello. <|end|>"},
	{"phi4",
	 "<|im_start|>system<|im_sep|> Be brief. <|im_end|><|im_start|>user<|im_sep|>Hi<|im_end|>"
	 "<|im_start|>assistant<|im_sep|> Hello. <|im_end|>"
	 "<|im_start|>user<|im_sep|> Why?\n<|im_end|>"
	 "<|im_start|>assistant<|im_sep|>So.<|im_end|><|im_start|>user<|im_sep|>\tOh<|im_end|>"
	 "<|im_start|>assistant<|im_sep|>",
	 "<|im_start|>user<|im_sep|>Hi<|im_end|><|im_start|>assistant<|im_sep|> Hello. "
	 "<|im_end|>"},
	{"deepseek",
	 " Be brief. ### Instruction:\nHi\n### Response:\n Hello. \n<|EOT|>\n"
	 "### Instruction:\n Why?\n\n### Response:\nSo.\n<|EOT|>\n### Instruction:\n\tOh\n"
	 "### Response:\n",
	 "### Instruction:\nHi\n### Response:\n Hello. \n<|EOT|>\n"},
	{"deepseek-v2",
	 " Be brief. \n\nUser: Hi\n\nAssistant:  Hello. " EOS "User:  Why?\n\n\nAssistant: So." EOS
	 "User: \tOh\n\nAssistant:",
	 "User: Hi\n\nAssistant:  Hello. " EOS},
	{"deepseek-v3",
	 " Be brief. " USER "Hi" REPLY " Hello. " EOS USER " Why?\n" REPLY "So." EOS USER
	 "\tOh" REPLY,
	 USER "Hi" REPLY " Hello. " EOS},
	{"deepseek-r1",
	 " Be brief. " USER "Hi" REPLY " Hello. " EOS USER " Why?\n" REPLY "So." EOS USER
	 "\tOh" REPLY "<think>\n",
	 USER "Hi" REPLY " Hello. " EOS},
};

enum { N_FORMATS = sizeof(formats) / sizeof(formats[0]) };

static const struct ferry_chat_template *by_name(const char *name)
{
	const struct ferry_chat_template *t = ferry_chat_template_by_name(name);

	if (!t)
		fail_msg("there is no template %s", name);
	return t;
}

/* All parts as one text. */
static void expect_layout(const char *name, const struct ferry_chat_message *messages, size_t n,
			  bool reply, const char *want)
{
	struct ferry_chat_part *parts;
	struct ferry_error err = {0};
	char text[2048];
	size_t n_parts, at = 0;

	if (ferry_chat_format(by_name(name), messages, n, reply, &parts, &n_parts, &err))
		fail_msg("%s: %s", name, err.text);
	for (size_t i = 0; i < n_parts; i++) {
		assert_true(parts[i].n > 0);
		assert_int_equal(strlen(parts[i].text), parts[i].n);
		assert_true(at + parts[i].n < sizeof(text));
		/* Neighbours differ in kind, so that no word is cut without need. */
		if (i)
			assert_int_not_equal(parts[i].is_mark, parts[i - 1].is_mark);
		memcpy(text + at, parts[i].text, parts[i].n);
		at += parts[i].n;
	}
	text[at] = 0;
	if (strcmp(text, want) != 0)
		fail_msg("%s gives\n\"%s\" where\n\"%s\" is right", name, text, want);
	ferry_chat_parts_free(parts, n_parts);
}

static void expect_refused(const char *name, const struct ferry_chat_message *messages, size_t n,
			   bool reply, const char *word)
{
	struct ferry_chat_part *parts;
	struct ferry_error err = {0};
	size_t n_parts;

	assert_int_equal(
		ferry_chat_format(by_name(name), messages, n, reply, &parts, &n_parts, &err),
		-EINVAL);
	assert_null(parts);
	assert_int_equal(n_parts, 0);
	if (!strstr(err.text, word))
		fail_msg("\"%s\" does not say %s", err.text, word);
}

static void test_every_format(void **state)
{
	(void)state;
	for (int i = 0; i < N_FORMATS; i++) {
		expect_layout(formats[i].name, conversation, N_CONVERSATION, true,
			      formats[i].with_system);
		expect_layout(formats[i].name, conversation + 1, 2, false, formats[i].without);
	}
}

static void test_every_name_is_listed_and_tested(void **state)
{
	char names[512];
	char *save, *name;
	int n = 0;

	(void)state;
	assert_true(strlen(ferry_chat_template_names()) < sizeof(names));
	strcpy(names, ferry_chat_template_names());
	for (name = strtok_r(names, ", ", &save); name; name = strtok_r(NULL, ", ", &save)) {
		assert_string_equal(ferry_chat_template_name(by_name(name)), name);
		assert_true(n < N_FORMATS);
		assert_string_equal(formats[n++].name, name);
	}
	assert_int_equal(n, N_FORMATS);
	assert_null(ferry_chat_template_by_name("llama"));
	assert_null(ferry_chat_template_by_name(""));
}

static void test_white_space_of_other_scripts_is_trimmed(void **state)
{
	const struct ferry_chat_message m[] = {
		{"user", "\xc2\xa0\xe3\x80\x80 a\xe3\x80\x80 b \xe2\x80\x83\x1c"},
		{"assistant", " \n "},
		{"user", "\x80 \xe3\x80"},
		{"assistant", "x \x80"},
	};

	(void)state;
	expect_layout("gemma", m, 4, false,
		      "<start_of_turn>user\na\xe3\x80\x80 b<end_of_turn>\n"
		      "<start_of_turn>model\n<end_of_turn>\n"
		      "<start_of_turn>user\n\x80 \xe3\x80<end_of_turn>\n"
		      "<start_of_turn>model\nx \x80<end_of_turn>\n");
}

/* As in the original, which joins the texts first and trims then. */
static void test_llama2_keeps_the_space_between_system_and_user(void **state)
{
	const struct ferry_chat_message m[] = {{"system", "S"}, {"user", "  a  "}};

	(void)state;
	expect_layout("llama2", m, 2, true, "[INST] <<SYS>>\nS\n<</SYS>>\n\n  a [/INST]");
}

static void test_deepseek_gathers_system_messages_in_front(void **state)
{
	const struct ferry_chat_message m[] = {
		{"system", "one"}, {"user", "a"}, {"system", "two"}, {"assistant", "b"}};

	(void)state;
	expect_layout("deepseek-v3", m, 4, true, "one\n\ntwo" USER "a" REPLY "b" EOS REPLY);
}

static void test_thinking_is_dropped_from_old_turns(void **state)
{
	const struct ferry_chat_message m[] = {{"user", "</think>a"},
					       {"assistant", "<think>x</think>y</think>\n\nb"}};

	(void)state;
	expect_layout("deepseek-r1", m, 2, false, USER "</think>a" REPLY "\n\nb" EOS);
	expect_layout("deepseek-v3", m, 2, false,
		      USER "</think>a" REPLY "<think>x</think>y</think>\n\nb" EOS);
}

static void test_orders_that_a_format_cannot_express(void **state)
{
	static const char *const alternating[] = {"llama2",	"gemma",      "mistral",
						  "mistral-v0", "mistral-v1", "mistral-v3-tekken"};
	const struct ferry_chat_message twice[] = {{"user", "a"}, {"user", "b"}};
	const struct ferry_chat_message late[] = {
		{"user", "a"}, {"assistant", "b"}, {"system", "c"}};
	const struct ferry_chat_message answer[] = {{"assistant", "a"}};
	const struct ferry_chat_message alone[] = {{"system", "a"}};

	(void)state;
	for (size_t i = 0; i < sizeof(alternating) / sizeof(alternating[0]); i++) {
		expect_refused(alternating[i], twice, 2, true, "message 2");
		expect_refused(alternating[i], late, 3, false, "message 3");
		expect_refused(alternating[i], answer, 1, false, "message 1");
		expect_refused(alternating[i], alone, 1, true, "user");
		expect_refused(alternating[i], NULL, 0, true, "user");
	}
	/* These have no mark that would open a reply. */
	expect_refused("mistral", conversation + 1, 2, true, "answer");
	expect_refused("mistral-v7", conversation + 1, 2, true, "answer");
	expect_layout("gemma", conversation + 1, 2, true,
		      "<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nHello."
		      "<end_of_turn>\n<start_of_turn>model\n");
	expect_layout("chatml", late, 3, false,
		      "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n"
		      "<|im_start|>system\nc<|im_end|>\n");
	expect_layout("chatml", NULL, 0, true, "<|im_start|>assistant\n");
	expect_layout("chatml", NULL, 0, false, "");
}

static void test_roles_and_contents_that_are_none(void **state)
{
	const struct ferry_chat_message tool[] = {{"user", "a"}, {"tool", "b"}};
	const struct ferry_chat_message no_role[] = {{NULL, "a"}};
	const struct ferry_chat_message no_content[] = {{"user", NULL}};

	(void)state;
	expect_refused("chatml", tool, 2, true, "\"tool\"");
	expect_refused("chatml", no_role, 1, true, "no role");
	expect_refused("chatml", no_content, 1, true, "no content");
}

static void test_what_users_wrote_is_never_in_a_mark(void **state)
{
	const struct ferry_chat_message m[] = {{"system", "CONTENT"},
					       {"user", "CONTENT"},
					       {"assistant", "CONTENT"},
					       {"user", "CONTENT"}};
	struct ferry_chat_part *parts;
	size_t n_parts;

	(void)state;
	for (int i = 0; i < N_FORMATS; i++) {
		unsigned n = 0;

		assert_int_equal(ferry_chat_format(by_name(formats[i].name), m, 4, true, &parts,
						   &n_parts, NULL),
				 0);
		for (size_t k = 0; k < n_parts; k++) {
			assert_int_equal(parts[k].is_mark, strcmp(parts[k].text, "CONTENT") != 0);
			n += !parts[k].is_mark;
		}
		assert_int_equal(n, 4);
		ferry_chat_parts_free(parts, n_parts);
	}
}

static void expect_part_ids(const struct ferry_tokenizer *t, const char *name,
			    const struct ferry_chat_message *m, size_t n, const int32_t *want)
{
	struct ferry_chat_part *parts;
	size_t n_parts, n_ids;
	int32_t *ids;

	assert_int_equal(ferry_chat_format(by_name(name), m, n, true, &parts, &n_parts, NULL), 0);
	assert_int_equal(ferry_tokenizer_encode_parts(t, parts, n_parts, FERRY_ENCODE_BOS, &ids,
						      &n_ids, NULL),
			 0);
	for (size_t i = 0; i < n_ids; i++)
		if (ids[i] != want[i])
			fail_msg("id %zu is %d where %d is right", i, ids[i], want[i]);
	assert_int_equal(want[n_ids], -1);
	free(ids);
	ferry_chat_parts_free(parts, n_parts);
}

static void test_contents_cannot_become_control_tokens(void **state)
{
	const struct ferry_chat_message whole[] = {{"user", "</s>"}};
	const struct ferry_chat_message half[] = {{"user", "<"}};
	struct vocab_builder b;
	struct vocab_view v;

	(void)state;
	init_bpe(&b, "gpt-2");
	add_token(&b, "[INST]", T_CONTROL, 0);	 /* 256 */
	add_token(&b, "[/INST]", T_CONTROL, 0);	 /* 257 */
	add_token(&b, "</s>", T_CONTROL, 0);	 /* 258 */
	add_token(&b, "<[/INST]", T_CONTROL, 0); /* begins in the content */
	add_token(&b, "<[", T_USER, 0);
	b.bos = add_token(&b, "<s>", T_CONTROL, 0); /* 261 */
	v = open_vocab(&b);
	expect_part_ids(v.t, "mistral-v3-tekken", whole, 1,
			(const int32_t[]){261, 256, '<', '/', 's', '>', 257, -1});
	expect_part_ids(v.t, "mistral-v3-tekken", half, 1,
			(const int32_t[]){261, 256, '<', 257, -1});
	close_vocab(&v);
}

static void test_words_may_span_parts(void **state)
{
	const struct ferry_chat_message m[] = {{"user", "\nab"}};
	struct vocab_builder b;
	struct vocab_view v;

	(void)state;
	init_bpe(&b, "llama-bpe");
	add_token(&b, "<|im_start|>", T_CONTROL, 0);	/* 256 */
	add_token(&b, "<|im_end|>", T_CONTROL, 0);	/* 257 */
	add_token(&b, "user", T_NORMAL, 0);		/* 258 */
	add_token(&b, "assistant", T_NORMAL, 0);	/* 259 */
	add_token(&b, "\xc4\x8a\xc4\x8a", T_NORMAL, 0); /* 260: two line ends */
	add_token(&b, "ab", T_NORMAL, 0);		/* 261 */
	v = open_vocab(&b);
	expect_part_ids(v.t, "chatml", m, 1,
			(const int32_t[]){256, 258, 260, 261, 257, '\n', 256, 259, '\n', -1});
	close_vocab(&v);
}

/* A mark with a space in front brings the one that SentencePiece adds. */
static void test_sentencepiece_spaces_in_marks(void **state)
{
	const struct ferry_chat_message m[] = {{"user", "a"}, {"assistant", "a"}, {"user", "a"}};
	enum { INST = 259, END, SPACE, A, SPACE_A };
	struct vocab_builder b;
	struct vocab_view v;

	(void)state;
	init_spm(&b);
	add_spm_bytes(&b);
	add_token(&b, "[INST]", T_CONTROL, 0);
	add_token(&b, "[/INST]", T_CONTROL, 0);
	add_token(&b, "\xe2\x96\x81", T_NORMAL, -3);
	add_token(&b, "a", T_NORMAL, -3);
	add_token(&b,
		  "\xe2\x96\x81"
		  "a",
		  T_NORMAL, -1);
	v = open_vocab(&b);
	expect_part_ids(
		v.t, "mistral", m, 3,
		(const int32_t[]){1, INST, SPACE_A, END, SPACE_A, 2, INST, SPACE_A, END, -1});
	expect_part_ids(v.t, "mistral-v1", m, 3,
			(const int32_t[]){1, SPACE, INST, SPACE_A, SPACE, END, SPACE_A, 2, SPACE,
					  INST, SPACE_A, SPACE, END, -1});
	/* Without one in the mark it is added, as behind each control token. */
	expect_part_ids(v.t, "mistral-v3-tekken", m, 1,
			(const int32_t[]){1, INST, SPACE_A, END, -1});
	close_vocab(&v);
}

static void test_parts_that_are_too_long_together(void **state)
{
	const struct ferry_chat_part parts[] = {{.n = 1 << 30}, {.n = 1}};
	struct vocab_builder b;
	struct vocab_view v;
	int32_t *ids;
	size_t n;

	(void)state;
	init_bpe(&b, "gpt-2");
	v = open_vocab(&b);
	assert_int_equal(ferry_tokenizer_encode_parts(v.t, parts, 2, 0, &ids, &n, NULL), -E2BIG);
	assert_int_equal(ferry_tokenizer_encode_parts(v.t, NULL, 0, 0, &ids, &n, NULL), 0);
	assert_int_equal(n, 0);
	assert_null(ids);
	close_vocab(&v);
}

/* The string constants of a template, and the EOS token of its vocabulary. */
static void expect_detected(const char *text, const char *eos, const char *want)
{
	const struct ferry_chat_template *t;
	const struct ferry_gguf_string tokens[] = {{"a", 1}, {eos, strlen(eos)}};
	struct ferry_gguf_writer *w = ferry_gguf_writer_new(3);
	struct ferry_error err = {0};
	struct ferry_gguf *g;
	uint8_t *bytes;
	size_t n;
	int rc;

	ferry_gguf_writer_string(w, "tokenizer.chat_template", text);
	ferry_gguf_writer_strings(w, "tokenizer.ggml.tokens", tokens, 2);
	ferry_gguf_writer_u32(w, "tokenizer.ggml.eos_token_id", 1);
	bytes = ferry_gguf_writer_bytes(w, &n, NULL);
	ferry_gguf_writer_free(w);
	assert_int_equal(ferry_gguf_parse(bytes, n, "chat.gguf", &g, &err), 0);
	rc = ferry_chat_template_detect(g, &t, &err);
	if (want) {
		if (rc || strcmp(ferry_chat_template_name(t), want) != 0)
			fail_msg("%s is taken for %s", text,
				 rc ? err.text : ferry_chat_template_name(t));
	} else {
		if (rc != -ENOTSUP)
			fail_msg("%s is taken for %s", text, ferry_chat_template_name(t));
		assert_non_null(strstr(err.text, "--template"));
		assert_non_null(strstr(err.text, "chatml"));
		assert_null(t);
	}
	ferry_gguf_close(g);
	free(bytes);
}

static void test_detection(void **state)
{
	static const struct {
		const char *text, *eos, *name;
	} cases[] = {
		{"'<|im_start|>' + role + '\\n' + content + '<|im_end|>'", "<|im_end|>", "chatml"},
		{"'<|im_start|>user<|im_sep|>' + content", "<|im_end|>", "phi4"},
		{"'<|im_start|>' ... '<end_of_utterance>'", "</s>", NULL},
		{"bos_token + '[INST] ' + content.strip() + ' [/INST]' '<<SYS>>\\n'", "</s>",
		 "llama2"},
		{"' [INST] ' + system_message + content + ' [/INST]'", "</s>", "mistral-v1"},
		{"'[INST] ' + content + ' [/INST]'", "</s>", "mistral-v0"},
		{"\"[AVAILABLE_TOOLS] [\" \"[INST] \" + content + \"[/INST]\"", "</s>", "mistral"},
		{"\"[AVAILABLE_TOOLS][\" \"[INST]\" + content + \"[/INST]\"", "</s>",
		 "mistral-v3-tekken"},
		{"'[SYSTEM_PROMPT] ' + x + '[/SYSTEM_PROMPT]' '[INST] ' + content", "</s>",
		 "mistral-v7"},
		{"'[SYSTEM_PROMPT]' + x + '[/SYSTEM_PROMPT]' '[INST]' + content", "</s>",
		 "mistral-v7-tekken"},
		{"'<|start_header_id|>' + role + '<|end_header_id|>\\n\\n'", "<|eot_id|>",
		 "llama3"},
		{"'<start_of_turn>' + role + '\\n' + content | trim", "<eos>", "gemma"},
		{"{{'<|user|>\\n' + content + '<|end|>\\n'}} {{'<|assistant|>\\n'}}",
		 "<|endoftext|>", "phi3"},
		{"{{'<|user|>' + '\\n' + content + '<|end|>'}}{{'<|assistant|>' + '\\n'}}",
		 "<|endoftext|>", "phi3"},
		/* tokenizer_config.json writes \n, so the file has the line end itself. */
		{"{{'<|user|>' + '\n' + c + '<|end|>' + '\n' + '<|assistant|>' + '\n'}}",
		 "<|endoftext|>", "phi3"},
		{"{{'<|' + role + '|>' + content + '<|end|>'}}{{'<|assistant|>'}}", "<|endoftext|>",
		 "phi4-mini"},
		{"{{'<|user|>\\n' + content + eos_token}}{{'<|assistant|>\\n'}}", "</s>", "zephyr"},
		{"{{'<|user|>\\n' + content + eos_token}}{{'<|assistant|>\\n'}}", "<|endoftext|>",
		 "zephyr-endoftext"},
		{"{{'<|user|>\\n' + content + '<|endoftext|>'}}{{'<|assistant|>\\n'}}", "x",
		 "zephyr-endoftext"},
		{"{{'<|user|>\\n' + content + '\\n'}}{{'<|assistant|>\\n' + c + eos_token}}",
		 "</s>", NULL},
		{"{{'<|user|>\\n' + content + eos_token}}{{'<|assistant|>\\n'}}", "<eos>", NULL},
		{"'<|user|>' '<|assistant|>' eos_token", "</s>", NULL},
		{"'### Instruction:\\n' ... '\\n<|EOT|>\\n'", "<|EOT|>", "deepseek"},
		{"'### Instruction:\\n' ... '### Response:\\n'", "</s>", NULL},
		{"'User: ' + c + '\\n\\n' 'Assistant: ' + c + eos_token 'Assistant:'", EOS,
		 "deepseek-v2"},
		{"'User: ' + c + '\\n\\n' 'Assistant: ' + c + eos_token 'Assistant:'", "</s>",
		 NULL},
		{"'" USER "' + c '" REPLY "' + c + '" EOS "' '" REPLY "'", EOS, "deepseek-v3"},
		{"'" USER "' + c '" REPLY "' split('</think>')[-1] '" REPLY "<think>\\n'", EOS,
		 "deepseek-r1"},
		{"'" USER "' + c {{'" REPLY "'}}{{'</think>'}}", EOS, NULL},
		{"{{ messages[0].content }}", "</s>", NULL},
		{"", "</s>", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_detected(cases[i].text, cases[i].eos, cases[i].name);
}

static void test_files_without_a_template(void **state)
{
	const struct ferry_chat_template *t;
	struct ferry_error err = {0};
	struct ferry_gguf_writer *w;
	struct vocab_builder b;
	struct vocab_view v;

	(void)state;
	init_bpe(&b, "gpt-2");
	v = open_vocab(&b);
	assert_int_equal(ferry_chat_template_detect(v.g, &t, &err), -ENODATA);
	assert_null(t);
	assert_non_null(strstr(err.text, "--template"));
	close_vocab(&v);

	w = write_vocab(&b);
	ferry_gguf_writer_u32(w, "tokenizer.chat_template", 1);
	v = open_writer(w);
	assert_int_equal(ferry_chat_template_detect(v.g, &t, &err), -EBADMSG);
	close_vocab(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_format),
		cmocka_unit_test(test_every_name_is_listed_and_tested),
		cmocka_unit_test(test_white_space_of_other_scripts_is_trimmed),
		cmocka_unit_test(test_llama2_keeps_the_space_between_system_and_user),
		cmocka_unit_test(test_deepseek_gathers_system_messages_in_front),
		cmocka_unit_test(test_thinking_is_dropped_from_old_turns),
		cmocka_unit_test(test_orders_that_a_format_cannot_express),
		cmocka_unit_test(test_roles_and_contents_that_are_none),
		cmocka_unit_test(test_what_users_wrote_is_never_in_a_mark),
		cmocka_unit_test(test_contents_cannot_become_control_tokens),
		cmocka_unit_test(test_words_may_span_parts),
		cmocka_unit_test(test_sentencepiece_spaces_in_marks),
		cmocka_unit_test(test_parts_that_are_too_long_together),
		cmocka_unit_test(test_detection),
		cmocka_unit_test(test_files_without_a_template),
	};

	return cmocka_run_group_tests_name("model/chat_template", tests, NULL, NULL);
}
