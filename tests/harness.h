/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's test harness. In a kernel that checks everything all takes longer:
 * so many times the usual limit is what a test then may take (SLOWNESS).
 */
#ifndef HARNESS_H
#define HARNESS_H

#include "ashmem_test.h"
#include "kselftest_harness.h"

/* Runs when all tests are known. */
static void __attribute__((constructor(KSELFTEST_PRIO_XFAIL + 1))) give_time(void)
{
	struct __fixture_metadata *fixture;

	for (fixture = __fixture_list; fixture; fixture = fixture->next) {
		struct __test_metadata *test;

		for (test = fixture->tests; test; test = test->next)
			test->timeout *= slowness();
	}
}

#endif /* HARNESS_H */
