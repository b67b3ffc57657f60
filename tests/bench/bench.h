/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the benchmarks share: rows to measure, and how they are reported.
 *
 * A row is an operation on a subject: ours, or what it is compared with. Where it
 * is to be profiled, instructions that do nothing say where a measurement begins
 * and ends; see profile.c.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>

#include "../cost.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

struct row {
	const char *name;
	const char *subject;
	/* Make the scene and take it away; what they do is not measured. */
	bool (*begin)(struct bench *b);
	void (*end)(struct bench *b);
	bool (*op)(struct bench *b);
	/* What one op is: so many ranges, pages or the like. */
	unsigned int per;
	/* Each op needs a scene of its own. */
	bool once;
	/* For begin(). */
	unsigned int ranges;
};

/* Report a figure: its unit is a word. */
void report(const char *name, const char *subject, const char *unit, double value,
	    unsigned int rounds);

/*
 * A program begins by saying how many rows it has, besides others that it measures
 * by itself and reports with passed(); it ends with the rows, for which the clock
 * has to count instructions. A row has passed if every operation succeeded, and if
 * two measurements that follow each other agree.
 */
void passed(bool good, const char *name, const char *subject);
void begin_report(const struct row *rows, unsigned int count, unsigned int others);
void end_report(const struct row *rows, unsigned int count);

/* Whether a row is to be measured: all are, or those that are to be profiled. */
bool is_wanted(const char *name);

#endif /* BENCH_H */
