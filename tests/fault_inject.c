// SPDX-License-Identifier: GPL-2.0
/* Puts faults into operations; see fault.h. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ashmem_test.h"
#include "fault.h"

/* More than any operation has: one that never succeeds ends there. */
#define MOST	100000

/*
 * So many times is it done again: what is lost each time is told from what the
 * kernel needs meanwhile.
 */
#define PASSES	30

static int nth = -1;

bool faults_begin(void)
{
	static const char * const kinds[] = { "failslab", "fail_page_alloc", "fail_usercopy" };
	char path[96];

	nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (nth < 0)
		return false;
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/verbose", kinds[i]);
		if (write_text(path, "0"))
			return false;
		/* Allocations that may sleep fail, too. */
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/ignore-gfp-wait", kinds[i]);
		write_text(path, "N");
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/ignore-gfp-highmem", kinds[i]);
		write_text(path, "N");
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/min-order", kinds[i]);
		write_text(path, "0");
	}
	return true;
}

/* The @n-th thing of this thread that can fail will; 0: none. */
static void arm(int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", n);
	/* A fault that is still on its way could be this very copy; only one is. */
	if (pwrite(nth, text, strlen(text), 0) < 0 && pwrite(nth, text, strlen(text), 0) < 0)
		abort();
}

/* Has it? If it was only the next, the copy of the answer is what fails. */
static bool has_failed(void)
{
	char text[16] = "";
	bool failed = pread(nth, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;

	arm(0);
	return failed;
}

static int descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static bool may_fail_with(const struct operation *op, long error)
{
	for (size_t i = 0; i < sizeof(op->errors) / sizeof(*op->errors); i++)
		if (op->errors[i] && -op->errors[i] == error)
			return true;
	return false;
}

static bool holds(bool (*check)(void *scene), void *scene)
{
	return !check || check(scene);
}

/* One try, with the @n-th fault: what went wrong, or NULL. */
static const char *attempt(const struct operation *op, int n, struct faults *seen, bool *over)
{
	void *scene = op->begin();
	int before = descriptors();
	const char *wrong = NULL;
	long ret;

	arm(n);
	ret = op->run(scene);
	*over = !has_failed() || !n;
	seen->result = ret;
	if (*over) {
		if (ret < 0)
			wrong = "fails without a fault";
		else if (!holds(op->done, scene))
			wrong = "has no effect";
	} else {
		seen->injected++;
		if (ret >= 0) {
			seen->survived++;
			if (!holds(op->done, scene))
				wrong = "succeeds in spite of the fault, but has no effect";
		} else if (!may_fail_with(op, ret)) {
			wrong = "fails with an error that is not documented";
		} else if (!holds(op->check, scene)) {
			wrong = "fails and changes something";
		} else if (descriptors() != before) {
			wrong = "fails and leaves a descriptor";
		} else {
			ret = op->run(scene);
			seen->result = ret;
			if (ret < 0)
				wrong = "fails when it is tried again";
			else if (!holds(op->done, scene))
				wrong = "has no effect when it is tried again";
		}
	}
	op->end(scene);
	return wrong;
}

/* How many objects there are in the driver's own caches. */
static long own_objects(void)
{
	return slab_objects(OWN_CACHES);
}

/*
 * And in those in which its others are, which are charged to who asks for them. The kernel
 * has some of its own there, but not what its slab caches themselves need.
 */
static long charged_objects(void)
{
	return slab_objects("kmalloc-cg-");
}

/* How many more there are than before, as soon as who works in the background has ended. */
static long more_than(long before, long (*objects)(void), long allowed)
{
	long more = objects() - before;

	for (int i = 0; i < 50 && more > allowed; i++) {
		usleep(100000);
		more = objects() - before;
	}
	return more;
}

/* All faults of an operation. */
static void pass(const struct operation *op, struct faults *seen)
{
	bool over = false;

	/* Once without a fault: what is made at the first time for all is there then. */
	seen->wrong = attempt(op, 0, seen, &over);
	seen->injected = 0;
	seen->survived = 0;
	over = false;
	for (int n = 1; n <= MOST && !over && !seen->wrong; n++)
		seen->wrong = attempt(op, n, seen, &over);
	if (!over && !seen->wrong)
		seen->wrong = "never succeeds";
}

struct faults faults_run(const struct operation *op)
{
	struct faults seen = { 0 };
	long own, charged;

	pass(op, &seen);
	own = own_objects();
	charged = charged_objects();
	if (own < 0 || charged < 0)
		seen.wrong = "cannot be watched in slabinfo";
	for (int i = 0; i < PASSES && !op->once && !seen.wrong; i++)
		pass(op, &seen);
	if (seen.wrong)
		return seen;
	if (more_than(own, own_objects, 0) > 0)
		seen.wrong = "loses objects of the driver's";
	if (op->once)
		return seen;
	seen.more = more_than(charged, charged_objects, PASSES / 2);
	if (seen.more > PASSES / 2)
		seen.wrong = "loses objects";
	return seen;
}
