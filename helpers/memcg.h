/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ASHMEM_HELPERS_MEMCG_H
#define ASHMEM_HELPERS_MEMCG_H

#include <linux/types.h>

struct mem_cgroup;

struct mem_cgroup *ashmem_get_memcg(void);
bool ashmem_tryget_memcg(struct mem_cgroup *memcg);
void ashmem_put_memcg(struct mem_cgroup *memcg);
struct mem_cgroup *ashmem_set_active_memcg(struct mem_cgroup *memcg);
unsigned long ashmem_memcg_excess(struct mem_cgroup *memcg);

#endif /* ASHMEM_HELPERS_MEMCG_H */
