// SPDX-License-Identifier: GPL-2.0
/* What a NUMA node lacks, for Rust: zones are reached by macros only. */

#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/swap.h>

#include "node.h"

/*
 * How many pages a node lacks for an allocation that may use the zones up to that of @gfp: none as
 * long as one of them has what the kernel wants there. For an allocation that is the low watermark,
 * for kswapd the high one; in between is where a system usually is.
 */
unsigned long ashmem_node_shortage(int nid, gfp_t gfp)
{
	enum zone_type highest = gfp_zone(gfp);
	pg_data_t *node = NODE_DATA(nid);
	unsigned long shortage = 0;

	/* An administrator can have any node scanned (debugfs). */
	if (!node_online(nid))
		return 0;

	for (int i = 0; i <= highest; i++) {
		struct zone *zone = &node->node_zones[i];
		unsigned long free = zone_page_state(zone, NR_FREE_PAGES);
		unsigned long high = high_wmark_pages(zone);
		unsigned long enough = current_is_kswapd() ? high : low_wmark_pages(zone);

		if (!managed_zone(zone))
			continue;
		if (free > enough + zone->lowmem_reserve[highest])
			return 0;
		if (free < high)
			shortage += high - free;
	}
	return shortage;
}
