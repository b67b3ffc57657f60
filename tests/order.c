// SPDX-License-Identifier: GPL-2.0
/*
 * Least recently unpinned first: a memory cgroup whose limit comes down step by
 * step gets back one range after the other.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "ashmem_test.h"
#include "harness.h"

#define CGROUP		CGROUPS "/order"

/* Ranges of 100 pages, with a page between them that stays pinned. */
#define RANGES		40
#define LENGTH		100
#define DISTANCE	(LENGTH + 1)
/* How much less memory there is in each step, in pages. */
#define STEP		150

/* More regions than the driver has lists for them. */
#define REGIONS		20

/* What is purged as one, by the number of its first page. */
struct range {
	int region;
	int first;
	int pages;
};

/* The order as it should be. */
struct order {
	struct range range[RANGES + 2];
	int count;
	int fd[REGIONS];
	int regions;
};

static void add(struct order *o, int first, int pages)
{
	/* Each region has ranges at places of its own. */
	o->range[o->count].region = first / DISTANCE % o->regions;
	o->range[o->count].first = first;
	o->range[o->count].pages = pages;
	o->count++;
}

static void forget(struct order *o, int at)
{
	memmove(&o->range[at], &o->range[at + 1],
		(o->count - at - 1) * sizeof(o->range[0]));
	o->count--;
}

static long unpin_range(int fd, struct range r)
{
	return unpin(fd, r.first * page_size(), r.pages * page_size());
}

/* Unpins all ranges in an order that has nothing to do with their places. */
static long unpin_all(struct order *o)
{
	unsigned int seed = 99;
	int number[RANGES];
	long ret = 0;

	for (int i = 0; i < RANGES; i++) {
		int j;

		seed = seed * 1664525 + 1013904223;
		j = (seed >> 8) % (i + 1);
		number[i] = number[j];
		number[j] = i;
	}
	for (int i = 0; i < RANGES && !ret; i++) {
		add(o, number[i] * DISTANCE, LENGTH);
		ret = unpin_range(o->fd[o->range[i].region], o->range[i]);
		if (o->regions > 1)
			usleep(TICKS_US);
	}
	return ret;
}

/* Which pages have memory is asked without touching them. */
static bool is_there(int fd, int page)
{
	off_t at = (off_t)page * page_size();

	return lseek(fd, at, SEEK_DATA) == at;
}

/* How many pages of a range are there. */
static int present(struct order *o, struct range r)
{
	int n = 0;

	for (int i = 0; i < r.pages; i++)
		n += is_there(o->fd[r.region], r.first + i);
	return n;
}

static long usage(void)
{
	return cgroup_value(CGROUP, "memory.current", "");
}

/* What a variant changes in the order, once all ranges are unpinned. */
typedef long (*change_fn)(int fd, struct order *o);

struct job {
	change_fn change;
	int regions;
	/* What came out: steps with ranges purged in part, or in the wrong order. */
	int steps;
	int wrong;
	int left;
	char what[128];
};

/* The ranges that are gone come before those that are there. */
static void look(struct order *o, struct job *job)
{
	int gone = 0;

	while (gone < o->count && !present(o, o->range[gone]))
		gone++;
	job->left = o->count - gone;
	for (int i = gone; i < o->count; i++) {
		int n = present(o, o->range[i]);

		if (n == o->range[i].pages || job->wrong++)
			continue;
		snprintf(job->what, sizeof(job->what),
			 "step %d: %d of range %d are gone, %d of range %d are there",
			 job->steps, o->range[i].pages - n, i,
			 present(o, o->range[gone]), gone);
	}
}

/* In a process of the cgroup: it is never short of what it does not unpin. */
static long purge_step_by_step(void *arg)
{
	const size_t len = RANGES * DISTANCE * page_size();
	struct order order = {};
	struct job *job = arg;
	char text[32], *p;
	long ret = cgroup_join(CGROUP);

	order.regions = job->regions;
	for (int i = 0; i < order.regions && !ret; i++) {
		order.fd[i] = region("order", len);
		ret = map(order.fd[i], len, PROT_RW, MAP_SHARED, &p);
		for (int n = i; n < RANGES && !ret; n += order.regions)
			memset(p + n * DISTANCE * page_size(), 'x',
			       DISTANCE * page_size());
	}
	ret = ret ?: unpin_all(&order);
	if (!ret && job->change)
		ret = job->change(order.fd[0], &order);
	if (ret)
		return ret;

	look(&order, job);
	while (job->left > RANGES / 3 && job->steps < 2 * RANGES) {
		int left = job->left;

		snprintf(text, sizeof(text), "%ld",
			 usage() - STEP * (long)page_size());
		ret = write_text(CGROUP "/memory.max", text);
		if (ret)
			return ret;
		job->steps++;
		look(&order, job);
		/* Each step shows: else there would be nothing to see. */
		if (job->left == left)
			return -ENODATA;
	}
	return 0;
}

static long again(int fd, struct order *o)
{
	/* The oldest as a whole, the next one in part. */
	return unpin_range(fd, o->range[0]) ?:
	       unpin(fd, (o->range[1].first + 10) * page_size(),
		     10 * page_size());
}

/* Who pins and unpins a range uses it: it goes last. */
static long pin_and_unpin(int fd, struct order *o)
{
	struct range r = o->range[0];
	long ret = pin(fd, r.first * page_size(), r.pages * page_size());

	forget(o, 0);
	add(o, r.first, r.pages);
	return ret ?: unpin_range(fd, r);
}

/* The place of the range with the number @number in its region. */
static int find(struct order *o, int number)
{
	for (int i = 0; i < o->count; i++) {
		if (o->range[i].first == number * DISTANCE)
			return i;
	}
	return -1;
}

/* What overlaps two ranges makes one of them. */
static long merge(int fd, struct order *o)
{
	forget(o, find(o, 3));
	forget(o, find(o, 4));
	add(o, 3 * DISTANCE, LENGTH + DISTANCE);
	return unpin(fd, (3 * DISTANCE + LENGTH - 1) * page_size(),
		     3 * page_size());
}

/* Without its middle a range is two: the back stays where it was. */
static long split(int fd, struct order *o)
{
	struct range r = o->range[0];

	o->range[0].first += 60;
	o->range[0].pages -= 60;
	add(o, r.first, 40);
	return pin(fd, (r.first + 40) * page_size(), 20 * page_size());
}

/* A range that loses its front or its back stays where it was. */
static long trim(int fd, struct order *o)
{
	struct range a = o->range[0], b = o->range[1];

	o->range[0].first += 30;
	o->range[0].pages -= 30;
	o->range[1].pages -= 30;
	return pin(fd, a.first * page_size(), 30 * page_size()) ?:
	       pin(fd, (b.first + 70) * page_size(), 30 * page_size());
}

FIXTURE(order) {
	struct job *job;
};

FIXTURE_VARIANT(order) {
	change_fn change;
	int regions;
};

FIXTURE_VARIANT_ADD(order, as_unpinned) { NULL, 1 };
FIXTURE_VARIANT_ADD(order, regions) { NULL, REGIONS };
FIXTURE_VARIANT_ADD(order, unpinned_again) { again, 1 };
FIXTURE_VARIANT_ADD(order, pinned_and_unpinned) { pin_and_unpin, 1 };
FIXTURE_VARIANT_ADD(order, merged) { merge, 1 };
FIXTURE_VARIANT_ADD(order, split) { split, 1 };
FIXTURE_VARIANT_ADD(order, trimmed) { trim, 1 };

FIXTURE_SETUP(order)
{
	ASSERT_EQ(0, map(-1, sizeof(*self->job), PROT_RW,
			 MAP_SHARED | MAP_ANONYMOUS, (char **)&self->job));
	if (cgroup_account(CGROUPS))
		SKIP(return, "no memory controller of cgroup2 in " CGROUPS);
	ASSERT_EQ(0, mkdir(CGROUP, 0755));
}

FIXTURE_TEARDOWN(order)
{
	rmdir(CGROUP);
}

TEST_F(order, oldest_first)
{
	self->job->change = variant->change;
	self->job->regions = variant->regions;
	ASSERT_EQ(0, in_child(purge_step_by_step, self->job)) {
		TH_LOG("after %d steps, %d ranges left", self->job->steps,
		       self->job->left);
	}
	printf("# %d ranges left after %d steps\n", self->job->left,
	       self->job->steps);
	EXPECT_EQ(0, self->job->wrong) {
		TH_LOG("%s", self->job->what);
	}
	EXPECT_LE(5, self->job->steps);
}

TEST_HARNESS_MAIN
