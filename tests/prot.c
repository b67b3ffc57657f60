// SPDX-License-Identifier: GPL-2.0
/* ASHMEM_SET_PROT_MASK and ASHMEM_GET_PROT_MASK. */

#include <errno.h>
#include <limits.h>
#include <sys/personality.h>

#include "ashmem_test.h"
#include "harness.h"

/* Bits that are no access to memory; some of them mean something to mmap. */
static const unsigned long strange_bits[] = {
	0x8, 0x10, 0x20, 0x01000000, 0x02000000, 1UL << 31, ~7UL,
	1UL << (8 * sizeof(long) - 1), 1UL << (4 * sizeof(long)),
};

FIXTURE(mask) {
	int fd;
};

FIXTURE_VARIANT(mask) {
	unsigned long mask;
};

FIXTURE_VARIANT_ADD(mask, none) { .mask = PROT_NONE };
FIXTURE_VARIANT_ADD(mask, r) { .mask = PROT_READ };
FIXTURE_VARIANT_ADD(mask, w) { .mask = PROT_WRITE };
FIXTURE_VARIANT_ADD(mask, x) { .mask = PROT_EXEC };
FIXTURE_VARIANT_ADD(mask, rw) { .mask = PROT_RW };
FIXTURE_VARIANT_ADD(mask, rx) { .mask = PROT_READ | PROT_EXEC };
FIXTURE_VARIANT_ADD(mask, wx) { .mask = PROT_WRITE | PROT_EXEC };
FIXTURE_VARIANT_ADD(mask, rwx) { .mask = PROT_RWX };

FIXTURE_SETUP(mask)
{
	personality(personality(-1) & ~READ_IMPLIES_EXEC);
	self->fd = region(NULL, page_size());
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(PROT_RWX, get_mask(self->fd));
	ASSERT_EQ(0, set_mask(self->fd, variant->mask));
}

FIXTURE_TEARDOWN(mask)
{
	close(self->fd);
}

TEST_F(mask, only_goes_down)
{
	unsigned long mask;

	EXPECT_EQ((long)variant->mask, get_mask(self->fd));
	for (mask = 0; mask <= PROT_RWX; mask++) {
		int fd = region_open();

		ASSERT_EQ(0, set_mask(fd, variant->mask));
		if (mask & ~variant->mask) {
			EXPECT_EQ(-EINVAL, set_mask(fd, mask));
			EXPECT_EQ((long)variant->mask, get_mask(fd));
		} else {
			EXPECT_EQ(0, set_mask(fd, mask));
			EXPECT_EQ((long)mask, get_mask(fd));
		}
		close(fd);
	}
}

TEST_F(mask, other_bits_are_refused)
{
	for (size_t i = 0; i < ARRAY_SIZE(strange_bits); i++) {
		EXPECT_EQ(-EINVAL, set_mask(self->fd, strange_bits[i]))
			TH_LOG("%lx", strange_bits[i]);
		EXPECT_EQ(-EINVAL, set_mask(self->fd,
					    strange_bits[i] | variant->mask));
		EXPECT_EQ((long)variant->mask, get_mask(self->fd));
	}
	EXPECT_EQ(-EINVAL, set_mask(self->fd, ULONG_MAX));
	EXPECT_EQ((long)variant->mask, get_mask(self->fd));
}

/* The mask belongs to the open file, and it is not frozen by mmap. */
TEST_F(mask, is_shared_by_duplicates)
{
	int copy = dup(self->fd), other = region_open();

	ASSERT_LE(0, copy);
	ASSERT_EQ(0, try_map(self->fd, page_size(), PROT_NONE, MAP_SHARED));
	EXPECT_EQ((long)variant->mask, get_mask(copy));
	EXPECT_EQ(0, set_mask(copy, PROT_NONE));
	EXPECT_EQ(PROT_NONE, get_mask(self->fd));
	EXPECT_EQ(PROT_RWX, get_mask(other));
	close(copy);
	close(other);
}

/* Mapping with and without PROT_EXEC is told apart where /dev has exec. */
TEST_F(mask, limits_mmap)
{
	static const int types[] = { MAP_SHARED, MAP_PRIVATE };

	for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
		for (int prot = 0; prot <= PROT_RWX; prot++) {
			int want = prot & ~variant->mask ? -EPERM : 0;

			if (prot & PROT_EXEC && dev_is_noexec())
				want = -EPERM;
			EXPECT_EQ(want, try_map(self->fd, page_size(), prot,
						types[t]))
				TH_LOG("prot %d, type %d", prot, types[t]);
		}
	}
}

/* The VM_MAY* bits: what mmap refuses, mprotect does not give back. */
TEST_F(mask, limits_mprotect)
{
	static const int types[] = { MAP_SHARED, MAP_PRIVATE };
	char *p;

	for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
		ASSERT_EQ(0, map(self->fd, page_size(), PROT_NONE, types[t],
				 &p));
		for (int prot = 0; prot <= PROT_RWX; prot++) {
			int want = prot & ~variant->mask ? -EACCES : 0;

			if (prot & PROT_EXEC && dev_is_noexec())
				want = -EACCES;
			EXPECT_EQ(want, protect(p, page_size(), prot))
				TH_LOG("prot %d, type %d", prot, types[t]);
		}
		munmap(p, page_size());
	}
}

FIXTURE(read_implies_exec) {
	int fd;
};

FIXTURE_SETUP(read_implies_exec)
{
	self->fd = region(NULL, page_size());
	ASSERT_LE(0, self->fd);
	ASSERT_NE(-1, personality(personality(-1) | READ_IMPLIES_EXEC));
	ASSERT_TRUE(personality(-1) & READ_IMPLIES_EXEC);
}

FIXTURE_TEARDOWN(read_implies_exec)
{
	close(self->fd);
}

static void no_read_implies_exec(void)
{
	personality(personality(-1) & ~READ_IMPLIES_EXEC);
}

TEST_F(read_implies_exec, read_keeps_exec)
{
	EXPECT_EQ(0, set_mask(self->fd, PROT_READ));
	EXPECT_EQ(PROT_READ | PROT_EXEC, get_mask(self->fd));
	EXPECT_EQ(0, set_mask(self->fd, PROT_READ));
	EXPECT_EQ(PROT_READ | PROT_EXEC, get_mask(self->fd));
}

TEST_F(read_implies_exec, read_and_write_keep_exec)
{
	EXPECT_EQ(0, set_mask(self->fd, PROT_RW));
	EXPECT_EQ(PROT_RWX, get_mask(self->fd));
}

TEST_F(read_implies_exec, without_read_nothing_is_added)
{
	EXPECT_EQ(0, set_mask(self->fd, PROT_WRITE));
	EXPECT_EQ(PROT_WRITE, get_mask(self->fd));
	EXPECT_EQ(0, set_mask(self->fd, PROT_NONE));
	EXPECT_EQ(PROT_NONE, get_mask(self->fd));
}

/* Neither an error nor a way to get the bit back. */
TEST_F(read_implies_exec, lost_exec_does_not_come_back)
{
	no_read_implies_exec();
	ASSERT_EQ(0, set_mask(self->fd, PROT_RW));
	ASSERT_NE(-1, personality(personality(-1) | READ_IMPLIES_EXEC));
	EXPECT_EQ(0, set_mask(self->fd, PROT_RW));
	EXPECT_EQ(PROT_RW, get_mask(self->fd));
	EXPECT_EQ(0, set_mask(self->fd, PROT_READ));
	EXPECT_EQ(PROT_READ, get_mask(self->fd));
	EXPECT_EQ(-EINVAL, set_mask(self->fd, PROT_READ | PROT_EXEC));
	EXPECT_EQ(PROT_READ, get_mask(self->fd));
}

TEST_F(read_implies_exec, checks_come_first)
{
	EXPECT_EQ(-EINVAL, set_mask(self->fd, PROT_READ | 8));
	EXPECT_EQ(PROT_RWX, get_mask(self->fd));
	EXPECT_EQ(0, set_mask(self->fd, PROT_WRITE));
	EXPECT_EQ(-EINVAL, set_mask(self->fd, PROT_READ));
	EXPECT_EQ(PROT_WRITE, get_mask(self->fd));
}

static long lower_to_read(void *arg)
{
	no_read_implies_exec();
	return set_mask(*(int *)arg, PROT_READ);
}

/*
 * What counts is who sets the mask; what was stored stays with the file,
 * whoever looks at it later.
 */
TEST_F(read_implies_exec, is_asked_of_the_caller)
{
	int other = region_open();

	EXPECT_EQ(0, in_child(lower_to_read, &self->fd));
	EXPECT_EQ(PROT_READ, get_mask(self->fd));
	EXPECT_EQ(0, set_mask(other, PROT_READ));
	no_read_implies_exec();
	EXPECT_EQ(PROT_READ | PROT_EXEC, get_mask(other));
	EXPECT_EQ(0, set_mask(other, PROT_READ));
	EXPECT_EQ(PROT_READ, get_mask(other));
	close(other);
}

/* The kernel turns the request for READ into one for EXEC, too. */
TEST_F(read_implies_exec, mmap_is_held_to_the_mask)
{
	if (dev_is_noexec())
		SKIP(return, "/dev is mounted noexec: EXEC is not implied");
	EXPECT_EQ(0, try_map(self->fd, page_size(), PROT_READ, MAP_SHARED));
	no_read_implies_exec();
	ASSERT_EQ(0, set_mask(self->fd, PROT_READ));
	ASSERT_NE(-1, personality(personality(-1) | READ_IMPLIES_EXEC));
	EXPECT_EQ(-EPERM, try_map(self->fd, page_size(), PROT_READ,
				  MAP_SHARED));
	EXPECT_EQ(-EPERM, try_map(self->fd, page_size(), PROT_READ,
				  MAP_PRIVATE));
	EXPECT_EQ(0, try_map(self->fd, page_size(), PROT_NONE, MAP_SHARED));
}

TEST_HARNESS_MAIN
