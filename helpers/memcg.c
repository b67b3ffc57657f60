// SPDX-License-Identifier: GPL-2.0
/* Inline functions on memory cgroups, for Rust. */

#include <linux/memcontrol.h>
#include <linux/page_counter.h>
#include <linux/sched/mm.h>

#include "memcg.h"

/* The memory cgroup of the calling process, with a reference; NULL if there are none. */
struct mem_cgroup *ashmem_get_memcg(void)
{
	return get_mem_cgroup_from_mm(current->mm);
}

/* Whether the caller has a reference to @memcg of its own now; there is none to NULL. */
bool ashmem_tryget_memcg(struct mem_cgroup *memcg)
{
	return mem_cgroup_tryget(memcg);
}

void ashmem_put_memcg(struct mem_cgroup *memcg)
{
	mem_cgroup_put(memcg);
}

/* From here on the caller's allocations are charged to @memcg; returns what to set back. */
struct mem_cgroup *ashmem_set_active_memcg(struct mem_cgroup *memcg)
{
	return set_active_memcg(memcg);
}

/*
 * How many pages @memcg, or a group that it is in, has beyond its limit, memory.max or memory.high.
 * Beyond memory.max is who has it lowered, not who asks for more than there is.
 */
unsigned long ashmem_memcg_excess(struct mem_cgroup *memcg)
{
	unsigned long excess = 0;
#ifdef CONFIG_MEMCG
	for (; memcg; memcg = parent_mem_cgroup(memcg)) {
		struct page_counter *memory = &memcg->memory;
		unsigned long limit = min(READ_ONCE(memory->max), READ_ONCE(memory->high));
		unsigned long usage = page_counter_read(memory);

		if (usage > limit)
			excess = max(excess, usage - limit);
	}
#endif
	return excess;
}
