// SPDX-License-Identifier: GPL-2.0
/*
 * What a purge does, to whom, and how PIN tells: mostly with
 * ASHMEM_PURGE_ALL_CACHES, which leaves nothing to chance.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#include "ashmem_test.h"
#include "harness.h"

#define PAGES		8
#define SHRINKER	"/sys/module/ashmem/parameters/shrinker"
/* Of tests/module. */
#define LOCKER		"/sys/kernel/debug/ashmem_locker"

FIXTURE(purge) {
	int fd;
	size_t page;
	size_t len;
	char *p;
};

FIXTURE_SETUP(purge)
{
	self->page = page_size();
	self->len = PAGES * self->page;
	self->fd = region("purge", self->len);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, map(self->fd, self->len, PROT_RW, MAP_SHARED, &self->p));
	memset(self->p, 'x', self->len);
}

FIXTURE_TEARDOWN(purge)
{
	munmap(self->p, self->len);
	close(self->fd);
	/* Nothing of one test is left for the next. */
	EXPECT_EQ(0, purge_all());
}

/* Operations on pages by their numbers. */
static long pin_pages(int fd, int first, int last)
{
	return pin(fd, first * page_size(), (last - first + 1) * page_size());
}

static long unpin_pages(int fd, int first, int last)
{
	return unpin(fd, first * page_size(), (last - first + 1) * page_size());
}

/* A bit for each page that reads as zero. */
static unsigned int zeroes(const char *p)
{
	unsigned int mask = 0;

	for (int i = 0; i < PAGES; i++)
		mask |= is_all(p + i * page_size(), page_size(), 0) << i;
	return mask;
}

static long purge_all_as_nobody(void *arg)
{
	long ret = become_nobody();

	(void)arg;
	return ret ?: purge_all();
}

static long purge_all_in_own_namespace(void *arg)
{
	long ret = result(unshare(CLONE_NEWUSER));

	(void)arg;
	return ret ?: purge_all();
}

TEST_F(purge, all_wants_an_administrator)
{
	ASSERT_EQ(0, unpin_pages(self->fd, 0, 7));
	EXPECT_EQ(-EPERM, in_child(purge_all_as_nobody, NULL));
	EXPECT_EQ(-EPERM, in_child(purge_all_in_own_namespace, NULL));
	EXPECT_EQ(0, zeroes(self->p));
	EXPECT_EQ(8, purge_all());
	EXPECT_EQ(0xff, zeroes(self->p));
}

TEST_F(purge, nothing_is_unpinned)
{
	EXPECT_EQ(0, purge_all());
	EXPECT_EQ(0, drop_slab());
	EXPECT_EQ(0, zeroes(self->p));
	EXPECT_EQ(ASHMEM_NOT_PURGED, pin(self->fd, 0, 0));
}

/* It says what was there to purge when it began: each page once. */
TEST_F(purge, all_counts_pages)
{
	int other = region(NULL, 3 * self->page);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, try_map(other, 1, PROT_READ, MAP_SHARED));
	ASSERT_EQ(0, unpin_pages(self->fd, 0, 0));
	ASSERT_EQ(0, unpin_pages(self->fd, 5, 6));
	ASSERT_EQ(0, unpin(other, 0, 0));
	EXPECT_EQ(6, purge_all());
	EXPECT_EQ(0, purge_all());
	EXPECT_EQ(3, unpinned_pages(self->fd));
	EXPECT_EQ(0x61, zeroes(self->p));
	EXPECT_EQ(ASHMEM_WAS_PURGED, pin(self->fd, 0, 0));
	EXPECT_EQ(0, purge_all());
	close(other);
}

/* What ioctl returns is an int. */
TEST_F(purge, all_counts_to_the_largest_int)
{
	const unsigned long long pages = 1ULL << 33;
	int fd;

	if (sizeof(size_t) < 8)
		SKIP(return, "no region has so many pages");
	fd = region("large", pages * self->page);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, try_map(fd, 1, PROT_RW, MAP_SHARED | MAP_NORESERVE));
	ASSERT_EQ(0, unpin(fd, 0, 0));
	EXPECT_EQ(INT_MAX, purge_all());
	EXPECT_EQ(0, purge_all());
	EXPECT_EQ(ASHMEM_WAS_PURGED, pin(fd, 0, 0));
	close(fd);
}

/* By whatever road: the pages are gone, the pinned ones are not. */
TEST_F(purge, pages_read_as_zero)
{
	char buf[PAGES * 65536];
	char *again;

	ASSERT_GE(sizeof(buf), self->len);
	ASSERT_EQ(0, unpin_pages(self->fd, 2, 4));
	ASSERT_EQ(3, purge_all());
	EXPECT_EQ(0x1c, zeroes(self->p));
	ASSERT_EQ(self->len, read(self->fd, buf, self->len));
	EXPECT_EQ(0x1c, zeroes(buf));
	ASSERT_EQ(0, map(self->fd, self->len, PROT_READ, MAP_SHARED, &again));
	EXPECT_EQ(0x1c, zeroes(again));
	munmap(again, self->len);
}

static long shmem_kib(void)
{
	return number_in("/proc/meminfo", "Shmem:");
}

/* The memory goes back to the system, and the file has a hole. */
TEST_F(purge, memory_is_free)
{
	const size_t len = 32UL << 20;
	int fd = region("large", len);
	long before, after;
	char *p;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map(fd, len, PROT_RW, MAP_SHARED, &p));
	memset(p, 'x', len);
	before = shmem_kib();
	ASSERT_EQ(0, unpin(fd, self->page, 0));
	EXPECT_EQ(len / self->page - 1, purge_all());
	after = shmem_kib();
	EXPECT_LT(30L << 10, before - after);
	EXPECT_EQ(self->page, lseek(fd, 0, SEEK_HOLE));
	EXPECT_EQ(-ENXIO, result(lseek(fd, self->page, SEEK_DATA)));
	EXPECT_TRUE(is_all(p, self->page, 'x'));
	munmap(p, len);
	close(fd);
}

/* Some ranges: how many pages they have is not known exactly. */
static long unpin_even_pages(int fd)
{
	long ret = 0;

	for (int i = 0; i < PAGES && !ret; i += 2)
		ret = unpin_pages(fd, i, i);
	return ret;
}

static void *drop_slab_twice(void *done)
{
	drop_slab();
	drop_slab();
	atomic_store((atomic_bool *)done, true);
	return NULL;
}

/*
 * The task that reclaims may hold the locks of folios: it must not wait for one, at least not for
 * long. What is behind it comes with the next scan.
 */
TEST_F_TIMEOUT(purge, reclaim_waits_for_no_folio, 90)
{
	int locker = open(LOCKER, O_WRONLY | O_CLOEXEC);
	int other = region("other", self->len);
	atomic_bool done = false;
	char address[32], *p;
	pthread_t thread;

	if (locker < 0)
		SKIP(return, "%s: %s", LOCKER, strerror(errno));
	ASSERT_LE(0, other);
	ASSERT_EQ(0, map(other, self->len, PROT_RW, MAP_SHARED, &p));
	memset(p, 'x', self->len);
	ASSERT_EQ(0, unpin_pages(self->fd, 5, 5));
	usleep(TICKS_US);
	ASSERT_EQ(0, unpin_even_pages(other));
	snprintf(address, sizeof(address), "%p", self->p + 5 * self->page);
	ASSERT_LT(0, write(locker, address, strlen(address)));
	ASSERT_EQ(0, pthread_create(&thread, NULL, drop_slab_twice, &done));
	for (int i = 0; i < 300 * slowness() && !atomic_load(&done); i++)
		usleep(100000);
	EXPECT_TRUE(atomic_load(&done));
	if (atomic_load(&done)) {
		EXPECT_EQ(0x55, zeroes(p));
		EXPECT_EQ(ASHMEM_WAS_PURGED, pin(other, 0, 0));
	}
	/* Nor does it take more when it gets on again, and nobody waits any more. */
	memset(p, 'y', self->len);
	ASSERT_EQ(0, unpin_even_pages(other));
	close(locker);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(ASHMEM_WAS_PURGED, pin(self->fd, 0, 0));
	EXPECT_EQ(0x20, zeroes(self->p));
	usleep(200000 * slowness());
	EXPECT_EQ(0, zeroes(p));
	EXPECT_EQ(ASHMEM_NOT_PURGED, pin(other, 0, 0));
	munmap(p, self->len);
	close(other);
}

/* Private memory is the mapping's own, not the region's. */
TEST_F(purge, private_memory_stays)
{
	char *mine;

	ASSERT_EQ(0, map(self->fd, self->len, PROT_RW, MAP_PRIVATE, &mine));
	memset(mine, 'm', self->len / 2);
	ASSERT_EQ(0, unpin(self->fd, 0, 0));
	EXPECT_EQ(8, purge_all());
	EXPECT_EQ(0xff, zeroes(self->p));
	EXPECT_TRUE(is_all(mine, self->len / 2, 'm'));
	EXPECT_TRUE(is_all(mine + self->len / 2, self->len / 2, 0));
	munmap(mine, self->len);
}

/* PIN says it once: then the pages are as good as new. */
TEST_F(purge, pin_tells_once)
{
	ASSERT_EQ(0, unpin(self->fd, 0, 0));
	ASSERT_EQ(8, purge_all());
	EXPECT_EQ(ASHMEM_IS_UNPINNED, pin_status(self->fd, 0, 0));
	EXPECT_EQ(ASHMEM_WAS_PURGED, pin(self->fd, 0, 0));
	EXPECT_EQ(ASHMEM_IS_PINNED, pin_status(self->fd, 0, 0));
	EXPECT_EQ(ASHMEM_NOT_PURGED, pin(self->fd, 0, 0));
	ASSERT_EQ(0, unpin(self->fd, 0, 0));
	EXPECT_EQ(ASHMEM_NOT_PURGED, pin(self->fd, 0, 0));
	memset(self->p, 'y', self->len);
	EXPECT_EQ(0, purge_all());
	EXPECT_TRUE(is_all(self->p, self->len, 'y'));
}

/* What PIN takes out of the purged pages 2 to 5, and what stays around it. */
FIXTURE(overlap) {
	int fd;
	size_t page;
	char *p;
};

FIXTURE_VARIANT(overlap) {
	int first;
	int last;
	unsigned int left;
};

FIXTURE_VARIANT_ADD(overlap, whole) { 2, 5, 0x00 };
FIXTURE_VARIANT_ADD(overlap, more) { 1, 6, 0x00 };
FIXTURE_VARIANT_ADD(overlap, front) { 2, 3, 0x30 };
FIXTURE_VARIANT_ADD(overlap, front_and_before) { 0, 3, 0x30 };
FIXTURE_VARIANT_ADD(overlap, back) { 4, 5, 0x0c };
FIXTURE_VARIANT_ADD(overlap, back_and_behind) { 4, 7, 0x0c };
FIXTURE_VARIANT_ADD(overlap, middle) { 3, 4, 0x24 };
FIXTURE_VARIANT_ADD(overlap, one_of_the_middle) { 3, 3, 0x34 };

FIXTURE_SETUP(overlap)
{
	self->page = page_size();
	self->fd = region("overlap", PAGES * self->page);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, map(self->fd, PAGES * self->page, PROT_RW, MAP_SHARED,
			 &self->p));
	memset(self->p, 'x', PAGES * self->page);
	ASSERT_EQ(0, unpin_pages(self->fd, 2, 5));
}

FIXTURE_TEARDOWN(overlap)
{
	munmap(self->p, PAGES * self->page);
	close(self->fd);
}

TEST_F(overlap, the_rest_stays_purged)
{
	ASSERT_EQ(4, purge_all());
	EXPECT_EQ(ASHMEM_WAS_PURGED,
		  pin_pages(self->fd, variant->first, variant->last));
	for (int i = 0; i < PAGES; i++) {
		bool left = variant->left >> i & 1;

		EXPECT_EQ(left ? ASHMEM_IS_UNPINNED : ASHMEM_IS_PINNED,
			  pin_status(self->fd, i * self->page, self->page));
	}
	/* It has gone already. */
	EXPECT_EQ(0, purge_all());
	for (int i = 0; i < PAGES; i++) {
		bool left = variant->left >> i & 1;

		EXPECT_EQ(left ? ASHMEM_WAS_PURGED : ASHMEM_NOT_PURGED,
			  pin_pages(self->fd, i, i))
			TH_LOG("page %d", i);
	}
}

TEST_F(overlap, the_rest_can_be_purged)
{
	EXPECT_EQ(ASHMEM_NOT_PURGED,
		  pin_pages(self->fd, variant->first, variant->last));
	EXPECT_EQ(__builtin_popcount(variant->left), purge_all());
	EXPECT_EQ(variant->left, zeroes(self->p));
	EXPECT_EQ(variant->left ? ASHMEM_WAS_PURGED : ASHMEM_NOT_PURGED,
		  pin(self->fd, 0, 0));
}

/* UNPIN makes one range of all that it overlaps, and none of it is forgotten. */
TEST_F(purge, merging_keeps_what_was_purged)
{
	ASSERT_EQ(0, unpin_pages(self->fd, 1, 2));
	ASSERT_EQ(2, purge_all());
	ASSERT_EQ(0, unpin_pages(self->fd, 5, 6));
	ASSERT_EQ(0, unpin_pages(self->fd, 2, 5));
	EXPECT_EQ(6, unpinned_pages(self->fd));
	/* A part that was never purged: it belongs to the same range now. */
	EXPECT_EQ(ASHMEM_WAS_PURGED, pin_pages(self->fd, 6, 6));
	EXPECT_EQ(ASHMEM_WAS_PURGED, pin_pages(self->fd, 4, 4));
	EXPECT_EQ(ASHMEM_WAS_PURGED, pin_pages(self->fd, 1, 3));
	EXPECT_TRUE(is_all(self->p + 3 * self->page, 5 * self->page, 'x'));
}

/* What a merged range still has can be purged, though a part has been before. */
TEST_F(purge, merging_leaves_data_purgeable)
{
	ASSERT_EQ(0, unpin_pages(self->fd, 1, 2));
	ASSERT_EQ(2, purge_all());
	memset(self->p + self->page, 'y', self->page);
	ASSERT_EQ(0, unpin_pages(self->fd, 2, 4));
	EXPECT_EQ(4, purge_all());
	EXPECT_EQ(0x1e, zeroes(self->p));
	EXPECT_EQ(ASHMEM_WAS_PURGED, pin_pages(self->fd, 4, 4));
}

TEST_F(purge, merging_over_a_gap)
{
	ASSERT_EQ(0, unpin_pages(self->fd, 0, 1));
	ASSERT_EQ(2, purge_all());
	ASSERT_EQ(0, unpin_pages(self->fd, 6, 7));
	ASSERT_EQ(0, unpin_pages(self->fd, 3, 3));
	ASSERT_EQ(0, unpin(self->fd, 0, 0));
	EXPECT_EQ(ASHMEM_WAS_PURGED, pin_pages(self->fd, 4, 4));
	EXPECT_EQ(7, purge_all());
	EXPECT_EQ(0xef, zeroes(self->p));
}

TEST_F(purge, neighbours_stay_apart)
{
	ASSERT_EQ(0, unpin_pages(self->fd, 2, 3));
	ASSERT_EQ(2, purge_all());
	ASSERT_EQ(0, unpin_pages(self->fd, 4, 5));
	ASSERT_EQ(0, unpin_pages(self->fd, 0, 1));
	EXPECT_EQ(ASHMEM_NOT_PURGED, pin_pages(self->fd, 4, 5));
	EXPECT_EQ(ASHMEM_NOT_PURGED, pin_pages(self->fd, 0, 1));
	EXPECT_EQ(ASHMEM_WAS_PURGED, pin_pages(self->fd, 2, 3));
}

/* What is wholly unpinned already, by one range or several, does not change. */
TEST_F(purge, unpinning_again_changes_nothing)
{
	ASSERT_EQ(0, unpin_pages(self->fd, 0, 3));
	ASSERT_EQ(4, purge_all());
	memset(self->p, 'y', self->len);
	ASSERT_EQ(0, unpin_pages(self->fd, 4, 5));
	ASSERT_EQ(0, unpin_pages(self->fd, 0, 3));
	ASSERT_EQ(0, unpin_pages(self->fd, 1, 2));
	ASSERT_EQ(0, unpin_pages(self->fd, 2, 5));
	/* Only what was not purged before. */
	EXPECT_EQ(2, purge_all());
	EXPECT_EQ(0x30, zeroes(self->p));
	EXPECT_EQ(ASHMEM_WAS_PURGED, pin_pages(self->fd, 0, 3));
	EXPECT_EQ(ASHMEM_WAS_PURGED, pin_pages(self->fd, 4, 5));
}

/* Who closes the last descriptor wants no answer any more: the rest stays. */
TEST_F(purge, close_ends_it)
{
	int other = dup(self->fd);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, unpin(self->fd, 0, 0));
	close(self->fd);
	EXPECT_EQ(8, unpinned_pages(other));
	self->fd = other;
	EXPECT_EQ(8, purge_all());
	EXPECT_EQ(ASHMEM_WAS_PURGED, pin(other, 0, 0));

	memset(self->p, 'y', self->len);
	ASSERT_EQ(0, unpin(other, 0, 0));
	close(other);
	EXPECT_EQ(0, purge_all());
	EXPECT_EQ(0, drop_slab());
	EXPECT_TRUE(is_all(self->p, self->len, 'y'));
	self->fd = region_open();
}

static long exit_holding_it(void *arg)
{
	(void)arg;
	return 0;
}

TEST_F(purge, a_child_that_ends_changes_nothing)
{
	ASSERT_EQ(0, unpin(self->fd, 0, 0));
	ASSERT_EQ(0, in_child(exit_holding_it, NULL));
	EXPECT_EQ(8, unpinned_pages(self->fd));
	EXPECT_EQ(8, purge_all());
}

/* It takes as long to close them in a slow kernel. */
#define MANY		(20000UL / slowness())

static void *close_it(void *fd)
{
	close(*(int *)fd);
	return NULL;
}

/* Its entries stand before all others in the order: reclaim finds what is behind them. */
TEST_F_TIMEOUT(purge, a_region_that_goes_hides_no_other, 60)
{
	for (int round = 0; round < 5; round++) {
		int fd = region("many", 2 * MANY * self->page);
		pthread_t thread;

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, try_map(fd, self->page, PROT_RW, MAP_SHARED));
		/* The tree goes from its front, the order begins at its end. */
		for (size_t i = MANY; i-- > 0;)
			ASSERT_EQ(0, unpin(fd, 2 * i * self->page, self->page));
		memset(self->p, 'x', self->len);
		ASSERT_EQ(0, unpin(self->fd, 0, 0));
		ASSERT_EQ(0, pthread_create(&thread, NULL, close_it, &fd));
		for (int i = 0; i < 1000 && zeroes(self->p) != 0xff; i++)
			EXPECT_EQ(0, drop_slab());
		EXPECT_EQ(0xff, zeroes(self->p));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		EXPECT_EQ(ASHMEM_WAS_PURGED, pin(self->fd, 0, 0));
	}
}

#define HUGE_PAGES	3

/* Of many huge pages only those are split that a range begins or ends in. */
TEST_F(purge, huge_pages_go_whole)
{
	const size_t huge = huge_page(), len = HUGE_PAGES * huge;
	long before, after;
	char *p;
	int fd;

	if (!huge)
		SKIP(return, "this kernel has no huge pages");
	if (huge > 32UL << 20)
		SKIP(return, "they are too large for this system");
	fd = region("huge", len);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map_aligned(fd, len, PROT_RW, MAP_SHARED, huge, &p));
	memset(p, 'x', len);
	if (madvise(p, len, MADV_COLLAPSE))
		SKIP(return, "no huge page: %s", strerror(errno));
	before = number_in("/proc/vmstat", "thp_split_page ");
	ASSERT_LE(0, before);
	ASSERT_EQ(0, unpin(fd, self->page, 0));
	EXPECT_EQ(0, drop_slab());
	EXPECT_EQ(self->page, lseek(fd, 0, SEEK_HOLE));
	EXPECT_EQ(-ENXIO, result(lseek(fd, self->page, SEEK_DATA)));
	EXPECT_TRUE(is_all(p, self->page, 'x'));
	EXPECT_TRUE(is_all(p + self->page, len - self->page, 0));
	after = number_in("/proc/vmstat", "thp_split_page ");
	EXPECT_LE(before, after);
	EXPECT_GE(before + 1, after);
	munmap(p, len);
	close(fd);
}

/* A range of many pieces, and one of pages that never were. */
TEST_F(purge, large_and_sparse)
{
	const size_t pages = 5000;
	int fd = region("large", pages * self->page);
	char *p;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map(fd, pages * self->page, PROT_RW, MAP_SHARED, &p));
	ASSERT_EQ(0, unpin(fd, 0, 0));
	EXPECT_EQ(pages, purge_all());
	EXPECT_EQ(ASHMEM_WAS_PURGED, pin(fd, 0, 0));

	memset(p, 'x', pages * self->page);
	ASSERT_EQ(0, unpin(fd, 0, 0));
	EXPECT_EQ(pages, purge_all());
	EXPECT_TRUE(is_all(p, pages * self->page, 0));
	EXPECT_EQ(ASHMEM_WAS_PURGED, pin(fd, (pages - 1) * self->page, 0));

	/* A page here and there. */
	EXPECT_EQ(ASHMEM_WAS_PURGED, pin(fd, 0, 0));
	for (size_t i = 0; i < pages; i += 613)
		p[i * self->page] = 'x';
	ASSERT_EQ(0, unpin(fd, 0, 0));
	EXPECT_EQ(0, drop_slab());
	EXPECT_TRUE(is_all(p, pages * self->page, 0));
	EXPECT_EQ(0, purge_all());
	munmap(p, pages * self->page);
	close(fd);
}

TEST_F(purge, many_ranges)
{
	const size_t pages = 20000 / slowness();
	int fd = region("many", pages * self->page);
	char *p;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map(fd, pages * self->page, PROT_RW, MAP_SHARED, &p));
	memset(p, 'x', pages * self->page);
	for (size_t i = 0; i < pages; i += 2)
		ASSERT_EQ(0, unpin(fd, i * self->page, self->page));
	EXPECT_EQ(pages / 2, purge_all());
	for (size_t i = 0; i < pages; i++)
		ASSERT_EQ(i % 2 ? 'x' : 0, p[i * self->page]);
	for (size_t i = 0; i < pages; i++)
		ASSERT_EQ(i % 2 ? ASHMEM_NOT_PURGED : ASHMEM_WAS_PURGED,
			  pin(fd, i * self->page, self->page));
	munmap(p, pages * self->page);
	close(fd);
}

/* Reclaim comes through the shrinker, which can be switched off. */
TEST_F(purge, by_reclaim)
{
	ASSERT_EQ(0, unpin_pages(self->fd, 1, 6));
	ASSERT_EQ(0, drop_slab());
	EXPECT_EQ(0x7e, zeroes(self->p));
	EXPECT_EQ(ASHMEM_NOT_PURGED, pin_pages(self->fd, 0, 0));
	EXPECT_EQ(ASHMEM_WAS_PURGED, pin_pages(self->fd, 6, 7));
	EXPECT_EQ(0, purge_all());
}

TEST_F(purge, not_by_reclaim_when_switched_off)
{
	ASSERT_EQ(0, write_text(SHRINKER, "N"));
	ASSERT_EQ(0, unpin(self->fd, 0, 0));
	EXPECT_EQ(0, drop_slab());
	EXPECT_EQ(0, zeroes(self->p));
	EXPECT_EQ(ASHMEM_NOT_PURGED, pin(self->fd, 0, 0));

	/* Who asks for it gets it. */
	ASSERT_EQ(0, unpin_pages(self->fd, 0, 3));
	EXPECT_EQ(4, purge_all());
	ASSERT_EQ(0, unpin_pages(self->fd, 5, 5));
	ASSERT_EQ(0, write_text(SHRINKER, "Y"));
	ASSERT_EQ(0, drop_slab());
	EXPECT_EQ(0x2f, zeroes(self->p));
}

static void *drop_slab_once(void *ret)
{
	*(long *)ret = drop_slab();
	return NULL;
}

/*
 * Switches it off while a scan waits for the folio of @p, and on again when that is over. Returns
 * how many scans had begun by then, or -errno: where all is slow, more than that one.
 */
static long switch_off_in_a_scan(const char *p)
{
	const long scans = total("shrinker_calls");
	int locker = open(LOCKER, O_WRONLY | O_CLOEXEC);
	char address[32];
	pthread_t thread;
	long begun, ret, dropped;

	snprintf(address, sizeof(address), "%p", p);
	if (write(locker, address, strlen(address)) < 0)
		return -errno;
	ret = -pthread_create(&thread, NULL, drop_slab_once, &dropped);
	if (ret)
		return ret;
	while (total("shrinker_calls") == scans)
		usleep(1000);
	write_text(SHRINKER, "N");
	begun = total("shrinker_calls") - scans;
	close(locker);
	pthread_join(thread, NULL);
	write_text(SHRINKER, "Y");
	return dropped ?: begun;
}

/* A scan that is under way then ends with the part that it is at. */
TEST_F_TIMEOUT(purge, not_by_a_scan_that_had_begun_when_switched_off, 90)
{
	int other = region("other", self->len);
	bool has_met = false;
	long begun;
	char *p;

	if (access(LOCKER, F_OK))
		SKIP(return, "%s: %s", LOCKER, strerror(errno));
	ASSERT_LE(0, other);
	ASSERT_EQ(0, map(other, self->len, PROT_RW, MAP_SHARED, &p));
	for (int round = 0; round < 20 && !has_met; round++) {
		memset(self->p, 'x', self->len);
		memset(p, 'x', self->len);
		ASSERT_EQ(0, unpin_pages(self->fd, 5, 5));
		usleep(TICKS_US);
		ASSERT_EQ(0, unpin_even_pages(other));
		begun = switch_off_in_a_scan(self->p + 5 * self->page);
		ASSERT_LT(0, begun);
		has_met = begun == 1;
		if (has_met) {
			EXPECT_EQ(0, zeroes(p));
			EXPECT_EQ(ASHMEM_NOT_PURGED, pin(other, 0, 0));
		}
		ASSERT_LE(0, pin(self->fd, 0, 0));
		ASSERT_LE(0, pin(other, 0, 0));
	}
	munmap(p, self->len);
	close(other);
	if (!has_met)
		SKIP(return, "nothing comes between two scans here");
}

/* Threads that pin and unpin as long as there is something to disturb. */
struct disturber {
	pthread_t thread;
	int fd;
	size_t first;
	size_t pages;
	atomic_bool stop;
	atomic_ulong rounds;
};

static void *disturb(void *arg)
{
	struct disturber *d = arg;
	size_t page = page_size();
	unsigned int seed = d->first + 1;

	while (!d->stop) {
		size_t at, len;

		seed = seed * 1664525 + 1013904223;
		at = (seed >> 8) % d->pages;
		len = 1 + (seed >> 20) % (d->pages - at);
		unpin(d->fd, (d->first + at) * page, len * page);
		pin(d->fd, (d->first + at) * page, len * page);
		d->rounds++;
	}
	return NULL;
}

/*
 * Whatever was unpinned when it began is purged, while one thread pins and
 * unpins in another region, and one in the same.
 */
TEST_F_TIMEOUT(purge, all_is_complete_beside_pinners, 90)
{
	const size_t quiet = 2000, busy = 64;
	const int purges = 5 + 30 / slowness();
	struct disturber d[2] = {};
	unsigned long rounds = 0;
	char *p;
	int fd;

	fd = region("busy", (quiet + busy) * self->page);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map(fd, (quiet + busy) * self->page, PROT_RW, MAP_SHARED,
			 &p));
	d[0] = (struct disturber){ .fd = fd, .first = quiet, .pages = busy };
	d[1] = (struct disturber){ .fd = self->fd, .pages = PAGES };
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&d[i].thread, NULL, disturb,
					    &d[i]));
	for (int round = 0; round < purges; round++) {
		memset(p, 'x', quiet * self->page);
		for (size_t i = 0; i < quiet; i += 20)
			EXPECT_EQ(0, unpin(fd, i * self->page,
					   (1 + i % 19) * self->page));
		EXPECT_LE(0, purge_all());
		for (size_t i = 0; i < quiet; i += 20) {
			size_t n = 1 + i % 19;

			EXPECT_TRUE(is_all(p + i * self->page, n * self->page,
					   0));
			EXPECT_TRUE(is_all(p + (i + n) * self->page,
					   (20 - n) * self->page, 'x'));
			EXPECT_EQ(ASHMEM_WAS_PURGED,
				  pin(fd, i * self->page, n * self->page));
		}
	}
	for (int i = 0; i < 2; i++) {
		d[i].stop = true;
		pthread_join(d[i].thread, NULL);
		EXPECT_LT(100, d[i].rounds);
		rounds += d[i].rounds;
	}
	printf("# %lu rounds of pinning beside %d purges\n", rounds, purges);
	EXPECT_EQ(0, unpinned_pages(fd));
	munmap(p, (quiet + busy) * self->page);
	close(fd);
}

static void *drop_without_end(void *arg)
{
	atomic_bool *stop = arg;

	while (!*stop)
		drop_slab();
	return NULL;
}

/* What memory reclaim has begun to purge is gone, too, when it comes back. */
TEST_F_TIMEOUT(purge, all_waits_for_reclaim, 90)
{
	const size_t pages = 3000, len = pages * self->page;
	const int least = 6, rounds = least + 64 / slowness();
	const time_t start = time(NULL);
	int fd = region("reclaimed", len), round;
	atomic_bool stop = false;
	pthread_t thread;
	char *p;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map(fd, len, PROT_RW, MAP_SHARED, &p));
	ASSERT_EQ(0, pthread_create(&thread, NULL, drop_without_end, &stop));
	/* On a busy machine so many may take too long. */
	for (round = 0; round < least ||
	     (round < rounds && time(NULL) < start + 60); round++) {
		size_t left = 0;

		memset(p, 'x', len);
		ASSERT_EQ(0, unpin(fd, 0, 0));
		ASSERT_LE(0, purge_all());
		/* The last pages are the last to go. */
		for (size_t i = pages; i--;)
			left += p[i * self->page] == 'x';
		ASSERT_EQ(0, left);
		ASSERT_EQ(ASHMEM_WAS_PURGED, pin(fd, 0, 0));
	}
	stop = true;
	pthread_join(thread, NULL);
	printf("# %d rounds\n", round);
	EXPECT_LE(least, round);
	munmap(p, len);
	close(fd);
}

/* A signal that kills ends even the longest purge. */
TEST_F(purge, all_can_be_killed)
{
	int fd = region("killed", 200UL << 20), status;
	pid_t child;
	char *p;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map(fd, 200UL << 20, PROT_RW, MAP_SHARED, &p));
	for (int round = 0; round < 20; round++) {
		memset(p, 'x', 8UL << 20);
		ASSERT_EQ(0, unpin(fd, 0, 0));
		child = fork();
		if (!child) {
			purge_all();
			_exit(0);
		}
		usleep(round * 200);
		kill(child, SIGKILL);
		ASSERT_EQ(child, waitpid(child, &status, 0));
		/* Nobody waits for ever for what it has begun. */
		ASSERT_LE(0, pin(fd, 0, 0));
	}
	EXPECT_EQ(0, purge_all());
	munmap(p, 200UL << 20);
	close(fd);
}

/* It ends at once: what it has not come to yet is not purged. */
TEST_F(purge, all_ends_when_killed)
{
	const size_t len = 64UL << 20;
	int fd = region("killed", len), early = 0;
	char *p;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map(fd, len, PROT_RW, MAP_SHARED, &p));
	/* On a busy machine it may have ended before it is killed. */
	for (int round = 0; round < 20 && !early; round++) {
		pid_t child;

		memset(p, 'x', len);
		ASSERT_EQ(0, unpin(fd, 0, 0));
		child = fork();
		if (!child) {
			purge_all();
			_exit(0);
		}
		/* Until it has begun. */
		while (is_all(p, 1, 'x'))
			sched_yield();
		kill(child, SIGKILL);
		ASSERT_EQ(child, waitpid(child, NULL, 0));
		early += p[len - 1] == 'x';
		ASSERT_EQ(ASHMEM_WAS_PURGED, pin(fd, 0, 0));
	}
	EXPECT_LT(0, early);
	munmap(p, len);
	close(fd);
}

TEST_HARNESS_MAIN
