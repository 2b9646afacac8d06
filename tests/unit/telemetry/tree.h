/* SPDX-License-Identifier: MIT */
/* A tree of files made up for a test, below a directory of its own. */
#ifndef FERRY_TESTS_TREE_H
#define FERRY_TESTS_TREE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tree {
	char root[64];
};

static inline void tree_make(struct tree *tree)
{
	strcpy(tree->root, "/tmp/ferry-tree-XXXXXX");
	assert_non_null(mkdtemp(tree->root));
}

static inline void tree_make_parents(const char *path)
{
	char part[512];

	for (const char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		mkdir(part, 0755);
	}
}

/* Writes a file and the directories that it is in; a newline is put behind the text. */
static inline void tree_write(const struct tree *tree, const char *name, const char *text)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", tree->root, name);
	tree_make_parents(path);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "%s\n", text);
	assert_int_equal(fclose(file), 0);
}

static inline void tree_link(const struct tree *tree, const char *target, const char *name)
{
	char path[512], to[512];

	snprintf(path, sizeof(path), "%s/%s", tree->root, name);
	snprintf(to, sizeof(to), "%s/%s", tree->root, target);
	tree_make_parents(path);
	assert_int_equal(symlink(to, path), 0);
}

static inline int tree_remove_one(const char *path, const struct stat *st, int type,
				  struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void tree_remove(const struct tree *tree)
{
	nftw(tree->root, tree_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
