// SPDX-License-Identifier: MIT
#include "model/turn_marks.h"

#include <string.h>

#define BAR   "\xef\xbd\x9c" /* U+FF5C, the bar of DeepSeek's marks */
#define BLANK "\xe2\x96\x81" /* U+2581 */

/*
 * Some files type these as user-defined or even normal tokens. With those a user could open and
 * close turns from inside a message, so what can only be a mark is forced. The others are words
 * of some vocabularies ("</s>" is a tag of HTML in Gemma's) and count as the file says.
 */
static const struct ferry_turn_mark marks[] = {
	{"<|im_start|>", false, true},
	{"<|im_end|>", true, true},
	{"<|start_header_id|>", false, true},
	{"<|end_header_id|>", false, true},
	{"<|eot_id|>", true, true},
	{"<|eom_id|>", true, true},
	{"<|header_start|>", false, true},
	{"<|header_end|>", false, true},
	{"<|eot|>", true, true},
	{"[INST]", false, true},
	{"[/INST]", false, true},
	{"[SYSTEM_PROMPT]", false, true},
	{"[/SYSTEM_PROMPT]", false, true},
	{"<start_of_turn>", false, true},
	{"<end_of_turn>", true, true},
	{"<|system|>", false, true},
	{"<|user|>", false, true},
	{"<|assistant|>", false, true},
	{"<|end|>", true, true},
	{"<|return|>", true, true},
	{"<|call|>", true, true},
	{"<|EOT|>", true, true},
	{"<|END_OF_TURN_TOKEN|>", true, true},
	{"<|begin_of_text|>", false, true},
	{"<|end_of_text|>", true, true},
	{"<|endoftext|>", true, true},
	{"<" BAR "User" BAR ">", false, true},
	{"<" BAR "Assistant" BAR ">", false, true},
	{"<" BAR "begin" BLANK "of" BLANK "sentence" BAR ">", false, true},
	{"<" BAR "end" BLANK "of" BLANK "sentence" BAR ">", true, true},
	{"</s>", true, false},
	{"<EOT>", true, false},
	{BLANK "<EOT>", true, false},
	{"<end_of_utterance>", true, false},
	{"[|endofturn|]", true, false},
	{"<|turn_end|>", true, false},
};

const struct ferry_turn_mark *ferry_turn_mark_find(const char *text, size_t n)
{
	/* Called for each token of a vocabulary: most are told by their last byte. */
	if (!n || (text[n - 1] != '>' && text[n - 1] != ']'))
		return NULL;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (n == strlen(marks[i].text) && !memcmp(text, marks[i].text, n))
			return &marks[i];
	return NULL;
}
