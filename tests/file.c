// SPDX-License-Identifier: GPL-2.0
/*
 * read and lseek.
 *
 * What they do on a mapped region is what shmem does: a memfd of the same size
 * and content stands beside the region, and every call must do the same there.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/uio.h>

#include "ashmem_test.h"
#include "harness.h"

#ifndef SEEK_HOLE
#error "the C library is too old for SEEK_HOLE"
#endif

static int region_flags(int flags, size_t size)
{
	int fd = region_open_flags(flags);

	if (fd >= 0)
		set_size(fd, size);
	return fd;
}

TEST(size_0)
{
	int fd = region_open();
	char byte = 'b';

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, result(read(fd, &byte, 1)));
	EXPECT_EQ(0, result(pread(fd, &byte, 1, 0)));
	EXPECT_EQ(0, result(pread(fd, &byte, 1, 4096)));
	EXPECT_EQ('b', byte);
	for (int whence = SEEK_SET; whence <= SEEK_HOLE; whence++) {
		EXPECT_EQ(-EINVAL, result(lseek(fd, 0, whence)));
		EXPECT_EQ(-EINVAL, result(lseek(fd, 1, whence)));
	}
	EXPECT_EQ(-EINVAL, result(lseek(fd, 0, SEEK_HOLE + 1)));
}

TEST(never_mapped)
{
	int fd = region("unmapped", 100);
	char bytes[2];
	struct iovec iov = { .iov_base = bytes, .iov_len = sizeof(bytes) };

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBADF, result(read(fd, bytes, 1)));
	EXPECT_EQ(-EBADF, result(pread(fd, bytes, 1, 0)));
	EXPECT_EQ(-EBADF, result(readv(fd, &iov, 1)));
	EXPECT_EQ(-EBADF, result(preadv(fd, &iov, 1, 200)));
	for (int whence = SEEK_SET; whence <= SEEK_HOLE; whence++)
		EXPECT_EQ(-EBADF, result(lseek(fd, 0, whence)));
	/* An mmap that failed does not count. */
	EXPECT_EQ(-EINVAL, try_map(fd, page_size() + 1, PROT_RW, MAP_SHARED));
	EXPECT_EQ(-EBADF, result(read(fd, bytes, 1)));
	EXPECT_EQ(-EBADF, result(lseek(fd, 0, SEEK_SET)));
	/* Taking the size away again makes it an empty one again. */
	ASSERT_EQ(0, set_size(fd, 0));
	EXPECT_EQ(0, result(read(fd, bytes, 1)));
	EXPECT_EQ(-EINVAL, result(lseek(fd, 0, SEEK_SET)));
}

TEST(write_only_descriptor)
{
	int fd = region_flags(O_WRONLY | O_CLOEXEC, 0);
	char byte;

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBADF, result(read(fd, &byte, 1)));
	EXPECT_EQ(-EBADF, result(pread(fd, &byte, 1, 0)));
}

FIXTURE(content) {
	size_t page;
	size_t size;
	int fd;
	int ref;
	char *p;
	char *ref_p;
};

FIXTURE_VARIANT(content) {
	int mask;
	int first_type;
};

FIXTURE_VARIANT_ADD(content, all) {
	.mask = PROT_RWX, .first_type = MAP_SHARED
};

/* Reading is not a mapping: the mask does not limit it. */
FIXTURE_VARIANT_ADD(content, mask_none) {
	.mask = PROT_NONE, .first_type = MAP_SHARED
};

FIXTURE_VARIANT_ADD(content, private_first) {
	.mask = PROT_RWX, .first_type = MAP_PRIVATE
};

/* Four pages and a bit: data, hole, data, hole, data. */
FIXTURE_SETUP(content)
{
	size_t page = page_size();

	self->page = page;
	self->size = 4 * page + 100;
	self->fd = region("content", self->size);
	ASSERT_LE(0, self->fd);
	self->ref = reference(self->size);
	ASSERT_LE(0, self->ref);
	ASSERT_EQ(0, try_map(self->fd, 1, PROT_READ, variant->first_type));
	ASSERT_EQ(0, map(self->fd, self->size, PROT_RW, MAP_SHARED, &self->p));
	ASSERT_EQ(0, map(self->ref, self->size, PROT_RW, MAP_SHARED,
			 &self->ref_p));
	for (int i = 0; i < 5; i += 2) {
		fill(self->p + i * page, i < 4 ? page : 100, i);
		fill(self->ref_p + i * page, i < 4 ? page : 100, i);
	}
	ASSERT_EQ(0, set_mask(self->fd, variant->mask));
}

FIXTURE_TEARDOWN(content)
{
	close(self->fd);
	close(self->ref);
}

/* Both descriptors stand at the same position. */
static bool same_position(int fd, int ref)
{
	long long a = lseek(fd, 0, SEEK_CUR), b = lseek(ref, 0, SEEK_CUR);

	if (a != b)
		ksft_print_msg("position %lld, on shmem %lld\n", a, b);
	return a == b;
}

static bool same_seek(int fd, int ref, long long offset, int whence)
{
	long long a, b;
	int a_errno, b_errno;

	errno = 0;
	a = lseek(fd, offset, whence);
	a_errno = errno;
	errno = 0;
	b = lseek(ref, offset, whence);
	b_errno = errno;
	if (a != b || a_errno != b_errno)
		ksft_print_msg("lseek(%lld, %d): %lld (errno %d), on shmem %lld (errno %d)\n",
			       offset, whence, a, a_errno, b, b_errno);
	return a == b && a_errno == b_errno && same_position(fd, ref);
}

/* Read @len bytes of which the first @good can be stored; at -1: read(). */
static bool same_read(int fd, int ref, size_t len, size_t good,
		      long long offset)
{
	char *a = before_guard(good), *b = before_guard(good);
	long ret, want;

	if (offset < 0) {
		ret = result(read(fd, a, len));
		want = result(read(ref, b, len));
	} else {
		ret = result(pread(fd, a, len, offset));
		want = result(pread(ref, b, len, offset));
	}
	if (ret != want)
		ksft_print_msg("read(%zu at %lld): %ld, on shmem %ld\n", len,
			       offset, ret, want);
	return ret == want && !memcmp(a, b, good) && same_position(fd, ref);
}

TEST_F(content, read_in_order)
{
	size_t lens[] = { 1, 10, self->page - 11, self->page + 1, 0,
			  3 * self->page, 1, 5 };

	for (size_t i = 0; i < ARRAY_SIZE(lens); i++)
		EXPECT_TRUE(same_read(self->fd, self->ref, lens[i], lens[i],
				      -1));
	/* The loop has reached the end. */
	EXPECT_EQ((off_t)self->size, lseek(self->fd, 0, SEEK_CUR));
	EXPECT_EQ(0, read(self->fd, lens, 1));
}

TEST_F(content, read_all_at_once)
{
	size_t room = 8 * self->page;

	EXPECT_TRUE(same_read(self->fd, self->ref, room, room, -1));
	EXPECT_TRUE(same_read(self->fd, self->ref, room, room, -1));
}

TEST_F(content, read_byte_by_byte)
{
	ASSERT_TRUE(same_seek(self->fd, self->ref, 4 * self->page, SEEK_SET));
	for (int i = 0; i < 102; i++)
		ASSERT_TRUE(same_read(self->fd, self->ref, 1, 1, -1));
}

TEST_F(content, pread)
{
	long long offsets[] = {
		0, 1, self->page - 1, self->page, 2 * self->page + 5,
		self->size - 1, self->size, self->size + 1, 1LL << 40,
		LLONG_MAX - 10, LLONG_MAX,
	};
	size_t lens[] = { 0, 1, 99, self->page, 2 * self->page + 1 };

	ASSERT_TRUE(same_seek(self->fd, self->ref, 17, SEEK_SET));
	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(lens); j++)
			EXPECT_TRUE(same_read(self->fd, self->ref, lens[j],
					      lens[j], offsets[i]));
	}
	EXPECT_EQ(17, lseek(self->fd, 0, SEEK_CUR));
	EXPECT_EQ(-EINVAL, result(pread(self->fd, lens, 1, -1)));
	EXPECT_EQ(17, lseek(self->fd, 0, SEEK_CUR));
}

/* What could be stored counts, and moves the position. */
TEST_F(content, fault_in_the_middle)
{
	size_t len = 3 * self->page;
	size_t good[] = { 0, 1, self->page - 1, self->page, self->page + 1,
			  2 * self->page };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		ASSERT_TRUE(same_seek(self->fd, self->ref, 7, SEEK_SET));
		EXPECT_TRUE(same_read(self->fd, self->ref, len, good[i], -1));
		EXPECT_TRUE(same_read(self->fd, self->ref, len, good[i],
				      self->page / 2));
	}
}

TEST_F(content, bad_pointers)
{
	ASSERT_TRUE(same_seek(self->fd, self->ref, 5, SEEK_SET));
	for (int i = 0; i < BAD_POINTERS; i++) {
		EXPECT_EQ(-EFAULT, result(read(self->fd, bad_pointer(i), 10)));
		EXPECT_EQ(-EFAULT, result(pread(self->fd, bad_pointer(i), 1,
						3)));
	}
	EXPECT_EQ(5, lseek(self->fd, 0, SEEK_CUR));
	/* At the end there is nothing to store. */
	EXPECT_EQ(0, result(pread(self->fd, bad_pointer(0), 9, self->size)));
	ASSERT_EQ((off_t)self->size, lseek(self->fd, 0, SEEK_END));
	EXPECT_EQ(0, result(read(self->fd, bad_pointer(0), 9)));
}

TEST_F(content, vectors)
{
	char a[3][64], b[3][64];
	struct iovec va[3], vb[3];
	off_t at = self->page - 40;

	for (int i = 0; i < 3; i++) {
		va[i] = (struct iovec) { .iov_base = a[i], .iov_len = 20 + i };
		vb[i] = (struct iovec) { .iov_base = b[i], .iov_len = 20 + i };
	}
	memset(a, 0, sizeof(a));
	memset(b, 0, sizeof(b));
	ASSERT_TRUE(same_seek(self->fd, self->ref, at, SEEK_SET));
	EXPECT_EQ(63, readv(self->ref, vb, 3));
	EXPECT_EQ(63, result(readv(self->fd, va, 3)));
	EXPECT_EQ(0, memcmp(a, b, sizeof(a)));
	EXPECT_TRUE(same_position(self->fd, self->ref));
	EXPECT_EQ(63, preadv(self->ref, vb, 3, 2 * self->page));
	EXPECT_EQ(63, result(preadv(self->fd, va, 3, 2 * self->page)));
	EXPECT_EQ(0, memcmp(a, b, sizeof(a)));
	EXPECT_TRUE(same_position(self->fd, self->ref));
	/* The second vector is bad: the first one counts. */
	va[1].iov_base = (void *)1;
	vb[1].iov_base = (void *)1;
	EXPECT_EQ(20, readv(self->ref, vb, 3));
	EXPECT_EQ(20, result(readv(self->fd, va, 3)));
	EXPECT_TRUE(same_position(self->fd, self->ref));
	EXPECT_EQ(0, result(readv(self->fd, va, 0)));
	/* Short at the end. */
	va[1].iov_base = a[1];
	EXPECT_EQ(30, result(preadv(self->fd, va, 3, self->size - 30)));
}

TEST_F(content, seek)
{
	long long page = self->page, size = self->size;
	long long offsets[] = {
		0, 1, -1, page - 1, page, page + 1, 2 * page, 3 * page,
		3 * page + 9, 4 * page, size - 1, size, size + 1, -size,
		-size - 1, 1LL << 31, 1LL << 32, 1LL << 40, LLONG_MAX - page,
		LLONG_MAX, LLONG_MIN, -page,
	};

	for (int whence = -1; whence <= SEEK_HOLE + 2; whence++) {
		for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
			ASSERT_TRUE(same_seek(self->fd, self->ref, page + 3,
					      SEEK_SET));
			EXPECT_TRUE(same_seek(self->fd, self->ref, offsets[i],
					      whence));
		}
	}
	/* One after the other, without a new start. */
	ASSERT_TRUE(same_seek(self->fd, self->ref, 0, SEEK_SET));
	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++)
		EXPECT_TRUE(same_seek(self->fd, self->ref, offsets[i],
				      SEEK_CUR));
}

/* The memfd agrees that this is what the holes are. */
TEST_F(content, data_and_holes)
{
	long long page = self->page, size = self->size;

	EXPECT_EQ(0, result(lseek(self->fd, 0, SEEK_DATA)));
	EXPECT_EQ(page, result(lseek(self->fd, 0, SEEK_HOLE)));
	EXPECT_EQ(2 * page, result(lseek(self->fd, page, SEEK_DATA)));
	EXPECT_EQ(3 * page, result(lseek(self->fd, 2 * page + 1, SEEK_HOLE)));
	EXPECT_EQ(4 * page, result(lseek(self->fd, 3 * page, SEEK_DATA)));
	EXPECT_EQ(size, result(lseek(self->fd, 4 * page, SEEK_HOLE)));
	EXPECT_EQ(-ENXIO, result(lseek(self->fd, size, SEEK_DATA)));
	EXPECT_EQ(-ENXIO, result(lseek(self->fd, size, SEEK_HOLE)));
	EXPECT_EQ(size, lseek(self->fd, 0, SEEK_CUR));
	EXPECT_EQ(-EINVAL, result(lseek(self->fd, -1, SEEK_SET)));
	EXPECT_EQ(-EINVAL, result(lseek(self->fd, -size - 1, SEEK_END)));
	EXPECT_EQ(size, lseek(self->fd, 0, SEEK_CUR));
}

/* Reading a hole does not fill it. */
TEST_F(content, reading_keeps_holes)
{
	char byte = 'x';

	EXPECT_EQ(1, pread(self->fd, &byte, 1, self->page));
	EXPECT_EQ(0, byte);
	EXPECT_EQ((off_t)self->page, lseek(self->fd, 0, SEEK_HOLE));
}

static long read_ten(void *arg)
{
	char buf[10];

	return result(read(*(int *)arg, buf, sizeof(buf)));
}

TEST_F(content, position_is_shared_by_duplicates)
{
	int copy = dup(self->fd);

	ASSERT_LE(0, copy);
	ASSERT_EQ(30, lseek(self->fd, 30, SEEK_SET));
	EXPECT_EQ(10, read_ten(&copy));
	EXPECT_EQ(40, lseek(self->fd, 0, SEEK_CUR));
	EXPECT_EQ(10, in_child(read_ten, &self->fd));
	EXPECT_EQ(50, lseek(copy, 0, SEEK_CUR));
	EXPECT_EQ(60, lseek(copy, 10, SEEK_CUR));
	EXPECT_EQ(60, lseek(self->fd, 0, SEEK_CUR));
}

TEST_F(content, position_is_not_shared_by_regions)
{
	int other = region("content", 1000);

	ASSERT_EQ(0, try_map(other, 1, PROT_READ, MAP_SHARED));
	ASSERT_EQ(30, lseek(self->fd, 30, SEEK_SET));
	EXPECT_EQ(0, lseek(other, 0, SEEK_CUR));
	EXPECT_EQ(10, read_ten(&other));
	EXPECT_EQ(30, lseek(self->fd, 0, SEEK_CUR));
}

/* A position set while the region was something else does not stay. */
TEST_F(content, starts_at_0)
{
	EXPECT_EQ(0, lseek(self->fd, 0, SEEK_CUR));
	EXPECT_TRUE(same_read(self->fd, self->ref, 100, 100, -1));
}

/* What is written into a mapping is what is read. */
TEST_F(content, follows_the_mapping)
{
	char buf[200];

	ASSERT_EQ(200, pread(self->fd, buf, 200, 100));
	EXPECT_EQ(0, memcmp(buf, self->p + 100, 200));
	memset(self->p + 100, 'n', 200);
	ASSERT_EQ(200, pread(self->fd, buf, 200, 100));
	EXPECT_TRUE(is_all(buf, 200, 'n'));
}

/* The buffer may be the region itself. */
TEST_F(content, reads_into_its_own_mapping)
{
	size_t page = self->page;

	ASSERT_EQ((ssize_t)page, pread(self->fd, self->p + page, page, 0));
	EXPECT_TRUE(is_filled(self->p + page, page, 0));
	EXPECT_EQ(100, pread(self->fd, self->p, 100, 50));
}

TEST(read_only_descriptor)
{
	int fd = region_flags(O_RDONLY | O_CLOEXEC, 100);
	char buf[200];

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, try_map(fd, 1, PROT_READ, MAP_SHARED));
	memset(buf, 'x', sizeof(buf));
	EXPECT_EQ(100, read(fd, buf, sizeof(buf)));
	EXPECT_TRUE(is_all(buf, 100, 0));
	EXPECT_TRUE(is_all(buf + 100, 100, 'x'));
	EXPECT_EQ(40, lseek(fd, 40, SEEK_SET));
}

TEST(beyond_4_gib)
{
	off_t size = (1LL << 32) + 1000, far = (1LL << 32) + 10;
	int fd = region_open();
	char *p, byte;

	if (sizeof(size_t) < 8)
		SKIP(return, "no such region in 32 bits");
	ASSERT_EQ(0, set_size(fd, size));
	ASSERT_EQ(0, map_at(NULL, fd, 1000, PROT_RW, MAP_SHARED | MAP_NORESERVE,
			    1LL << 32, &p));
	fill(p, 1000, 1);
	ASSERT_EQ(far, lseek(fd, far, SEEK_SET));
	EXPECT_EQ(1, read(fd, &byte, 1));
	EXPECT_EQ(p[10], byte);
	EXPECT_EQ(far + 1, lseek(fd, 0, SEEK_CUR));
	EXPECT_EQ(size, lseek(fd, 0, SEEK_END));
	EXPECT_EQ(1LL << 32, lseek(fd, 0, SEEK_DATA));
}

TEST_HARNESS_MAIN
