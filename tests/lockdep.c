// SPDX-License-Identifier: GPL-2.0
/*
 * What lockdep has seen of our locks, in a kernel that proves its locking: each of
 * them, in the order that ashmem.rs and binder_fd.rs tell, and each against memory
 * reclaim. A lock that reclaim takes must never be held where memory is allocated.
 *
 * This looks at what the suites before it have done. So it is for KCSAN, too: that
 * it has watched.
 */

#include <stdlib.h>

#include "ashmem_test.h"
#include "harness.h"

#define RECLAIM		"fs_reclaim"
#define CLASSES		4096
#define EDGES		65536

/* A lock class, and the locks that were taken under it, from /proc/lockdep. */
struct class {
	char key[24];
	char name[80];
	bool seen;
};

static struct class classes[CLASSES];
static int count;
static struct edge {
	int from;
	int to;
} edges[EDGES];
static int edge_count;

static int find_or_add(const char *key, const char *name)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(classes[i].key, key) && !strcmp(classes[i].name, name))
			return i;
	if (count == CLASSES)
		return -1;
	snprintf(classes[count].key, sizeof(classes[count].key), "%s", key);
	snprintf(classes[count].name, sizeof(classes[count].name), "%s", name);
	return count++;
}

/* Two kinds of lines: "<key> FD: 1 BD: 1 ....: <name>" and " -> [<key>] <name>". */
static bool read_graph(void)
{
	FILE *f = fopen("/proc/lockdep", "re");
	char line[256], key[24], *name;
	int from = -1;

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, " -> [%23[^]]] ", key) == 1) {
			int to = find_or_add(key, strstr(line, "] ") + 2);

			if (from < 0 || to < 0)
				continue;
			if (edge_count == EDGES)
				break;
			edges[edge_count].from = from;
			edges[edge_count++].to = to;
		} else if (sscanf(line, "%23s FD:", key) == 1) {
			name = strstr(line, ": ");
			/* The last of several colons: counts have some, too. */
			while (name && strstr(name + 2, ": "))
				name = strstr(name + 2, ": ");
			from = name ? find_or_add(key, name + 2) : -1;
		}
	}
	if (!f || !feof(f))
		return false;
	fclose(f);
	return count;
}

/* The class of a lock; those of mutexes and the like have the name that they were given. */
static int class_of(const char *name)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(classes[i].name, name))
			return i;
	return -1;
}

static bool reaches(int from, int to)
{
	if (from == to)
		return true;
	classes[from].seen = true;
	for (int i = 0; i < edge_count; i++)
		if (edges[i].from == from && !classes[edges[i].to].seen &&
		    reaches(edges[i].to, to))
			return true;
	return false;
}

/* Was the lock @inner taken, in some way, while @outer was held? */
static bool under(const char *inner, const char *outer)
{
	for (int i = 0; i < count; i++)
		classes[i].seen = false;
	return reaches(class_of(outer), class_of(inner));
}

FIXTURE(lockdep) {
};

/* One of our locks, and where reclaim is. */
FIXTURE_VARIANT(lockdep) {
	const char *lock;
	/* Memory is allocated under it; or reclaim takes it; or neither. */
	enum { ALLOCATES, IN_RECLAIM, APART } place;
};

FIXTURE_VARIANT_ADD(lockdep, draft) { "AshmemArea::draft", ALLOCATES };
FIXTURE_VARIANT_ADD(lockdep, lists) { "Registry::lists", APART };
FIXTURE_VARIANT_ADD(lockdep, gate) { "Gate::is_taken", APART };
FIXTURE_VARIANT_ADD(lockdep, scan) { "Scan::outcome", IN_RECLAIM };
FIXTURE_VARIANT_ADD(lockdep, pins) { "Pins::state", IN_RECLAIM };
FIXTURE_VARIANT_ADD(lockdep, context) { "CONTEXT", APART };
FIXTURE_VARIANT_ADD(lockdep, process) { "Process::state", ALLOCATES };
FIXTURE_VARIANT_ADD(lockdep, call) { "Call::from", APART };
FIXTURE_VARIANT_ADD(lockdep, buffer) { "Buffer::state", APART };
FIXTURE_VARIANT_ADD(lockdep, parts) { "Buffer::parts", APART };
FIXTURE_VARIANT_ADD(lockdep, pages) { "Pages::adding", ALLOCATES };

FIXTURE_SETUP(lockdep)
{
	/* Only kernels that prove their locking are told to run this. */
	ASSERT_TRUE(is_debugging_kernel());
	/* It stops at the first thing that it finds. */
	ASSERT_EQ(1, number_in("/proc/lockdep_stats", " debug_locks:"));
	ASSERT_TRUE(read_graph());
	ASSERT_LE(0, class_of(RECLAIM));
}

FIXTURE_TEARDOWN(lockdep)
{
}

TEST_F(lockdep, and_reclaim)
{
	ASSERT_LE(0, class_of(variant->lock));
	EXPECT_EQ(variant->place == ALLOCATES, under(RECLAIM, variant->lock));
	EXPECT_EQ(variant->place == IN_RECLAIM, under(variant->lock, RECLAIM));
}

#define KCSAN	"/sys/kernel/debug/kcsan"

/* A kernel that has it may have it switched off. */
TEST(data_races_are_looked_for)
{
	long watched;

	if (access(KCSAN, F_OK))
		SKIP(return, "this kernel has no KCSAN");
	ASSERT_EQ(1, number_in(KCSAN, "enabled:"));
	watched = number_in(KCSAN, "setup_watchpoints:");
	ASSERT_LT(0, watched);
	ksft_print_msg("figure: places that KCSAN has watched: %ld\n", watched);
}

TEST_HARNESS_MAIN
