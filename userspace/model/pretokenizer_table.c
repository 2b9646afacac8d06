// SPDX-License-Identifier: MIT
/*
 * The expressions that each tokenizer was trained with, as its tokenizer.json defines them, in
 * PCRE2's syntax. Where a name has rules in several versions, those of llama.cpp decide, which
 * gives the names.
 */
#include "model/pretokenizer_table.h"

#include <string.h>

/* White space by the Unicode property; \s of PCRE2 also has U+180E, which lost it in 2013. */
#define WS                                                                         \
	"\\x09-\\x0d\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}" \
	"\\x{202f}\\x{205f}\\x{3000}"
#define SPACE	      "[" WS "]"

/* Runs of white space, the last of which stays with the word behind it. */
#define SPACES	      "(?:" SPACE "+(?![^" WS "])|" SPACE "+)"

#define ENGLISH	      "'s|'t|'re|'ve|'m|'ll|'d"
#define ENGLISH_ANY   "(?i:" ENGLISH ")"
#define LETTERS_OR(x) "[^" WS "\\p{L}\\p{N}" x "]"

#define GPT2	      ENGLISH "| ?\\p{L}+| ?\\p{N}+| ?" LETTERS_OR("") "+|" SPACES

/* Letters with one other character in front, numbers, punctuation with line ends behind. */
#define CL100K(numbers)                                       \
	ENGLISH_ANY "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" numbers \
		    "| ?" LETTERS_OR("") "+[\\r\\n]*|" SPACE "*[\\r\\n]+|" SPACES

/* Words end where upper case begins again. */
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define O200K(english, numbers)                                                              \
	"[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" english "|[^\\r\\n\\p{L}\\p{N}]?" UPPER \
	"+" LOWER "*" english "|" numbers "| ?" LETTERS_OR("") "+[\\r\\n/]*|" SPACE          \
							       "*[\\r\\n]+|" SPACES

/* Cased letters as DeepSeek's tokenizer.json lists them. */
#define CASED                                                                                   \
	"A-Za-z\\xb5\\xc0-\\xd6\\xd8-\\xf6\\xf8-\\x{1ba}\\x{1bc}-\\x{1bf}\\x{1c4}-\\x{293}"     \
	"\\x{295}-\\x{2af}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37b}-\\x{37d}\\x{37f}\\x{386}"   \
	"\\x{388}-\\x{38a}\\x{38c}\\x{38e}-\\x{3a1}\\x{3a3}-\\x{3f5}\\x{3f7}-\\x{481}"          \
	"\\x{48a}-\\x{52f}\\x{531}-\\x{556}\\x{10a0}-\\x{10c5}\\x{13a0}-\\x{13f5}"              \
	"\\x{13f8}-\\x{13fd}\\x{1c90}-\\x{1cba}\\x{1cbd}-\\x{1cbf}\\x{1d00}-\\x{1d2b}"          \
	"\\x{1d6b}-\\x{1d77}\\x{1d79}-\\x{1d9a}\\x{1e00}-\\x{1f15}\\x{1f18}-\\x{1f1d}"          \
	"\\x{1f20}-\\x{1f45}\\x{1f48}-\\x{1f4d}\\x{1f50}-\\x{1f57}\\x{1f59}\\x{1f5b}\\x{1f5d}"  \
	"\\x{1f5f}-\\x{1f7d}\\x{1f80}-\\x{1fb4}\\x{1fb6}-\\x{1fbc}\\x{1fbe}\\x{1fc2}-\\x{1fc4}" \
	"\\x{1fc6}-\\x{1fcc}\\x{1fd0}-\\x{1fd3}\\x{1fd6}-\\x{1fdb}\\x{1fe0}-\\x{1fec}"          \
	"\\x{1ff2}-\\x{1ff4}\\x{1ff6}-\\x{1ffc}\\x{2102}\\x{2107}\\x{210a}-\\x{2113}\\x{2115}"  \
	"\\x{2119}-\\x{211d}\\x{2124}\\x{2126}\\x{2128}\\x{212a}-\\x{212d}\\x{212f}-\\x{2134}"  \
	"\\x{2139}\\x{213c}-\\x{213f}\\x{2145}-\\x{2149}\\x{214e}\\x{2183}\\x{2184}"            \
	"\\x{2c00}-\\x{2c7b}\\x{2c7e}-\\x{2ce4}\\x{2ceb}-\\x{2cee}\\x{2cf2}\\x{2cf3}"           \
	"\\x{a640}-\\x{a66d}\\x{a680}-\\x{a69b}\\x{a722}-\\x{a76f}\\x{a771}-\\x{a787}"          \
	"\\x{a78b}-\\x{a78e}\\x{ab70}-\\x{abbf}\\x{fb00}-\\x{fb06}\\x{fb13}-\\x{fb17}"          \
	"\\x{ff21}-\\x{ff3a}\\x{ff41}-\\x{ff5a}\\x{10400}-\\x{1044f}\\x{104b0}-\\x{104d3}"      \
	"\\x{104d8}-\\x{104fb}\\x{10c80}-\\x{10cb2}\\x{10cc0}-\\x{10cf2}\\x{118a0}-\\x{118df}"  \
	"\\x{1e900}-\\x{1e943}"

/* From Samaritan to the CJK ideographs, and Hangul. */
#define EAST_ASIAN     "[\\x{4e00}-\\x{9fa5}\\x{800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]+"

/*
 * White space at the end of a piece. The original is \s+$, which would try each place of a long
 * run anew; a run can only match from its first place.
 */
#define TRAILING_SPACE "(?<!" SPACE ")" SPACE "++\\z"

static const struct ferry_pretokenizer_rule rules[] = {
	{
		.names = (const char *const[]){"default", NULL},
		.stages = {"[\\p{P}$+<=>^~|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"},
	},
	{
		.names = (const char *const[]){"gpt-2", "phi-2", "mpt", "olmo", "jais", "gigachat",
					       "mellum", "exaone4", "trillion", "granite-docling",
					       NULL},
		.stages = {GPT2},
	},
	{
		.names = (const char *const[]){"llama-bpe", "llama3", "llama-v3", "falcon3",
					       "falcon-h1", "pixtral", "lfm2", NULL},
		.stages = {CL100K("\\p{N}{1,3}")},
		.ignores_merges = true,
		.adds_bos = true,
	},
	{
		.names = (const char *const[]){"smaug-bpe", "dbrx", "glm4", "chatglm-bpe", NULL},
		.stages = {CL100K("\\p{N}{1,3}")},
	},
	{
		.names = (const char *const[]){"qwen2", "deepseek-r1-qwen", "megrez", "stablelm2",
					       "hunyuan", NULL},
		.stages = {CL100K("\\p{N}")},
	},
	{
		.names = (const char *const[]){"deepseek-llm", NULL},
		.stages = {"[\\r\\n]", SPACE "?[" CASED "]+",
			   SPACE "?[!-/:-~\\x{ff01}-\\x{ff0f}\\x{ff1a}-\\x{ff5e}\\x{2018}-\\x{201f}"
				 "\\x{3000}-\\x{3002}]+",
			   TRAILING_SPACE, EAST_ASIAN, "\\p{N}+"},
	},
	{
		.names = (const char *const[]){"deepseek-coder", NULL},
		.stages = {"[\\r\\n]", SPACE "?\\p{L}+", SPACE "?\\p{P}+", EAST_ASIAN, "\\p{N}"},
	},
	{
		.names = (const char *const[]){"deepseek-v3", NULL},
		.stages = {"\\p{N}{1,3}", "[\\x{4e00}-\\x{9fa5}\\x{3040}-\\x{30ff}]+",
			   "[!-/:-@\\[-`{-~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
			   " ?[\\p{P}\\p{S}]+[\\r\\n]*|" SPACE "*[\\r\\n]+|" SPACES},
	},
	{
		.names = (const char *const[]){"falcon", NULL},
		.stages = {"[\\p{P}$+<=>^~|`]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"},
	},
	{
		.names = (const char *const[]){"starcoder", "refact", "command-r", "smollm",
					       "codeshell", "exaone", "minerva-7b", NULL},
		.stages = {"\\p{N}", GPT2},
	},
	{
		.names = (const char *const[]){"gpt-4o", "llama4", NULL},
		.stages = {O200K(ENGLISH_ANY "?", "\\p{N}{1,3}")},
	},
	{
		.names = (const char *const[]){"tekken", NULL},
		.stages = {O200K("", "\\p{N}")},
		.ignores_merges = true,
		.adds_bos = true,
	},
};

const struct ferry_pretokenizer_rule *ferry_pretokenizer_rule_find(const char *name, size_t n)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		for (const char *const *p = rules[i].names; *p; p++)
			if (strlen(*p) == n && !memcmp(*p, name, n))
				return &rules[i];
	return NULL;
}
