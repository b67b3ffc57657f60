// SPDX-License-Identifier: GPL-2.0
/* What the benchmarks share: see bench.h. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest.h"

#include "bench.h"

/* How long a measurement takes, in instructions, and the rounds that this may be. */
#define ENOUGH		5000000L
#define ROUNDS_MIN	20
#define ROUNDS_MAX	20000

/* Rounds of operations that need a scene of their own. */
#define ROUNDS_ONCE	3

/* Measurements until two that follow each other agree. */
#define TRIES		6

/* The markers for profile.c: a row begins, counting starts, counting stops. */
#define MARK_ROW	1
#define MARK_START	2
#define MARK_STOP	3

static inline __attribute__((always_inline)) void mark(const int number)
{
#if defined(__x86_64__)
	/* A NOP with an address that nothing uses. */
	asm volatile("nopl %c0(%%rax)" : : "i"(0x41534800 + number) : "memory");
#elif defined(__aarch64__)
	/* A number to the register that takes none. */
	asm volatile("movz xzr, %0" : : "i"(0x4150 + number) : "memory");
#endif
}

/* What has been done while the instructions of a row were counted. */
static unsigned long done;

/* The rows to profile, with commas; none if all are to be measured. */
static const char *profiled(void)
{
	const char *rows = getenv("BENCH_PROFILE");

	return rows && *rows ? rows : NULL;
}

bool is_wanted(const char *name)
{
	const char *row = profiled();
	size_t len = strlen(name);

	if (!row)
		return true;
	for (; *row; row += strcspn(row, ","), row += *row == ',')
		if (strcspn(row, ",") == len && !memcmp(row, name, len))
			return true;
	return false;
}

void report(const char *name, const char *subject, const char *unit, double value,
	    unsigned int rounds)
{
	printf("# row: %s %s %s %.4f %u\n", name, subject, unit, value, rounds);
}

/* Instructions for so many rounds, or -1. */
static long measure_rounds(const struct row *row, struct bench *b, unsigned int rounds)
{
	bool good = true;
	long start;

	mark(MARK_START);
	start = now();
	for (unsigned int i = 0; good && i < rounds; i++)
		good = row->op(b);
	start = now() - start;
	mark(MARK_STOP);
	done += rounds * row->per;
	return good ? start : -1;
}

/* Instructions for a row's op, so often that a tick of the timer makes no difference. */
static double measure_often(const struct row *row, struct bench *b, unsigned int *rounds)
{
	long took;

	if (!*rounds) {
		took = measure_rounds(row, b, ROUNDS_MIN);
		if (took < 0)
			return -1;
		took = took / ROUNDS_MIN + 1;
		*rounds = ENOUGH / took < ROUNDS_MIN ? ROUNDS_MIN :
			  ENOUGH / took > ROUNDS_MAX ? ROUNDS_MAX : ENOUGH / took;
	}
	took = measure_rounds(row, b, *rounds);
	return took < 0 ? -1 : (double)took / *rounds;
}

/* The same for an op that needs a new scene each time. */
static double measure_once(const struct row *row, struct bench *b, unsigned int *rounds)
{
	long sum = 0;

	*rounds = ROUNDS_ONCE;
	for (unsigned int i = 0; i < ROUNDS_ONCE; i++) {
		long took = row->begin(b) ? measure_rounds(row, b, 1) : -1;

		row->end(b);
		if (took < 0)
			return -1;
		sum += took;
	}
	return (double)sum / ROUNDS_ONCE;
}

/* Something of the kernel's own may fall into a measurement, but not into each. */
static bool measure_row(const struct row *row, struct bench *b)
{
	unsigned int rounds = 0;
	double first, second = -1;
	bool good = true;

	done = 0;
	mark(MARK_ROW);
	/* The first time slab caches grow, page tables are made, and the like. */
	if (good && row->once)
		good = measure_once(row, b, &rounds) >= 0;
	for (int i = 0; good && i < TRIES; i++) {
		first = second;
		second = row->once ? measure_once(row, b, &rounds) :
				     measure_often(row, b, &rounds);
		good = second >= 0;
		if (good && i && agree(first, second))
			break;
	}
	if (profiled())
		printf("# profiled: %s %s %lu\n", row->name, row->subject, done);
	if (!good) {
		printf("# %s %s: an operation failed\n", row->name, row->subject);
		return false;
	}
	report(row->name, row->subject, "instructions", (first + second) / 2 / row->per, rounds);
	return agree(first, second);
}

void passed(bool good, const char *name, const char *subject)
{
	ksft_test_result(good, "%s %s\n", name, subject);
}

void begin_report(const struct row *rows, unsigned int count, unsigned int others)
{
	unsigned int wanted = others;
	long million;

	ksft_print_header();
	for (unsigned int i = 0; i < count; i++)
		wanted += is_wanted(rows[i].name);
	if (!wanted)
		ksft_exit_skip("no row of this program is wanted\n");
	ksft_set_plan(wanted + !!count);
	if (!count)
		return;
	million = settle();
	ksft_test_result(million > 1000000 && million < 1050000,
			 "the clock counts instructions\n");
}

/* Can a row have the scene of the one before? To make it takes long if there are many ranges. */
static bool is_same_scene(const struct row *row, const struct row *last)
{
	return last && row->ranges && !row->once && !last->once && row->begin == last->begin &&
	       row->ranges == last->ranges;
}

void end_report(const struct row *rows, unsigned int count)
{
	const struct row *last = NULL;
	struct bench b;
	bool good = true;

	for (unsigned int i = 0; i < count; i++) {
		const struct row *row = &rows[i];

		if (!is_wanted(row->name))
			continue;
		if (!is_same_scene(row, last)) {
			if (last && !last->once)
				last->end(&b);
			b = (struct bench) { .ranges = row->ranges };
			good = row->once || row->begin(&b);
		}
		good = measure_row(row, &b) && good;
		passed(good, row->name, row->subject);
		last = row;
	}
	if (last && !last->once)
		last->end(&b);
	ksft_finished();
}
