// SPDX-License-Identifier: GPL-2.0
/* ASHMEM_SET_SIZE and ASHMEM_GET_SIZE. */

#include <errno.h>

#include "ashmem_test.h"
#include "harness.h"

FIXTURE(size) {
	int fd;
};

FIXTURE_VARIANT(size) {
	size_t value;
};

FIXTURE_VARIANT_ADD(size, zero) { .value = 0 };
FIXTURE_VARIANT_ADD(size, one) { .value = 1 };
FIXTURE_VARIANT_ADD(size, below_4k) { .value = 4095 };
FIXTURE_VARIANT_ADD(size, 4k) { .value = 4096 };
FIXTURE_VARIANT_ADD(size, above_64k) { .value = 65537 };
FIXTURE_VARIANT_ADD(size, 2g) { .value = 1UL << 31 };
FIXTURE_VARIANT_ADD(size, below_4g_by_4k) { .value = -4096U };
FIXTURE_VARIANT_ADD(size, wraps_when_rounded) { .value = -4095UL };
FIXTURE_VARIANT_ADD(size, all_ones) { .value = -1UL };
#if __SIZEOF_LONG__ > 4
FIXTURE_VARIANT_ADD(size, 4g) { .value = 1UL << 32 };
FIXTURE_VARIANT_ADD(size, above_4g) { .value = (1UL << 32) + 12345 };
FIXTURE_VARIANT_ADD(size, 1t) { .value = 1UL << 40 };
FIXTURE_VARIANT_ADD(size, longest_file) { .value = (1UL << 63) - 1 };
FIXTURE_VARIANT_ADD(size, 2_to_63) { .value = 1UL << 63 };
#endif

FIXTURE_SETUP(size)
{
	self->fd = region_open();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(size)
{
	close(self->fd);
}

/*
 * Any value is stored, and comes back as it was set, unaligned. Of what
 * GET_SIZE returns, the kernel passes on 32 bits: sys_ioctl() and vfs_ioctl()
 * in fs/ioctl.c have an int for it. fdinfo shows the whole.
 */
TEST_F(size, stored_as_it_is)
{
	char text[32], want[32];

	ASSERT_EQ(0, set_size(self->fd, variant->value));
	EXPECT_EQ((int)variant->value, (int)get_size(self->fd));
	snprintf(want, sizeof(want), "%zu", variant->value);
	ASSERT_TRUE(fdinfo_line(self->fd, "size:\t", text, sizeof(text)));
	EXPECT_STREQ(want, text);
}

TEST_F(size, replaces_the_one_before)
{
	ASSERT_EQ(0, set_size(self->fd, 3 * page_size()));
	ASSERT_EQ(0, set_size(self->fd, variant->value));
	EXPECT_EQ(variant->value, whole_size(self->fd));
	ASSERT_EQ(0, set_size(self->fd, page_size()));
	EXPECT_EQ(page_size(), get_size(self->fd));
	EXPECT_EQ(0, try_map(self->fd, page_size(), PROT_RW, MAP_SHARED));
	EXPECT_EQ(-EINVAL, try_map(self->fd, 2 * page_size(), PROT_RW,
				   MAP_SHARED));
}

TEST_F(size, cannot_be_set_once_mapped)
{
	ASSERT_EQ(0, set_size(self->fd, page_size() + 1));
	ASSERT_EQ(0, try_map(self->fd, page_size(), PROT_READ, MAP_SHARED));
	EXPECT_EQ(-EINVAL, set_size(self->fd, variant->value));
	EXPECT_EQ(page_size() + 1, get_size(self->fd));
	EXPECT_EQ(0, try_map(self->fd, 2 * page_size(), PROT_READ,
			     MAP_SHARED));
}

/* The same value neither, and a private mapping freezes it as well. */
TEST(frozen_by_a_private_mapping)
{
	int fd = region(NULL, 100);
	char *p;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map(fd, 100, PROT_READ, MAP_PRIVATE, &p));
	EXPECT_EQ(-EINVAL, set_size(fd, 100));
	EXPECT_EQ(-EINVAL, set_size(fd, 0));
	EXPECT_EQ(100, get_size(fd));
	ASSERT_EQ(0, munmap(p, 100));
	EXPECT_EQ(-EINVAL, set_size(fd, 200));
	EXPECT_EQ(100, get_size(fd));
}

/*
 * What reaches a process could be one of the numbers by which the kernel tells
 * itself to begin a system call anew, and which no process may see: those are
 * refused, their neighbours are none.
 */
TEST(is_no_order_to_restart)
{
	const unsigned int first = -516, last = -512;
	int fd = region_open();

	ASSERT_LE(0, fd);
	for (unsigned int size = first - 1; size <= last + 1; size++) {
		bool is_one = first <= size && size <= last;

		ASSERT_EQ(0, set_size(fd, size));
		EXPECT_EQ(is_one ? -EOVERFLOW : (int)size,
			  ash_ioctl(fd, ASHMEM_GET_SIZE, 0));
		EXPECT_EQ(size, whole_size(fd));
	}
	close(fd);
}

TEST_HARNESS_MAIN
