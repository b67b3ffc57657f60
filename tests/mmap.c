// SPDX-License-Identifier: GPL-2.0
/* mmap of a region: what may be mapped, and what a mapping then is. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>

#include "ashmem_test.h"
#include "harness.h"

static bool is_frozen(int fd)
{
	size_t size = whole_size(fd);
	bool frozen = set_size(fd, size + 1) == -EINVAL;

	if (!frozen)
		set_size(fd, size);
	return frozen;
}

FIXTURE(region) {
	size_t page;
	int fd;
};

FIXTURE_VARIANT(region) {
	int type;
};

FIXTURE_VARIANT_ADD(region, shared) { .type = MAP_SHARED };
FIXTURE_VARIANT_ADD(region, private) { .type = MAP_PRIVATE };
FIXTURE_VARIANT_ADD(region, validate) { .type = MAP_SHARED_VALIDATE };

FIXTURE_SETUP(region)
{
	self->page = page_size();
	self->fd = region("mapped", 2 * self->page + 1);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(region)
{
	close(self->fd);
}

TEST_F(region, size_0)
{
	ASSERT_EQ(0, set_size(self->fd, 0));
	EXPECT_EQ(-EINVAL, try_map(self->fd, 1, PROT_RW, variant->type));
	EXPECT_EQ(-EINVAL, try_map(self->fd, self->page, PROT_NONE,
				   variant->type));
	EXPECT_FALSE(is_frozen(self->fd));
}

TEST_F(region, length_0)
{
	EXPECT_EQ(-EINVAL, try_map(self->fd, 0, PROT_RW, variant->type));
	EXPECT_FALSE(is_frozen(self->fd));
}

/* The size rounded up to pages is the limit. */
TEST_F(region, length)
{
	EXPECT_EQ(-EINVAL, try_map(self->fd, 3 * self->page + 1, PROT_RW,
				   variant->type));
	EXPECT_EQ(-EINVAL, try_map(self->fd, 100 * self->page, PROT_RW,
				   variant->type));
	EXPECT_FALSE(is_frozen(self->fd));
	EXPECT_EQ(0, try_map(self->fd, 3 * self->page, PROT_RW,
			     variant->type));
	EXPECT_EQ(0, try_map(self->fd, 2 * self->page + 1, PROT_RW,
			     variant->type));
	EXPECT_EQ(0, try_map(self->fd, 1, PROT_RW, variant->type));
	/* The same limit holds when the backing file exists. */
	EXPECT_EQ(-EINVAL, try_map(self->fd, 3 * self->page + 1, PROT_RW,
				   variant->type));
}

/* Too long and not allowed: too long comes first, also when the backing file exists. */
TEST_F(region, length_comes_before_the_mask)
{
	ASSERT_EQ(0, set_mask(self->fd, PROT_READ));
	EXPECT_EQ(-EINVAL, try_map(self->fd, 4 * self->page, PROT_WRITE,
				   variant->type));
	EXPECT_FALSE(is_frozen(self->fd));
	ASSERT_EQ(0, try_map(self->fd, 1, PROT_READ, variant->type));
	EXPECT_EQ(-EINVAL, try_map(self->fd, 4 * self->page, PROT_WRITE,
				   variant->type));
	EXPECT_EQ(-EPERM, try_map(self->fd, 1, PROT_WRITE, variant->type));
}

TEST_F(region, size_1_maps_one_page)
{
	char *p;

	ASSERT_EQ(0, set_size(self->fd, 1));
	EXPECT_EQ(-EINVAL, try_map(self->fd, 2 * self->page, PROT_RW,
				   variant->type));
	ASSERT_EQ(0, map(self->fd, self->page, PROT_RW, variant->type, &p));
	EXPECT_TRUE(is_all(p, self->page, 0));
	fill(p, self->page, 1);
	EXPECT_TRUE(is_filled(p, self->page, 1));
}

/* Only the length is compared with the size. */
TEST_F(region, offset_is_not_checked)
{
	size_t page = self->page;
	char *p, *whole;

	ASSERT_EQ(0, map_at(NULL, self->fd, 3 * page, PROT_RW, variant->type,
			    2 * page, &p));
	EXPECT_EQ(0, touch_write(p, 'x'));
	if (variant->type == MAP_PRIVATE) {
		EXPECT_EQ(0, touch_write(p + page, 'y'));
		return;
	}
	EXPECT_EQ(SIGBUS, touch_read(p + page));
	EXPECT_EQ(SIGBUS, touch_write(p + 2 * page, 'z'));
	ASSERT_EQ(0, map(self->fd, 3 * page, PROT_RW, variant->type, &whole));
	EXPECT_EQ('x', whole[2 * page]);
	EXPECT_EQ(2 * page + 1, get_size(self->fd));
}

TEST_F(region, offset_past_the_end)
{
	size_t page = self->page;
	char *p;

	ASSERT_EQ(0, map_at(NULL, self->fd, page, PROT_RW, variant->type,
			    3 * page, &p));
	EXPECT_EQ(variant->type == MAP_PRIVATE ? 0 : SIGBUS, touch_read(p));
	EXPECT_EQ(variant->type == MAP_PRIVATE ? 0 : SIGBUS,
		  touch_write(p, 1));
	ASSERT_EQ(0, map_at(NULL, self->fd, page, PROT_RW, variant->type,
			    (off_t)1 << 40, &p));
	EXPECT_EQ(variant->type == MAP_PRIVATE ? 0 : SIGBUS, touch_read(p));
	EXPECT_EQ(2 * page + 1, get_size(self->fd));
}

/* The last page that the kernel lets a character device map. */
TEST_F(region, offset_at_the_very_end)
{
	char *p;

	if (sizeof(long) < sizeof(off_t))
		SKIP(return, "mmap2 takes no such offset");
	ASSERT_EQ(0, map_at(NULL, self->fd, self->page, PROT_RW, variant->type,
			    -2 * (off_t)self->page, &p));
	EXPECT_EQ(variant->type == MAP_PRIVATE ? 0 : SIGBUS,
		  touch_write(p, 1));
	EXPECT_EQ(-EOVERFLOW, map_at(NULL, self->fd, self->page, PROT_RW,
				     variant->type, -(off_t)self->page, &p));
}

TEST_F(region, unaligned_offset)
{
	char *p;

	EXPECT_EQ(-EINVAL, map_at(NULL, self->fd, 1, PROT_RW, variant->type, 1,
				  &p));
	EXPECT_FALSE(is_frozen(self->fd));
}

/* The first mapping freezes, whatever it is and however long it lives. */
TEST_F(region, first_mmap_freezes)
{
	EXPECT_FALSE(is_frozen(self->fd));
	ASSERT_EQ(0, try_map(self->fd, 1, PROT_NONE, variant->type));
	EXPECT_TRUE(is_frozen(self->fd));
	EXPECT_EQ(-EINVAL, set_name(self->fd, "new"));
	EXPECT_EQ(0, set_mask(self->fd, PROT_READ));
}

TEST_F(region, refused_mmap_does_not_freeze)
{
	ASSERT_EQ(0, set_mask(self->fd, PROT_READ));
	EXPECT_EQ(-EPERM, try_map(self->fd, 1, PROT_WRITE, variant->type));
	EXPECT_FALSE(is_frozen(self->fd));
	EXPECT_EQ(0, set_name(self->fd, "still free"));
	EXPECT_EQ(0, try_map(self->fd, 1, PROT_READ, variant->type));
}

/* Sizes that no file can have, or that memory is not there for. */
TEST_F(region, failed_creation_does_not_freeze)
{
	static const unsigned long long sizes[] = {
		1ULL << 63, (1ULL << 63) + 1, -65536ULL, -4096ULL, -1ULL,
	};
	char name[ASHMEM_NAME_LEN];

	if (sizeof(size_t) < 8)
		SKIP(return, "a region of any 32-bit size can be created");
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		ASSERT_EQ(0, set_size(self->fd, sizes[i]));
		EXPECT_EQ(-EINVAL, try_map(self->fd, self->page, PROT_RW,
					   variant->type))
			TH_LOG("size %llx", sizes[i]);
		EXPECT_EQ(-EINVAL, try_map(self->fd, self->page, PROT_RW,
					   variant->type | MAP_NORESERVE));
		EXPECT_FALSE(is_frozen(self->fd));
	}
	/* Without MAP_NORESERVE the whole region is accounted: too much. */
	ASSERT_EQ(0, set_size(self->fd, (size_t)(1ULL << 50)));
	EXPECT_EQ(-ENOMEM, try_map(self->fd, self->page, PROT_RW,
				   variant->type));
	EXPECT_FALSE(is_frozen(self->fd));
	ASSERT_EQ(0, get_name(self->fd, name));
	EXPECT_STREQ("mapped", name);
	EXPECT_EQ(0, set_name(self->fd, "survivor"));
	ASSERT_EQ(0, set_size(self->fd, self->page));
	EXPECT_EQ(0, try_map(self->fd, self->page, PROT_RW, variant->type));
	EXPECT_TRUE(is_frozen(self->fd));
}

TEST_F(region, shows_in_maps)
{
	struct maps_line line;
	char *p;

	ASSERT_EQ(0, map_at(NULL, self->fd, 2 * self->page, PROT_RW,
			    variant->type, self->page, &p));
	ASSERT_TRUE(maps_find(0, p, &line));
	EXPECT_STREQ("/dev/ashmem/mapped (deleted)", line.path);
	EXPECT_EQ(file_id(self->fd), line.inode);
	EXPECT_EQ((unsigned long)p, line.start);
	EXPECT_EQ((unsigned long)p + 2 * self->page, line.end);
	EXPECT_EQ(self->page, line.offset);
	EXPECT_STREQ(variant->type == MAP_PRIVATE ? "rw-p" : "rw-s",
		     line.perms);
}

TEST_F(region, without_name_in_maps)
{
	struct maps_line line;
	char *p;

	ASSERT_EQ(0, set_name(self->fd, ""));
	ASSERT_EQ(0, map(self->fd, 1, PROT_RW, variant->type, &p));
	ASSERT_TRUE(maps_find(0, p, &line));
	EXPECT_STREQ("/dev/ashmem (deleted)", line.path);
}

TEST_F(region, newline_forges_no_line_in_maps)
{
	struct maps_line line;
	char *p;

	ASSERT_EQ(0, set_name(self->fd, "a\n0-1 rwxp 0 0:0 0 b"));
	ASSERT_EQ(0, map(self->fd, 1, PROT_RW, variant->type, &p));
	ASSERT_TRUE(maps_find(0, p, &line));
	EXPECT_STREQ("/dev/ashmem/a\\0120-1 rwxp 0 0:0 0 b (deleted)",
		     line.path);
}

TEST_F(region, lives_on_after_close)
{
	size_t len = 3 * self->page;
	struct maps_line line;
	char *p, *q;

	ASSERT_EQ(0, map(self->fd, len, PROT_RW, variant->type, &p));
	ASSERT_EQ(0, map(self->fd, len, PROT_RW, variant->type, &q));
	fill(p, self->page, 1);
	ASSERT_EQ(0, close(self->fd));
	EXPECT_TRUE(is_filled(p, self->page, 1));
	fill(p, len, 2);
	EXPECT_TRUE(is_filled(p, len, 2));
	EXPECT_EQ(variant->type != MAP_PRIVATE, is_filled(q, len, 2));
	ASSERT_EQ(0, munmap(p, len));
	fill(q, len, 3);
	EXPECT_TRUE(is_filled(q, len, 3));
	ASSERT_TRUE(maps_find(0, q, &line));
	EXPECT_STREQ("/dev/ashmem/mapped (deleted)", line.path);
	EXPECT_EQ(0, munmap(q, len));
}

/* The mask is looked at when a mapping is made, and not again. */
TEST_F(region, lowering_the_mask_later)
{
	char *before, *after;

	ASSERT_EQ(0, map(self->fd, self->page, PROT_RW, variant->type,
			 &before));
	ASSERT_EQ(0, set_mask(self->fd, PROT_READ));
	EXPECT_EQ(0, touch_write(before, 'b'));
	EXPECT_EQ(0, protect(before, self->page, PROT_READ));
	EXPECT_EQ(0, protect(before, self->page, PROT_RW));
	EXPECT_EQ(0, touch_write(before, 'c'));

	EXPECT_EQ(-EPERM, try_map(self->fd, self->page, PROT_WRITE,
				  variant->type));
	ASSERT_EQ(0, map(self->fd, self->page, PROT_READ, variant->type,
			 &after));
	EXPECT_EQ(variant->type == MAP_PRIVATE ? 0 : 'c', *after);
	EXPECT_EQ(SIGSEGV, touch_write(after, 'd'));
	EXPECT_EQ(-EACCES, protect(after, self->page, PROT_RW));
}

/* After the end of the size, the rest of its page is there and zero. */
TEST_F(region, rest_of_the_last_page)
{
	size_t len = 3 * self->page;
	char *p, *content;

	ASSERT_EQ(0, map(self->fd, len, PROT_RW, variant->type, &p));
	EXPECT_TRUE(is_all(p, len, 0));
	fill(p, len, 4);
	EXPECT_TRUE(is_filled(p, len, 4));
	if (variant->type == MAP_PRIVATE)
		return;
	/* But it is not part of the content. */
	content = malloc(len);
	memcpy(content, p, len);
	EXPECT_TRUE(reads_as(self->fd, content, 2 * self->page + 1));
	free(content);
}

TEST(shared_mappings_share)
{
	size_t len = 3 * page_size();
	int fd = region("shared", len);
	char *p, *q, *middle;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map(fd, len, PROT_RW, MAP_SHARED, &p));
	ASSERT_EQ(0, map(fd, len, PROT_READ, MAP_SHARED, &q));
	ASSERT_EQ(0, map_at(NULL, fd, page_size(), PROT_RW, MAP_SHARED,
			    page_size(), &middle));
	fill(p, len, 1);
	EXPECT_TRUE(is_filled(q, len, 1));
	EXPECT_EQ(0, memcmp(p + page_size(), middle, page_size()));
	fill(middle, page_size(), 2);
	EXPECT_TRUE(is_filled(q + page_size(), page_size(), 2));
	EXPECT_TRUE(is_filled(q, page_size(), 1));
}

/* Zeroes at first, not the region's content, and nobody else sees it. */
TEST(private_mapping_is_anonymous)
{
	size_t len = 2 * page_size();
	int fd = region("private", len);
	char *shared, *p, *q;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map(fd, len, PROT_RW, MAP_SHARED, &shared));
	fill(shared, len, 1);
	ASSERT_EQ(0, map(fd, len, PROT_RW, MAP_PRIVATE, &p));
	ASSERT_EQ(0, map(fd, len, PROT_READ, MAP_PRIVATE, &q));
	EXPECT_TRUE(is_all(q, len, 0));
	EXPECT_TRUE(is_all(p, len, 0));
	fill(p, len, 2);
	EXPECT_TRUE(is_filled(p, len, 2));
	EXPECT_TRUE(is_filled(shared, len, 1));
	EXPECT_TRUE(is_all(q, len, 0));
	fill(shared, len, 3);
	EXPECT_TRUE(is_filled(p, len, 2));
}

/* A read-only descriptor shares as well; the kernel must not confuse us. */
TEST(shared_on_a_read_only_descriptor)
{
	size_t len = page_size();
	int fd = region_open_flags(O_RDONLY | O_CLOEXEC);
	struct maps_line line;
	char *p, *q;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, set_size(fd, len));
	EXPECT_EQ(-EACCES, try_map(fd, len, PROT_RW, MAP_SHARED));
	ASSERT_EQ(0, map(fd, len, PROT_READ, MAP_SHARED, &p));
	ASSERT_EQ(0, map(fd, len, PROT_READ, MAP_SHARED, &q));
	EXPECT_TRUE(is_all(p, len, 0));
	EXPECT_EQ(-EACCES, protect(p, len, PROT_RW));
	ASSERT_TRUE(maps_find(0, p, &line));
	EXPECT_EQ(file_id(fd), line.inode);
	EXPECT_STREQ("r--s", line.perms);
	/*
	 * Which pages those are only shows in how they are kept: touching them
	 * through one mapping brings them into the file, where the second one
	 * and mincore find them. An anonymous zero page would not be there.
	 */
	EXPECT_EQ(0, touch_read(p));
	EXPECT_EQ(0, lseek(fd, 0, SEEK_DATA));
	/* A private mapping may be written. */
	EXPECT_EQ(0, try_map(fd, len, PROT_RW, MAP_PRIVATE));
}

TEST(write_only_descriptor)
{
	int fd = region_open_flags(O_WRONLY | O_CLOEXEC);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, set_size(fd, page_size()));
	for (int prot = 0; prot < PROT_EXEC; prot++) {
		EXPECT_EQ(-EACCES, try_map(fd, 1, prot, MAP_SHARED));
		EXPECT_EQ(-EACCES, try_map(fd, 1, prot, MAP_PRIVATE));
	}
	EXPECT_FALSE(is_frozen(fd));
}

TEST(unknown_map_flags)
{
	int fd = region("flags", page_size());

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EOPNOTSUPP, try_map(fd, 1, PROT_READ,
				       MAP_SHARED_VALIDATE | MAP_SYNC));
	EXPECT_EQ(-EINVAL, try_map(fd, 1, PROT_READ, 0));
	EXPECT_FALSE(is_frozen(fd));
}

/* As large as they come, with pages where they are touched. */
TEST(huge_region)
{
	size_t len = sizeof(long) > 4 ? 1ULL << 40 : 1UL << 30;
	int fd = region("huge", len);
	char *p, *tail;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map(fd, len, PROT_RW, MAP_SHARED | MAP_NORESERVE, &p));
	EXPECT_EQ(0, touch_write(p, 'a'));
	EXPECT_EQ(0, touch_write(p + len / 2, 'b'));
	EXPECT_EQ(0, touch_write(p + len - 1, 'c'));
	ASSERT_EQ(0, map_at(NULL, fd, page_size(), PROT_READ, MAP_SHARED,
			    len - page_size(), &tail));
	EXPECT_EQ('c', tail[page_size() - 1]);
	EXPECT_EQ(len, whole_size(fd));
	EXPECT_EQ(-EINVAL, try_map(fd, len + 1, PROT_READ,
				   MAP_SHARED | MAP_NORESERVE));
	EXPECT_EQ(0, munmap(p, len));
}

TEST(longest_possible_region)
{
	size_t page = page_size(), len = LONG_MAX;
	int fd = region("longest", len);
	char *p, *q;

	if (sizeof(long) < 8)
		SKIP(return, "32 bits are far from the longest file");
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map(fd, page, PROT_RW, MAP_SHARED | MAP_NORESERVE, &p));
	fill(p, page, 1);
	EXPECT_TRUE(is_filled(p, page, 1));
	/* Its last page but one, and the one that is cut. */
	ASSERT_EQ(0, map_at(NULL, fd, 2 * page, PROT_RW, MAP_SHARED,
			    LONG_MAX - 2 * page + 1, &q));
	EXPECT_EQ(0, touch_write(q, 'y'));
	EXPECT_EQ(0, touch_write(q + page, 'z'));
	EXPECT_EQ('y', *q);
	EXPECT_EQ('z', q[page]);
	EXPECT_EQ(len, whole_size(fd));
}

static long committed_kib(void)
{
	return number_in("/proc/meminfo", "Committed_AS:");
}

/* Accounting is what the flags of the first mapping say, for the region. */
TEST(accounting_follows_the_first_mapping)
{
	size_t len = 256UL << 20, slack = 32 << 10;
	int fd = region("accounted", len);
	long before, after;
	char *p;

	before = committed_kib();
	ASSERT_LT(0, before);
	ASSERT_EQ(0, map(fd, 1, PROT_READ, MAP_SHARED, &p));
	after = committed_kib();
	EXPECT_LT((long)(len / 1024 - slack), after - before);
	ASSERT_EQ(0, munmap(p, 1));
	ASSERT_EQ(0, close(fd));
	EXPECT_GT((long)slack, committed_kib() - before);

	fd = region("not accounted", len);
	before = committed_kib();
	ASSERT_EQ(0, map(fd, 1, PROT_READ, MAP_SHARED | MAP_NORESERVE, &p));
	EXPECT_GT((long)slack, committed_kib() - before);
	/* A later mapping changes nothing. */
	ASSERT_EQ(0, map(fd, len, PROT_RW, MAP_SHARED, &p));
	EXPECT_GT((long)slack, committed_kib() - before);
}

TEST_HARNESS_MAIN
