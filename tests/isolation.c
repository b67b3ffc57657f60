// SPDX-License-Identifier: GPL-2.0
/*
 * Two processes with regions of their own do not slow each other down.
 *
 * A victim on one CPU counts how often it can do something in a window of time,
 * by turns while its neighbour on another CPU works with its own region ("busy")
 * and while it only spins ("idle"). Whatever else the machine does meets both
 * kinds of windows, and the median of their ratios passes over the worst.
 */

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "ashmem_test.h"
#include "harness.h"

/*
 * What a neighbour must leave the victim of its speed, in thousandths of what it
 * leaves to a system call that shares nothing. That is all of it, unless the
 * machine under the guest gives the two CPUs no time of their own.
 */
#define BOUND		900

/* The neighbour's ranges when it pins, and when it purges. */
#define RANGES		10000
#define PURGED_RANGES	64

#define WINDOW		50000000L
/* Time for the neighbour to see that it shall do something else. */
#define CHANGE		5000000L

/*
 * How far the middle half of the ratios of a system call that shares nothing may spread,
 * in thousandths of their median, or the machine does too much else for a measurement. Two
 * CPUs that share a core are both slower, but evenly.
 */
#define SPREAD		250

/* Pairs of windows in a measurement; if it is too bad, others tell whether that was noise. */
#define PAIRS		15
#define MEASUREMENTS	5

static long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static unsigned int number(unsigned int *seed, unsigned int below)
{
	*seed = *seed * 1664525 + 1013904223;
	return (*seed >> 8) % below;
}

static bool run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

/* What victim and neighbour have in common. */
struct shared {
	atomic_bool ready;
	atomic_bool busy;
	/* What the neighbour has done. */
	atomic_ulong steps;
	atomic_long error;
};

struct neighbour {
	int fd;
	char *p;
	size_t page;
	unsigned int seed;
};

/* Every second page is a range. */
static long unpin_ranges(struct neighbour *n, unsigned int ranges)
{
	for (unsigned int i = 0; i < ranges; i++) {
		long ret = unpin(n->fd, (2UL * i + 1) * n->page, n->page);

		if (ret)
			return ret;
	}
	return 0;
}

static long prepare_pins(struct neighbour *n)
{
	return unpin_ranges(n, RANGES);
}

/* A range more and away again, at a random place between the others. */
static long step_pins(struct neighbour *n)
{
	size_t at = 2UL * number(&n->seed, RANGES) * n->page;
	long ret = unpin(n->fd, at, n->page);

	return ret ?: pin(n->fd, at, n->page);
}

static long prepare_nothing(struct neighbour *n)
{
	(void)n;
	return 0;
}

/* New memory, unpinned and purged. */
static long step_purges(struct neighbour *n)
{
	long ret = pin(n->fd, 0, 0);

	for (unsigned int i = 0; i < PURGED_RANGES; i++)
		n->p[(2 * i + 1) * n->page] = 1;
	if (ret >= 0)
		ret = unpin_ranges(n, PURGED_RANGES);
	return ret ?: purge_all();
}

static long be_neighbour(struct shared *s, long (*prepare)(struct neighbour *),
			 long (*step)(struct neighbour *))
{
	struct neighbour n = { .page = page_size() };
	const size_t len = 2UL * RANGES * n.page;
	long ret;

	n.fd = region("neighbour", len);
	ret = map(n.fd, len, PROT_RW, MAP_SHARED, &n.p);
	ret = ret ?: prepare(&n);
	if (ret)
		return ret;
	atomic_store(&s->ready, true);
	for (;;) {
		while (!atomic_load(&s->busy))
			;
		ret = step(&n);
		if (ret < 0)
			return ret;
		atomic_fetch_add(&s->steps, 1);
	}
}

/* What the victim has. */
struct victim {
	int fd;
	int memfd;
	size_t len;
	size_t page;
	bool longer;
};

static long do_pair(struct victim *v)
{
	long ret = unpin(v->fd, 0, v->page);

	return ret ?: pin(v->fd, 0, v->page);
}

static long do_status(struct victim *v)
{
	return pin_status(v->fd, 0, v->page);
}

static long do_open(struct victim *v)
{
	int fd = region_open();

	(void)v;
	return fd < 0 ? fd : close(fd);
}

static long do_mmap(struct victim *v)
{
	return try_map(v->fd, v->len, PROT_RW, MAP_SHARED);
}

static long do_getppid(struct victim *v)
{
	(void)v;
	return syscall(SYS_getppid);
}

static long do_memfd_mmap(struct victim *v)
{
	return try_map(v->memfd, v->len, PROT_RW, MAP_SHARED);
}

static long do_memfd_truncate(struct victim *v)
{
	v->longer = !v->longer;
	return result(ftruncate(v->memfd, v->len + v->longer * v->page));
}

/* Of the operations, the system call that shares nothing. */
#define GETPPID	4

static const struct {
	const char *name;
	long (*op)(struct victim *v);
	bool is_control;
} ops[] = {
	{ "unpin+pin", do_pair, false },
	{ "status", do_status, false },
	{ "open+close", do_open, false },
	{ "mmap+munmap", do_mmap, false },
	[GETPPID] = { "getppid", do_getppid, true },
	{ "memfd mmap+munmap", do_memfd_mmap, true },
	{ "memfd ftruncate", do_memfd_truncate, true },
};

#define OPS	((int)ARRAY_SIZE(ops))

/* Operations a second in a window; 0 if one of them failed. */
static double rate(struct shared *s, struct victim *v,
		   long (*op)(struct victim *v), bool busy)
{
	unsigned long count = 0;
	long start, end;

	atomic_store(&s->busy, busy);
	start = now();
	while (now() < start + CHANGE)
		;
	start = now();
	do {
		for (int i = 0; i < 16; i++)
			if (op(v) < 0)
				return 0;
		count += 16;
		end = now();
	} while (end < start + WINDOW);
	return count * 1e9 / (end - start);
}

/* The harness's name for the data of the fixture. */
#define measurement	_test_data_isolation

FIXTURE(isolation) {
	struct shared *s;
	struct victim v;
	pid_t neighbour;
	/* In thousandths. */
	int ratio[OPS][PAIRS];
};

FIXTURE_VARIANT(isolation) {
	long (*prepare)(struct neighbour *n);
	long (*step)(struct neighbour *n);
	const char *doing;
};

FIXTURE_VARIANT_ADD(isolation, pins) {
	.prepare = prepare_pins,
	.step = step_pins,
	.doing = "pins",
};

FIXTURE_VARIANT_ADD(isolation, purges) {
	.prepare = prepare_nothing,
	.step = step_purges,
	.doing = "purges",
};

FIXTURE_SETUP(isolation)
{
	struct victim *v = &self->v;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "there is one CPU only");
	if (is_debugging_kernel())
		SKIP(return, "lockdep's own lock is what all share there");
	ASSERT_EQ(0, map(-1, page_size(), PROT_RW, MAP_SHARED | MAP_ANONYMOUS,
			 (char **)&self->s));
	v->page = page_size();
	v->len = 16 * v->page;
	v->memfd = reference(v->len);
	v->fd = region("victim", v->len);
	ASSERT_LE(0, v->memfd);
	ASSERT_LE(0, v->fd);
	ASSERT_EQ(0, do_mmap(v));

	self->neighbour = fork();
	ASSERT_LE(0, self->neighbour);
	if (!self->neighbour) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (run_on(1))
			atomic_store(&self->s->error,
				     be_neighbour(self->s, variant->prepare,
						  variant->step));
		_exit(1);
	}
	ASSERT_TRUE(run_on(0));
}

FIXTURE_TEARDOWN(isolation)
{
	if (self->neighbour > 0) {
		kill(self->neighbour, SIGKILL);
		waitpid(self->neighbour, NULL, 0);
	}
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* What so many of four parts of an operation's ratios do not exceed. */
static int quartile(struct measurement *self, int op, int part)
{
	int sorted[PAIRS];

	memcpy(sorted, self->ratio[op], sizeof(sorted));
	qsort(sorted, PAIRS, sizeof(sorted[0]), compare);
	return sorted[part * (PAIRS - 1) / 4];
}

static int median(struct measurement *self, int op)
{
	return quartile(self, op, 2);
}

/* A window of each kind for each operation by turns; which comes first changes. */
static void measure(struct __test_metadata *_metadata,
		    struct measurement *self)
{
	for (int i = 0; i < PAIRS * OPS; i++) {
		int op = i % OPS, pair = i / OPS;
		bool first = pair % 2;
		double r[2];

		r[first] = rate(self->s, &self->v, ops[op].op, first);
		r[!first] = rate(self->s, &self->v, ops[op].op, !first);
		ASSERT_LT(0, r[0]);
		ASSERT_LT(0, r[1]);
		self->ratio[op][pair] = 1000 * r[1] / r[0];
	}
}

static int bound(struct measurement *self)
{
	int speed = median(self, GETPPID);

	return (speed < 1000 ? speed : 1000) * BOUND / 1000;
}

static bool all_are_fast(struct measurement *self)
{
	for (int i = 0; i < OPS; i++)
		if (!ops[i].is_control && median(self, i) < bound(self))
			return false;
	return true;
}

/* Whether the machine had the time to measure anything. */
static bool is_quiet(struct measurement *self)
{
	int spread = quartile(self, GETPPID, 3) - quartile(self, GETPPID, 1);

	return spread <= median(self, GETPPID) * SPREAD / 1000;
}

static void print(struct measurement *self, const char *doing)
{
	ksft_print_msg("figure: speed beside a neighbour that %s (quartiles)\n",
		       doing);
	for (int i = 0; i < OPS; i++)
		ksft_print_msg("figure: %-18s %5.2f (%.2f, %.2f)%s\n",
			       ops[i].name, median(self, i) / 1000.0,
			       quartile(self, i, 1) / 1000.0,
			       quartile(self, i, 3) / 1000.0,
			       ops[i].is_control ? " control" : "");
}

TEST_F_TIMEOUT(isolation, keeps_speed, 300)
{
	struct shared *s = self->s;
	int left = MEASUREMENTS;
	bool was_quiet = false, fast;

	while (!atomic_load(&s->ready)) {
		ASSERT_EQ(0, atomic_load(&s->error));
		sched_yield();
	}
	do {
		unsigned long steps = atomic_load(&s->steps);

		measure(_metadata, self);
		print(self, variant->doing);
		ASSERT_EQ(0, atomic_load(&s->error));
		ASSERT_LT(steps + PAIRS, atomic_load(&s->steps));
		was_quiet |= is_quiet(self);
		fast = all_are_fast(self);
	} while (!fast && --left);
	if (!fast && !was_quiet)
		SKIP(return, "the machine is too busy with other things");

	for (int i = 0; i < OPS; i++) {
		if (ops[i].is_control)
			continue;
		EXPECT_LE(bound(self), median(self, i)) {
			TH_LOG("%s", ops[i].name);
		}
	}
}

TEST_HARNESS_MAIN
