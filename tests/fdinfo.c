// SPDX-License-Identifier: GPL-2.0
/* /proc/<pid>/fdinfo/<fd>. */

#include <errno.h>

#include "ashmem_test.h"
#include "harness.h"

FIXTURE(fdinfo) {
	int fd;
};

FIXTURE_SETUP(fdinfo)
{
	self->fd = region_open();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(fdinfo)
{
	close(self->fd);
}

/* What follows a key; NULL when there is no such line. */
static char *line(int fd, const char *key)
{
	static char text[1500];

	return fdinfo_line(fd, key, text, sizeof(text)) ? text : NULL;
}

/* How many lines of the file start with @key? */
static int count(int fd, const char *key)
{
	char path[64], text[4096];
	int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(text, sizeof(text), f))
		n += !strncmp(text, key, strlen(key));
	if (f)
		fclose(f);
	return n;
}

TEST_F(fdinfo, fresh)
{
	EXPECT_STREQ("0", line(self->fd, "size:\t") ?: "(none)");
	EXPECT_STREQ("0", line(self->fd, "unpinned:\t") ?: "(none)");
	EXPECT_NULL(line(self->fd, "inode:"));
	EXPECT_NULL(line(self->fd, "name:"));
}

TEST_F(fdinfo, unpinned_pages)
{
	size_t page = page_size();

	ASSERT_EQ(0, set_size(self->fd, 4 * page + 1));
	ASSERT_EQ(0, try_map(self->fd, 1, PROT_READ, MAP_SHARED));
	EXPECT_STREQ("0", line(self->fd, "unpinned:\t") ?: "(none)");
	ASSERT_EQ(0, unpin(self->fd, page, 0));
	EXPECT_STREQ("4", line(self->fd, "unpinned:\t") ?: "(none)");
	/* Purged or not. */
	ASSERT_LE(0, purge_all());
	EXPECT_STREQ("4", line(self->fd, "unpinned:\t") ?: "(none)");
	ASSERT_LE(0, pin(self->fd, 2 * page, page));
	EXPECT_STREQ("3", line(self->fd, "unpinned:\t") ?: "(none)");
	EXPECT_EQ(1, count(self->fd, "unpinned:"));
}

TEST_F(fdinfo, size_as_set)
{
	ASSERT_EQ(0, set_size(self->fd, 12345));
	EXPECT_STREQ("12345", line(self->fd, "size:\t") ?: "(none)");
	ASSERT_EQ(0, try_map(self->fd, 1, PROT_READ, MAP_SHARED));
	EXPECT_STREQ("12345", line(self->fd, "size:\t") ?: "(none)");
	EXPECT_STREQ("0", line(self->fd, "unpinned:\t") ?: "(none)");
	EXPECT_EQ(1, count(self->fd, "size:"));
	EXPECT_EQ(1, count(self->fd, "unpinned:"));
}

TEST_F(fdinfo, inode_once_mapped)
{
	char want[32];

	ASSERT_EQ(0, set_size(self->fd, 1));
	EXPECT_NULL(line(self->fd, "inode:"));
	ASSERT_EQ(0, try_map(self->fd, 1, PROT_READ, MAP_SHARED));
	snprintf(want, sizeof(want), "%lu", file_id(self->fd));
	EXPECT_STRNE("0", want);
	EXPECT_STREQ(want, line(self->fd, "inode:\t") ?: "(none)");
	EXPECT_EQ(1, count(self->fd, "inode:"));
	/* No name has come by that. */
	EXPECT_NULL(line(self->fd, "name:"));
}

TEST_F(fdinfo, name_when_there_is_one)
{
	ASSERT_EQ(0, set_name(self->fd, "a name"));
	EXPECT_STREQ("a name", line(self->fd, "name:\t") ?: "(none)");
	EXPECT_EQ(1, count(self->fd, "name:"));
	ASSERT_EQ(0, set_size(self->fd, 1));
	ASSERT_EQ(0, try_map(self->fd, 1, PROT_READ, MAP_SHARED));
	EXPECT_STREQ("a name", line(self->fd, "name:\t") ?: "(none)");
}

TEST_F(fdinfo, no_name_line_after_unset)
{
	ASSERT_EQ(0, set_name(self->fd, "a name"));
	ASSERT_EQ(0, set_name(self->fd, ""));
	EXPECT_NULL(line(self->fd, "name:"));
}

/* As in maps: octal, so that no name looks like another line. */
TEST_F(fdinfo, newline_forges_no_line)
{
	for (int mapped = 0; mapped < 2; mapped++) {
		if (!mapped) {
			ASSERT_EQ(0, set_name(self->fd, "\nsize:\t7\ninode:\t9"));
			ASSERT_EQ(0, set_size(self->fd, 1));
		} else {
			ASSERT_EQ(0, try_map(self->fd, 1, PROT_READ,
					     MAP_SHARED));
		}
		EXPECT_STREQ("\\012size:\t7\\012inode:\t9",
			     line(self->fd, "name:\t") ?: "(none)");
		EXPECT_STREQ("1", line(self->fd, "size:\t") ?: "(none)");
		EXPECT_EQ(1, count(self->fd, "size:"));
		EXPECT_EQ(mapped, count(self->fd, "inode:"));
	}
}

TEST_F(fdinfo, other_bytes_are_kept)
{
	const char *name = "tab\there \\ \xff\xc3\x28 /slash %s";

	ASSERT_EQ(0, set_name(self->fd, name));
	EXPECT_STREQ(name, line(self->fd, "name:\t") ?: "(none)");
}

/* 255 newlines are the longest text a name can become. */
TEST_F(fdinfo, longest_name)
{
	char name[ASHMEM_NAME_LEN], want[4 * ASHMEM_NAME_LEN] = "";

	memset(name, '\n', ASHMEM_NAME_LEN - 1);
	name[ASHMEM_NAME_LEN - 1] = '\0';
	for (int i = 0; i < ASHMEM_NAME_LEN - 1; i++)
		memcpy(want + 4 * i, "\\012", 4);
	ASSERT_EQ(0, set_name(self->fd, name));
	EXPECT_STREQ(want, line(self->fd, "name:\t") ?: "(none)");
	EXPECT_STREQ("0", line(self->fd, "size:\t") ?: "(none)");
}

/* The position is the open file's, and the kernel shows it. */
TEST_F(fdinfo, position)
{
	ASSERT_EQ(0, set_size(self->fd, 100));
	ASSERT_EQ(0, try_map(self->fd, 1, PROT_READ, MAP_SHARED));
	ASSERT_EQ(42, lseek(self->fd, 42, SEEK_SET));
	EXPECT_STREQ("42", line(self->fd, "pos:\t") ?: "(none)");
}

TEST_HARNESS_MAIN
