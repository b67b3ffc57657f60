// SPDX-License-Identifier: GPL-2.0
/* The device node, and what an open file of it is. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

#include "ashmem_test.h"
#include "harness.h"

#define MISC_MAJOR	10
#define MANY		2000

TEST(node)
{
	struct stat st;

	ASSERT_EQ(0, stat(ASHMEM_DEV, &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(0666, st.st_mode & 07777);
	EXPECT_EQ(MISC_MAJOR, major(st.st_rdev));
}

TEST(sysfs_and_proc_misc)
{
	char want[32], got[64];
	struct stat st;

	ASSERT_EQ(0, stat(ASHMEM_DEV, &st));
	snprintf(want, sizeof(want), "%u:%u", major(st.st_rdev),
		 minor(st.st_rdev));
	ASSERT_TRUE(file_line("/sys/class/misc/ashmem/dev", "", got,
			      sizeof(got)));
	EXPECT_STREQ(want, got);
	snprintf(want, sizeof(want), "%3u ", minor(st.st_rdev));
	ASSERT_TRUE(file_line("/proc/misc", want, got, sizeof(got)));
	EXPECT_STREQ("ashmem", got);
}

static long open_and_map(void *arg)
{
	long ret = become_nobody();
	int fd;

	if (ret)
		return ret;
	fd = region(arg, page_size());
	return fd < 0 ? fd : try_map(fd, page_size(), PROT_RW, MAP_SHARED);
}

/* No udev rule, no init script: mode 0666 is what the driver asks for. */
TEST(unprivileged_user)
{
	if (geteuid())
		SKIP(return, "needs root, to become somebody else");
	EXPECT_EQ(0, in_child(open_and_map, "nobody's"));
}

FIXTURE(open_flags) {
	int fd;
};

FIXTURE_VARIANT(open_flags) {
	int flags;
};

FIXTURE_VARIANT_ADD(open_flags, rdonly) { .flags = O_RDONLY };
FIXTURE_VARIANT_ADD(open_flags, wronly) { .flags = O_WRONLY };
FIXTURE_VARIANT_ADD(open_flags, rdwr) { .flags = O_RDWR };
FIXTURE_VARIANT_ADD(open_flags, cloexec) { .flags = O_RDWR | O_CLOEXEC };
FIXTURE_VARIANT_ADD(open_flags, nonblock) { .flags = O_RDWR | O_NONBLOCK };
FIXTURE_VARIANT_ADD(open_flags, append) { .flags = O_RDWR | O_APPEND };
FIXTURE_VARIANT_ADD(open_flags, trunc) { .flags = O_RDWR | O_TRUNC };

FIXTURE_SETUP(open_flags)
{
	self->fd = region_open_flags(variant->flags);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(open_flags)
{
	close(self->fd);
}

TEST_F(open_flags, initial_state)
{
	char name[ASHMEM_NAME_LEN];
	unsigned long id;

	EXPECT_EQ(variant->flags & O_ACCMODE,
		  fcntl(self->fd, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(variant->flags & O_CLOEXEC ? FD_CLOEXEC : 0,
		  fcntl(self->fd, F_GETFD));
	EXPECT_EQ(0, get_size(self->fd));
	EXPECT_EQ(PROT_RWX, get_mask(self->fd));
	EXPECT_EQ(0, get_name(self->fd, name));
	EXPECT_STREQ(ASHMEM_NAME_DEF, name);
	EXPECT_EQ(-EINVAL, get_file_id(self->fd, &id));
}

/* The access mode limits mappings, not the ioctls. */
TEST_F(open_flags, ioctls_work)
{
	char name[ASHMEM_NAME_LEN];

	EXPECT_EQ(0, set_name(self->fd, "some name"));
	EXPECT_EQ(0, get_name(self->fd, name));
	EXPECT_STREQ("some name", name);
	EXPECT_EQ(0, set_size(self->fd, 12345));
	EXPECT_EQ(12345, get_size(self->fd));
	EXPECT_EQ(0, set_mask(self->fd, PROT_READ));
	EXPECT_EQ(PROT_READ, get_mask(self->fd));
}

/* libcutils recognises a region by this. */
TEST_F(open_flags, fstat_tells_the_device)
{
	struct stat node, st;
	int ret;

	ASSERT_EQ(0, stat(ASHMEM_DEV, &node));
	ASSERT_EQ(0, fstat(self->fd, &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(node.st_rdev, st.st_rdev);

	/* Creating the backing file does not put it in the place of this one. */
	ASSERT_EQ(0, set_size(self->fd, page_size()));
	ret = try_map(self->fd, page_size(), PROT_READ, MAP_SHARED);
	EXPECT_EQ((variant->flags & O_ACCMODE) == O_WRONLY ? -EACCES : 0, ret);
	ASSERT_EQ(0, fstat(self->fd, &st));
	EXPECT_EQ(node.st_rdev, st.st_rdev);
}

TEST_F(open_flags, write_is_not_supported)
{
	int want = (variant->flags & O_ACCMODE) == O_RDONLY ? -EBADF : -EINVAL;
	char byte = 'w';
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };

	for (int sized = 0; sized < 2; sized++) {
		EXPECT_EQ(0, set_size(self->fd, sized * 100));
		EXPECT_EQ(want, result(write(self->fd, &byte, 1)));
		EXPECT_EQ(want, result(write(self->fd, &byte, 0)));
		EXPECT_EQ(want, result(write(self->fd, bad_pointer(0), 1)));
		EXPECT_EQ(want, result(pwrite(self->fd, &byte, 1, 0)));
		EXPECT_EQ(want, result(writev(self->fd, &iov, 1)));
		EXPECT_EQ(want, result(pwritev(self->fd, &iov, 1, 0)));
	}
}

TEST_F(open_flags, poll_is_always_ready)
{
	struct pollfd p = { .fd = self->fd, .events = POLLIN | POLLOUT };
	struct epoll_event event = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(POLLIN | POLLOUT, p.revents);
	ASSERT_LE(0, ep);
	EXPECT_EQ(-EPERM, result(epoll_ctl(ep, EPOLL_CTL_ADD, self->fd,
					   &event)));
	close(ep);
}

/* Names never connect regions. */
TEST(open_makes_a_new_region)
{
	size_t len = page_size();
	int a = region("same", len), b = region("same", len);
	char name[ASHMEM_NAME_LEN], *pa, *pb;

	ASSERT_LE(0, a);
	ASSERT_LE(0, b);
	ASSERT_EQ(0, map(a, len, PROT_RW, MAP_SHARED, &pa));
	/* The other one is not frozen. */
	EXPECT_EQ(0, set_name(b, "other"));
	EXPECT_EQ(0, set_size(b, 2 * len));
	EXPECT_EQ(0, set_mask(b, PROT_RW));
	EXPECT_EQ(0, get_name(a, name));
	EXPECT_STREQ("same", name);
	EXPECT_EQ(len, get_size(a));
	EXPECT_EQ(PROT_RWX, get_mask(a));

	ASSERT_EQ(0, map(b, len, PROT_RW, MAP_SHARED, &pb));
	fill(pa, len, 1);
	EXPECT_TRUE(is_all(pb, len, 0));
	EXPECT_NE(0, file_id(a));
	EXPECT_NE(file_id(a), file_id(b));
}

FIXTURE(second_path) {
	char path[64];
};

FIXTURE_VARIANT(second_path) {
	bool link;
};

FIXTURE_VARIANT_ADD(second_path, mknod) { .link = false };
FIXTURE_VARIANT_ADD(second_path, symlink) { .link = true };

FIXTURE_SETUP(second_path)
{
	struct stat st;
	int ret;

	if (geteuid())
		SKIP(return, "needs root, to write in /dev");
	snprintf(self->path, sizeof(self->path), ASHMEM_DEV "-test-%d",
		 getpid());
	ASSERT_EQ(0, stat(ASHMEM_DEV, &st));
	if (variant->link)
		ret = symlink(ASHMEM_DEV, self->path);
	else
		ret = mknod(self->path, S_IFCHR | 0666, st.st_rdev);
	ASSERT_EQ(0, ret);
}

FIXTURE_TEARDOWN(second_path)
{
	unlink(self->path);
}

/* As libcutils does with its /dev/ashmem<boot_id>. */
TEST_F(second_path, works_as_the_first)
{
	int fd = open(self->path, O_RDWR | O_CLOEXEC);
	struct stat node, st;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, stat(ASHMEM_DEV, &node));
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(node.st_rdev, st.st_rdev);
	EXPECT_EQ(0, set_name(fd, "through the other path"));
	EXPECT_EQ(0, set_size(fd, page_size()));
	EXPECT_EQ(0, try_map(fd, page_size(), PROT_RW, MAP_SHARED));
	close(fd);
}

TEST(many_regions)
{
	static int fds[MANY];
	int n;

	for (n = 0; n < MANY; n++) {
		fds[n] = region_open();
		if (fds[n] < 0)
			break;
		EXPECT_EQ(0, set_size(fds[n], n));
	}
	/* The limit on descriptors is the only thing that may stop it. */
	if (n < MANY)
		EXPECT_EQ(-EMFILE, fds[n]);
	EXPECT_LT(500, n);
	for (int i = 0; i < n; i++) {
		EXPECT_EQ((size_t)i, get_size(fds[i]));
		EXPECT_EQ(0, close(fds[i]));
	}
}

TEST_HARNESS_MAIN
