// SPDX-License-Identifier: GPL-2.0
/* ASHMEM_GET_FILE_ID. */

#include <errno.h>

#include "ashmem_test.h"
#include "harness.h"

FIXTURE(file_id) {
	int fd;
	char *p;
};

FIXTURE_VARIANT(file_id) {
	int type;
};

FIXTURE_VARIANT_ADD(file_id, shared) { .type = MAP_SHARED };
FIXTURE_VARIANT_ADD(file_id, private) { .type = MAP_PRIVATE };

FIXTURE_SETUP(file_id)
{
	self->fd = region("id", page_size());
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, map(self->fd, page_size(), PROT_RW, variant->type,
			 &self->p));
}

FIXTURE_TEARDOWN(file_id)
{
	close(self->fd);
}

TEST(before_the_first_mmap)
{
	int fd = region("id", page_size());
	unsigned long id = 42;
	long ret;

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EINVAL, get_file_id(fd, &id));
	EXPECT_EQ(42, id);
	/* With a bad pointer both errors apply. */
	ret = get_file_id(fd, NULL);
	EXPECT_TRUE(ret == -EINVAL || ret == -EFAULT);
	/* An mmap that failed does not count. */
	EXPECT_EQ(-EINVAL, try_map(fd, 2 * page_size(), PROT_RW, MAP_SHARED));
	EXPECT_EQ(-EINVAL, get_file_id(fd, &id));
	EXPECT_EQ(42, id);
	close(fd);
}

TEST_F(file_id, is_the_inode_in_maps_and_fdinfo)
{
	struct maps_line line;
	unsigned long id = 0;
	char text[32], want[32];

	ASSERT_EQ(0, get_file_id(self->fd, &id));
	EXPECT_NE(0, id);
	ASSERT_TRUE(maps_find(0, self->p, &line));
	EXPECT_EQ(id, line.inode);
	snprintf(want, sizeof(want), "%lu", id);
	ASSERT_TRUE(fdinfo_line(self->fd, "inode:\t", text, sizeof(text)));
	EXPECT_STREQ(want, text);
}

/* A long of the caller: 4 bytes for a 32-bit one. */
TEST_F(file_id, writes_one_long)
{
	char slot[4 * sizeof(long)];
	char *end = before_guard(sizeof(long));

	memset(slot, 0x5a, sizeof(slot));
	ASSERT_EQ(0, get_file_id(self->fd, slot + sizeof(long)));
	EXPECT_TRUE(is_all(slot, sizeof(long), 0x5a));
	EXPECT_TRUE(is_all(slot + 2 * sizeof(long), 2 * sizeof(long), 0x5a));
	ASSERT_EQ(0, get_file_id(self->fd, end));
	EXPECT_EQ(0, memcmp(end, slot + sizeof(long), sizeof(long)));
}

TEST_F(file_id, bad_pointers)
{
	char *end = before_guard(sizeof(long)), *page;

	EXPECT_EQ(-EFAULT, get_file_id(self->fd, NULL));
	EXPECT_EQ(-EFAULT, get_file_id(self->fd, (void *)1));
	EXPECT_EQ(-EFAULT, get_file_id(self->fd, end + 1));
	EXPECT_EQ(-EFAULT, get_file_id(self->fd, end + sizeof(long)));
	EXPECT_EQ(-EFAULT, get_file_id(self->fd, (void *)-4096L));
	EXPECT_EQ(-EFAULT, get_file_id(self->fd, (void *)-1L));
	page = before_guard(page_size());
	ASSERT_EQ(0, protect(page, page_size(), PROT_READ));
	EXPECT_EQ(-EFAULT, get_file_id(self->fd, page));
	EXPECT_TRUE(is_all(page, page_size(), 0));
}

TEST_F(file_id, stays)
{
	unsigned long id = file_id(self->fd);
	int copy = dup(self->fd);

	ASSERT_EQ(0, munmap(self->p, page_size()));
	EXPECT_EQ(id, file_id(self->fd));
	EXPECT_EQ(id, file_id(copy));
	ASSERT_EQ(0, try_map(copy, page_size(), PROT_READ, MAP_SHARED));
	EXPECT_EQ(id, file_id(copy));
	close(copy);
}

TEST_F(file_id, tells_regions_apart)
{
	int other = region("id", page_size());

	ASSERT_EQ(0, try_map(other, page_size(), PROT_READ, variant->type));
	EXPECT_NE(0, file_id(other));
	EXPECT_NE(file_id(self->fd), file_id(other));
	close(other);
}

TEST_HARNESS_MAIN
