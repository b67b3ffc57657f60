/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Faults put into one operation after the other: the first thing in it that can
 * fail fails, then the second, until nothing is left that could. The kernel counts
 * them for the calling thread alone: /proc/thread-self/fail-nth.
 */
#ifndef FAULT_H
#define FAULT_H

#include <stdbool.h>

/* What the names of the driver's own slab caches begin with. */
#define OWN_CACHES	"ashmem_"

/*
 * An operation. Each try has a scene of its own: @begin makes it (what it opens,
 * @end closes), @run does the operation once and returns what it did or -errno,
 * @check tells whether all is as before @run, @done whether @run has had its
 * effect. A missing one has nothing to do, or nothing to find fault with.
 */
struct operation {
	const char *name;
	void *(*begin)(void);
	long (*run)(void *scene);
	bool (*check)(void *scene);
	bool (*done)(void *scene);
	void (*end)(void *scene);
	/* Takes long: all its faults are put in once. */
	bool once;
	/* That there is to be a fault at all: something in it allocates, or copies. */
	bool can_fail;
	/* What it may fail with, ending with 0. */
	int errors[6];
};

/* Does this kernel put faults in? Makes it do so, for the calling program only. */
bool faults_begin(void);

/* What came of an operation. */
struct faults {
	/* That were put in. */
	int injected;
	/* Those of them that it succeeded in spite of. */
	int survived;
	/* What went wrong, NULL if nothing did; and the result of that try. */
	const char *wrong;
	long result;
	/* How many more objects the kernel has after many times as many faults. */
	long more;
};

/*
 * Runs an operation with the first, the second, ... fault, and at last without
 * one. After each that it fails of it is tried again on the same scene, without
 * a fault, and must succeed. Then all that many times over: no objects may be lost.
 */
struct faults faults_run(const struct operation *op);

#endif /* FAULT_H */
