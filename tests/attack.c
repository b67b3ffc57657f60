// SPDX-License-Identifier: GPL-2.0
/*
 * Write access that the mask forbids stays forbidden.
 *
 * Every test tries one road to it with all the rights of root, and then sees
 * whether content and size are what they were. The roads through
 * /proc/<pid>/map_files are in map_files.c.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "ashmem_test.h"
#include "harness.h"

#define PAGES	4

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE	23
#endif

FIXTURE(attack) {
	size_t page;
	size_t len;
	int fd;
	/* A mapping without write permission: what is attacked. */
	char *ro;
	/* What the region must hold in the end. */
	char *content;
};

FIXTURE_VARIANT(attack) {
	int open_flags;
};

FIXTURE_VARIANT_ADD(attack, read_only_mask) { .open_flags = O_RDWR };
FIXTURE_VARIANT_ADD(attack, read_only_open) { .open_flags = O_RDONLY };

FIXTURE_SETUP(attack)
{
	char *p;

	self->page = page_size();
	self->len = PAGES * self->page;
	self->fd = region_open_flags(variant->open_flags | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, set_size(self->fd, self->len));
	self->content = calloc(1, self->len);
	ASSERT_NE(NULL, self->content);
	if (variant->open_flags == O_RDWR) {
		ASSERT_EQ(0, map(self->fd, self->len, PROT_RW, MAP_SHARED, &p));
		fill(p, self->len, 1);
		fill(self->content, self->len, 1);
		ASSERT_EQ(0, munmap(p, self->len));
	}
	ASSERT_EQ(0, set_mask(self->fd, PROT_READ));
	ASSERT_EQ(0, map(self->fd, self->len, PROT_READ, MAP_SHARED,
			 &self->ro));
}

FIXTURE_TEARDOWN(attack)
{
	EXPECT_EQ(PROT_READ, get_mask(self->fd));
	EXPECT_EQ(self->len, get_size(self->fd));
	EXPECT_EQ(0, memcmp(self->ro, self->content, self->len));
	EXPECT_TRUE(reads_as(self->fd, self->content, self->len));
	free(self->content);
	close(self->fd);
}

/* Is any page of this mapping writable, now or by mprotect? */
static bool can_write(char *p, size_t len)
{
	for (size_t i = 0; i < len; i += page_size()) {
		if (!touch_write(p + i, 'W'))
			return true;
		if (protect(p + i, page_size(), PROT_RW) != -EACCES)
			return true;
	}
	return protect(p, len, PROT_WRITE) != -EACCES;
}

TEST_F(attack, mprotect)
{
	EXPECT_FALSE(can_write(self->ro, self->len));
	EXPECT_EQ(-EACCES, protect(self->ro, self->len, PROT_RWX));
	EXPECT_EQ(-EACCES, protect(self->ro, self->len, PROT_EXEC));
	ASSERT_EQ(0, protect(self->ro, self->len, PROT_NONE));
	EXPECT_EQ(-EACCES, protect(self->ro, self->len, PROT_RW));
	ASSERT_EQ(0, protect(self->ro, self->len, PROT_READ));
}

TEST_F(attack, pkey_mprotect)
{
	EXPECT_EQ(-EACCES, result(syscall(SYS_pkey_mprotect, self->ro,
					  self->len, PROT_RW, -1)));
}

TEST_F(attack, second_mmap)
{
	bool rdwr = variant->open_flags == O_RDWR;
	char *p;

	/* Without FMODE_WRITE the kernel does not even ask the driver. */
	EXPECT_EQ(rdwr ? -EPERM : -EACCES,
		  try_map(self->fd, self->len, PROT_RW, MAP_SHARED));
	EXPECT_EQ(rdwr ? -EPERM : -EACCES,
		  try_map(self->fd, self->len, PROT_WRITE,
			  MAP_SHARED_VALIDATE));
	EXPECT_EQ(-EPERM, try_map(self->fd, self->len, PROT_RW, MAP_PRIVATE));
	EXPECT_EQ(-EPERM, try_map(self->fd, self->len, PROT_RWX, MAP_PRIVATE));
	ASSERT_EQ(0, map(self->fd, self->len, PROT_READ, MAP_PRIVATE, &p));
	EXPECT_FALSE(can_write(p, self->len));
	ASSERT_EQ(0, map(self->fd, self->len, PROT_NONE, MAP_SHARED, &p));
	EXPECT_FALSE(can_write(p, self->len));
}

TEST_F(attack, raise_the_mask)
{
	int copy = dup(self->fd);

	EXPECT_EQ(-EINVAL, set_mask(self->fd, PROT_RW));
	EXPECT_EQ(-EINVAL, set_mask(copy, PROT_RWX));
	EXPECT_EQ(-EINVAL, set_mask(copy, ~0UL));
	close(copy);
}

static long map_writable(void *arg)
{
	return try_map(*(int *)arg, page_size(), PROT_RW, MAP_SHARED);
}

static long receive_and_map(void *arg)
{
	int fd = recv_fd(*(int *)arg);

	return fd < 0 ? 1 : map_writable(&fd);
}

TEST_F(attack, other_holders_of_the_descriptor)
{
	int want = variant->open_flags == O_RDWR ? -EPERM : -EACCES;
	int s[2], copy = dup(self->fd), pidfd;

	EXPECT_EQ(want, map_writable(&copy));
	EXPECT_EQ(want, in_child(map_writable, &self->fd));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s));
	ASSERT_EQ(1, send_fd(s[0], self->fd));
	EXPECT_EQ(want, in_child(receive_and_map, &s[1]));
	pidfd = syscall(SYS_pidfd_open, getpid(), 0);
	ASSERT_LE(0, pidfd);
	copy = syscall(SYS_pidfd_getfd, pidfd, self->fd, 0);
	ASSERT_LE(0, copy);
	EXPECT_EQ(want, map_writable(&copy));
}

/* Opening it anew is a new region, which has nothing of this one. */
TEST_F(attack, reopen_through_proc)
{
	char path[64], *p;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, get_size(fd));
	EXPECT_EQ(PROT_RWX, get_mask(fd));
	ASSERT_EQ(0, set_size(fd, self->len));
	ASSERT_EQ(0, map(fd, self->len, PROT_RW, MAP_SHARED, &p));
	EXPECT_TRUE(is_all(p, self->len, 0));
	memset(p, 'W', self->len);
	EXPECT_NE(file_id(self->fd), file_id(fd));
	close(fd);
}

TEST_F(attack, change_the_access_mode)
{
	fcntl(self->fd, F_SETFL, O_RDWR | O_APPEND);
	EXPECT_EQ(variant->open_flags, fcntl(self->fd, F_GETFL) & O_ACCMODE);
	EXPECT_NE(0, map_writable(&self->fd));
}

TEST_F(attack, write_to_the_descriptor)
{
	int want = variant->open_flags == O_RDWR ? -EINVAL : -EBADF;
	struct iovec iov = { .iov_base = self->content, .iov_len = 8 };

	EXPECT_EQ(want, result(write(self->fd, "W", 1)));
	EXPECT_EQ(want, result(pwrite(self->fd, "W", 1, 0)));
	EXPECT_EQ(want, result(writev(self->fd, &iov, 1)));
	EXPECT_EQ(want, result(pwritev(self->fd, &iov, 1, 0)));
	EXPECT_EQ(want, result(pwritev2(self->fd, &iov, 1, 0, RWF_APPEND)));
}

TEST_F(attack, change_the_size)
{
	int want = variant->open_flags == O_RDWR ? -ENODEV : -EBADF;
	char path[64];

	EXPECT_EQ(-EINVAL, result(ftruncate(self->fd, 0)));
	EXPECT_EQ(-EINVAL, result(ftruncate(self->fd, 2 * self->len)));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	EXPECT_EQ(-EINVAL, result(truncate(path, 0)));
	EXPECT_EQ(want, result(fallocate(self->fd, 0, 0, 2 * self->len)));
	EXPECT_EQ(want, result(fallocate(self->fd, FALLOC_FL_PUNCH_HOLE |
					 FALLOC_FL_KEEP_SIZE, 0, self->len)));
	EXPECT_EQ(-EINVAL, set_size(self->fd, 2 * self->len));
}

TEST_F(attack, seals)
{
	/* Who may not write may not seal; and it is not a file with seals. */
	EXPECT_EQ(variant->open_flags == O_RDWR ? -EINVAL : -EPERM,
		  result(fcntl(self->fd, F_ADD_SEALS, F_SEAL_GROW)));
	EXPECT_EQ(-EINVAL, result(fcntl(self->fd, F_GET_SEALS)));
}

TEST_F(attack, splice_into_it)
{
	bool rdwr = variant->open_flags == O_RDWR;
	int pipes[2], source = reference(self->len);
	loff_t at = 0;

	ASSERT_LE(0, source);
	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(5, write(pipes[1], "WWWWW", 5));
	EXPECT_EQ(rdwr ? -EINVAL : -EBADF,
		  result(splice(pipes[0], NULL, self->fd, NULL, 5, 0)));
	EXPECT_EQ(rdwr ? -EINVAL : -EBADF,
		  result(splice(pipes[0], NULL, self->fd, &at, 5, 0)));
	EXPECT_EQ(rdwr ? -EINVAL : -EBADF,
		  result(sendfile(self->fd, source, NULL, self->page)));
	/* Two regular files is what it wants, whatever their modes. */
	EXPECT_EQ(-EINVAL, result(copy_file_range(source, NULL, self->fd, NULL,
						  self->page, 0)));
	close(pipes[0]);
	close(pipes[1]);
	close(source);
}

/* Gifted to a pipe, a page could be written by whoever fills the pipe. */
TEST_F(attack, vmsplice)
{
	struct iovec iov = { .iov_base = self->ro, .iov_len = self->page };
	char *buf = malloc(self->page);
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ((ssize_t)self->page, vmsplice(pipes[1], &iov, 1,
						SPLICE_F_GIFT));
	ASSERT_EQ(1, write(pipes[1], "W", 1));
	ASSERT_EQ((ssize_t)self->page, read(pipes[0], buf, self->page));
	EXPECT_EQ(0, memcmp(buf, self->content, self->page));
	/* And from a pipe into the mapping. */
	EXPECT_EQ(-EFAULT, result(vmsplice(pipes[0], &iov, 1, 0)));
	free(buf);
	close(pipes[0]);
	close(pipes[1]);
}

/* The kernel writes for us: into a mapping it must not. */
TEST_F(attack, as_a_buffer)
{
	struct iovec to = { .iov_base = self->ro, .iov_len = 8 };
	struct iovec from = { .iov_base = "WWWWWWWW", .iov_len = 8 };
	int source = reference(self->len);

	ASSERT_LE(0, source);
	EXPECT_EQ(-EFAULT, result(read(source, self->ro, self->page)));
	EXPECT_EQ(-EFAULT, result(readv(source, &to, 1)));
	EXPECT_EQ(-EFAULT, result(pread(self->fd, self->ro, 16, self->page)));
	EXPECT_EQ(-EFAULT, result(process_vm_readv(getpid(), &to, 1, &from, 1,
						   0)));
	EXPECT_EQ(-EFAULT, get_name(self->fd, self->ro));
	EXPECT_EQ(-EFAULT, get_file_id(self->fd, self->ro));
	EXPECT_EQ(-EFAULT, result(syscall(SYS_futex, self->ro, FUTEX_WAKE_OP,
					  1, 1, self->ro + 4,
					  FUTEX_OP(FUTEX_OP_SET, 7, 0, 0))));
	close(source);
}

TEST_F(attack, process_vm_writev)
{
	struct iovec from = { .iov_base = "WWWWWWWW", .iov_len = 8 };
	struct iovec to = { .iov_base = self->ro, .iov_len = 8 };

	EXPECT_EQ(-EFAULT, result(process_vm_writev(getpid(), &from, 1, &to, 1,
						    0)));
}

TEST_F(attack, proc_mem)
{
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	off_t at = (unsigned long)self->ro;

	ASSERT_LE(0, mem);
	EXPECT_EQ(-EIO, result(pwrite(mem, "W", 1, at)));
	close(mem);
}

/* A tracer may write where the tracee may not: not here. */
TEST_F(attack, ptrace)
{
	struct iovec from = { .iov_base = "WWWWWWWW", .iov_len = 8 };
	struct iovec to = { .iov_base = self->ro, .iov_len = 8 };
	char path[64];
	int status, mem;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(memcmp(self->ro, self->content, self->len) ? 1 : 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSTOPPED(status));
	EXPECT_EQ(-EIO, result(ptrace(PTRACE_POKEDATA, pid, self->ro, ~0L)));
	EXPECT_EQ(-EIO, result(ptrace(PTRACE_POKETEXT, pid, self->ro, ~0L)));
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, mem);
	EXPECT_EQ(-EIO, result(pwrite(mem, "W", 1, (unsigned long)self->ro)));
	close(mem);
	EXPECT_EQ(-EFAULT, result(process_vm_writev(pid, &from, 1, &to, 1,
						    0)));
	ASSERT_EQ(0, ptrace(PTRACE_CONT, pid, NULL, NULL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

/* It maps the backing file without asking the driver (CVE-2020-0009). */
TEST_F(attack, remap_file_pages)
{
	char *p;

	ASSERT_EQ(0, map(self->fd, self->len, PROT_READ, MAP_SHARED, &p));
	/* A shared mapping of a read-only file is not VM_SHARED: EINVAL. */
	EXPECT_EQ(variant->open_flags == O_RDWR ? -EPERM : -EINVAL,
		  result(syscall(SYS_remap_file_pages, p, self->page, 0, 1,
				 0)));
	for (size_t i = 0; i < self->len; i += self->page) {
		EXPECT_NE(0, touch_write(p + i, 'W'));
		EXPECT_NE(0, protect(p + i, self->page, PROT_RW));
	}
}

TEST_F(attack, madvise)
{
	EXPECT_EQ(-EACCES, result(madvise(self->ro, self->len, MADV_REMOVE)));
	EXPECT_EQ(-EACCES, result(madvise(self->ro, self->page, MADV_REMOVE)));
	EXPECT_EQ(0, result(madvise(self->ro, self->len, MADV_DONTNEED)));
	EXPECT_EQ(-EINVAL, result(madvise(self->ro, self->len, MADV_FREE)));
	EXPECT_EQ(-EINVAL, result(madvise(self->ro, self->len,
					  MADV_POPULATE_WRITE)));
}

TEST_F(attack, mremap)
{
	char *copy = mremap(self->ro, 0, self->len, MREMAP_MAYMOVE), *moved;

	/* A second mapping of the same pages, with the same rights. */
	if (copy != MAP_FAILED) {
		EXPECT_EQ(0, memcmp(copy, self->content, self->len));
		EXPECT_FALSE(can_write(copy, self->len));
	}
	ASSERT_EQ(0, map(self->fd, self->len, PROT_READ, MAP_SHARED, &moved));
	moved = mremap(moved, self->len, 2 * self->len, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, moved);
	EXPECT_FALSE(can_write(moved, self->len));
	EXPECT_EQ(SIGBUS, touch_read(moved + self->len));
}

static long child_can_write(void *arg)
{
	return can_write(arg, PAGES * page_size());
}

TEST_F(attack, fork)
{
	EXPECT_EQ(0, in_child(child_can_write, self->ro));
}

TEST_F(attack, userfaultfd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { .start = (unsigned long)self->ro,
			   .len = self->len },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_copy copy = {
		.dst = (unsigned long)self->ro,
		.src = (unsigned long)before_guard(self->page),
		.len = self->page,
	};
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (uffd < 0)
		SKIP(return, "userfaultfd: %s", strerror(errno));
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_API, &api));
	EXPECT_EQ(-EPERM, result(ioctl(uffd, UFFDIO_REGISTER, &reg)));
	EXPECT_EQ(-ENOENT, result(ioctl(uffd, UFFDIO_COPY, &copy)));
	close(uffd);
}

/* Registered buffers are pinned for writing. */
TEST_F(attack, io_uring_buffer)
{
	struct iovec iov = { .iov_base = self->ro, .iov_len = self->page };
	struct io_uring_params params = {};
	int ring = syscall(SYS_io_uring_setup, 4, &params);

	if (ring < 0)
		SKIP(return, "io_uring: %s", strerror(errno));
	EXPECT_EQ(-EFAULT, result(syscall(SYS_io_uring_register, ring,
					  IORING_REGISTER_BUFFERS, &iov, 1)));
	close(ring);
}

/* The owner lowers the mask; mappings of before stay, and only those. */
TEST(old_writers_stay_new_ones_do_not_come)
{
	size_t len = page_size();
	int fd = region("lowered", len);
	char *rw, *ro, *copy;

	ASSERT_EQ(0, map(fd, len, PROT_RW, MAP_SHARED, &rw));
	ASSERT_EQ(0, set_mask(fd, PROT_READ));
	ASSERT_EQ(0, map(fd, len, PROT_READ, MAP_SHARED, &ro));
	/* Next to a writable mapping of the same pages: the rights differ. */
	EXPECT_FALSE(can_write(ro, len));
	fill(rw, len, 1);
	EXPECT_TRUE(is_filled(ro, len, 1));
	copy = mremap(ro, 0, len, MREMAP_MAYMOVE);
	if (copy != MAP_FAILED)
		EXPECT_FALSE(can_write(copy, len));
	EXPECT_TRUE(is_filled(ro, len, 1));
}

TEST_HARNESS_MAIN
