// SPDX-License-Identifier: GPL-2.0
/* Inline functions about memory reclaim, for Rust. */

#include <linux/sched/mm.h>

#include "reclaim.h"

/* From here on the caller's allocations enter no reclaim; returns what to restore. */
unsigned int ashmem_noreclaim_save(void)
{
	/* Who looks at the task's flags meanwhile wants to know another one. */
	return data_race(memalloc_noreclaim_save());
}

void ashmem_noreclaim_restore(unsigned int flags)
{
	/* As above. */
	data_race((memalloc_noreclaim_restore(flags), 0));
}
