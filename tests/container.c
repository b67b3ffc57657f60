// SPDX-License-Identifier: GPL-2.0
/*
 * The device in a container, as docs/containers.md has it: namespaces of its own, no
 * privilege outside them, a /dev with nothing but a node of ashmem that was put there
 * from outside, and a memory cgroup with a limit. What is in there uses libashmem.
 */

#include <android/sharedmem.h>
#include <ashmem.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "ashmem_test.h"
#include "harness.h"

#define BOOT_ID		"/proc/sys/kernel/random/boot_id"
#define MIB		(1024UL * 1024)

/* What is unpinned and what is needed then do not fit into the limit together. */
#define LIMIT		(64 * MIB)
#define UNPINNED	(40 * MIB)
#define NEEDED		(40 * MIB)
#define GIVEN		(2 * MIB)

#define NAMESPACES	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | \
			 CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP)

/* As what the node appears in the container's /dev. */
enum way {
	BOUND,
	BOUND_AS_BOOT_ID,
	LINKED_AS_BOOT_ID,
	BOUND_AS_BOTH,
};

/* What those inside and outside know of each other. */
struct container {
	enum way way;
	char cgroup[64];
	char root[64];
	int inside;
	int outside;
};

/* Says what has failed, since whoever is in there can say no more than a number. */
static long step(const char *what, long ret)
{
	if (ret >= 0)
		return 0;
	printf("# in the container: %s: %s\n", what, strerror(-ret));
	fflush(stdout);
	return ret;
}

/* The result of a call, if nothing has failed before: @ret. */
#define THEN(ret, call)	((ret) ? (ret) : step(#call, call))

static long expect(bool is_so)
{
	return is_so ? 0 : -EBADMSG;
}

/* A user of no privilege becomes root of a user namespace, and of nothing else. */
static long unshare_all(void)
{
	char uids[32], gids[32];
	long ret = 0;

	snprintf(uids, sizeof(uids), "0 %d 1", geteuid());
	snprintf(gids, sizeof(gids), "0 %d 1", getegid());
	ret = THEN(ret, result(unshare(NAMESPACES)));
	ret = THEN(ret, write_text("/proc/self/setgroups", "deny"));
	ret = THEN(ret, write_text("/proc/self/uid_map", uids));
	return THEN(ret, write_text("/proc/self/gid_map", gids));
}

/* Puts the node of the system where the container will have one. */
static long bind_node(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);

	if (fd < 0)
		return -errno;
	close(fd);
	return result(mount(ASHMEM_DEV, path, NULL, MS_BIND, NULL));
}

static long make_dev(enum way way)
{
	char id[64], named[128];
	long ret = 0;

	if (!file_line(BOOT_ID, "", id, sizeof(id)))
		return -ENOENT;
	snprintf(named, sizeof(named), "dev/ashmem%s", id);
	switch (way) {
	case BOUND:
		return bind_node("dev/ashmem");
	case BOUND_AS_BOOT_ID:
		return bind_node(named);
	case LINKED_AS_BOOT_ID:
		ret = THEN(ret, bind_node("dev/elsewhere"));
		return THEN(ret, result(symlink("elsewhere", named)));
	case BOUND_AS_BOTH:
		ret = THEN(ret, bind_node("dev/ashmem"));
		return THEN(ret, bind_node(named));
	}
	return -EINVAL;
}

/* The first process of the container sets its root up. */
static long make_root(struct container *c)
{
	long ret = 0;

	ret = THEN(ret, result(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL)));
	ret = THEN(ret, result(mount("none", c->root, "tmpfs", 0, "mode=755")));
	ret = THEN(ret, result(chdir(c->root)));
	ret = THEN(ret, result(mkdir("dev", 0755)));
	ret = THEN(ret, result(mkdir("proc", 0755)));
	ret = THEN(ret, result(mount("none", "proc", "proc", 0, NULL)));
	ret = THEN(ret, make_dev(c->way));
	ret = THEN(ret, result(chroot(".")));
	return THEN(ret, result(chdir("/")));
}

/* What only an administrator of the whole system may do. */
static long is_confined(void)
{
	int fd = result(ashmem_create_region("confined", 1));
	struct stat st;
	long ret = 0;

	ret = THEN(ret, fd);
	ret = THEN(ret, expect(geteuid() == 0 && getpid() == 1));
	ret = THEN(ret, result(fstat(fd, &st)));
	/* A node that is made in here is none: hence the bind mount. */
	ret = THEN(ret, expect(result(mknod("/dev/own", S_IFCHR | 0666, st.st_rdev)) == -EPERM));
	ret = THEN(ret, expect(ash_ioctl(fd, ASHMEM_PURGE_ALL_CACHES, 0) == -EPERM));
	close(fd);
	return ret;
}

/* Passes a region out, and takes one in. */
static long exchange(struct container *c)
{
	int made = result(ASharedMemory_create("made inside", GIVEN)), got;
	long ret = 0;
	char *p;

	ret = THEN(ret, made);
	ret = THEN(ret, map(made, GIVEN, PROT_RW, MAP_SHARED, &p));
	if (!ret)
		fill(p, GIVEN, 7);
	ret = THEN(ret, result(ASharedMemory_setProt(made, PROT_READ)));
	ret = THEN(ret, send_fd(c->inside, made));

	got = ret ? -1 : recv_fd(c->inside);
	ret = THEN(ret, got);
	ret = THEN(ret, expect(ashmem_valid(got) == 1));
	ret = THEN(ret, expect(ASharedMemory_getSize(got) == GIVEN));
	ret = THEN(ret, map(got, GIVEN, PROT_RW, MAP_SHARED, &p));
	ret = THEN(ret, expect(is_filled(p, GIVEN, 8)));
	/* The sign that all has been seen. */
	if (!ret)
		p[0] = 'c';
	return ret;
}

/* Touches memory of its own; whoever cannot get it is killed. */
static long need(size_t len)
{
	char *p;
	long ret = map(-1, len, PROT_RW, MAP_PRIVATE | MAP_ANONYMOUS, &p);

	if (ret)
		return ret;
	memset(p, 'n', len);
	return munmap(p, len);
}

/* Is each page as it was filled, or zero? To look at one that is gone takes memory again. */
static bool is_whole_or_gone(const char *p)
{
	for (size_t at = 0; at < UNPINNED; at += page_size()) {
		if (p[at] && p[at] != 'u')
			return false;
	}
	return true;
}

/* Unpins, and then needs more than is left of the limit. */
static long fill_up(void)
{
	int fd = result(ashmem_create_region("unpinned", UNPINNED));
	long ret = 0;
	char *p;

	ret = THEN(ret, fd);
	ret = THEN(ret, map(fd, UNPINNED, PROT_RW, MAP_SHARED, &p));
	if (ret)
		return ret;
	memset(p, 'u', UNPINNED);
	ret = THEN(ret, result(ashmem_unpin_region(fd, 0, 0)));
	ret = THEN(ret, expect(unpinned_pages(fd) == (long)(UNPINNED / page_size())));
	ret = THEN(ret, need(NEEDED));
	ret = THEN(ret, expect(ashmem_pin_region(fd, 0, 0) == ASHMEM_WAS_PURGED));
	ret = THEN(ret, expect(!is_all(p, UNPINNED, 'u') && is_whole_or_gone(p)));
	return ret;
}

static long inside(void *arg)
{
	struct container *c = arg;
	long ret = 0;

	ret = THEN(ret, make_root(c));
	ret = THEN(ret, is_confined());
	ret = THEN(ret, exchange(c));
	return THEN(ret, fill_up());
}

static long run_container(void *arg)
{
	struct container *c = arg;
	long ret = 0;

	ret = THEN(ret, cgroup_join(c->cgroup));
	ret = THEN(ret, become_nobody());
	/* Else its files in /proc would be root's. */
	ret = THEN(ret, result(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)));
	ret = THEN(ret, unshare_all());
	return THEN(ret, in_child(inside, c));
}

FIXTURE(container) {
	struct container c;
	/* A region that is no business of the container's. */
	int beside;
	char *beside_p;
};

FIXTURE_VARIANT(container) {
	enum way way;
};

FIXTURE_VARIANT_ADD(container, bound) { BOUND };
FIXTURE_VARIANT_ADD(container, bound_as_boot_id) { BOUND_AS_BOOT_ID };
FIXTURE_VARIANT_ADD(container, linked_as_boot_id) { LINKED_AS_BOOT_ID };
FIXTURE_VARIANT_ADD(container, bound_as_both) { BOUND_AS_BOTH };

FIXTURE_SETUP(container)
{
	struct container *c = &self->c;
	char text[32];
	int sockets[2];

	if (geteuid())
		SKIP(return, "needs root, to make a cgroup");
	if (cgroup_account(CGROUPS))
		SKIP(return, "no memory controller of cgroup2 in " CGROUPS);
	c->way = variant->way;
	snprintf(c->cgroup, sizeof(c->cgroup), CGROUPS "/container-%d", getpid());
	snprintf(c->root, sizeof(c->root), "/tmp/container-%d", getpid());
	ASSERT_EQ(0, mkdir(c->cgroup, 0755));
	ASSERT_EQ(0, mkdir(c->root, 0755));
	snprintf(text, sizeof(text), "%lu", LIMIT);
	ASSERT_EQ(0, cgroup_write(c->cgroup, "memory.max", text));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	c->inside = sockets[0];
	c->outside = sockets[1];

	self->beside = ashmem_create_region("beside", GIVEN);
	ASSERT_LE(0, self->beside);
	ASSERT_EQ(0, map(self->beside, GIVEN, PROT_RW, MAP_SHARED, &self->beside_p));
	fill(self->beside_p, GIVEN, 9);
	ASSERT_EQ(0, ashmem_unpin_region(self->beside, 0, 0));
}

FIXTURE_TEARDOWN(container)
{
	rmdir(self->c.root);
	EXPECT_EQ(0, rmdir(self->c.cgroup));
}

TEST_F(container, works_and_keeps_to_itself)
{
	struct container *c = &self->c;
	int given = ashmem_create_region("made outside", GIVEN), got;
	char *p, *q;

	ASSERT_EQ(0, map(given, GIVEN, PROT_RW, MAP_SHARED, &p));
	fill(p, GIVEN, 8);
	ASSERT_EQ(1, send_fd(c->outside, given));

	EXPECT_EQ(0, in_child(run_container, c));

	/* What it has handed out; nothing more will come. */
	close(c->inside);
	got = recv_fd(c->outside);
	ASSERT_LE(0, got);
	EXPECT_EQ(1, ashmem_valid(got));
	EXPECT_EQ(GIVEN, ASharedMemory_getSize(got));
	EXPECT_EQ(-EPERM, try_map(got, GIVEN, PROT_RW, MAP_SHARED));
	ASSERT_EQ(0, map(got, GIVEN, PROT_READ, MAP_SHARED, &q));
	EXPECT_TRUE(is_filled(q, GIVEN, 7));
	EXPECT_EQ('c', p[0]);

	/* Its limit was reached, by the memory of its regions, and nobody died of it. */
	EXPECT_LT(UNPINNED, (size_t)cgroup_value(c->cgroup, "memory.peak", ""));
	EXPECT_LT(0, cgroup_value(c->cgroup, "memory.events", "max "));
	EXPECT_EQ(0, cgroup_value(c->cgroup, "memory.events", "oom_kill "));
	/* It took nothing from others. */
	EXPECT_EQ(ASHMEM_NOT_PURGED, ashmem_pin_region(self->beside, 0, 0));
	EXPECT_TRUE(is_filled(self->beside_p, GIVEN, 9));
}

TEST_HARNESS_MAIN
