// SPDX-License-Identifier: GPL-2.0
/*
 * Unpinned memory goes back when memory is short: that of the whole system, or
 * that of a memory cgroup, which then gets its own back and nobody else's.
 *
 * Each test has a control with nothing unpinned, which ends with the OOM killer.
 * It announces that in the kernel's log, for who looks there for reports.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "ashmem_test.h"
#include "harness.h"

#define SHRINKER	"/sys/module/ashmem/parameters/shrinker"

/* Who is to be killed, where somebody has to be. */
#define HOG		"ashmem-hog"
#define EXPECT_KILL	"ashmem-test: expect the oom-killer to kill " HOG "\n"
#define EXPECT_NO_KILL	"ashmem-test: expect the oom-killer to kill nobody\n"

/* How the owner of a region unpins it. */
enum how {
	NOTHING,
	WHOLE,
	/* Ranges of 14 pages, with a pinned page behind each. */
	RANGES,
	/* The second half of each huge page. */
	HALVES,
};

#define RANGE		14

/* A process with a region. */
struct owner {
	pid_t pid;
	int command;
	int answer;
};

/* What it is told to do. */
enum command {
	PIN_ALL,
	UNPIN_ALL,
	LEAVE_CGROUP,
	ALLOCATE,
};

static long unpin_halves(int fd, size_t len, char *p)
{
	const size_t huge = huge_page();
	long ret = 0;

	if (madvise(p, len, MADV_COLLAPSE))
		return -errno;
	for (size_t at = 0; !ret && at + huge <= len; at += huge)
		ret = unpin(fd, at + huge / 2, huge / 2);
	return ret;
}

static long unpin_how(int fd, size_t len, enum how how, char *p)
{
	const size_t step = (RANGE + 1) * page_size();

	if (how == WHOLE)
		return unpin(fd, 0, len);
	if (how == HALVES)
		return unpin_halves(fd, len, p);
	for (size_t at = 0; how == RANGES && at + step <= len; at += step) {
		long ret = unpin(fd, at, step - page_size());

		if (ret)
			return ret;
	}
	return 0;
}

static long pin_how(int fd, size_t len, enum how how, const char *p)
{
	long ret = pin(fd, 0, len);

	/* What was never unpinned is there in any case. */
	for (size_t at = RANGE; how == RANGES && at < len / page_size();
	     at += RANGE + 1) {
		if (p[at * page_size()] != 'x')
			return -EIO;
	}
	return ret;
}

/* Touches memory of its own; whoever cannot get it is killed. */
static long allocate(size_t len)
{
	char *p = mmap(NULL, len, PROT_RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	memset(p, 'h', len);
	munmap(p, len);
	return 0;
}

static void own(int fd, size_t len, enum how how, size_t hog, int command,
		int answer)
{
	enum command c;
	char *p;
	/* Where huge pages fit. */
	long ret = map_aligned(fd, len, PROT_RW, MAP_SHARED, huge_page() ?: page_size(), &p);

	if (!ret)
		memset(p, 'x', len);
	ret = ret ?: unpin_how(fd, len, how, p);
	while (write(answer, &ret, sizeof(ret)) == sizeof(ret) &&
	       read(command, &c, sizeof(c)) == sizeof(c)) {
		switch (c) {
		case PIN_ALL:
			ret = pin_how(fd, len, how, p);
			break;
		case UNPIN_ALL:
			memset(p, 'x', len);
			ret = unpin(fd, 0, 0);
			break;
		case LEAVE_CGROUP:
			ret = cgroup_join(CGROUPS);
			break;
		case ALLOCATE:
			ret = allocate(hog);
			break;
		}
	}
	_exit(0);
}

static long hear(struct owner *o)
{
	long ret;

	return read(o->answer, &ret, sizeof(ret)) == sizeof(ret) ? ret : -EPIPE;
}

static long tell(struct owner *o, enum command command)
{
	if (write(o->command, &command, sizeof(command)) < 0)
		return -errno;
	return hear(o);
}

/*
 * Starts a process in @cgroup that opens a region, moves to @filler to fill and
 * unpin it: 0 when it has.
 */
static long owner_start(struct owner *o, const char *cgroup,
			const char *filler, size_t len, enum how how,
			size_t hog)
{
	int command[2], answer[2];

	if (pipe(command) || pipe(answer))
		return -errno;
	o->pid = fork();
	if (o->pid < 0)
		return -errno;
	if (!o->pid) {
		int fd;

		close(command[1]);
		close(answer[0]);
		write_text("/proc/self/oom_score_adj", "-1000");
		if (cgroup_join(cgroup))
			_exit(1);
		fd = region("pressure", len);
		if (fd < 0 || (filler && cgroup_join(filler)))
			_exit(1);
		own(fd, len, how, hog, command[0], answer[1]);
	}
	close(command[0]);
	close(answer[1]);
	o->command = command[1];
	o->answer = answer[0];
	return hear(o);
}

static int owner_end(struct owner *o)
{
	int status = -1;

	close(o->command);
	close(o->answer);
	waitpid(o->pid, &status, 0);
	return status;
}

/* Another process allocates in @cgroup: 0, or the signal that killed it, or -errno. */
static long hog(const char *cgroup, size_t len)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (!pid) {
		prctl(PR_SET_NAME, HOG);
		write_text("/proc/self/oom_score_adj", "1000");
		_exit(cgroup_join(cgroup) ? 99 : -allocate(len));
	}
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void announce(const char *what)
{
	/* Behind what reports are still on their way. */
	usleep(100000);
	write_text("/dev/kmsg", what);
}

/* The whole system. */
FIXTURE(system) {
	/* The memory to use up. */
	size_t total;
	char *ballast;
	size_t ballast_len;
	struct owner owner;
	long kills;
};

FIXTURE_VARIANT(system) {
	enum how how;
	bool by_owner;
	bool shrinker;
	bool enough;
};

FIXTURE_VARIANT_ADD(system, one_range) { WHOLE, false, true, true };
FIXTURE_VARIANT_ADD(system, many_ranges) { RANGES, false, true, true };
FIXTURE_VARIANT_ADD(system, by_the_owner) { WHOLE, true, true, true };
FIXTURE_VARIANT_ADD(system, control) { NOTHING, false, true, false };
FIXTURE_VARIANT_ADD(system, switched_off) { WHOLE, false, false, false };

FIXTURE_SETUP(system)
{
	long kib = number_in("/proc/meminfo", "MemTotal:");

	ASSERT_LT(0, kib);
	self->total = (kib << 10) & -(1UL << 20);
	/* Where there is plenty, there will be no pressure. */
	if (self->total > 2UL << 30)
		SKIP(return, "this system has too much memory to use it up");
	ASSERT_EQ(0, write_text("/proc/self/oom_score_adj", "-1000"));
	/* Where all is slow, about the half of it: the rest is gone soon, in huge pages. */
	if (slowness() > 1) {
		self->ballast_len = self->total / 2;
		self->ballast = mmap(NULL, self->ballast_len, PROT_RW,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ASSERT_NE(MAP_FAILED, (void *)self->ballast);
		madvise(self->ballast, self->ballast_len, MADV_HUGEPAGE);
		madvise(self->ballast, self->ballast_len, MADV_DONTFORK);
		ASSERT_EQ(0, madvise(self->ballast, self->ballast_len,
				     MADV_POPULATE_WRITE));
		kib = number_in("/proc/meminfo", "MemAvailable:");
		ASSERT_LT(0, kib);
		self->total = (kib << 10) & -(1UL << 20);
	}
	ASSERT_EQ(0, write_text(SHRINKER, variant->shrinker ? "Y" : "N"));
	self->kills = number_in("/proc/vmstat", "oom_kill ");
	ASSERT_LE(0, self->kills);
}

FIXTURE_TEARDOWN(system)
{
	if (self->ballast)
		munmap(self->ballast, self->ballast_len);
	EXPECT_EQ(0, write_text(SHRINKER, "Y"));
}

/* 60 % of memory is unpinned, and somebody needs 70 %: page by page, where a page may take long. */
TEST_F_TIMEOUT(system, needs_memory, 120)
{
	const size_t len = self->total / 10 * 6 & -(1UL << 20);
	const size_t need = self->total / 10 * 7;
	long ret;

	ASSERT_EQ(0, owner_start(&self->owner, CGROUPS, NULL, len,
				 variant->how, need));
	if (!variant->enough)
		announce(EXPECT_KILL);
	ret = variant->by_owner ? tell(&self->owner, ALLOCATE) :
	      hog(CGROUPS, need);
	if (!variant->enough)
		announce(EXPECT_NO_KILL);

	if (variant->enough) {
		EXPECT_EQ(0, ret);
		EXPECT_EQ(self->kills, number_in("/proc/vmstat", "oom_kill "));
		EXPECT_EQ(ASHMEM_WAS_PURGED, tell(&self->owner, PIN_ALL));
	} else {
		EXPECT_TRUE(ret == SIGKILL || ret == -ENOMEM);
		EXPECT_EQ(ASHMEM_NOT_PURGED, tell(&self->owner, PIN_ALL));
	}
	EXPECT_EQ(0, owner_end(&self->owner));
}

/* A memory cgroup with a limit, and another one beside it. */
FIXTURE(cgroup) {
	char parent[64];
	char a[80];
	char b[80];
	struct owner in_a;
	struct owner in_b;
};

#define LIMIT		(96UL << 20)
#define UNPINNED	(LIMIT / 10 * 6 & -(1UL << 20))
#define NEEDED		(LIMIT / 10 * 7)
#define BESIDE		(24UL << 20)

static long limit(const char *cgroup, size_t bytes)
{
	char text[32];

	snprintf(text, sizeof(text), "%zu", bytes);
	return cgroup_write(cgroup, "memory.max", text);
}

static long kills(const char *cgroup)
{
	return cgroup_value(cgroup, "memory.events", "oom_kill ");
}

/* What a shrinker gives back is not counted: it may seem to be nothing. */
static long reclaim_from(const char *cgroup, const char *bytes)
{
	long ret = cgroup_write(cgroup, "memory.reclaim", bytes);

	return ret == -EAGAIN ? 0 : ret;
}

static long usage(const char *cgroup)
{
	return cgroup_value(cgroup, "memory.current", "");
}

FIXTURE_SETUP(cgroup)
{
	if (cgroup_account(CGROUPS))
		SKIP(return, "no memory controller of cgroup2 in " CGROUPS);
	snprintf(self->parent, sizeof(self->parent), CGROUPS "/pressure-%d",
		 getpid());
	snprintf(self->a, sizeof(self->a), "%s/a", self->parent);
	snprintf(self->b, sizeof(self->b), "%s/b", self->parent);
	ASSERT_EQ(0, mkdir(self->parent, 0755));
	ASSERT_EQ(0, cgroup_account(self->parent));
	ASSERT_EQ(0, mkdir(self->a, 0755));
	ASSERT_EQ(0, mkdir(self->b, 0755));
}

FIXTURE_TEARDOWN(cgroup)
{
	rmdir(self->a);
	rmdir(self->b);
	EXPECT_EQ(0, rmdir(self->parent));
}

TEST_F(cgroup, gets_its_own_back)
{
	ASSERT_EQ(0, limit(self->a, LIMIT));
	ASSERT_EQ(0, owner_start(&self->in_b, self->b, NULL, BESIDE, WHOLE,
				 0));
	ASSERT_EQ(0, owner_start(&self->in_a, self->a, NULL, UNPINNED, WHOLE,
				 0));
	EXPECT_EQ(0, hog(self->a, NEEDED));
	EXPECT_EQ(0, kills(self->a));
	EXPECT_EQ(ASHMEM_WAS_PURGED, tell(&self->in_a, PIN_ALL));
	EXPECT_EQ(ASHMEM_NOT_PURGED, tell(&self->in_b, PIN_ALL));
	EXPECT_EQ(0, owner_end(&self->in_a));
	EXPECT_EQ(0, owner_end(&self->in_b));
}

TEST_F(cgroup, gets_many_ranges_back)
{
	ASSERT_EQ(0, limit(self->a, LIMIT));
	ASSERT_EQ(0, owner_start(&self->in_a, self->a, NULL, UNPINNED, RANGES,
				 NEEDED));
	EXPECT_EQ(0, tell(&self->in_a, ALLOCATE));
	EXPECT_EQ(0, kills(self->a));
	EXPECT_EQ(ASHMEM_WAS_PURGED, tell(&self->in_a, PIN_ALL));
	EXPECT_EQ(0, owner_end(&self->in_a));
}

/* To split a huge page wants memory, which the group has none of. */
TEST_F(cgroup, gets_parts_of_huge_pages_back)
{
	long ret;

	if (huge_page() == 0 || huge_page() > UNPINNED / 2)
		SKIP(return, "no huge page, or none that would fit");
	ASSERT_EQ(0, limit(self->a, LIMIT));
	ret = owner_start(&self->in_a, self->a, NULL, UNPINNED, HALVES, 0);
	if (ret)
		SKIP(owner_end(&self->in_a); return, "no huge page: %s", strerror(-ret));
	EXPECT_EQ(0, hog(self->a, LIMIT - UNPINNED + UNPINNED / 4));
	EXPECT_EQ(0, kills(self->a));
	EXPECT_EQ(ASHMEM_WAS_PURGED, tell(&self->in_a, PIN_ALL));
	EXPECT_EQ(0, owner_end(&self->in_a));
}

/* With nothing to give back, though another cgroup has plenty of it. */
TEST_F(cgroup, control)
{
	ASSERT_EQ(0, limit(self->a, LIMIT));
	ASSERT_EQ(0, owner_start(&self->in_b, self->b, NULL, BESIDE, WHOLE,
				 0));
	ASSERT_EQ(0, owner_start(&self->in_a, self->a, NULL, UNPINNED, NOTHING,
				 0));
	announce(EXPECT_KILL);
	EXPECT_EQ(SIGKILL, hog(self->a, NEEDED));
	announce(EXPECT_NO_KILL);
	EXPECT_EQ(1, kills(self->a));
	EXPECT_EQ(ASHMEM_NOT_PURGED, tell(&self->in_a, PIN_ALL));
	EXPECT_EQ(ASHMEM_NOT_PURGED, tell(&self->in_b, PIN_ALL));
	EXPECT_EQ(0, owner_end(&self->in_a));
	EXPECT_EQ(0, owner_end(&self->in_b));
}

/* A limit further up: what is unpinned in one child is there for the other. */
TEST_F(cgroup, limit_of_the_parent)
{
	ASSERT_EQ(0, limit(self->parent, LIMIT));
	ASSERT_EQ(0, owner_start(&self->in_a, self->a, NULL, UNPINNED, WHOLE,
				 0));
	EXPECT_EQ(0, hog(self->b, NEEDED));
	EXPECT_EQ(0, kills(self->parent));
	EXPECT_EQ(ASHMEM_WAS_PURGED, tell(&self->in_a, PIN_ALL));
	EXPECT_EQ(0, owner_end(&self->in_a));
}

/* Ranges belong to the cgroup of who has opened the region, whoever unpins. */
TEST_F(cgroup, ranges_are_the_openers)
{
	ASSERT_EQ(0, limit(self->a, LIMIT));
	ASSERT_EQ(0, owner_start(&self->in_b, self->a, self->b, UNPINNED,
				 WHOLE, 0));
	EXPECT_EQ(0, reclaim_from(self->b, "8M"));
	EXPECT_EQ(ASHMEM_NOT_PURGED, tell(&self->in_b, PIN_ALL));
	ASSERT_EQ(0, tell(&self->in_b, UNPIN_ALL));
	EXPECT_EQ(0, reclaim_from(self->a, "8M"));
	EXPECT_EQ(ASHMEM_WAS_PURGED, tell(&self->in_b, PIN_ALL));
	EXPECT_EQ(0, owner_end(&self->in_b));
}

/* It does not take everything for a little: only about what is missing. */
TEST_F(cgroup, loses_what_is_needed)
{
	long before, after;

	ASSERT_EQ(0, limit(self->a, LIMIT));
	ASSERT_EQ(0, owner_start(&self->in_a, self->a, NULL, UNPINNED, RANGES,
				 0));
	before = usage(self->a);
	EXPECT_EQ(0, hog(self->a, LIMIT - before + (8UL << 20)));
	after = usage(self->a);
	printf("# 8 MiB were missing, %ld KiB were given back\n",
	       (before - after) >> 10);
	EXPECT_LE(6L << 20, before - after);
	EXPECT_GE(24L << 20, before - after);
	EXPECT_EQ(ASHMEM_WAS_PURGED, tell(&self->in_a, PIN_ALL));
	EXPECT_EQ(0, owner_end(&self->in_a));
}

/* Who has less from now on gives back at once what is too much, and nobody is killed for it. */
TEST_F_TIMEOUT(cgroup, limit_is_lowered, 120)
{
	static const char *const files[] = { "memory.max", "memory.high" };
	const char *const groups[] = { self->a, self->parent };
	const long low = LIMIT / 4;
	char text[32];

	snprintf(text, sizeof(text), "%ld", low);
	ASSERT_EQ(0, owner_start(&self->in_a, self->a, NULL, 2 * LIMIT, WHOLE, 0));
	for (int i = 0; i < 4; i++) {
		const char *group = groups[i / 2], *file = files[i % 2];

		EXPECT_LT(2L * LIMIT, usage(group));
		EXPECT_EQ(0, cgroup_write(group, file, text));
		printf("# %s: %ld KiB are left of %lu\n", file, usage(group) >> 10,
		       2 * LIMIT >> 10);
		EXPECT_GE(low, usage(group));
		EXPECT_LT(low / 2, usage(group));
		EXPECT_EQ(0, cgroup_write(group, file, "max"));
		EXPECT_EQ(ASHMEM_WAS_PURGED, tell(&self->in_a, PIN_ALL));
		ASSERT_EQ(0, tell(&self->in_a, UNPIN_ALL));
	}
	EXPECT_EQ(0, owner_end(&self->in_a));
}

/* What zones have free, and want to have: in pages, of all of them. */
struct marks {
	long free;
	long low;
	long high;
};

#define SCALE_FACTOR	"/proc/sys/vm/watermark_scale_factor"
#define RESERVE_RATIO	"/proc/sys/vm/lowmem_reserve_ratio"

static struct marks marks(void)
{
	FILE *f = fopen("/proc/zoneinfo", "re");
	struct marks sum = {};
	char line[256];
	long value;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, " pages free %ld", &value) == 1)
			sum.free += value;
		else if (sscanf(line, " low %ld", &value) == 1)
			sum.low += value;
		else if (sscanf(line, " high %ld", &value) == 1)
			sum.high += value;
	}
	if (f)
		fclose(f);
	return sum;
}

/* Watermarks far apart, and memory of ours that brings what is free to where it shall be. */
FIXTURE(watermarks) {
	char scale[32];
	char ratio[64];
	char cgroup[64];
	struct owner owner;
	char *ballast;
	size_t len;
};

#define STEP		(4UL << 20)

FIXTURE_SETUP(watermarks)
{
	const long kib = number_in("/proc/meminfo", "MemTotal:");

	if (cgroup_account(CGROUPS))
		SKIP(return, "no memory controller of cgroup2 in " CGROUPS);
	ASSERT_LT(0, kib);
	if (kib > 2L << 20)
		SKIP(return, "this system has too much memory to use it up");
	ASSERT_TRUE(file_line(SCALE_FACTOR, "", self->scale, sizeof(self->scale)));
	ASSERT_TRUE(file_line(RESERVE_RATIO, "", self->ratio, sizeof(self->ratio)));
	self->len = (size_t)kib << 10;
	ASSERT_EQ(0, map(-1, self->len, PROT_RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			 &self->ballast));
	/* Page by page may take long. */
	madvise(self->ballast, self->len, MADV_HUGEPAGE);
	snprintf(self->cgroup, sizeof(self->cgroup), CGROUPS "/watermarks-%d", getpid());
	ASSERT_EQ(0, mkdir(self->cgroup, 0755));
	ASSERT_EQ(0, write_text(SCALE_FACTOR, "3000"));
	/* A small zone, of which these pages take none, does not have enough for all. */
	ASSERT_EQ(0, write_text(RESERVE_RATIO, "1 1 1"));
}

FIXTURE_TEARDOWN(watermarks)
{
	EXPECT_EQ(0, write_text(RESERVE_RATIO, self->ratio));
	EXPECT_EQ(0, write_text(SCALE_FACTOR, self->scale));
	munmap(self->ballast, self->len);
	EXPECT_EQ(0, rmdir(self->cgroup));
}

/* Until so many pages are free in all zones together. */
static long use_up(char *p, size_t len, long until)
{
	for (size_t at = 0; marks().free > until; at += STEP) {
		if (at + STEP > len || madvise(p + at, STEP, MADV_POPULATE_WRITE))
			return -ENOMEM;
	}
	return 0;
}

/* A system that has what it needs: a group that lacks little loses no more than in any other. */
TEST_F_TIMEOUT(watermarks, in_between, 120)
{
	long before, after;
	struct marks m;

	ASSERT_EQ(0, limit(self->cgroup, LIMIT));
	ASSERT_EQ(0, owner_start(&self->owner, self->cgroup, NULL, UNPINNED, RANGES, 0));
	m = marks();
	ASSERT_EQ(0, use_up(self->ballast, self->len, (m.low + m.high) / 2));
	before = usage(self->cgroup);
	EXPECT_EQ(0, hog(self->cgroup, LIMIT - before + (8UL << 20)));
	after = usage(self->cgroup);
	m = marks();
	printf("# 8 MiB were missing, %ld KiB were given back; %ld free, low %ld, high %ld\n",
	       (before - after) >> 10, m.free, m.low, m.high);
	EXPECT_LT(m.low, m.free);
	EXPECT_GT(m.high, m.free);
	EXPECT_LE(6L << 20, before - after);
	EXPECT_GE(24L << 20, before - after);
	EXPECT_EQ(0, owner_end(&self->owner));
}

#define HOLES		20000
#define HOLES_IN_SCAN	2000

/* One that lacks memory looks for some, but not without end in one scan where there is none. */
TEST_F_TIMEOUT(watermarks, holes_end_a_scan, 120)
{
	const size_t page = page_size();
	int fd = region("holes", 2 * HOLES * page);
	long scans, holes;
	struct marks m;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, try_map(fd, page, PROT_RW, MAP_SHARED | MAP_NORESERVE));
	m = marks();
	ASSERT_EQ(0, use_up(self->ballast, self->len, m.low / 10 * 8));
	scans = total("shrinker_calls");
	holes = total("purged_ranges");
	for (size_t i = 0; i < HOLES; i++)
		ASSERT_EQ(0, unpin(fd, 2 * i * page, page));
	EXPECT_EQ(0, drop_slab());
	scans = total("shrinker_calls") - scans;
	holes = total("purged_ranges") - holes;
	printf("# %ld holes in %ld scans\n", holes, scans);
	EXPECT_LT(HOLES_IN_SCAN, holes);
	EXPECT_GT(HOLES_IN_SCAN * scans, holes);
	close(fd);
}

/* A cgroup that goes leaves its ranges to its parent. */
TEST_F(cgroup, outlived_by_a_region)
{
	ASSERT_EQ(0, owner_start(&self->in_a, self->a, NULL, BESIDE, WHOLE,
				 0));
	ASSERT_EQ(0, tell(&self->in_a, LEAVE_CGROUP));
	ASSERT_EQ(0, rmdir(self->a));
	EXPECT_EQ(0, reclaim_from(self->parent, "1M"));
	EXPECT_EQ(ASHMEM_WAS_PURGED, tell(&self->in_a, PIN_ALL));
	/* It goes on as before. */
	ASSERT_EQ(0, tell(&self->in_a, UNPIN_ALL));
	EXPECT_EQ(0, drop_slab());
	EXPECT_EQ(ASHMEM_WAS_PURGED, tell(&self->in_a, PIN_ALL));
	EXPECT_EQ(ASHMEM_NOT_PURGED, tell(&self->in_a, PIN_ALL));
	EXPECT_EQ(0, owner_end(&self->in_a));
}

TEST_HARNESS_MAIN
