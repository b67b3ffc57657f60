// SPDX-License-Identifier: GPL-2.0
/* What a NUMA node lacks, for Rust: zones are reached by macros only. */

#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/swap.h>

#include "node.h"

/* What is free for such an allocation; __zone_watermark_unusable_free() tells what is not. */
static unsigned long usable(struct zone *zone, gfp_t gfp)
{
	unsigned long free = zone_page_state(zone, NR_FREE_PAGES);
	unsigned long unusable = READ_ONCE(zone->nr_free_highatomic);

	if (!(gfp & __GFP_MOVABLE))
		unusable += zone_page_state(zone, NR_FREE_CMA_PAGES);
	return free - min(free, unusable);
}

/*
 * How many pages a node lacks for an allocation that may use the zones up to that of @gfp: none as
 * long as one of them has what the kernel wants there. For an allocation that is the low watermark,
 * for kswapd the high one, in any zone; in between is where a system usually is.
 */
unsigned long ashmem_node_shortage(int nid, gfp_t gfp)
{
	bool is_kswapd = current_is_kswapd();
	enum zone_type highest = is_kswapd ? MAX_NR_ZONES - 1 : gfp_zone(gfp);
	pg_data_t *node = NODE_DATA(nid);
	unsigned long shortage = 0;

	/* An administrator can have any node scanned (debugfs). */
	if (!node_online(nid))
		return 0;

	for (int i = 0; i <= highest; i++) {
		struct zone *zone = &node->node_zones[i];
		unsigned long free = usable(zone, gfp);
		unsigned long high = high_wmark_pages(zone);
		unsigned long enough = is_kswapd ? high : low_wmark_pages(zone);

		if (!managed_zone(zone))
			continue;
		if (free > enough + zone->lowmem_reserve[highest])
			return 0;
		if (free < high)
			shortage += high - free;
	}
	return shortage;
}
