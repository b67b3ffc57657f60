// SPDX-License-Identifier: GPL-2.0
/*
 * Unpinned pages that are in swap. The disk is that of tests/module.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/swap.h>

#include "ashmem_test.h"
#include "harness.h"

#define DISK		"/dev/ashmem_swap"

/* What swapon(2) looks for in the first page. */
struct swap_header {
	char boot[1024];
	unsigned int version;
	unsigned int last_page;
	unsigned int bad_pages;
};

FIXTURE(swap) {
	size_t page;
	size_t len;
	int fd;
	char *p;
};

/* Writes what mkswap does. */
static long make_swap(void)
{
	size_t page = page_size();
	int fd = open(DISK, O_RDWR | O_CLOEXEC);
	struct swap_header *header;
	long ret;

	if (fd < 0)
		return -errno;
	header = calloc(1, page);
	header->version = 1;
	header->last_page = lseek(fd, 0, SEEK_END) / page - 1;
	memcpy((char *)header + page - 10, "SWAPSPACE2", 10);
	ret = pwrite(fd, header, page, 0);
	free(header);
	close(fd);
	return ret == (long)page ? 0 : -EIO;
}

/* How many KiB of the mapping at an address are in swap. */
static long swapped_kib(const void *p)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	unsigned long start, end;
	bool is_here = false;
	char line[4096];
	long kib = -1;

	while (file && kib < 0 && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			is_here = (unsigned long)p - start < end - start;
		else if (is_here)
			sscanf(line, "Swap: %ld", &kib);
	}
	if (file)
		fclose(file);
	return kib;
}

/* How many huge pages have gone to swap without being split. */
static long swapped_whole(size_t huge)
{
	char path[128];

	snprintf(path, sizeof(path),
		 "/sys/kernel/mm/transparent_hugepage/hugepages-%zukB/stats/swpout",
		 huge >> 10);
	return number_in(path, "");
}

FIXTURE_SETUP(swap)
{
	self->page = page_size();
	self->len = huge_page() ?: 64 * self->page;
	if (self->len > 16UL << 20)
		SKIP(return, "a huge page does not fit on the disk");
	if (access(DISK, F_OK))
		SKIP(return, "%s: %s", DISK, strerror(errno));
	ASSERT_EQ(0, make_swap());
	if (swapon(DISK, 0))
		SKIP(return, "swapon: %s", strerror(errno));
	self->fd = region("swap", self->len);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, map_aligned(self->fd, self->len, PROT_RW, MAP_SHARED, self->len,
				 &self->p));
	fill(self->p, self->len, 3);
}

FIXTURE_TEARDOWN(swap)
{
	munmap(self->p, self->len);
	close(self->fd);
	swapoff(DISK);
}

/* Pages in swap are purged as others are, and pinned ones come back. */
TEST_F(swap, single_pages)
{
	size_t half = self->len / 2;

	ASSERT_EQ(0, madvise(self->p, self->len, MADV_PAGEOUT));
	ASSERT_LT(0, swapped_kib(self->p));
	ASSERT_EQ(0, unpin(self->fd, half, 0));
	EXPECT_EQ(0, drop_slab());
	EXPECT_TRUE(is_all(self->p + half, half, 0));
	EXPECT_EQ(ASHMEM_WAS_PURGED, pin(self->fd, half, 0));
	EXPECT_TRUE(is_filled(self->p, half, 3));
	EXPECT_EQ(ASHMEM_NOT_PURGED, pin(self->fd, 0, half));
}

/* A huge page that is in swap as one goes without coming back. */
TEST_F(swap, huge_page)
{
	long before, kib;

	if (madvise(self->p, self->len, MADV_COLLAPSE))
		SKIP(return, "no huge page: %s", strerror(errno));
	before = swapped_whole(self->len);
	ASSERT_EQ(0, madvise(self->p, self->len, MADV_PAGEOUT));
	kib = swapped_kib(self->p);
	if (swapped_whole(self->len) == before)
		SKIP(return, "the kernel splits huge pages that go to swap");
	EXPECT_EQ(self->len >> 10, kib);
	ASSERT_EQ(0, unpin(self->fd, 0, 0));
	EXPECT_EQ(0, drop_slab());
	EXPECT_EQ(0, swapped_kib(self->p));
	EXPECT_TRUE(is_all(self->p, self->len, 0));
	EXPECT_EQ(ASHMEM_WAS_PURGED, pin(self->fd, 0, 0));
}

/* Its halves, purged by reclaim and by an administrator: what is pinned comes back. */
TEST_F(swap, half_of_a_huge_page)
{
	size_t half = self->len / 2;

	for (int i = 0; i < 4; i++) {
		size_t purged = i & 1 ? half : 0, kept = half - purged;

		fill(self->p, self->len, 3);
		if (madvise(self->p, self->len, MADV_COLLAPSE))
			SKIP(return, "no huge page: %s", strerror(errno));
		ASSERT_EQ(0, madvise(self->p, self->len, MADV_PAGEOUT));
		ASSERT_EQ(0, unpin(self->fd, purged, half));
		EXPECT_EQ(i & 2 ? half / self->page : 0,
			  i & 2 ? purge_all() : drop_slab());
		EXPECT_TRUE(is_all(self->p + purged, half, 0));
		EXPECT_EQ(ASHMEM_WAS_PURGED, pin(self->fd, purged, half));
		EXPECT_TRUE(is_filled(self->p + kept, half, 3));
	}
}

/* One that begins and ends within huge pages keeps reclaim from no other region. */
TEST_F(swap, others_behind_a_part)
{
	int fd = region("other", self->page);
	char *p;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map(fd, self->page, PROT_RW, MAP_SHARED, &p));
	for (int i = 0; i < 3; i++) {
		madvise(self->p, self->len, MADV_COLLAPSE);
		ASSERT_EQ(0, madvise(self->p, self->len, MADV_PAGEOUT));
		ASSERT_EQ(0, unpin(self->fd, self->page, self->len - 2 * self->page));
		memset(p, 'x', self->page);
		ASSERT_EQ(0, unpin(fd, 0, 0));
		EXPECT_EQ(0, drop_slab());
		EXPECT_TRUE(is_all(p, self->page, 0));
		EXPECT_EQ(ASHMEM_WAS_PURGED, pin(fd, 0, 0));
		EXPECT_EQ(ASHMEM_WAS_PURGED, pin(self->fd, 0, 0));
		memset(self->p, 'y', self->len);
	}
	munmap(p, self->page);
	close(fd);
}

struct collapser {
	char *p;
	size_t len;
	int fd;
	atomic_bool stop;
	atomic_ulong rounds;
};

/* Half of it out, then all of it in one page: that allocates with folios locked. */
static void *collapse(void *arg)
{
	struct collapser *c = arg;

	while (!atomic_load(&c->stop)) {
		memset(c->p, 'c', c->len);
		madvise(c->p, c->len / 2, MADV_PAGEOUT);
		madvise(c->p, c->len, MADV_COLLAPSE);
		atomic_fetch_add(&c->rounds, 1);
	}
	return NULL;
}

static void *unpin_and_pin(void *arg)
{
	struct collapser *c = arg;

	while (!atomic_load(&c->stop)) {
		unpin(c->fd, 0, 0);
		pin(c->fd, 0, 0);
	}
	return NULL;
}

/* While its pages go out and are put together, all of it in and out of the order. */
TEST_F_TIMEOUT(swap, collapse_against_reclaim, 120)
{
	struct collapser c = {
		.p = self->p, .len = self->len, .fd = self->fd,
	};
	pthread_t threads[2];

	ASSERT_EQ(0, pthread_create(&threads[0], NULL, collapse, &c));
	ASSERT_EQ(0, pthread_create(&threads[1], NULL, unpin_and_pin, &c));
	/* For some time, or else until there was one. */
	for (int i = 0; atomic_load(&c.rounds) < (i < 1200 ? 30 : 1); i++) {
		drop_slab();
		usleep(10000);
	}
	atomic_store(&c.stop, true);
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
	TH_LOG("%lu rounds", atomic_load(&c.rounds));
	EXPECT_LT(0, atomic_load(&c.rounds));
	pin(self->fd, 0, 0);
	fill(self->p, self->len, 4);
	EXPECT_EQ(0, drop_slab());
	EXPECT_TRUE(is_filled(self->p, self->len, 4));
}

#define CGROUP		CGROUPS "/ashmem-swap"
/* What the group may have, and what one of its tasks wants for itself. */
#define GROUP_LIMIT	"12M"
#define HUNGRY		(14UL << 20)

/* Reads what comes back from swap: each page is charged, and the group has to reclaim for it. */
static void *page_out_and_in(void *arg)
{
	struct collapser *c = arg;
	char *back = c->p + c->len / 2;

	while (!atomic_load(&c->stop)) {
		madvise(back, c->len / 2, MADV_PAGEOUT);
		is_filled(back, c->len / 2, 3);
		atomic_fetch_add(&c->rounds, 1);
	}
	return NULL;
}

static void *fill_and_unpin(void *arg)
{
	struct collapser *c = arg;

	while (!atomic_load(&c->stop)) {
		memset(c->p, 'u', c->len / 2);
		unpin(c->fd, 0, c->len / 2);
		usleep(1000);
		pin(c->fd, 0, c->len / 2);
	}
	return NULL;
}

static void *collapse_only(void *arg)
{
	struct collapser *c = arg;

	while (!atomic_load(&c->stop))
		madvise(c->p, c->len, MADV_COLLAPSE);
	return NULL;
}

static void *be_hungry(void *arg)
{
	struct collapser *c = arg;
	char *p;

	if (map(-1, HUNGRY, PROT_RW, MAP_PRIVATE | MAP_ANONYMOUS, &p))
		return NULL;
	while (!atomic_load(&c->stop))
		memset(p, 'h', HUNGRY);
	munmap(p, HUNGRY);
	return NULL;
}

/* In a cgroup that is full: rounds of who swaps in. */
static long swap_in_and_collapse(void *arg)
{
	void *(*const work[])(void *) = {
		page_out_and_in, page_out_and_in, fill_and_unpin, collapse_only, be_hungry,
	};
	pthread_t threads[ARRAY_SIZE(work)];
	struct collapser c = { .len = *(size_t *)arg };

	if (cgroup_join(CGROUP))
		return -errno;
	c.fd = region("group", c.len);
	if (map_aligned(c.fd, c.len, PROT_RW, MAP_SHARED, c.len, &c.p))
		return -ENOMEM;
	fill(c.p, c.len, 3);
	for (size_t i = 0; i < ARRAY_SIZE(work); i++)
		if (pthread_create(&threads[i], NULL, work[i], &c))
			return -EAGAIN;
	for (int i = 0; atomic_load(&c.rounds) < (i < 100 ? 4000 : 1); i++)
		usleep(100000);
	atomic_store(&c.stop, true);
	for (size_t i = 0; i < ARRAY_SIZE(work); i++)
		pthread_join(threads[i], NULL);
	return atomic_load(&c.rounds);
}

/*
 * Who swaps in holds the lock of a folio that is in the swap cache only, while reclaim purges;
 * who collapses holds those of pages that are purged, and waits for that one.
 */
TEST_F_TIMEOUT(swap, swap_in_and_collapse_against_reclaim, 120)
{
	long rounds;

	if (cgroup_account(CGROUPS))
		SKIP(return, "no memory controller of cgroup2");
	ASSERT_EQ(0, mkdir(CGROUP, 0755));
	ASSERT_EQ(0, cgroup_write(CGROUP, "memory.max", GROUP_LIMIT));
	rounds = in_child(swap_in_and_collapse, &self->len);
	TH_LOG("%ld rounds", rounds);
	EXPECT_LT(0, rounds);
	EXPECT_EQ(0, rmdir(CGROUP));
}

TEST_HARNESS_MAIN
