// SPDX-License-Identifier: GPL-2.0
/*
 * What pinning costs, in instructions, however many ranges a region has.
 *
 * For a guest whose clock counts instructions, one each nanosecond. Each figure
 * is measured twice, and nothing is subtracted: the system call and the loop
 * around it are part of it.
 */

#include <limits.h>
#include <stdlib.h>

#include "ashmem_test.h"
#include "cost.h"
#include "harness.h"

/* What the bounds are about. */
#define RANGES		10000

/* For operations that leave things as they were. */
#define TIMES		4000

/* The figure that two measurements agree on within 5 %. */
static long agreed(struct __test_metadata *_metadata, long first, long second)
{
	ASSERT_LT(0, first);
	EXPECT_TRUE(agree(first, second)) {
		TH_LOG("measured twice: %ld, %ld", first, second);
	}
	return (first + second) / 2;
}

/* Something of the kernel's own may fall into a measurement, but not into each. */
static long cost(struct __test_metadata *_metadata, struct bench *b,
		 bool (*op)(struct bench *b))
{
	long first = measure(b, op, TIMES), second = measure(b, op, TIMES);

	for (int i = 0; i < 4 && !agree(first, second); i++) {
		first = second;
		second = measure(b, op, TIMES);
	}
	return agreed(_metadata, first, second);
}

FIXTURE(pin_cost) {
	struct bench b;
};

FIXTURE_SETUP(pin_cost)
{
	char text[4096];
	long million;

	if (!file_line("/proc/cmdline", "", text, sizeof(text)) ||
	    !strstr(text, "guest.list=icount"))
		SKIP(return, "the clock of this guest does not count instructions");
	if (is_debugging_kernel())
		SKIP(return, "what a debugging kernel's checks cost would be measured");
	million = settle();
	ASSERT_LT(1000000, million);
	ASSERT_GT(1050000, million);
}

FIXTURE_TEARDOWN(pin_cost)
{
}

/* The bound is tested by memcg. First, while no others have left free objects behind. */
TEST_F(pin_cost, slab)
{
	struct bench *b = &self->b;
	long before, after;

	ASSERT_TRUE(open_bench(b, 10 * RANGES));
	before = slab_bytes();
	ASSERT_LT(0, before);
	ASSERT_TRUE(unpin_all(b));
	after = slab_bytes();
	ksft_print_msg("figure: slab for a range: %.1f bytes\n",
		       (after - before) / (10.0 * RANGES));
	close_bench(b);
}

TEST_F(pin_cost, system_calls)
{
	struct bench *b = &self->b;

	ASSERT_TRUE(open_bench(b, 0));
	ksft_print_msg("figure: instructions  getppid %ld, GET_SIZE %ld, GET_PIN_STATUS %ld\n",
		       cost(_metadata, b, call_getppid),
		       cost(_metadata, b, ask_size),
		       cost(_metadata, b, ask_status));
	close_bench(b);
}

/* Bounds: twice what it costs in a region without any range. */
TEST_F(pin_cost, among_ranges)
{
	long pair0 = 0, status0 = 0;

	ksft_print_msg("figure: instructions  unpin+pin  pin+unpin  status\n");
	for (unsigned int n = 0; n <= 10 * RANGES; n = n ? 10 * n : 10) {
		struct bench *b = &self->b;
		long pair, back, status;

		ASSERT_TRUE(open_bench(b, n));
		shuffle(b);
		ASSERT_TRUE(unpin_all(b));
		pair = cost(_metadata, b, unpin_and_pin);
		back = n ? cost(_metadata, b, pin_and_unpin) : pair;
		status = cost(_metadata, b, ask_status);
		ksft_print_msg("figure: %6u ranges %10ld %10ld %7ld\n", n, pair, back,
			       status);
		close_bench(b);
		if (!n) {
			pair0 = pair;
			status0 = status;
		}
		if (n == RANGES) {
			EXPECT_GE(2 * pair0, pair);
			EXPECT_GE(2 * pair0, back);
			EXPECT_GE(2 * status0, status);
		}
	}
}

static bool unpin_everything(struct bench *b)
{
	return !unpin(b->fd, 0, 0);
}

static bool pin_one_and_unpin_everything(struct bench *b)
{
	size_t at = number(&b->seed, 2 * b->ranges + 2) * b->page;

	return pin(b->fd, at, b->page) == ASHMEM_NOT_PURGED && !unpin(b->fd, at, b->page) &&
	       unpin_everything(b);
}

/* Adjacent ranges stay ranges. Bounds: twice what it costs among few of them. */
TEST_F(pin_cost, unpinned_already)
{
	struct bench *b = &self->b;
	long few[2] = {};

	ksft_print_msg("figure: instructions  unpin all again, pin one, unpin it, and all\n");
	for (unsigned int n = 10; n <= RANGES; n *= 10) {
		long again, one;

		ASSERT_TRUE(open_bench(b, n));
		for (size_t at = 0; at < b->len; at += b->page)
			ASSERT_EQ(0, unpin(b->fd, at, b->page));
		/* The first time each range is looked at: that is not measured. */
		ASSERT_TRUE(unpin_everything(b));
		ASSERT_TRUE(unpin_everything(b));
		again = cost(_metadata, b, unpin_everything);
		one = cost(_metadata, b, pin_one_and_unpin_everything);
		EXPECT_EQ((long)(b->len / b->page), unpinned_pages(b->fd));
		ksft_print_msg("figure: %6u ranges %10ld %10ld\n", 2 * n + 2, again, one);
		close_bench(b);
		if (n == 10) {
			few[0] = again;
			few[1] = one;
		}
		EXPECT_GE(2 * few[0], again);
		EXPECT_GE(2 * few[1], one);
	}
}

/* What is measured of a region as a whole. */
struct whole {
	long unpin;
	long pin;
	long close;
};

/* Unpin it, range by range, and pin it all at once, or close it. */
static struct whole measure_whole(struct __test_metadata *_metadata,
				  struct bench *b, unsigned int ranges,
				  void (*arrange)(struct bench *b))
{
	struct whole w = {};

	ASSERT_TRUE(open_bench(b, ranges));
	if (arrange)
		arrange(b);
	w.unpin = measure(b, unpin_all, 1);
	w.pin = measure(b, pin_all, 1);
	ASSERT_TRUE(unpin_all(b));
	munmap(b->p, b->len);
	w.close = -now();
	close(b->fd);
	w.close += now();
	free(b->order);
	return w;
}

static bool agree_whole(const struct whole *v, const struct whole *w)
{
	return agree(v->unpin, w->unpin) && agree(v->pin, w->pin) &&
	       agree(v->close, w->close);
}

static struct whole cost_whole(struct __test_metadata *_metadata,
			       struct bench *b, unsigned int ranges,
			       const char *order,
			       void (*arrange)(struct bench *b))
{
	struct whole w, v;

	/* The first time the slab caches grow. */
	measure_whole(_metadata, b, ranges, arrange);
	v = measure_whole(_metadata, b, ranges, arrange);
	w = measure_whole(_metadata, b, ranges, arrange);
	for (int i = 0; i < 4 && !agree_whole(&v, &w); i++) {
		v = w;
		w = measure_whole(_metadata, b, ranges, arrange);
	}
	w.unpin = agreed(_metadata, v.unpin, w.unpin);
	w.pin = agreed(_metadata, v.pin, w.pin);
	w.close = agreed(_metadata, v.close, w.close);
	ksft_print_msg("figure: %6u %-10s %10ld %10ld %7ld\n", ranges, order,
		       w.unpin / ranges, w.pin / ranges, w.close / ranges);
	return w;
}

/* Bounds: the order makes a difference of 1.5 times at most; close is O(n). */
TEST_F(pin_cost, whole_regions)
{
	struct bench *b = &self->b;
	struct whole w[3], twice;
	long most = 0, least = LONG_MAX;

	ksft_print_msg("figure: instructions  for a range: unpin,  pin all,  close\n");
	w[0] = cost_whole(_metadata, b, RANGES, "ascending", NULL);
	w[1] = cost_whole(_metadata, b, RANGES, "descending", reverse);
	w[2] = cost_whole(_metadata, b, RANGES, "random", shuffle);
	for (int i = 0; i < 3; i++) {
		most = w[i].unpin > most ? w[i].unpin : most;
		least = w[i].unpin < least ? w[i].unpin : least;
	}
	EXPECT_GE(3 * least, 2 * most);

	twice = cost_whole(_metadata, b, 2 * RANGES, "random", shuffle);
	EXPECT_GE(5 * w[2].close, 2 * twice.close);
	EXPECT_GE(5 * w[2].pin, 2 * twice.pin);
}

static long purge_ranges(struct __test_metadata *_metadata, struct bench *b)
{
	long start, purged;

	ASSERT_TRUE(open_bench(b, RANGES));
	touch_ranges(b);
	ASSERT_TRUE(unpin_all(b));
	start = now();
	purged = purge_all();
	start = now() - start;
	EXPECT_EQ(RANGES, purged);
	close_bench(b);
	return start / RANGES;
}

static long purge_whole(struct __test_metadata *_metadata, struct bench *b)
{
	long start, purged;

	ASSERT_TRUE(open_bench(b, RANGES / 2 - 1));
	memset(b->p, 1, b->len);
	ASSERT_EQ(0, unpin(b->fd, 0, 0));
	start = now();
	purged = purge_all();
	start = now() - start;
	EXPECT_EQ(RANGES, purged);
	close_bench(b);
	return start / RANGES;
}

/* The same pages of a memfd, hole by hole. */
static long punch_ranges(struct __test_metadata *_metadata, struct bench *b)
{
	long start;

	ASSERT_TRUE(open_bench(b, RANGES));
	close_bench(b);
	b->fd = reference(b->len);
	ASSERT_EQ(0, map(b->fd, b->len, PROT_RW, MAP_SHARED, &b->p));
	touch_ranges(b);
	start = now();
	for (unsigned int i = 0; i < RANGES; i++)
		ASSERT_TRUE(punch(b->fd, offset_of_range(b, i), b->page));
	start = now() - start;
	munmap(b->p, b->len);
	close(b->fd);
	return start / RANGES;
}

static long punch_whole(struct __test_metadata *_metadata, struct bench *b)
{
	long start;

	b->len = RANGES * page_size();
	b->fd = reference(b->len);
	ASSERT_EQ(0, map(b->fd, b->len, PROT_RW, MAP_SHARED, &b->p));
	memset(b->p, 1, b->len);
	start = now();
	ASSERT_TRUE(punch(b->fd, 0, b->len));
	start = now() - start;
	munmap(b->p, b->len);
	close(b->fd);
	return start / RANGES;
}

static long twice(struct __test_metadata *_metadata, struct bench *b,
		  long (*once)(struct __test_metadata *_metadata,
			       struct bench *b))
{
	long first = once(_metadata, b);

	return agreed(_metadata, first, once(_metadata, b));
}

/* No bound: most of it is the work of shmem. */
TEST_F(pin_cost, purge)
{
	struct bench *b = &self->b;

	ksft_print_msg("figure: instructions  for a page: %d ranges, 1 range of %d pages\n",
		       RANGES, RANGES);
	ksft_print_msg("figure: %-14s %10ld %10ld\n", "purge",
		       twice(_metadata, b, purge_ranges),
		       twice(_metadata, b, purge_whole));
	ksft_print_msg("figure: %-14s %10ld %10ld\n", "punch memfd",
		       twice(_metadata, b, punch_ranges),
		       twice(_metadata, b, punch_whole));
}

TEST_HARNESS_MAIN
