// SPDX-License-Identifier: GPL-2.0
/*
 * ASHMEM_PIN, ASHMEM_UNPIN and ASHMEM_GET_PIN_STATUS, as far as nothing is
 * purged: which ranges they take, and what is unpinned afterwards.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "ashmem_test.h"
#include "harness.h"

#define PAGES	6

static const unsigned int commands[] = {
	ASHMEM_PIN, ASHMEM_UNPIN, ASHMEM_GET_PIN_STATUS,
};

/* The command with a range, by its raw numbers. */
static long ranged(int fd, unsigned int cmd, __u32 offset, __u32 len)
{
	struct ashmem_pin range = { .offset = offset, .len = len };

	return ash_ioctl(fd, cmd, (unsigned long)&range);
}

static int mapped_region(size_t size)
{
	int fd = region("pins", size);

	if (fd < 0 || try_map(fd, 1, PROT_RW, MAP_SHARED | MAP_NORESERVE))
		return -1;
	return fd;
}

/* Which pages of the region are unpinned, a bit for each. */
static unsigned int unpinned_mask(int fd)
{
	unsigned int mask = 0;

	for (unsigned int i = 0; i < PAGES; i++) {
		if (pin_status(fd, i * page_size(), page_size()) ==
		    ASHMEM_IS_UNPINNED)
			mask |= 1 << i;
	}
	return mask;
}

FIXTURE(pin) {
	int fd;
	size_t page;
};

FIXTURE_SETUP(pin)
{
	self->page = page_size();
	self->fd = mapped_region(PAGES * self->page);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(pin)
{
	close(self->fd);
}

/* Each command, on a region that has been mapped and one that has not. */
FIXTURE(argument) {
	int fd;
	unsigned int cmd;
};

FIXTURE_VARIANT(argument) {
	unsigned int cmd;
	bool mapped;
};

FIXTURE_VARIANT_ADD(argument, pin_fresh) { 0, false };
FIXTURE_VARIANT_ADD(argument, pin_mapped) { 0, true };
FIXTURE_VARIANT_ADD(argument, unpin_fresh) { 1, false };
FIXTURE_VARIANT_ADD(argument, unpin_mapped) { 1, true };
FIXTURE_VARIANT_ADD(argument, status_fresh) { 2, false };
FIXTURE_VARIANT_ADD(argument, status_mapped) { 2, true };

FIXTURE_SETUP(argument)
{
	self->fd = region("pins", PAGES * page_size());
	ASSERT_LE(0, self->fd);
	if (variant->mapped)
		ASSERT_EQ(0, try_map(self->fd, 1, PROT_RW, MAP_SHARED));
	self->cmd = commands[variant->cmd];
}

FIXTURE_TEARDOWN(argument)
{
	EXPECT_EQ(0, unpinned_pages(self->fd));
	close(self->fd);
}

/* The argument is read first, whatever the region's state. */
TEST_F(argument, bad_pointer)
{
	for (int i = 0; i < BAD_POINTERS; i++) {
		EXPECT_EQ(-EFAULT, ash_ioctl(self->fd, self->cmd,
					     (unsigned long)bad_pointer(i)));
	}
	/* Half of it can be read. */
	EXPECT_EQ(-EFAULT, ash_ioctl(self->fd, self->cmd,
				     (unsigned long)before_guard(4)));
}

TEST_F(argument, ends_where_memory_ends)
{
	char *range = before_guard(sizeof(struct ashmem_pin));
	long ok = self->cmd == ASHMEM_GET_PIN_STATUS ? ASHMEM_IS_PINNED : 0;

	memset(range, 0, sizeof(struct ashmem_pin));
	EXPECT_EQ(variant->mapped ? ok : -EINVAL,
		  ash_ioctl(self->fd, self->cmd, (unsigned long)range));
	EXPECT_EQ(0, mprotect((void *)((unsigned long)range &
				       -page_size()), page_size(), PROT_READ));
	EXPECT_EQ(variant->mapped ? ok : -EINVAL,
		  ash_ioctl(self->fd, self->cmd, (unsigned long)range));
	pin(self->fd, 0, 0);
}

TEST_F(argument, good_range_before_mmap)
{
	if (variant->mapped)
		return;
	EXPECT_EQ(-EINVAL, ranged(self->fd, self->cmd, 0, page_size()));
	EXPECT_EQ(-EINVAL, ranged(self->fd, self->cmd, 0, 0));
	/* A mapping that fails makes no difference. */
	EXPECT_EQ(-EINVAL, try_map(self->fd, 7 * page_size(), PROT_RW,
				   MAP_SHARED));
	EXPECT_EQ(-EINVAL, ranged(self->fd, self->cmd, 0, page_size()));
}

/* What is wrong with a range, in the terms of a page and the region's end. */
TEST_F(argument, bad_range)
{
	const __u32 page = page_size(), end = PAGES * page;
	const struct ashmem_pin bad[] = {
		{ 1, page }, { page - 1, page }, { page + 1, page },
		{ 512, 0 }, { 1, 0 }, { end - 1, 0 }, { -1U, 0 },
		{ 0, 1 }, { 0, page - 1 }, { 0, page + 1 }, { 0, end - 1 },
		{ 1, page - 1 }, { 512, 512 },
		{ 0, end + page }, { page, end }, { end - page, 2 * page },
		{ end, page }, { end + page, page }, { end, 0 },
		{ end + page, 0 }, { -page, 0 },
		{ -page, page }, { page, -page }, { -page, -page },
		{ 1U << 31, 1U << 31 }, { page, -1U }, { -1U, -1U },
		{ 0, -page }, { 0, 1U << 31 }, { 2 * page, -page },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, ranged(self->fd, self->cmd, bad[i].offset,
					  bad[i].len))
			TH_LOG("offset %x, len %x", bad[i].offset, bad[i].len);
	}
}

TEST_F(pin, all_pages_start_pinned)
{
	EXPECT_EQ(0, unpinned_mask(self->fd));
	EXPECT_EQ(ASHMEM_IS_PINNED, pin_status(self->fd, 0, 0));
	EXPECT_EQ(ASHMEM_NOT_PURGED, pin(self->fd, 0, 0));
	EXPECT_EQ(ASHMEM_NOT_PURGED, pin(self->fd, self->page, self->page));
	EXPECT_EQ(0, unpinned_pages(self->fd));
}

/* The end of the region is that of its last page. */
TEST_F(pin, size_is_rounded_up)
{
	static const int sizes[] = { 1, 4095, 65535 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t end = -(-(size_t)sizes[i] & -self->page);
		int fd = mapped_region(sizes[i]);

		ASSERT_LE(0, fd);
		EXPECT_EQ(0, unpin(fd, 0, end));
		EXPECT_EQ(end / self->page, unpinned_pages(fd));
		EXPECT_EQ(-EINVAL, unpin(fd, 0, end + self->page));
		EXPECT_EQ(-EINVAL, unpin(fd, end, 0));
		EXPECT_EQ(ASHMEM_NOT_PURGED, pin(fd, end - self->page, 0));
		EXPECT_EQ(end / self->page - 1, unpinned_pages(fd));
		close(fd);
	}
}

TEST_F(pin, length_zero_is_to_the_end)
{
	EXPECT_EQ(0, unpin(self->fd, 2 * self->page, 0));
	EXPECT_EQ(0x3c, unpinned_mask(self->fd));
	EXPECT_EQ(ASHMEM_IS_UNPINNED, pin_status(self->fd, self->page, 0));
	EXPECT_EQ(ASHMEM_NOT_PURGED, pin(self->fd, 4 * self->page, 0));
	EXPECT_EQ(0x0c, unpinned_mask(self->fd));
	EXPECT_EQ(ASHMEM_IS_PINNED, pin_status(self->fd, 4 * self->page, 0));
	EXPECT_EQ(0, unpin(self->fd, 5 * self->page, 0));
	EXPECT_EQ(0x2c, unpinned_mask(self->fd));
}

/* Any unpinned page makes the whole range unpinned. */
TEST_F(pin, status_of_a_range)
{
	ASSERT_EQ(0, unpin(self->fd, 3 * self->page, self->page));
	for (size_t first = 0; first < PAGES; first++) {
		for (size_t last = first; last < PAGES; last++) {
			bool any = first <= 3 && last >= 3;

			EXPECT_EQ(any ? ASHMEM_IS_UNPINNED : ASHMEM_IS_PINNED,
				  pin_status(self->fd, first * self->page,
					     (last - first + 1) * self->page));
		}
	}
}

/* Each sequence of three operations on any ranges, against a mask of pages. */
TEST_F_TIMEOUT(pin, every_three_operations, 120)
{
	struct { size_t first, pages; unsigned int mask; } range[21];
	int n = 0;

	for (size_t first = 0; first < PAGES; first++) {
		for (size_t pages = 1; first + pages <= PAGES; pages++) {
			range[n].first = first * self->page;
			range[n].pages = pages * self->page;
			range[n].mask = ((1 << pages) - 1) << first;
			n++;
		}
	}
	ASSERT_EQ(ARRAY_SIZE(range), n);

	/* Where that takes long, some of them. */
	for (int i = 0; i < n * n * n; i += slowness()) {
		const int step[] = { i % n, i / n % n, i / n / n };

		for (int ops = 0; ops < 8; ops++) {
			unsigned int want = 0;

			for (int k = 0; k < 3; k++) {
				size_t at = range[step[k]].first;
				size_t len = range[step[k]].pages;

				if (ops >> k & 1) {
					want |= range[step[k]].mask;
					ASSERT_EQ(0, unpin(self->fd, at, len));
				} else {
					want &= ~range[step[k]].mask;
					ASSERT_EQ(0, pin(self->fd, at, len));
				}
			}
			ASSERT_EQ(want, unpinned_mask(self->fd));
			ASSERT_EQ(ASHMEM_NOT_PURGED, pin(self->fd, 0, 0));
		}
	}
	EXPECT_EQ(0, unpinned_pages(self->fd));
}

TEST_F(pin, fdinfo_counts_each_page_once)
{
	EXPECT_EQ(0, unpin(self->fd, 0, 2 * self->page));
	EXPECT_EQ(2, unpinned_pages(self->fd));
	EXPECT_EQ(0, unpin(self->fd, self->page, 2 * self->page));
	EXPECT_EQ(3, unpinned_pages(self->fd));
	EXPECT_EQ(0, unpin(self->fd, 4 * self->page, self->page));
	EXPECT_EQ(4, unpinned_pages(self->fd));
	EXPECT_EQ(0, unpin(self->fd, 0, 0));
	EXPECT_EQ(6, unpinned_pages(self->fd));
	EXPECT_EQ(0, unpin(self->fd, 0, 0));
	EXPECT_EQ(6, unpinned_pages(self->fd));
	EXPECT_EQ(ASHMEM_NOT_PURGED, pin(self->fd, self->page, self->page));
	EXPECT_EQ(5, unpinned_pages(self->fd));
}

/* The state is the open file's: of whoever has a descriptor of it. */
TEST_F(pin, shared_by_descriptors)
{
	int other = dup(self->fd), stranger = mapped_region(self->page);
	int sock[2], received;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, unpin(other, 0, self->page));
	EXPECT_EQ(1, unpinned_mask(self->fd));
	close(other);
	EXPECT_EQ(1, unpinned_mask(self->fd));
	EXPECT_EQ(0, unpinned_pages(stranger));

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	ASSERT_LE(0, send_fd(sock[0], self->fd));
	received = recv_fd(sock[1]);
	ASSERT_LE(0, received);
	EXPECT_EQ(ASHMEM_NOT_PURGED, pin(received, 0, 0));
	EXPECT_EQ(0, unpinned_pages(self->fd));
	close(received);
	close(stranger);
}

static long unpin_second_page(void *arg)
{
	return unpin(*(int *)arg, page_size(), page_size());
}

TEST_F(pin, shared_with_children)
{
	EXPECT_EQ(0, in_child(unpin_second_page, &self->fd));
	EXPECT_EQ(2, unpinned_mask(self->fd));
}

/* Whatever it was opened for, and whatever the protection mask says. */
TEST_F(pin, needs_no_access)
{
	int fd = region_open_flags(O_RDONLY | O_CLOEXEC);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, set_size(fd, self->page));
	ASSERT_EQ(0, try_map(fd, 1, PROT_READ, MAP_PRIVATE));
	EXPECT_EQ(0, unpin(fd, 0, 0));
	EXPECT_EQ(ASHMEM_IS_UNPINNED, pin_status(fd, 0, 0));
	ASSERT_EQ(0, set_mask(fd, PROT_NONE));
	EXPECT_EQ(ASHMEM_NOT_PURGED, pin(fd, 0, 0));
	EXPECT_EQ(PROT_NONE, get_mask(fd));
	close(fd);
}

/* Unpinned pages stay what they are as long as nobody needs memory. */
TEST_F(pin, unpinned_pages_can_be_used)
{
	size_t len = PAGES * self->page;
	char *p;

	ASSERT_EQ(0, map(self->fd, len, PROT_RW, MAP_SHARED, &p));
	fill(p, len, 1);
	ASSERT_EQ(0, unpin(self->fd, 0, 0));
	EXPECT_TRUE(is_filled(p, len, 1));
	fill(p, len, 2);
	EXPECT_EQ(ASHMEM_NOT_PURGED, pin(self->fd, 0, 0));
	EXPECT_TRUE(is_filled(p, len, 2));
	munmap(p, len);
}

#if __SIZEOF_LONG__ > 4
/* Only "to the end" reaches pages whose offset does not fit in 32 bits. */
TEST_F(pin, beyond_4_gib)
{
	const size_t gib = 1UL << 30, size = 5 * gib + 1;
	const long pages = (size + self->page - 1) / self->page;
	const long low = 4 * gib / self->page;
	int fd = mapped_region(size);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, ranged(fd, ASHMEM_UNPIN, 0, -self->page));
	EXPECT_EQ(low - 1, unpinned_pages(fd));
	/* The sum of offset and length has to fit, too. */
	EXPECT_EQ(-EINVAL, ranged(fd, ASHMEM_UNPIN, -self->page, self->page));
	EXPECT_EQ(0, ranged(fd, ASHMEM_UNPIN, -self->page, 0));
	EXPECT_EQ(pages, unpinned_pages(fd));
	EXPECT_EQ(0, ranged(fd, ASHMEM_PIN, 0, 0));
	EXPECT_EQ(0, unpinned_pages(fd));
	EXPECT_EQ(0, ranged(fd, ASHMEM_UNPIN, 0, 0));
	EXPECT_EQ(pages, unpinned_pages(fd));
	EXPECT_EQ(0, ranged(fd, ASHMEM_PIN, 0, 1U << 31));
	EXPECT_EQ(pages - low / 2, unpinned_pages(fd));
	close(fd);
}

/* The largest file there can be: its length in bytes has no room to grow. */
TEST_F(pin, longest_region)
{
	const size_t size = (1UL << 63) - 1;
	int fd = mapped_region(size);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, unpin(fd, 0, 0));
	EXPECT_EQ((1UL << 63) / self->page, unpinned_pages(fd));
	EXPECT_EQ(0, drop_slab());
	EXPECT_LE(0, pin(fd, self->page, self->page));
	EXPECT_EQ((1UL << 63) / self->page - 1, unpinned_pages(fd));
	EXPECT_LE(0, purge_all());
	EXPECT_EQ(ASHMEM_WAS_PURGED, pin(fd, 0, 0));
	EXPECT_EQ(0, unpinned_pages(fd));
	close(fd);
}
#endif

/* More ranges than the tree has room for in a few levels, in three orders. */
FIXTURE(many) {
	int fd;
	size_t page;
	unsigned int *order;
};

FIXTURE_VARIANT(many) {
	char order;
};

FIXTURE_VARIANT_ADD(many, ascending) { 'a' };
FIXTURE_VARIANT_ADD(many, descending) { 'd' };
FIXTURE_VARIANT_ADD(many, random) { 'r' };

#define MANY		(10000 / slowness())

FIXTURE_SETUP(many)
{
	unsigned int seed = 1;

	self->page = page_size();
	self->fd = mapped_region(2 * MANY * self->page);
	ASSERT_LE(0, self->fd);
	self->order = calloc(MANY, sizeof(*self->order));
	ASSERT_NE(NULL, self->order);
	for (int i = 0; i < MANY; i++) {
		int j = i;

		if (variant->order == 'r') {
			seed = seed * 1664525 + 1013904223;
			j = (int)((seed >> 8) % (i + 1));
		}
		self->order[i] = self->order[j];
		self->order[j] = variant->order == 'd' ? MANY - 1 - i : i;
	}
}

FIXTURE_TEARDOWN(many)
{
	free(self->order);
	close(self->fd);
}

TEST_F(many, ranges)
{
	for (int i = 0; i < MANY; i++)
		ASSERT_EQ(0, unpin(self->fd, 2 * self->order[i] * self->page,
				   self->page));
	EXPECT_EQ(MANY, unpinned_pages(self->fd));
	for (int i = 0; i < MANY; i++) {
		ASSERT_EQ(ASHMEM_IS_UNPINNED,
			  pin_status(self->fd, 2 * i * self->page, self->page));
		ASSERT_EQ(ASHMEM_IS_PINNED,
			  pin_status(self->fd, (2 * i + 1) * self->page,
				     self->page));
	}
	for (int i = 0; i < MANY; i += 2)
		ASSERT_EQ(ASHMEM_NOT_PURGED,
			  pin(self->fd, 2 * self->order[i] * self->page,
			      self->page));
	EXPECT_EQ(MANY / 2, unpinned_pages(self->fd));
	/* All that is left becomes one range, and the rest of the region with it. */
	EXPECT_EQ(0, unpin(self->fd, 0, 0));
	EXPECT_EQ(2 * MANY, unpinned_pages(self->fd));
	EXPECT_EQ(ASHMEM_NOT_PURGED, pin(self->fd, 0, 0));
	EXPECT_EQ(0, unpinned_pages(self->fd));
}

#define ADJACENT	100

/* The pages of @mask, a flag for each, and no others are unpinned. */
static bool are_unpinned(int fd, const bool *mask)
{
	for (size_t i = 0; i < ADJACENT; i++) {
		long status = pin_status(fd, i * page_size(), page_size());

		if (status != (mask[i] ? ASHMEM_IS_UNPINNED : ASHMEM_IS_PINNED))
			return false;
	}
	return true;
}

/*
 * Ranges side by side, which are unpinned as a whole once more: that changes nothing.
 * What is pinned of them afterwards is pinned, and none beside it.
 */
TEST(adjacent_ranges)
{
	const size_t page = page_size();
	const int fd = mapped_region(ADJACENT * page);
	unsigned int seed = 1;
	bool mask[ADJACENT];

	ASSERT_LE(0, fd);
	memset(mask, true, sizeof(mask));
	for (size_t i = 0; i < ADJACENT; i++)
		ASSERT_EQ(0, unpin(fd, i * page, page));
	for (int round = 0; round < 200 / slowness(); round++) {
		size_t at, len, behind;

		ASSERT_EQ(0, unpin(fd, 0, 0));
		ASSERT_EQ(ADJACENT, unpinned_pages(fd));
		ASSERT_TRUE(are_unpinned(fd, mask));

		/* Some pages, and one more with another one between. */
		seed = seed * 1664525 + 1013904223;
		at = (seed >> 8) % (ADJACENT - 4);
		len = 1 + (seed >> 24) % 2;
		behind = at + len + 1;
		ASSERT_EQ(ASHMEM_NOT_PURGED, pin(fd, at * page, len * page));
		ASSERT_EQ(ASHMEM_NOT_PURGED, pin(fd, behind * page, page));
		memset(mask + at, false, len);
		mask[behind] = false;
		ASSERT_EQ(0, at ? unpin(fd, 0, at * page) : 0);
		ASSERT_EQ(0, unpin(fd, (behind + 1) * page, 0));
		ASSERT_TRUE(are_unpinned(fd, mask));

		ASSERT_EQ(0, unpin(fd, behind * page, page));
		for (size_t i = at; i < at + len; i++)
			ASSERT_EQ(0, unpin(fd, i * page, page));
		memset(mask, true, sizeof(mask));
	}
	ASSERT_EQ(ASHMEM_NOT_PURGED, pin(fd, page, (ADJACENT - 2) * page));
	memset(mask + 1, false, ADJACENT - 2);
	EXPECT_EQ(2, unpinned_pages(fd));
	EXPECT_TRUE(are_unpinned(fd, mask));
	close(fd);
}

/* A region whose first @count pages are a range each, and known to be unpinned as a whole. */
static int region_with_run(size_t count)
{
	const int fd = mapped_region(ADJACENT * page_size());

	for (size_t i = 0; fd >= 0 && i < count; i++) {
		if (unpin(fd, i * page_size(), page_size()))
			return -1;
	}
	if (fd < 0 || unpin(fd, 0, count * page_size()))
		return -1;
	return fd;
}

TEST(adjacent_ranges_and_pages_behind_them)
{
	const int fd = region_with_run(ADJACENT / 2);
	bool mask[ADJACENT];

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, unpin(fd, 0, (ADJACENT - 1) * page_size()));
	memset(mask, true, sizeof(mask));
	mask[ADJACENT - 1] = false;
	EXPECT_EQ(ADJACENT - 1, unpinned_pages(fd));
	EXPECT_TRUE(are_unpinned(fd, mask));
	close(fd);
}

/* Nothing is known of them any more: a page that is unpinned does not stand for the others. */
TEST(adjacent_ranges_all_pinned)
{
	const int fd = region_with_run(ADJACENT);
	bool mask[ADJACENT] = { true };

	ASSERT_LE(0, fd);
	ASSERT_EQ(ASHMEM_NOT_PURGED, pin(fd, 0, 0));
	EXPECT_EQ(0, unpinned_pages(fd));
	ASSERT_EQ(0, unpin(fd, 0, page_size()));
	EXPECT_TRUE(are_unpinned(fd, mask));
	ASSERT_EQ(0, unpin(fd, 0, 0));
	memset(mask, true, sizeof(mask));
	EXPECT_EQ(ADJACENT, unpinned_pages(fd));
	EXPECT_TRUE(are_unpinned(fd, mask));
	close(fd);
}

TEST_HARNESS_MAIN
