// SPDX-License-Identifier: GPL-2.0
/*
 * After PIN returns, what is written stays: a million rounds of unpin, pin,
 * check and write, in processes that share regions, while others purge by
 * every means there is.
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "ashmem_test.h"
#include "harness.h"

/* A million; not so many where everything takes longer. */
#define ROUNDS		(1000000UL / slowness())
/* More of them, until there has been so much of what they are to withstand. */
#define PURGES		100
#define PRESSED		10
#define REGIONS		2
#define WORKERS		4
/* Pages of a worker; two workers share a region, in stripes. */
#define OWN		256
#define STRIPE		32
/* Rounds without a look at the counter that all share. */
#define BATCH		64

/* Stamped at these places of a page: the whole of it would cost too much. */
#define PLACES		4

/* What the processes tell each other. */
struct shared {
	unsigned long rounds;
	unsigned long purged;
	unsigned long kept;
	unsigned long purges;
	unsigned long pressed;
	unsigned long errors;
	bool stop;
	char error[160];
};

struct worker {
	struct shared *shared;
	int fd;
	char *p;
	/* The first of its stripes: it has each second one. */
	unsigned int first;
	unsigned int seed;
	size_t page;
	/* What each of its pages says; 0 for zeroes. */
	__u64 stamp[OWN];
};

static unsigned int number(struct worker *w, unsigned int below)
{
	w->seed = w->seed * 1664525 + 1013904223;
	return (w->seed >> 8) % below;
}

/* The page of the region that is the worker's @i-th. */
static size_t page_of(struct worker *w, unsigned int i)
{
	return (i / STRIPE * 2 + w->first) * STRIPE + i % STRIPE;
}

static __u64 *place(struct worker *w, unsigned int i, int k)
{
	return (__u64 *)(w->p + page_of(w, i) * w->page +
			 k * (w->page / PLACES) + (k == PLACES - 1) * 8);
}

static void fail(struct worker *w, const char *what, unsigned int i, __u64 got)
{
	if (__sync_fetch_and_add(&w->shared->errors, 1))
		return;
	snprintf(w->shared->error, sizeof(w->shared->error),
		 "%s: page %zu says %llx, it was given %llx", what,
		 page_of(w, i), (unsigned long long)got,
		 (unsigned long long)w->stamp[i]);
}

static void stamp(struct worker *w, unsigned int i)
{
	w->stamp[i] = (__u64)w->seed << 32 | page_of(w, i) << 8 | 0xa5;
	for (int k = 0; k < PLACES; k++)
		*place(w, i, k) = w->stamp[i];
}

/* All of it as it was; or if it may have been purged, zero all over. */
static void check(struct worker *w, unsigned int i, bool purged)
{
	__u64 got = *place(w, i, 0);

	if (got != w->stamp[i] && (!purged || got))
		fail(w, purged ? "neither old nor zero" : "lost", i, got);
	for (int k = 1; k < PLACES; k++) {
		if (*place(w, i, k) != got)
			fail(w, "torn", i, *place(w, i, k));
	}
	w->stamp[i] = got;
}

/* Mostly a few pages, at times many, never over the end of a stripe. */
static void round_of(struct worker *w)
{
	unsigned int at = number(w, OWN);
	unsigned int most = STRIPE - at % STRIPE;
	unsigned int n = number(w, 16) ? 1 + number(w, 4) : STRIPE;
	size_t offset = page_of(w, at) * w->page, len;
	long ret;

	n = n < most ? n : most;
	len = n * w->page;
	ret = unpin(w->fd, offset, len);
	if (ret)
		fail(w, "unpin", at, ret);
	if (!number(w, 32))
		sched_yield();
	ret = pin(w->fd, offset, len);
	if (ret < 0)
		fail(w, "pin", at, ret);
	for (unsigned int i = at; i < at + n; i++)
		check(w, i, ret == ASHMEM_WAS_PURGED);
	for (unsigned int i = at; i < at + n; i++)
		stamp(w, i);
	/* What is pinned stays: some other page, as long as it has been left alone. */
	check(w, number(w, OWN), false);
	if (ret == ASHMEM_WAS_PURGED)
		__sync_fetch_and_add(&w->shared->purged, 1);
	else
		__sync_fetch_and_add(&w->shared->kept, 1);
}

/* The test's own limit ends what goes on for ever. */
static bool is_enough(const struct shared *shared)
{
	return shared->rounds >= ROUNDS && shared->purges > PURGES &&
	       shared->pressed > PRESSED;
}

static int work(struct worker *w)
{
	for (unsigned int i = 0; i < OWN; i++)
		stamp(w, i);
	while (!w->shared->errors && !is_enough(w->shared)) {
		for (int i = 0; i < BATCH; i++)
			round_of(w);
		__sync_fetch_and_add(&w->shared->rounds, BATCH);
	}
	/* All of it, at the end. */
	for (unsigned int i = 0; i < OWN; i++)
		check(w, i, false);
	return 0;
}

/* Keeps other ranges unpinned, and purges everything. */
static int purge(struct shared *shared)
{
	while (!shared->stop) {
		if (purge_all() >= 0)
			__sync_fetch_and_add(&shared->purges, 1);
		usleep(500);
	}
	return 0;
}

static int drop(struct shared *shared)
{
	while (!shared->stop) {
		if (!drop_slab())
			__sync_fetch_and_add(&shared->purges, 1);
		usleep(3000);
	}
	return 0;
}

/*
 * Real pressure, in a cgroup that has room for one of the two: a region of its
 * own, which it unpins, and memory that it touches then.
 */
#define PRESSURE_PAGES	2500

static int press(struct shared *shared)
{
	const size_t len = PRESSURE_PAGES * page_size();
	int fd = region("pressed", len);
	char *p, *q;

	if (fd < 0 || map(fd, len, PROT_RW, MAP_SHARED, &p))
		return 1;
	while (!shared->stop) {
		memset(p, 'r', len);
		if (unpin(fd, 0, 0))
			return 1;
		q = mmap(NULL, len, PROT_RW, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			 0);
		if (q == MAP_FAILED)
			return 1;
		memset(q, 'p', len);
		munmap(q, len);
		if (pin(fd, 0, 0) == ASHMEM_WAS_PURGED)
			__sync_fetch_and_add(&shared->pressed, 1);
		usleep(5000);
	}
	return 0;
}

#define CGROUP		CGROUPS "/pin-stress"

FIXTURE(stress) {
	struct shared *shared;
	struct worker *workers;
	int fds[REGIONS];
};

FIXTURE_SETUP(stress)
{
	ASSERT_EQ(0, map(-1, sizeof(*self->shared), PROT_RW,
			 MAP_SHARED | MAP_ANONYMOUS, (char **)&self->shared));
	self->workers = calloc(WORKERS, sizeof(*self->workers));
	ASSERT_NE(NULL, self->workers);
	if (cgroup_account(CGROUPS))
		SKIP(return, "no memory controller of cgroup2");
	ASSERT_EQ(0, mkdir(CGROUP, 0755));
}

FIXTURE_TEARDOWN(stress)
{
	free(self->workers);
	for (int i = 0; i < REGIONS; i++)
		close(self->fds[i]);
	rmdir(CGROUP);
}

/* Region 1 belongs to the cgroup that is short of memory all the time. */
static int open_region(bool pressed, size_t len)
{
	int fd;

	if (pressed && cgroup_join(CGROUP))
		return -1;
	fd = region("stress", len);
	if (fd >= 0 && try_map(fd, 1, PROT_RW, MAP_SHARED))
		fd = -1;
	if (pressed && cgroup_join(CGROUPS))
		return -1;
	return fd;
}

static pid_t start(int (*fn)(struct shared *shared), struct shared *shared,
		   bool pressed)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (pressed && cgroup_join(CGROUP))
		_exit(1);
	_exit(fn(shared));
}

TEST_F_TIMEOUT(stress, a_million_rounds, 900)
{
	const size_t page = page_size(), len = 2 * OWN * page;
	pid_t workers[WORKERS], others[3];
	char limit[32];
	int status;

	snprintf(limit, sizeof(limit), "%zu", 3600 * page + (4 << 20));
	ASSERT_EQ(0, write_text(CGROUP "/memory.max", limit));
	for (int i = 0; i < REGIONS; i++) {
		self->fds[i] = open_region(i == 1, len);
		ASSERT_LE(0, self->fds[i]);
	}
	for (int i = 0; i < WORKERS; i++) {
		struct worker *w = &self->workers[i];
		bool pressed = i / 2 == 1;

		*w = (struct worker){
			.shared = self->shared, .fd = self->fds[i / 2],
			.first = i % 2, .seed = 4711 * i + 1, .page = page,
		};
		ASSERT_EQ(0, map(w->fd, len, PROT_RW, MAP_SHARED, &w->p));
		workers[i] = fork();
		if (!workers[i])
			_exit(pressed && cgroup_join(CGROUP) ? 1 : work(w));
	}
	others[0] = start(purge, self->shared, false);
	others[1] = start(drop, self->shared, false);
	others[2] = start(press, self->shared, true);

	for (int i = 0; i < WORKERS; i++) {
		ASSERT_EQ(workers[i], waitpid(workers[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	self->shared->stop = true;
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(others[i], waitpid(others[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	printf("# %lu rounds: purged in %lu, kept in %lu; %lu purges, pressed %lu times\n",
	       self->shared->rounds, self->shared->purged, self->shared->kept,
	       self->shared->purges, self->shared->pressed);
	EXPECT_EQ(0, self->shared->errors) {
		TH_LOG("%s", self->shared->error);
	}
	EXPECT_LE(ROUNDS, self->shared->rounds);
	EXPECT_LT(ROUNDS / 1000, self->shared->purged);
	EXPECT_LT(ROUNDS / 1000, self->shared->kept);
	EXPECT_LT(PURGES, self->shared->purges);
	EXPECT_LT(PRESSED, self->shared->pressed);
}

TEST_HARNESS_MAIN
