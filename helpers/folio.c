// SPDX-License-Identifier: GPL-2.0
/* What stands in the way of a purge, for Rust: to walk an xarray is macros and inline functions. */

#include <linux/pagemap.h>
#include <linux/xarray.h>

#include "folio.h"

/*
 * The page behind the last one of those from @first to @last that can be purged without
 * waiting for the lock of a folio, and without cutting a folio that is in swap; @first if there
 * is none. What is in swap as a whole may reach beyond @last, but not beyond @limit.
 */
unsigned long ashmem_unlocked_end(struct address_space *mapping, unsigned long first,
				  unsigned long last, unsigned long limit)
{
	XA_STATE(xas, &mapping->i_pages, first);
	unsigned long end = last + 1;
	void *entry;

	rcu_read_lock();
	xas_for_each(&xas, entry, last) {
		unsigned long pages, start;

		if (xas_retry(&xas, entry))
			continue;
		if (xa_is_value(entry)) {
			pages = 1UL << xas_get_order(&xas);
			start = round_down(xas.xa_index, pages);
			if (start >= first && start + pages - 1 <= limit) {
				end = max(end, start + pages);
				continue;
			}
			end = max(start, first);
			break;
		}
		/* The folio may be gone: then the answer is an old one, as it always may be. */
		if (data_race(folio_test_locked(entry))) {
			end = xas.xa_index;
			break;
		}
	}
	rcu_read_unlock();
	return end;
}
