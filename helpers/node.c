// SPDX-License-Identifier: GPL-2.0
/* What a NUMA node lacks, for Rust: zones are reached by macros only. */

#include <linux/mm.h>

#include "node.h"

/* How many pages are missing until each zone of a node has as many free as it should. */
unsigned long ashmem_node_shortage(int nid)
{
	pg_data_t *node = NODE_DATA(nid);
	unsigned long shortage = 0;

	/* An administrator can have any node scanned (debugfs). */
	if (!node_online(nid))
		return 0;

	for (int i = 0; i < MAX_NR_ZONES; i++) {
		struct zone *zone = &node->node_zones[i];
		unsigned long free = zone_page_state(zone, NR_FREE_PAGES);
		unsigned long high = high_wmark_pages(zone);

		if (populated_zone(zone) && free < high)
			shortage += high - free;
	}
	return shortage;
}
