// SPDX-License-Identifier: MIT
#include "model/chat_template.h"

#include <string.h>

#include "model/chat_format.h"

#define BAR	     "\xef\xbd\x9c" /* U+FF5C */
#define EOS	     "<" BAR "end\xe2\x96\x81of\xe2\x96\x81sentence" BAR ">"
#define HEADER(role) "<|start_header_id|>" role "<|end_header_id|>\n\n"

/* clang-format off */
static const struct ferry_chat_template templates[] = {
	{
		.name = "chatml",
		.turn = {
			{"<|im_start|>system\n", "<|im_end|>\n"},
			{"<|im_start|>user\n", "<|im_end|>\n"},
			{"<|im_start|>assistant\n", "<|im_end|>\n"},
		},
		.reply = "<|im_start|>assistant\n",
	},
	{
		.name = "llama2",
		.turn = {
			{"<<SYS>>\n", "\n<</SYS>>\n\n"},
			{"[INST] ", " [/INST]", true},
			{" ", " </s>", true},
		},
		.user_again = "<s>[INST] ",
		.system = FERRY_CHAT_SYSTEM_MERGED,
		.alternates = true,
		.trim_joined = true,
	},
	{
		.name = "llama3",
		.turn = {
			{HEADER("system"), "<|eot_id|>", true},
			{HEADER("user"), "<|eot_id|>", true},
			{HEADER("assistant"), "<|eot_id|>", true},
		},
		.reply = HEADER("assistant"),
	},
	{
		.name = "gemma",
		.turn = {
			{NULL, "\n\n"},
			{"<start_of_turn>user\n", "<end_of_turn>\n", true},
			{"<start_of_turn>model\n", "<end_of_turn>\n", true},
		},
		.reply = "<start_of_turn>model\n",
		.system = FERRY_CHAT_SYSTEM_MERGED,
		.alternates = true,
	},
	/*
	 * Mistral's own templates from v3 on put the system message into the last user turn. Then
	 * each turn would rewrite the one before it, and no prefix of a conversation could be kept
	 * in a cache; as v1 and other runtimes do, it goes into the first one here.
	 */
	{
		.name = "mistral",
		.turn = {
			{NULL, "\n\n"},
			{"[INST] ", "[/INST]"},
			{" ", "</s>", true},
		},
		.system = FERRY_CHAT_SYSTEM_MERGED,
		.alternates = true,
	},
	{
		.name = "mistral-v0",
		.turn = {
			{NULL, "\n\n"},
			{"[INST] ", " [/INST]"},
			{NULL, "</s>"},
		},
		.system = FERRY_CHAT_SYSTEM_MERGED,
		.alternates = true,
	},
	{
		.name = "mistral-v1",
		.turn = {
			{NULL, "\n\n"},
			{" [INST] ", " [/INST]"},
			{" ", "</s>"},
		},
		.system = FERRY_CHAT_SYSTEM_MERGED,
		.alternates = true,
	},
	{
		.name = "mistral-v3-tekken",
		.turn = {
			{NULL, "\n\n"},
			{"[INST]", "[/INST]"},
			{NULL, "</s>"},
		},
		.system = FERRY_CHAT_SYSTEM_MERGED,
		.alternates = true,
	},
	{
		.name = "mistral-v7",
		.turn = {
			{"[SYSTEM_PROMPT] ", "[/SYSTEM_PROMPT]"},
			{"[INST] ", "[/INST]"},
			{" ", "</s>"},
		},
	},
	{
		.name = "mistral-v7-tekken",
		.turn = {
			{"[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"},
			{"[INST]", "[/INST]"},
			{NULL, "</s>"},
		},
	},
	{
		.name = "zephyr",
		.turn = {
			{"<|system|>\n", "</s>\n"},
			{"<|user|>\n", "</s>\n"},
			{"<|assistant|>\n", "</s>\n"},
		},
		.reply = "<|assistant|>\n",
	},
	{
		.name = "zephyr-endoftext",
		.turn = {
			{"<|system|>\n", "<|endoftext|>\n"},
			{"<|user|>\n", "<|endoftext|>\n"},
			{"<|assistant|>\n", "<|endoftext|>\n"},
		},
		.reply = "<|assistant|>\n",
	},
	{
		.name = "phi3",
		.turn = {
			{"<|system|>\n", "<|end|>\n"},
			{"<|user|>\n", "<|end|>\n"},
			{"<|assistant|>\n", "<|end|>\n"},
		},
		.reply = "<|assistant|>\n",
	},
	{
		.name = "phi4-mini",
		.turn = {
			{"<|system|>", "<|end|>"},
			{"<|user|>", "<|end|>"},
			{"<|assistant|>", "<|end|>"},
		},
		.reply = "<|assistant|>",
	},
	{
		.name = "phi4",
		.turn = {
			{"<|im_start|>system<|im_sep|>", "<|im_end|>"},
			{"<|im_start|>user<|im_sep|>", "<|im_end|>"},
			{"<|im_start|>assistant<|im_sep|>", "<|im_end|>"},
		},
		.reply = "<|im_start|>assistant<|im_sep|>",
	},
	{
		.name = "deepseek", /* deepseek-coder */
		.turn = {
			{NULL, NULL},
			{"### Instruction:\n", "\n"},
			{"### Response:\n", "\n<|EOT|>\n"},
		},
		.reply = "### Response:\n",
	},
	{
		.name = "deepseek-v2", /* and deepseek-llm */
		.turn = {
			{NULL, "\n\n"},
			{"User: ", "\n\n"},
			{"Assistant: ", EOS},
		},
		.reply = "Assistant:",
	},
	{
		.name = "deepseek-v3",
		.turn = {
			{NULL, "\n\n"}, /* only between several */
			{"<" BAR "User" BAR ">", NULL},
			{"<" BAR "Assistant" BAR ">", EOS},
		},
		.reply = "<" BAR "Assistant" BAR ">",
		.system = FERRY_CHAT_SYSTEM_FRONT,
	},
	{
		.name = "deepseek-r1",
		.turn = {
			{NULL, "\n\n"},
			{"<" BAR "User" BAR ">", NULL},
			{"<" BAR "Assistant" BAR ">", EOS},
		},
		.reply = "<" BAR "Assistant" BAR "><think>\n",
		.system = FERRY_CHAT_SYSTEM_FRONT,
		.drops_thinking = true,
	},
};
/* clang-format on */

const struct ferry_chat_template *ferry_chat_template_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(templates) / sizeof(templates[0]); i++)
		if (!strcmp(templates[i].name, name))
			return &templates[i];
	return NULL;
}

const char *ferry_chat_template_names(void)
{
	return "chatml, llama2, llama3, gemma, mistral, mistral-v0, mistral-v1, mistral-v3-tekken, "
	       "mistral-v7, mistral-v7-tekken, zephyr, zephyr-endoftext, phi3, phi4-mini, phi4, "
	       "deepseek, deepseek-v2, deepseek-v3, deepseek-r1";
}

const char *ferry_chat_template_name(const struct ferry_chat_template *t)
{
	return t->name;
}
