// SPDX-License-Identifier: GPL-2.0
/* libashmem: each of its functions, and that it does nothing to what is no region. */

#include <android/sharedmem.h>
#include <ashmem.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "ashmem_test.h"
#include "harness.h"

#define BOOT_ID		"/proc/sys/kernel/random/boot_id"
#define SAMPLE		"/demo/cache"
#define THREADS		4
#define ROUNDS		500

/* Both names of what makes a region, and of what lowers the mask. */
FIXTURE(region) {
	int fd;
};

FIXTURE_VARIANT(region) {
	int (*create)(const char *name, size_t size);
	int (*set_prot)(int fd, int prot);
};

FIXTURE_VARIANT_ADD(region, libcutils) {
	.create = ashmem_create_region,
	.set_prot = ashmem_set_prot_region,
};

FIXTURE_VARIANT_ADD(region, ndk) {
	.create = ASharedMemory_create,
	.set_prot = ASharedMemory_setProt,
};

FIXTURE_SETUP(region)
{
	self->fd = variant->create("library", 2 * page_size());
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(region)
{
	close(self->fd);
}

TEST_F(region, is_what_was_asked_for)
{
	char name[ASHMEM_NAME_LEN];

	EXPECT_EQ(1, ashmem_valid(self->fd));
	EXPECT_EQ(0, get_name(self->fd, name));
	EXPECT_STREQ("library", name);
	EXPECT_EQ(2 * page_size(), get_size(self->fd));
	EXPECT_EQ(2 * page_size(), (size_t)ashmem_get_size_region(self->fd));
	EXPECT_EQ(2 * page_size(), ASharedMemory_getSize(self->fd));
	EXPECT_EQ(PROT_RWX, get_mask(self->fd));
	EXPECT_EQ(O_RDWR, fcntl(self->fd, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->fd, F_GETFD));
	EXPECT_EQ(0, try_map(self->fd, 2 * page_size(), PROT_RW, MAP_SHARED));
}

TEST_F(region, names)
{
	char name[ASHMEM_NAME_LEN], longest[ASHMEM_NAME_LEN], *at_end;
	int fd;

	fd = variant->create(NULL, 1);
	EXPECT_EQ(0, get_name(fd, name));
	EXPECT_STREQ(ASHMEM_NAME_DEF, name);
	close(fd);

	fd = variant->create("", 1);
	EXPECT_EQ(0, get_name(fd, name));
	EXPECT_STREQ(ASHMEM_NAME_DEF, name);
	close(fd);

	/* 255 bytes, and one more than that. */
	memset(longest, 'n', sizeof(longest));
	at_end = before_guard(ASHMEM_NAME_LEN + 1);
	memset(at_end, 'n', ASHMEM_NAME_LEN);
	at_end[ASHMEM_NAME_LEN] = '\0';
	longest[ASHMEM_NAME_LEN - 1] = '\0';
	fd = variant->create(at_end, 1);
	EXPECT_EQ(0, get_name(fd, name));
	EXPECT_STREQ(longest, name);
	close(fd);

	/* Nothing behind the end of a name is read. */
	at_end = memcpy(before_guard(6), "short", 6);
	fd = variant->create(at_end, 1);
	EXPECT_EQ(0, get_name(fd, name));
	EXPECT_STREQ("short", name);
	close(fd);
}

TEST_F(region, mask_goes_down_only)
{
	EXPECT_EQ(0, variant->set_prot(self->fd, PROT_RW));
	EXPECT_EQ(PROT_RW, get_mask(self->fd));
	EXPECT_EQ(-EINVAL, result(variant->set_prot(self->fd, PROT_RWX)));
	EXPECT_EQ(0, variant->set_prot(self->fd, PROT_READ));
	EXPECT_EQ(-EINVAL, result(variant->set_prot(self->fd, PROT_RW)));
	EXPECT_EQ(-EINVAL, result(variant->set_prot(self->fd, 8)));
	EXPECT_EQ(-EINVAL, result(variant->set_prot(self->fd, -1)));
	EXPECT_EQ(PROT_READ, get_mask(self->fd));
	EXPECT_EQ(-EPERM, try_map(self->fd, page_size(), PROT_RW, MAP_SHARED));
	EXPECT_EQ(0, try_map(self->fd, page_size(), PROT_READ, MAP_SHARED));
	EXPECT_EQ(0, variant->set_prot(self->fd, PROT_NONE));
	EXPECT_EQ(-EPERM, try_map(self->fd, page_size(), PROT_READ, MAP_SHARED));
}

TEST(size_of_zero)
{
	int fd = ashmem_create_region("zero", 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, ashmem_get_size_region(fd));
	errno = 0;
	EXPECT_EQ(0, ASharedMemory_getSize(fd));
	EXPECT_EQ(0, errno);
	EXPECT_EQ(-EINVAL, try_map(fd, page_size(), PROT_READ, MAP_SHARED));
	close(fd);
	EXPECT_EQ(-EINVAL, result(ASharedMemory_create("zero", 0)));
}

/* A name that looks like a line of fdinfo, or like the beginning of one. */
static const char * const names[] = {
	NULL, "name", "x\nsize:\t1\n", "\nsize:\t1\n", "\n\nsize:\t", "size:\t1",
};

static const uint64_t sizes[] = {
	1, 4095, 4096, 123456789, INT_MAX, 1ULL << 31, 3ULL << 30,
	/* What remains of these is negative, or an errno, or a smaller size. */
	(1ULL << 32) - 1, (1ULL << 32) - 22, (1ULL << 32) - 4095,
	1ULL << 32, 5ULL << 30, (1ULL << 40) + 5, INT64_MAX, UINT64_MAX,
};

TEST(every_size)
{
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		int fd;

		if (sizes[i] > SIZE_MAX)
			continue;
		fd = ashmem_create_region(names[i % ARRAY_SIZE(names)],
					  sizes[i]);
		ASSERT_LE(0, fd);
		EXPECT_EQ(sizes[i], ASharedMemory_getSize(fd));
		EXPECT_EQ(sizes[i] > INT_MAX ? -EOVERFLOW : (long)sizes[i],
			  result(ashmem_get_size_region(fd)));
		close(fd);
	}
}

TEST(size_behind_names_and_locks)
{
	/* Locks have lines of their own in front of the size. */
	int fd = ashmem_create_region("locked", 3UL << 30);

	ASSERT_LE(0, fd);
	for (int i = 0; i < 50; i++) {
		struct flock lock = {
			.l_type = F_RDLCK, .l_whence = SEEK_SET,
			.l_start = 2 * i, .l_len = 1,
		};

		ASSERT_EQ(0, fcntl(fd, F_SETLK, &lock));
	}
	EXPECT_EQ(3UL << 30, ASharedMemory_getSize(fd));
	close(fd);

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		fd = ashmem_create_region(names[i], 3UL << 30);
		EXPECT_EQ(3UL << 30, ASharedMemory_getSize(fd));
		close(fd);
	}
}

static long look_without_proc(void *arg)
{
	long ret = result(unshare(CLONE_NEWNS));

	(void)arg;
	ret = ret ?: result(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	ret = ret ?: result(mount("none", "/proc", "tmpfs", 0, NULL));
	for (size_t i = 0; !ret && i < ARRAY_SIZE(sizes); i++) {
		int want = (uint32_t)sizes[i], fd;

		if (sizes[i] > SIZE_MAX)
			continue;
		fd = ashmem_create_region("no proc", sizes[i]);
		if (fd < 0)
			return -errno;
		if (result(ashmem_get_size_region(fd)) !=
		    (want < 0 ? -EOVERFLOW : want))
			ret = -100 - i;
		close(fd);
	}
	return ret;
}

/* What the header says of it: nothing, or the low 31 bits. */
TEST(sizes_without_proc)
{
	if (geteuid())
		SKIP(return, "needs root, to have no /proc");
	EXPECT_EQ(0, in_child(look_without_proc, NULL));
}

TEST(pinning)
{
	size_t p = page_size();
	int fd = ashmem_create_region("pins", 4 * p);
	char *m;

	ASSERT_LE(0, fd);
	/* Nothing is mapped yet. */
	EXPECT_EQ(-EINVAL, result(ashmem_unpin_region(fd, 0, 0)));
	EXPECT_EQ(-EINVAL, result(ashmem_pin_region(fd, 0, 0)));
	ASSERT_EQ(0, map(fd, 4 * p, PROT_RW, MAP_SHARED, &m));
	fill(m, 4 * p, 1);

	EXPECT_EQ(ASHMEM_NOT_PURGED, ashmem_pin_region(fd, 0, 0));
	EXPECT_EQ(0, ashmem_unpin_region(fd, p, p));
	EXPECT_EQ(1, unpinned_pages(fd));
	EXPECT_EQ(ASHMEM_IS_UNPINNED, pin_status(fd, p, p));
	EXPECT_EQ(ASHMEM_NOT_PURGED, ashmem_pin_region(fd, p, p));
	EXPECT_EQ(0, unpinned_pages(fd));

	EXPECT_EQ(0, ashmem_unpin_region(fd, 2 * p, 0));
	EXPECT_EQ(2, unpinned_pages(fd));
	if (!geteuid()) {
		EXPECT_LE(2, purge_all());
		EXPECT_EQ(ASHMEM_NOT_PURGED, ashmem_pin_region(fd, 0, 2 * p));
		EXPECT_EQ(ASHMEM_WAS_PURGED, ashmem_pin_region(fd, 0, 4 * p));
		EXPECT_TRUE(is_all(m + 2 * p, 2 * p, 0));
	}
	close(fd);
}

static int (* const pinners[])(int fd, size_t offset, size_t len) = {
	ashmem_pin_region, ashmem_unpin_region,
};

TEST(bad_ranges)
{
	size_t p = page_size();
	int fd = ashmem_create_region("ranges", 4 * p);
	const size_t bad[][2] = {
		{ 1, p }, { 0, 1 }, { p + 1, 0 }, { 0, 5 * p }, { 4 * p, 0 },
		{ 4 * p, p }, { 3 * p, 2 * p }, { SIZE_MAX - p + 1, p },
		{ p, SIZE_MAX - p + 1 },
#if SIZE_MAX > UINT32_MAX
		/* Good ones, if they were cut to 32 bits. */
		{ 1UL << 32, p }, { 0, (1UL << 32) + p }, { 1UL << 32, 1UL << 32 },
#endif
	};

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, try_map(fd, 4 * p, PROT_RW, MAP_SHARED));
	for (size_t f = 0; f < ARRAY_SIZE(pinners); f++) {
		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			EXPECT_EQ(-EINVAL, result(pinners[f](fd, bad[i][0],
							     bad[i][1])));
	}
	EXPECT_EQ(0, unpinned_pages(fd));
	close(fd);
}

/* What is no region. */
static int closed(void)
{
	int fd = region_open();

	close(fd);
	return fd;
}

static int negative(void)
{
	return -1;
}

static int memfd(void)
{
	return reference(page_size());
}

static int dev_null(void)
{
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

/* A device of the same kind: only the minor number is another one. */
static int other_misc_device(void)
{
	return open("/dev/binder_fd", O_RDWR | O_CLOEXEC);
}

static int pipe_end(void)
{
	int ends[2];

	return pipe2(ends, O_CLOEXEC) ? -1 : ends[0];
}

static int socket_end(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int directory(void)
{
	return open("/dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int regular_file(void)
{
	return open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
}

static int path_only(void)
{
	return open(ASHMEM_DEV, O_PATH | O_CLOEXEC);
}

FIXTURE(foreign) {
	int fd;
};

FIXTURE_VARIANT(foreign) {
	int (*open)(void);
	int error;
};

FIXTURE_VARIANT_ADD(foreign, closed) { closed, EBADF };
FIXTURE_VARIANT_ADD(foreign, negative) { negative, EBADF };
FIXTURE_VARIANT_ADD(foreign, path_only) { path_only, EBADF };
FIXTURE_VARIANT_ADD(foreign, memfd) { memfd, ENOTTY };
FIXTURE_VARIANT_ADD(foreign, dev_null) { dev_null, ENOTTY };
FIXTURE_VARIANT_ADD(foreign, other_misc_device) { other_misc_device, ENOTTY };
FIXTURE_VARIANT_ADD(foreign, pipe) { pipe_end, ENOTTY };
FIXTURE_VARIANT_ADD(foreign, socket) { socket_end, ENOTTY };
FIXTURE_VARIANT_ADD(foreign, directory) { directory, ENOTTY };
FIXTURE_VARIANT_ADD(foreign, regular_file) { regular_file, ENOTTY };

FIXTURE_SETUP(foreign)
{
	self->fd = variant->open();
	if (variant->open != negative)
		ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(foreign)
{
	if (variant->open != closed)
		close(self->fd);
}

/* The number of the function that did not say what it should; 0 if all did. */
static int use_foreign(int fd, int error)
{
	int want = -error;

	errno = 0;
	if (ashmem_valid(fd) || errno != error)
		return 1;
	if (result(ashmem_set_prot_region(fd, PROT_READ)) != want)
		return 2;
	if (result(ashmem_pin_region(fd, 0, 0)) != want)
		return 3;
	if (result(ashmem_unpin_region(fd, 0, 0)) != want)
		return 4;
	if (result(ashmem_get_size_region(fd)) != want)
		return 5;
	if (result(ASharedMemory_setProt(fd, PROT_READ)) != want)
		return 6;
	errno = 0;
	if (ASharedMemory_getSize(fd) || errno != error)
		return 7;
	/* That it is no region comes before what is wrong with the range. */
	if (result(ashmem_pin_region(fd, SIZE_MAX, 1)) != want)
		return 8;
	return 0;
}

TEST_F(foreign, is_told)
{
	EXPECT_EQ(0, use_foreign(self->fd, variant->error));
}

struct foreign_fd {
	int fd;
	int error;
};

/* From here on an ioctl is the end. */
static long use_foreign_without_ioctl(void *arg)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {
		.len = ARRAY_SIZE(filter), .filter = filter,
	};
	struct foreign_fd *foreign = arg;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return -errno;
	return use_foreign(foreign->fd, foreign->error);
}

static long use_region_without_ioctl(void *arg)
{
	struct foreign_fd foreign = { region("own", 1), ENOTTY };

	(void)arg;
	return use_foreign_without_ioctl(&foreign);
}

/* The numbers of ashmem may be those of something dangerous elsewhere. */
TEST_F(foreign, gets_no_ioctl)
{
	struct foreign_fd foreign = { self->fd, variant->error };

	/* All that a file of the device itself without access could do is fail. */
	if (variant->open == path_only)
		return;
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0)
		SKIP(return, "no seccomp in this kernel");
	EXPECT_EQ(0, in_child(use_foreign_without_ioctl, &foreign));
	/* It would be noticed. */
	EXPECT_EQ(CHILD_SIGNALLED(SIGSYS),
		  in_child(use_region_without_ioctl, NULL));
}

/* The nodes that a /dev of its own has. */
enum node {
	NO_NODE,
	ASHMEM_NODE,
	NULL_NODE,
	CLOSED_NODE,
	LINK_TO_NOTHING,
	LINK_TO_ASHMEM,
};

FIXTURE(nodes) {
	dev_t device;
	char boot_id[128];
};

FIXTURE_VARIANT(nodes) {
	enum node ashmem;
	enum node boot_id;
	int error;
};

/* That with the number of the boot comes first, and any trouble leads to the other. */
FIXTURE_VARIANT_ADD(nodes, usual) { ASHMEM_NODE, NO_NODE, 0 };
FIXTURE_VARIANT_ADD(nodes, boot_id_only) { NO_NODE, ASHMEM_NODE, 0 };
FIXTURE_VARIANT_ADD(nodes, boot_id_first) { NULL_NODE, ASHMEM_NODE, 0 };
FIXTURE_VARIANT_ADD(nodes, both) { ASHMEM_NODE, ASHMEM_NODE, 0 };
FIXTURE_VARIANT_ADD(nodes, boot_id_is_link) { NO_NODE, LINK_TO_ASHMEM, 0 };
FIXTURE_VARIANT_ADD(nodes, link_to_ashmem) { ASHMEM_NODE, LINK_TO_ASHMEM, 0 };
FIXTURE_VARIANT_ADD(nodes, link_to_nothing) { ASHMEM_NODE, LINK_TO_NOTHING, 0 };
FIXTURE_VARIANT_ADD(nodes, boot_id_closed) { ASHMEM_NODE, CLOSED_NODE, 0 };
FIXTURE_VARIANT_ADD(nodes, none) { NO_NODE, NO_NODE, ENOENT };
FIXTURE_VARIANT_ADD(nodes, closed) { CLOSED_NODE, NO_NODE, EACCES };
FIXTURE_VARIANT_ADD(nodes, no_ashmem) { NULL_NODE, NO_NODE, ENOTTY };

FIXTURE_SETUP(nodes)
{
	struct stat st;
	char id[64];

	if (geteuid())
		SKIP(return, "needs root, for a /dev of its own");
	ASSERT_EQ(0, stat(ASHMEM_DEV, &st));
	self->device = st.st_rdev;
	ASSERT_TRUE(file_line(BOOT_ID, "", id, sizeof(id)));
	ASSERT_EQ(36, strlen(id));
	snprintf(self->boot_id, sizeof(self->boot_id), ASHMEM_DEV "%s", id);
}

FIXTURE_TEARDOWN(nodes)
{
}

static long make_node(const char *path, enum node node, dev_t device)
{
	switch (node) {
	case NO_NODE:
		return 0;
	case LINK_TO_NOTHING:
		return result(symlink("/dev/nothing", path));
	case LINK_TO_ASHMEM:
		/* Which has another name, so that it is found by the link only. */
		return result(mknod("/dev/elsewhere", S_IFCHR | 0666, device)) ?:
		       result(symlink("elsewhere", path));
	case NULL_NODE:
		return result(mknod(path, S_IFCHR | 0666, makedev(1, 3)));
	case ASHMEM_NODE:
		return result(mknod(path, S_IFCHR | 0666, device));
	case CLOSED_NODE:
		return result(mknod(path, S_IFCHR | 0600, device));
	}
	return -EINVAL;
}

struct nodes {
	dev_t device;
	const char *boot_id_path;
	enum node ashmem;
	enum node boot_id;
	int existing;
};

static long create_with_nodes(void *arg)
{
	struct nodes *nodes = arg;
	int before, fd, after, error, is_valid;
	long ret;

	umask(0);
	ret = result(unshare(CLONE_NEWNS));
	ret = ret ?: result(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	ret = ret ?: result(mount("none", "/dev", "tmpfs", 0, "mode=755"));
	ret = ret ?: make_node(ASHMEM_DEV, nodes->ashmem, nodes->device);
	ret = ret ?: make_node(nodes->boot_id_path, nodes->boot_id, nodes->device);
	ret = ret ?: become_nobody();
	if (ret)
		return ret;

	before = dup(0);
	close(before);
	fd = ashmem_create_region("nodes", 12345);
	error = errno;
	if (fd >= 0)
		ret = ASharedMemory_getSize(fd) == 12345 ? 0 : -EIO;
	else
		ret = -error;
	if (fd >= 0)
		close(fd);
	/* Nothing stays open, and another region is known as one, or is not. */
	after = dup(0);
	close(after);
	if (after != before)
		return -EMFILE;
	is_valid = ashmem_valid(nodes->existing);
	if (is_valid != (nodes->ashmem == ASHMEM_NODE || nodes->ashmem == CLOSED_NODE ||
			 nodes->boot_id == ASHMEM_NODE || nodes->boot_id == CLOSED_NODE ||
			 nodes->boot_id == LINK_TO_ASHMEM))
		return -ENOTUNIQ;
	return ret;
}

TEST_F(nodes, create_and_know)
{
	struct nodes nodes = {
		.device = self->device,
		.boot_id_path = self->boot_id,
		.ashmem = variant->ashmem,
		.boot_id = variant->boot_id,
		.existing = region("from before", 1),
	};

	ASSERT_LE(0, nodes.existing);
	EXPECT_EQ(-variant->error, in_child(create_with_nodes, &nodes));
	close(nodes.existing);
}

static long create_without_descriptors(void *arg)
{
	struct rlimit none = { 0, 0 };

	(void)arg;
	if (setrlimit(RLIMIT_NOFILE, &none))
		return -errno;
	return result(ashmem_create_region("no descriptors", 1));
}

TEST(no_descriptors)
{
	EXPECT_EQ(-EMFILE, in_child(create_without_descriptors, NULL));
}

static long make_and_send(void *arg)
{
	int *sockets = arg;
	int fd = ASharedMemory_create("sent", page_size());
	long ret = fd < 0 ? -errno : 0;
	char *p;

	ret = ret ?: map(fd, page_size(), PROT_RW, MAP_SHARED, &p);
	if (ret)
		return ret;
	fill(p, page_size(), 3);
	ret = ASharedMemory_setProt(fd, PROT_READ);
	return ret ?: send_fd(sockets[1], fd);
}

/* Who receives a region knows it as one, and what its maker has made of it. */
TEST(two_processes)
{
	int sockets[2], fd;
	char *p;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	ASSERT_EQ(1, in_child(make_and_send, sockets));
	fd = recv_fd(sockets[0]);
	ASSERT_LE(0, fd);
	EXPECT_EQ(1, ashmem_valid(fd));
	ASSERT_EQ(page_size(), ASharedMemory_getSize(fd));
	EXPECT_EQ(-EPERM, try_map(fd, page_size(), PROT_RW, MAP_SHARED));
	ASSERT_EQ(0, map(fd, page_size(), PROT_READ, MAP_SHARED, &p));
	EXPECT_TRUE(is_filled(p, page_size(), 3));
	EXPECT_EQ(-EINVAL, result(ASharedMemory_setProt(fd, PROT_RW)));
	/* Also who may only read may unpin. */
	EXPECT_EQ(0, ashmem_unpin_region(fd, 0, 0));
	EXPECT_EQ(ASHMEM_NOT_PURGED, ashmem_pin_region(fd, 0, 0));
}

/* Each with regions of its own; the number of rounds that went well. */
static void *use_regions(void *arg)
{
	size_t thread = (uintptr_t)arg, rounds = 0;

	for (size_t i = 0; i < ROUNDS; i++) {
		size_t size = (thread * ROUNDS + i + 1) * page_size();
		char name[32], got[ASHMEM_NAME_LEN];
		int fd;

		snprintf(name, sizeof(name), "thread %zu, %zu", thread, i);
		fd = ashmem_create_region(name, size);
		rounds += fd >= 0 && !get_name(fd, got) && !strcmp(name, got) &&
			  ASharedMemory_getSize(fd) == size &&
			  !try_map(fd, page_size(), PROT_RW, MAP_SHARED) &&
			  !ashmem_unpin_region(fd, 0, page_size()) &&
			  ashmem_pin_region(fd, 0, 0) >= 0;
		close(fd);
	}
	return (void *)rounds;
}

TEST_F_TIMEOUT(region, threads, 90)
{
	pthread_t threads[THREADS];
	void *rounds;

	for (size_t i = 0; i < THREADS; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, use_regions,
					    (void *)i));
	for (size_t i = 0; i < THREADS; i++) {
		ASSERT_EQ(0, pthread_join(threads[i], &rounds));
		EXPECT_EQ(ROUNDS, (size_t)rounds);
	}
}

/* A thread with descriptors of its own has the size of its own. */
static void *size_of_own(void *arg)
{
	int fd = *(int *)arg, other;

	if (unshare(CLONE_FILES))
		return NULL;
	other = ashmem_create_region("the thread's", 5UL << 20);
	dup2(other, fd);
	return (void *)ASharedMemory_getSize(fd);
}

TEST(thread_with_descriptors_of_its_own)
{
	int fd = ashmem_create_region("the process's", 7UL << 20);
	pthread_t thread;
	void *size;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pthread_create(&thread, NULL, size_of_own, &fd));
	ASSERT_EQ(0, pthread_join(thread, &size));
	EXPECT_EQ(5UL << 20, (size_t)size);
	EXPECT_EQ(7UL << 20, ASharedMemory_getSize(fd));
}

/* The example that the manual names. */
TEST(sample)
{
	if (geteuid() || access(SAMPLE, X_OK))
		SKIP(return, "needs root, and " SAMPLE);
	EXPECT_EQ(0, system(SAMPLE));
}

TEST_HARNESS_MAIN
