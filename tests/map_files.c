// SPDX-License-Identifier: GPL-2.0
/*
 * The backing file of a region in /proc/<pid>/map_files.
 *
 * A privileged process may open it there: past the driver, past the mask. It
 * must not be mapped (EPERM), must never change its size, and must not be
 * written where the mask says read only. Opening it for writing is refused; all
 * other tests would do without: each tries everything that an open file can do,
 * and then looks at the region.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "ashmem_test.h"
#include "harness.h"

#define PAGES	4

static const int open_flags[] = {
	O_RDWR, O_RDONLY, O_WRONLY, O_RDWR | O_APPEND, O_RDWR | O_TRUNC,
	O_WRONLY | O_TRUNC, O_RDONLY | O_TRUNC, O_RDWR | O_DIRECT,
};

FIXTURE(map_files) {
	size_t len;
	int fd;
	char *p;
	char *content;
	/* A mapping of before the mask went down; it sees what happens. */
	char *rw;
	char path[128];
};

FIXTURE_VARIANT(map_files) {
	int mask;
	int prot;
	int type;
};

FIXTURE_VARIANT_ADD(map_files, read_only) {
	.mask = PROT_READ, .prot = PROT_READ, .type = MAP_SHARED
};

FIXTURE_VARIANT_ADD(map_files, private) {
	.mask = PROT_READ, .prot = PROT_READ, .type = MAP_PRIVATE
};

FIXTURE_VARIANT_ADD(map_files, no_access) {
	.mask = PROT_NONE, .prot = PROT_NONE, .type = MAP_SHARED
};

/* Writing is allowed here, but mapping past the driver and resizing is not. */
FIXTURE_VARIANT_ADD(map_files, writable) {
	.mask = PROT_RWX, .prot = PROT_RW, .type = MAP_SHARED
};

/* The mapping whose entry is opened may write, although new ones may not. */
FIXTURE_VARIANT_ADD(map_files, writable_before) {
	.mask = PROT_READ, .prot = PROT_RW, .type = MAP_SHARED
};

FIXTURE_SETUP(map_files)
{
	int fd;

	self->len = PAGES * page_size();
	self->fd = region("map_files", self->len);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, map(self->fd, self->len, PROT_RW, MAP_SHARED, &self->rw));
	fill(self->rw, self->len, 1);
	if (variant->prot & PROT_WRITE) {
		self->p = self->rw;
	} else {
		ASSERT_EQ(0, set_mask(self->fd, variant->mask));
		ASSERT_EQ(0, map(self->fd, self->len, variant->prot,
				 variant->type, &self->p));
	}
	ASSERT_EQ(0, set_mask(self->fd, variant->mask));
	self->content = malloc(self->len);
	fill(self->content, self->len, 1);
	ASSERT_TRUE(map_files_path(0, self->p, self->path,
				   sizeof(self->path)));
	fd = open(self->path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		SKIP(return, "%s: %s", self->path, strerror(errno));
	close(fd);
}

/* Has the attack got anywhere? */
FIXTURE_TEARDOWN(map_files)
{
	struct stat st;

	EXPECT_EQ(self->len, get_size(self->fd));
	if (!fstatat(AT_FDCWD, self->path, &st, 0))
		EXPECT_EQ((off_t)self->len, st.st_size);
	/* Nobody gets SIGBUS because the file has become shorter. */
	EXPECT_EQ(0, touch_read(self->rw + self->len - 1));
	if (!(variant->mask & PROT_WRITE)) {
		EXPECT_EQ(0, memcmp(self->rw, self->content, self->len));
		EXPECT_TRUE(reads_as(self->fd, self->content, self->len));
	}
	free(self->content);
	close(self->fd);
}

/*
 * mmap in all ways: how many of them did not fail with EPERM, or with the
 * EACCES with which the kernel itself holds mappings to the open mode.
 */
static int mappings(int fd, size_t len)
{
	static const int types[] = {
		MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE,
	};
	int mode = fcntl(fd, F_GETFL) & O_ACCMODE, wrong = 0;

	for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
		for (int prot = 0; prot <= PROT_RWX; prot++) {
			bool denied = mode == O_WRONLY ||
				      (mode == O_RDONLY &&
				       types[t] != MAP_PRIVATE &&
				       prot & PROT_WRITE);
			long want = denied ? -EACCES : -EPERM;
			long ret = try_map(fd, len, prot, types[t]);

			if (ret == want)
				continue;
			if (!wrong++)
				ksft_print_msg("mmap prot %d type %d: %ld\n",
					       prot, types[t], ret);
		}
	}
	return wrong;
}

/* Writes, in all ways; the teardown sees what has become of it. */
static void write_to(int fd, size_t len)
{
	struct iovec iov = { .iov_base = "WWWWWWWW", .iov_len = 8 };
	static const int modes[] = {
		0, FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE, FALLOC_FL_COLLAPSE_RANGE,
		FALLOC_FL_INSERT_RANGE,
		FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
	};
	int pipes[2], source = reference(len);
	loff_t at = 0;

	(void)!write(fd, "W", 1);
	(void)!pwrite(fd, "W", 1, 0);
	(void)!pwrite(fd, "W", 1, len);
	(void)!writev(fd, &iov, 1);
	(void)!pwritev(fd, &iov, 1, 0);
	pwritev2(fd, &iov, 1, 0, RWF_APPEND);
	pwritev2(fd, &iov, 1, 0, RWF_NOWAIT);
	if (!pipe(pipes)) {
		(void)!write(pipes[1], "WWWWWWWW", 8);
		splice(pipes[0], NULL, fd, NULL, 4, 0);
		splice(pipes[0], NULL, fd, &at, 4, 0);
		/* A page of the file in a pipe must not be appended to. */
		at = 0;
		splice(fd, &at, pipes[1], NULL, 16, 0);
		(void)!write(pipes[1], "WWWWWWWW", 8);
		close(pipes[0]);
		close(pipes[1]);
	}
	at = 0;
	sendfile(fd, source, &at, page_size());
	at = 0;
	(void)!copy_file_range(source, &at, fd, NULL, page_size(), 0);
	ioctl(fd, FICLONE, source);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		fallocate(fd, modes[i], 0, page_size());
		fallocate(fd, modes[i], len, page_size());
		fallocate(fd, modes[i], 0, 2 * len);
	}
	(void)!ftruncate(fd, 0);
	(void)!ftruncate(fd, 2 * len);
	close(source);
}

/* Everything at once: 0 when no mmap came through or failed oddly. */
static int use(int fd, size_t len)
{
	write_to(fd, len);
	return mappings(fd, len);
}

/* The same for each way of opening a path. */
static int open_and_use(const char *path, size_t len)
{
	int wrong = 0;

	for (size_t i = 0; i < ARRAY_SIZE(open_flags); i++) {
		int fd = open(path, open_flags[i] | O_CLOEXEC);

		if (fd < 0)
			continue;
		wrong += use(fd, len);
		close(fd);
	}
	return wrong;
}

TEST_F(map_files, open)
{
	EXPECT_EQ(0, open_and_use(self->path, self->len));
}

TEST_F(map_files, truncate_the_path)
{
	EXPECT_NE(0, truncate(self->path, 0));
	EXPECT_NE(0, truncate(self->path, 1));
	EXPECT_NE(0, truncate(self->path, 2 * self->len));
}

/* A descriptor that only names the file, opened again through /proc. */
TEST_F(map_files, path_descriptor)
{
	int fd = open(self->path, O_PATH | O_CLOEXEC);
	char again[64];

	ASSERT_LE(0, fd);
	snprintf(again, sizeof(again), "/proc/self/fd/%d", fd);
	EXPECT_EQ(0, open_and_use(again, self->len));
	EXPECT_NE(0, truncate(again, 0));
	close(fd);
}

/* What an open for reading gives is not mapped, and not opened for more. */
TEST_F(map_files, not_open_for_writing)
{
	for (size_t i = 0; i < ARRAY_SIZE(open_flags); i++) {
		long fd = result(open(self->path, open_flags[i] | O_CLOEXEC));

		EXPECT_EQ(open_flags[i] == O_RDONLY ? 0 : -EPERM, fd < 0 ? fd : 0);
		close(fd);
	}
}

TEST_F(map_files, read_only_descriptor)
{
	int fd = open(self->path, O_RDONLY | O_CLOEXEC);
	char again[64];

	if (fd < 0)
		return;
	EXPECT_EQ(0, use(fd, self->len));
	snprintf(again, sizeof(again), "/proc/self/fd/%d", fd);
	EXPECT_EQ(0, open_and_use(again, self->len));
	fcntl(fd, F_SETFL, O_APPEND);
	EXPECT_EQ(0, use(fd, self->len));
	close(fd);
}

TEST_F(map_files, seals)
{
	static const int seals[] = {
		F_SEAL_WRITE, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_FUTURE_WRITE,
		F_SEAL_SEAL,
	};

	for (size_t i = 0; i < ARRAY_SIZE(open_flags); i++) {
		int fd = open(self->path, open_flags[i] | O_CLOEXEC);

		for (size_t s = 0; fd >= 0 && s < ARRAY_SIZE(seals); s++)
			EXPECT_NE(0, fcntl(fd, F_ADD_SEALS, seals[s]));
		close(fd);
	}
	/* The region maps as before. */
	EXPECT_EQ(0, try_map(self->fd, self->len, variant->mask, MAP_SHARED));
}

/* Should a flag of the inode be what protects it, root can take it away. */
TEST_F(map_files, inode_flags)
{
	static const int flags[] = {
		0, FS_APPEND_FL, FS_IMMUTABLE_FL, FS_NODUMP_FL, FS_NOATIME_FL,
		0,
	};
	int fd = open(self->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		int value = flags[i];

		/* As from an inode whose region is gone: the hook cannot go then. */
		EXPECT_EQ(-ENOTTY, result(ioctl(fd, FS_IOC_GETFLAGS, &value)));
		ioctl(fd, FS_IOC_SETFLAGS, &value);
		EXPECT_EQ(0, open_and_use(self->path, self->len));
		EXPECT_NE(0, truncate(self->path, 0));
		EXPECT_NE(0, truncate(self->path, 2 * self->len));
	}
	close(fd);
}

/* The same for its mode and owner. */
TEST_F(map_files, mode_and_owner)
{
	static const mode_t modes[] = { 0, 0444, 0666, 0777, 07777 };

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		chmod(self->path, modes[i]);
		EXPECT_EQ(0, open_and_use(self->path, self->len));
		EXPECT_NE(0, truncate(self->path, 0));
	}
	(void)!chown(self->path, 1000, 1000);
	EXPECT_EQ(0, open_and_use(self->path, self->len));
}

struct passed {
	char path[64];
	size_t len;
};

static long nobody_uses(void *arg)
{
	struct passed *passed = arg;

	if (become_nobody())
		return -1;
	return open_and_use(passed->path, passed->len);
}

/* Handed to a process that has no rights at all. */
TEST_F(map_files, passed_to_nobody)
{
	int fd = open(self->path, O_PATH | O_CLOEXEC);
	struct passed passed = { .len = self->len };

	ASSERT_LE(0, fd);
	snprintf(passed.path, sizeof(passed.path), "/proc/self/fd/%d", fd);
	EXPECT_EQ(0, in_child(nobody_uses, &passed));
	chmod(self->path, 0777);
	EXPECT_EQ(0, in_child(nobody_uses, &passed));
	close(fd);
}

static long parent_uses(void *arg)
{
	struct passed *passed = arg;
	char path[128];

	if (!map_files_path(getppid(), (void *)passed->len, path, sizeof(path)))
		return -1;
	return open_and_use(path, PAGES * page_size());
}

/* The entry of another process. */
TEST_F(map_files, of_another_process)
{
	struct passed passed = { .len = (size_t)self->p };

	EXPECT_EQ(0, in_child(parent_uses, &passed));
}

/* A file handle is one more way to open a file that has no name. */
TEST_F(map_files, file_handle)
{
	struct {
		struct file_handle h;
		unsigned char room[128];
	} handle = { .h.handle_bytes = sizeof(handle.room) };
	int mount_id, fd, entry = open(self->path, O_RDONLY | O_CLOEXEC);

	/* The handle needs an open file for its filesystem. */
	if (entry < 0)
		return;
	ASSERT_EQ(0, name_to_handle_at(entry, "", &handle.h, &mount_id,
				       AT_EMPTY_PATH));
	for (size_t i = 0; i < ARRAY_SIZE(open_flags); i++) {
		fd = open_by_handle_at(entry, &handle.h,
				       open_flags[i] | O_CLOEXEC);
		if (fd < 0)
			continue;
		EXPECT_EQ(0, use(fd, self->len));
		close(fd);
	}
	close(entry);
}

/* The region is gone, all mappings are; a descriptor of its file is not. */
TEST(after_the_region)
{
	static const int how[] = { O_PATH, O_RDONLY, O_RDWR };
	size_t len = PAGES * page_size();

	for (size_t i = 0; i < ARRAY_SIZE(how); i++) {
		int fd = region("gone", len), left;
		char path[128], again[64], *p;
		struct stat st;

		ASSERT_EQ(0, map(fd, len, PROT_RW, MAP_SHARED, &p));
		fill(p, len, 1);
		ASSERT_EQ(0, set_mask(fd, PROT_READ));
		ASSERT_TRUE(map_files_path(0, p, path, sizeof(path)));
		left = open(path, how[i] | O_CLOEXEC);
		ASSERT_EQ(0, munmap(p, len));
		ASSERT_EQ(0, close(fd));
		if (left < 0)
			continue;
		snprintf(again, sizeof(again), "/proc/self/fd/%d", left);
		if (how[i] != O_PATH)
			EXPECT_EQ(0, use(left, len));
		EXPECT_EQ(0, open_and_use(again, len));
		EXPECT_NE(0, truncate(again, 0));
		if (!fstat(left, &st))
			EXPECT_EQ((off_t)len, st.st_size);
		fd = open(again, O_RDONLY | O_CLOEXEC);
		if (fd >= 0) {
			char *now = malloc(len);

			if (pread(fd, now, len, 0) == (ssize_t)len)
				EXPECT_TRUE(is_filled(now, len, 1));
			free(now);
			close(fd);
		}
		close(left);
	}
}

TEST_HARNESS_MAIN
