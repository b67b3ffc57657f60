// SPDX-License-Identifier: GPL-2.0
/*
 * Regions and their unpinned ranges are charged to the memory cgroup of who
 * opens them.
 *
 * That a full cgroup makes open fail is not tested: the kernel then kills a
 * process of the cgroup instead, with a report in the log.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "ashmem_test.h"
#include "harness.h"

#define CACHE		"ashmem_area_cache"
#define REGIONS		4000
/* What the kernel may hold back or count late, in bytes. */
#define SLACK		(128L << 10)
/* Their names cost more than that. */
#define LEAST_OF_NAMES	(255L * REGIONS - SLACK)

/*
 * Bytes of kernel objects that are charged to the cgroup. The kernel brings small
 * changes (of fewer than 64 pages for each CPU, whatever their size) into that
 * figure every two seconds only.
 */
static long charged(const char *cgroup)
{
	sleep(3);
	return cgroup_value(cgroup, "memory.stat", "slab ");
}

/* What the child in the cgroup has seen there, in bytes. */
struct charges {
	char cgroup[64];
	/* Regions cost more than that. */
	long least_of_regions;
	long files;
	long regions;
	long names;
	long after;
};

FIXTURE(memcg) {
	struct charges *seen;
};

FIXTURE_SETUP(memcg)
{
	ASSERT_EQ(0, map(-1, page_size(), PROT_RW, MAP_SHARED | MAP_ANONYMOUS,
			 (char **)&self->seen));
	if (cgroup_account(CGROUPS))
		SKIP(return, "no memory controller of cgroup2 in " CGROUPS);
	snprintf(self->seen->cgroup, sizeof(self->seen->cgroup),
		 CGROUPS "/ashmem-%d", getpid());
	ASSERT_EQ(0, mkdir(self->seen->cgroup, 0755));
}

FIXTURE_TEARDOWN(memcg)
{
	rmdir(self->seen->cgroup);
}

static int fds[REGIONS];

static long open_all(const char *path)
{
	for (int i = 0; i < REGIONS; i++) {
		fds[i] = open(path, O_RDWR | O_CLOEXEC);
		if (fds[i] < 0)
			return -errno;
	}
	return 0;
}

static void close_all(void)
{
	for (int i = 0; i < REGIONS; i++)
		close(fds[i]);
}

/*
 * What is charged when that is more than `least` and at most `most`, or never will be:
 * files are freed a little later than they are closed, and on a busy machine the kernel
 * does not count in time.
 */
static long charged_at_last(const char *cgroup, long least, long most)
{
	long now = charged(cgroup);

	for (int i = 0; i < 5 && (now <= least || now > most); i++)
		now = charged(cgroup);
	return now;
}

/*
 * An open file costs something, too: what the area adds shows next to files of
 * a driver that allocates nothing.
 */
static long open_in_cgroup(void *arg)
{
	struct charges *seen = arg;
	struct rlimit limit = { .rlim_cur = REGIONS + 64,
				.rlim_max = REGIONS + 64 };
	char name[ASHMEM_NAME_LEN];
	long base, least, ret;

	if (setrlimit(RLIMIT_NOFILE, &limit) || cgroup_join(seen->cgroup))
		return -errno;

	/* The descriptor table grows once, and stays. */
	ret = open_all("/dev/null");
	close_all();
	if (ret)
		return ret;
	base = charged(seen->cgroup);
	ret = open_all("/dev/null");
	seen->files = charged(seen->cgroup) - base;
	close_all();
	if (ret)
		return ret;

	base = charged_at_last(seen->cgroup, -1, base + SLACK);
	ret = open_all(ASHMEM_DEV);
	least = base + seen->files + seen->least_of_regions;
	seen->regions = charged_at_last(seen->cgroup, least, LONG_MAX) - base;
	memset(name, 'n', sizeof(name));
	for (int i = 0; !ret && i < REGIONS; i++)
		ret = set_name(fds[i], name);
	least = base + seen->regions + LEAST_OF_NAMES;
	seen->names = charged_at_last(seen->cgroup, least, LONG_MAX) - base;
	close_all();
	seen->after = charged_at_last(seen->cgroup, -1, base + SLACK) - base;
	return ret;
}

TEST_F_TIMEOUT(memcg, area_and_name_are_charged, 120)
{
	long size = slab_info(CACHE, SLAB_OBJECT_SIZE), area;

	ASSERT_LT(0, size);
	self->seen->least_of_regions = size * REGIONS - SLACK;
	ASSERT_EQ(0, in_child(open_in_cgroup, self->seen));
	TH_LOG("%d files: %ld bytes; regions: %ld; with names: %ld; closed: %ld",
	       REGIONS, self->seen->files, self->seen->regions,
	       self->seen->names, self->seen->after);
	area = self->seen->regions - self->seen->files;
	EXPECT_LT(self->seen->least_of_regions, area);
	EXPECT_LT(LEAST_OF_NAMES, self->seen->names - self->seen->regions);
	EXPECT_GT(SLACK, self->seen->after);
}

#define RANGES		10000
/* A tree node and an entry of the list that reclaim walks. */
#define RANGE_SIZE	96
/* Ranges cost more than that. */
#define LEAST_OF_RANGES	((long)RANGES * RANGE_SIZE - SLACK)
/* What the kernel adds for each object that is charged: a pointer. */
#define CHARGED		8

/* What it costs to unpin, in bytes. */
struct costs {
	char opener[64];
	char pinner[64];
	long of_opener;
	long of_pinner;
	long left;
};

/* Opens a region in one cgroup, and unpins every second page in the other. */
static long unpin_elsewhere(void *arg)
{
	struct costs *costs = arg;
	long opener, pinner, ret;
	int fd;

	ret = cgroup_join(costs->opener);
	fd = region("ranges", 2 * RANGES * page_size());
	ret = ret ?: try_map(fd, 1, PROT_RW, MAP_SHARED);
	ret = ret ?: cgroup_join(costs->pinner);
	/* The first one brings what is there once for all. */
	ret = ret ?: unpin(fd, page_size(), page_size());
	opener = charged(costs->opener);
	pinner = charged(costs->pinner);
	for (size_t i = 1; !ret && i <= RANGES; i++)
		ret = unpin(fd, (2 * i - 1) * page_size(), page_size());
	costs->of_opener = charged_at_last(costs->opener,
					   opener + LEAST_OF_RANGES, LONG_MAX) -
			   opener;
	costs->of_pinner = charged(costs->pinner) - pinner;
	if (ret || pin(fd, 0, 0))
		return ret ?: -EINVAL;
	costs->left = charged_at_last(costs->opener, -1, opener + SLACK) -
		      opener;
	return 0;
}

TEST_F_TIMEOUT(memcg, ranges_are_charged_to_the_opener, 120)
{
	struct costs *costs;
	long entry = slab_info("ashmem_range_cache", SLAB_OBJECT_SIZE);

	ASSERT_EQ(0, map(-1, sizeof(*costs), PROT_RW, MAP_SHARED |
			 MAP_ANONYMOUS, (char **)&costs));
	memcpy(costs->opener, self->seen->cgroup, sizeof(costs->opener));
	snprintf(costs->pinner, sizeof(costs->pinner), CGROUPS "/pinner-%d",
		 getpid());
	ASSERT_EQ(0, mkdir(costs->pinner, 0755));
	ASSERT_EQ(0, in_child(unpin_elsewhere, costs));
	printf("# %d ranges: %ld bytes of the opener's, %ld of the pinner's; pinned: %ld\n",
	       RANGES, costs->of_opener, costs->of_pinner, costs->left);
	EXPECT_LT(LEAST_OF_RANGES, costs->of_opener);
	/* A kernel that watches objects makes them larger. */
	if (!is_debugging_kernel()) {
		EXPECT_EQ(32, entry);
		EXPECT_GT((long)RANGES * (RANGE_SIZE + 2 * CHARGED) + SLACK,
			  costs->of_opener);
	}
	EXPECT_GT(SLACK, costs->of_pinner);
	EXPECT_GT(SLACK, costs->left);
	EXPECT_EQ(0, rmdir(costs->pinner));
}

/* Groups that are removed, but that something still refers to. */
static long dying(void)
{
	return cgroup_value(CGROUPS, "cgroup.stat", "nr_dying_descendants ");
}

/* Whatever the kernel itself keeps of a group goes with time, and with its caches. */
static long dying_at_last(long want, int seconds)
{
	long now = dying();

	for (int i = 0; i < seconds && now > want; i++) {
		write_text("/proc/sys/vm/drop_caches", "3");
		sleep(1);
		now = dying();
	}
	return now;
}

struct sender {
	const char *cgroup;
	int socket;
};

static long send_from_cgroup(void *arg)
{
	struct sender *sender = arg;
	long ret = cgroup_join(sender->cgroup);
	int fd = region("survivor", page_size());

	ret = ret ?: try_map(fd, page_size(), PROT_RW, MAP_SHARED);
	ret = ret ?: unpin(fd, 0, 0);
	return ret ?: send_fd(sender->socket, fd);
}

/* It is there as long as the region is, and no longer. */
TEST_F_TIMEOUT(memcg, group_stays_with_its_region, 90)
{
	/* Those of other tests go first. */
	long before = dying_at_last(0, 20);
	struct sender sender = { .cgroup = self->seen->cgroup };
	int sockets[2], fd;

	ASSERT_LE(0, before);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	sender.socket = sockets[0];
	ASSERT_EQ(1, in_child(send_from_cgroup, &sender));
	fd = recv_fd(sockets[1]);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, rmdir(self->seen->cgroup));
	EXPECT_EQ(before + 1, dying_at_last(before, 5));
	ASSERT_LE(0, pin(fd, 0, 0));
	ASSERT_EQ(0, unpin(fd, 0, 0));
	close(fd);
	EXPECT_EQ(before, dying_at_last(before, 30));
	close(sockets[0]);
	close(sockets[1]);
}

TEST_HARNESS_MAIN
