// SPDX-License-Identifier: GPL-2.0
/*
 * What can be done with a mapping once it is there: mremap, madvise, mlock and
 * so on. Where the kernel decides, a memfd says what the answer is.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "ashmem_test.h"
#include "harness.h"

#define PAGES	4

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102
#endif

FIXTURE(vma) {
	size_t page;
	size_t len;
	int fd;
	int ref;
	char *p;
	char *ref_p;
};

FIXTURE_VARIANT(vma) {
	int type;
};

FIXTURE_VARIANT_ADD(vma, shared) { .type = MAP_SHARED };
FIXTURE_VARIANT_ADD(vma, private) { .type = MAP_PRIVATE };

FIXTURE_SETUP(vma)
{
	self->page = page_size();
	self->len = PAGES * self->page;
	self->fd = region("vma", self->len);
	ASSERT_LE(0, self->fd);
	self->ref = reference(self->len);
	ASSERT_LE(0, self->ref);
	ASSERT_EQ(0, map(self->fd, self->len, PROT_RW, variant->type,
			 &self->p));
	/* A private mapping of a region is anonymous memory: so is its peer. */
	if (variant->type == MAP_SHARED) {
		ASSERT_EQ(0, map(self->ref, self->len, PROT_RW, MAP_SHARED,
				 &self->ref_p));
	} else {
		ASSERT_EQ(0, map(-1, self->len, PROT_RW,
				 MAP_PRIVATE | MAP_ANONYMOUS, &self->ref_p));
	}
	fill(self->p, self->len, 1);
	fill(self->ref_p, self->len, 1);
}

FIXTURE_TEARDOWN(vma)
{
	EXPECT_EQ(self->len, get_size(self->fd));
	close(self->fd);
	close(self->ref);
}

static bool is_resident(void *p, size_t len)
{
	size_t pages = len / page_size();
	unsigned char vec[64];

	if (pages > sizeof(vec) || mincore(p, len, vec))
		return false;
	for (size_t i = 0; i < pages; i++)
		if (!(vec[i] & 1))
			return false;
	return true;
}

TEST_F(vma, mremap_grow)
{
	char *q = mremap(self->p, self->len, 2 * self->len, MREMAP_MAYMOVE);
	struct maps_line line;

	ASSERT_NE(MAP_FAILED, q);
	EXPECT_TRUE(is_filled(q, self->len, 1));
	/* Longer than the region: nothing is there, as on shmem. */
	EXPECT_EQ(variant->type == MAP_SHARED ? SIGBUS : 0,
		  touch_read(q + self->len));
	EXPECT_EQ(variant->type == MAP_SHARED ? SIGBUS : 0,
		  touch_write(q + 2 * self->len - 1, 'x'));
	ASSERT_TRUE(maps_find(0, q + self->len, &line));
	EXPECT_STREQ("/dev/ashmem/vma (deleted)", line.path);
	if (variant->type == MAP_SHARED)
		EXPECT_TRUE(reads_as(self->fd, q, self->len));
}

TEST_F(vma, mremap_shrink)
{
	char *q = mremap(self->p, self->len, self->page, 0);

	ASSERT_EQ(self->p, q);
	EXPECT_TRUE(is_filled(q, self->page, 1));
	EXPECT_EQ(SIGSEGV, touch_read(q + self->page));
	q = mremap(q, self->page, self->len, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_TRUE(variant->type == MAP_SHARED ?
		    is_filled(q, self->len, 1) :
		    is_all(q + self->page, self->len - self->page, 0));
}

TEST_F(vma, mremap_move)
{
	struct maps_line line;
	char *place, *q;

	ASSERT_EQ(0, map(-1, self->len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			 &place));
	q = mremap(self->p, self->len, self->len,
		   MREMAP_MAYMOVE | MREMAP_FIXED, place);
	ASSERT_EQ(place, q);
	EXPECT_TRUE(is_filled(q, self->len, 1));
	EXPECT_EQ(SIGSEGV, touch_read(self->p));
	ASSERT_TRUE(maps_find(0, q, &line));
	EXPECT_STREQ("/dev/ashmem/vma (deleted)", line.path);
	EXPECT_EQ(file_id(self->fd), line.inode);
}

TEST_F(vma, mremap_part)
{
	char *place, *q;

	ASSERT_EQ(0, map(-1, self->page, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS, &place));
	q = mremap(self->p + self->page, self->page, self->page,
		   MREMAP_MAYMOVE | MREMAP_FIXED, place);
	ASSERT_EQ(place, q);
	EXPECT_EQ(0, memcmp(q, self->ref_p + self->page, self->page));
	EXPECT_TRUE(is_filled(self->p, self->page, 1));
	EXPECT_EQ(SIGSEGV, touch_read(self->p + self->page));
	EXPECT_EQ(0, touch_read(self->p + 2 * self->page));
}

static long touch_first(void *arg)
{
	return touch_read(arg);
}

TEST_F(vma, dontfork)
{
	ASSERT_EQ(0, madvise(self->p, self->page, MADV_DONTFORK));
	EXPECT_EQ(SIGSEGV, in_child(touch_first, self->p));
	EXPECT_EQ(0, in_child(touch_first, self->p + self->page));
	ASSERT_EQ(0, madvise(self->p, self->page, MADV_DOFORK));
	EXPECT_EQ(0, in_child(touch_first, self->p));
}

TEST_F(vma, dontneed)
{
	ASSERT_EQ(0, madvise(self->p, self->len, MADV_DONTNEED));
	EXPECT_TRUE(variant->type == MAP_SHARED ?
		    is_filled(self->p, self->len, 1) :
		    is_all(self->p, self->len, 0));
}

/* A hole in the region, by one who may write it. */
TEST_F(vma, remove)
{
	size_t page = self->page;
	char *content;

	if (variant->type == MAP_PRIVATE) {
		EXPECT_EQ(-EACCES, result(madvise(self->p, page, MADV_REMOVE)));
		EXPECT_TRUE(is_filled(self->p, self->len, 1));
		return;
	}
	ASSERT_EQ(0, madvise(self->ref_p + page, page, MADV_REMOVE));
	ASSERT_EQ(0, result(madvise(self->p + page, page, MADV_REMOVE)));
	EXPECT_TRUE(is_all(self->p + page, page, 0));
	EXPECT_EQ(0, memcmp(self->p, self->ref_p, self->len));
	content = malloc(self->len);
	memcpy(content, self->ref_p, self->len);
	EXPECT_TRUE(reads_as(self->fd, content, self->len));
	free(content);
	/* The hole takes data again. */
	fill(self->p, self->len, 2);
	EXPECT_TRUE(is_filled(self->p, self->len, 2));
}

TEST_F(vma, remove_locked)
{
	ASSERT_EQ(0, mlock(self->p, self->len));
	EXPECT_EQ(-EINVAL, result(madvise(self->p, self->page, MADV_REMOVE)));
	EXPECT_TRUE(is_filled(self->p, self->len, 1));
}

/* Advice of all kinds: what shmem answers, and nothing is lost. */
TEST_F(vma, other_advice)
{
	static const int advice[] = {
		MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED,
		MADV_DONTDUMP, MADV_DODUMP, MADV_COLD, MADV_PAGEOUT,
		MADV_NOHUGEPAGE, MADV_HUGEPAGE, MADV_MERGEABLE,
		MADV_UNMERGEABLE, MADV_POPULATE_READ, MADV_POPULATE_WRITE, 12345,
	};

	for (size_t i = 0; i < ARRAY_SIZE(advice); i++) {
		EXPECT_EQ(result(madvise(self->ref_p, self->len, advice[i])),
			  result(madvise(self->p, self->len, advice[i])))
			TH_LOG("advice %d", advice[i]);
		EXPECT_TRUE(is_filled(self->p, self->len, 1));
	}
}

/* These throw memory away where that is allowed: not what others share. */
TEST_F(vma, advice_that_frees)
{
	EXPECT_EQ(-EINVAL, result(madvise(self->p, self->len,
					  MADV_WIPEONFORK)));
	EXPECT_EQ(variant->type == MAP_SHARED ? -EINVAL : 0,
		  result(madvise(self->p, self->len, MADV_FREE)));
	if (variant->type == MAP_SHARED)
		EXPECT_TRUE(is_filled(self->p, self->len, 1));
}

/* Large enough for huge pages, and aligned for them. */
TEST_F(vma, hugepages)
{
	size_t huge = 4UL << 20, len = 2 * huge;
	int fd = region("huge pages", len);
	char *p;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map_aligned(fd, len, PROT_RW, variant->type, huge, &p));
	/* Where the kernel has none, advice is an error, and may be. */
	madvise(p, len, MADV_HUGEPAGE);
	fill(p, len, 5);
	EXPECT_TRUE(is_filled(p, len, 5));
	ASSERT_EQ(0, munmap(p + huge - self->page, 2 * self->page));
	EXPECT_TRUE(is_filled(p, huge - self->page, 5));
	ASSERT_EQ(0, madvise(p, self->page, MADV_DONTNEED));
	EXPECT_EQ(variant->type == MAP_PRIVATE, is_all(p, self->page, 0));
	EXPECT_EQ(0, munmap(p, len));
	close(fd);
}

/*
 * What can never be written reads as zero for good. The kernel must not give it pages
 * that it loses sight of when such mappings become neighbours.
 */
TEST_F(vma, private_and_never_written)
{
	size_t huge = 2UL << 20;
	struct maps_line line;
	int fd = region("never written", 2 * huge);
	char *place, *p, *q;

	if (variant->type == MAP_SHARED)
		return;
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, set_mask(fd, PROT_READ));
	ASSERT_EQ(0, reserve(3 * huge, huge, &place));
	ASSERT_EQ(0, map_at(place, fd, huge, PROT_READ,
			    MAP_PRIVATE | MAP_FIXED, 0, &p));
	ASSERT_EQ(0, map_at(place + 2 * huge, fd, huge, PROT_READ,
			    MAP_PRIVATE | MAP_FIXED, huge, &q));
	/* Both would give it pages of its own. */
	EXPECT_EQ(-EINVAL, result(madvise(q, self->page, MADV_GUARD_INSTALL)));
	EXPECT_EQ(0, touch_read(q));
	EXPECT_EQ(-EINVAL, result(madvise(q, huge, MADV_COLLAPSE)));
	ASSERT_EQ(p + huge, mremap(q, huge, huge, MREMAP_MAYMOVE | MREMAP_FIXED,
				   p + huge));
	ASSERT_TRUE(maps_find(0, p, &line));
	EXPECT_EQ((unsigned long)p + huge, line.end);
	EXPECT_TRUE(is_all(p, 2 * huge, 0));
	EXPECT_EQ(-EFAULT, result((long)mremap(p + huge, huge, 2 * huge,
					       MREMAP_MAYMOVE)));
	EXPECT_EQ(SIGSEGV, touch_write(p, 'x'));
	EXPECT_EQ(-EACCES, result(mprotect(p, huge, PROT_RW)));
	close(fd);
}

TEST_F(vma, mlock)
{
	EXPECT_EQ(0, result(mlock(self->p, self->len)));
	EXPECT_TRUE(is_resident(self->p, self->len));
	EXPECT_TRUE(is_filled(self->p, self->len, 1));
	EXPECT_EQ(0, result(munlock(self->p, self->page)));
	EXPECT_EQ(0, result(mlock2(self->p, self->len, MLOCK_ONFAULT)));
	EXPECT_EQ(0, munmap(self->p, self->len));
}

TEST_F(vma, mlockall_then_mmap)
{
	char *p;

	if (mlockall(MCL_FUTURE))
		SKIP(return, "mlockall: %s", strerror(errno));
	ASSERT_EQ(0, map(self->fd, self->len, PROT_RW, variant->type, &p));
	EXPECT_TRUE(is_resident(p, self->len));
	EXPECT_EQ(0, munlockall());
}

TEST_F(vma, populate)
{
	int fd = region("populated", self->len);
	char *p;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map(fd, self->len, PROT_RW, variant->type | MAP_POPULATE,
			 &p));
	EXPECT_TRUE(is_resident(p, self->len));
	EXPECT_TRUE(is_all(p, self->len, 0));
	/* Past the end there is nothing to populate: no error. */
	EXPECT_EQ(0, map_at(NULL, fd, self->len, PROT_RW,
			    variant->type | MAP_POPULATE, 2 * self->len, &p));
	EXPECT_EQ(0, try_map(fd, self->len, PROT_NONE,
			     variant->type | MAP_POPULATE));
	EXPECT_EQ(0, try_map(fd, self->len, PROT_RW,
			     variant->type | MAP_LOCKED));
	close(fd);
}

TEST_F(vma, mincore)
{
	int fd = region("untouched", self->len);
	unsigned char vec[PAGES];
	char *p;

	ASSERT_EQ(0, map(fd, self->len, PROT_RW, variant->type, &p));
	ASSERT_EQ(0, mincore(p, self->len, vec));
	for (int i = 0; i < PAGES; i++)
		EXPECT_EQ(0, vec[i] & 1);
	p[self->page] = 1;
	ASSERT_EQ(0, mincore(p, self->len, vec));
	for (int i = 0; i < PAGES; i++)
		EXPECT_EQ(i == 1, vec[i] & 1);
	close(fd);
}

TEST_F(vma, fixed_over_other_mappings)
{
	size_t page = self->page;
	int fd = region("over", self->len);
	struct maps_line line;
	char *place, *p;

	ASSERT_EQ(0, map(-1, self->len, PROT_RW, MAP_PRIVATE | MAP_ANONYMOUS,
			 &place));
	memset(place, 'a', self->len);
	/* Over a part of anonymous memory. */
	ASSERT_EQ(0, map_at(place + page, self->fd, page, PROT_RW,
			    variant->type | MAP_FIXED, 0, &p));
	EXPECT_TRUE(is_all(place, page, 'a'));
	EXPECT_TRUE(is_all(place + 2 * page, page, 'a'));
	EXPECT_EQ(variant->type == MAP_SHARED, is_filled(p, page, 1));
	/* Over a part of another region's mapping, and over itself. */
	ASSERT_EQ(0, map_at(self->p + page, fd, page, PROT_RW,
			    variant->type | MAP_FIXED, 0, &p));
	EXPECT_TRUE(is_all(p, page, 0));
	EXPECT_TRUE(is_filled(self->p, page, 1));
	ASSERT_TRUE(maps_find(0, p, &line));
	EXPECT_STREQ("/dev/ashmem/over (deleted)", line.path);
	ASSERT_TRUE(maps_find(0, p + page, &line));
	EXPECT_STREQ("/dev/ashmem/vma (deleted)", line.path);
	ASSERT_EQ(0, map_at(self->p, self->fd, self->len, PROT_RW,
			    variant->type | MAP_FIXED, 0, &p));
	EXPECT_EQ(variant->type == MAP_SHARED, is_filled(p, self->len, 1));
	/* And anonymous memory over it. */
	ASSERT_EQ(0, map_at(self->p + page, -1, page, PROT_RW,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0, &p));
	EXPECT_TRUE(is_all(p, page, 0));
	if (variant->type == MAP_SHARED)
		EXPECT_TRUE(is_filled(self->p, page, 1));
	EXPECT_EQ(-EEXIST, map_at(place, fd, page, PROT_RW,
				  variant->type | MAP_FIXED_NOREPLACE, 0, &p));
	close(fd);
}

/* Refused over something that is there: the region and the rest survive. */
TEST_F(vma, fixed_and_refused)
{
	char *p;

	ASSERT_EQ(0, set_mask(self->fd, PROT_READ));
	EXPECT_EQ(-EPERM, map_at(self->p + self->page, self->fd, self->page,
				 PROT_WRITE, variant->type | MAP_FIXED, 0,
				 &p));
	EXPECT_TRUE(is_filled(self->p, self->page, 1));
	EXPECT_EQ(0, memcmp(self->p + 2 * self->page,
			    self->ref_p + 2 * self->page, self->page));
	if (variant->type == MAP_SHARED)
		EXPECT_TRUE(reads_as(self->fd, self->ref_p, self->len));
}

TEST_F(vma, partial_munmap)
{
	size_t page = self->page;
	struct maps_line line;

	ASSERT_EQ(0, munmap(self->p + page, page));
	EXPECT_EQ(SIGSEGV, touch_read(self->p + page));
	EXPECT_TRUE(is_filled(self->p, page, 1));
	EXPECT_EQ(0, memcmp(self->p + 2 * page, self->ref_p + 2 * page,
			    2 * page));
	ASSERT_TRUE(maps_find(0, self->p + 2 * page, &line));
	EXPECT_EQ(2 * page, line.offset);
	ASSERT_EQ(0, munmap(self->p, page));
	EXPECT_EQ(0, memcmp(self->p + 2 * page, self->ref_p + 2 * page,
			    2 * page));
	EXPECT_EQ(0, munmap(self->p, self->len));
	EXPECT_EQ(SIGSEGV, touch_read(self->p + 3 * page));
}

TEST_F(vma, partial_mprotect)
{
	size_t page = self->page;

	ASSERT_EQ(0, protect(self->p + page, page, PROT_NONE));
	EXPECT_EQ(SIGSEGV, touch_read(self->p + page));
	EXPECT_EQ(0, touch_write(self->p, self->p[0]));
	ASSERT_EQ(0, protect(self->p + page, page, PROT_READ));
	EXPECT_EQ(SIGSEGV, touch_write(self->p + page, 'x'));
	EXPECT_TRUE(is_filled(self->p, self->len, 1));
	ASSERT_EQ(0, protect(self->p, self->len, PROT_RW));
	fill(self->p, self->len, 2);
	EXPECT_TRUE(is_filled(self->p, self->len, 2));
}

TEST_F(vma, msync)
{
	EXPECT_EQ(0, result(msync(self->p, self->len, MS_SYNC)));
	EXPECT_EQ(0, result(msync(self->p, self->len, MS_ASYNC)));
	EXPECT_EQ(0, result(msync(self->p, self->len, MS_INVALIDATE)));
	EXPECT_TRUE(is_filled(self->p, self->len, 1));
}

static long fill_it(void *arg)
{
	size_t len = PAGES * page_size();

	fill(arg, len, 9);
	return is_filled(arg, len, 9) ? 0 : 1;
}

/* Copied page tables lead to the same pages, or to their copies. */
TEST_F(vma, written_by_a_child)
{
	EXPECT_EQ(0, in_child(fill_it, self->p));
	EXPECT_TRUE(is_filled(self->p, self->len,
			      variant->type == MAP_SHARED ? 9 : 1));
}

/*
 * Reclaim looks for a page in all mappings of its file, among which no anonymous one
 * may be: a kernel that debugs VM says so.
 */
TEST(page_out_beside_a_private_mapping)
{
	size_t len = PAGES * page_size();
	char *shared, *private;
	int fd = region("both", len);

	ASSERT_LE(0, fd);
	/* The first one is where it looks first; it looks no further when it has found the page. */
	ASSERT_EQ(0, map(fd, len, PROT_RW, MAP_PRIVATE, &private));
	ASSERT_EQ(0, map(fd, len, PROT_RW, MAP_SHARED, &shared));
	fill(shared, len, 1);
	fill(private, len, 2);
	EXPECT_EQ(0, madvise(shared, len, MADV_PAGEOUT));
	EXPECT_EQ(0, madvise(private, len, MADV_PAGEOUT));
	EXPECT_TRUE(is_filled(shared, len, 1));
	EXPECT_TRUE(is_filled(private, len, 2));
	munmap(shared, len);
	munmap(private, len);
	close(fd);
}

/* Core dumps, ptrace and the like find shmem's pages by this. */
TEST_F(vma, smaps_counts_the_pages)
{
	char path[64], text[4096], range[64];
	long rss = -1;
	bool here = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/smaps");
	snprintf(range, sizeof(range), "%lx-%lx ", (unsigned long)self->p,
		 (unsigned long)self->p + self->len);
	f = fopen(path, "re");
	ASSERT_NE(NULL, f);
	while (fgets(text, sizeof(text), f)) {
		if (!strncmp(text, range, strlen(range)))
			here = true;
		if (here && sscanf(text, "Rss: %ld", &rss) == 1)
			break;
	}
	fclose(f);
	EXPECT_EQ((long)self->len / 1024, rss);
}

TEST_HARNESS_MAIN
