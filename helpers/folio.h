/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ASHMEM_HELPERS_FOLIO_H
#define ASHMEM_HELPERS_FOLIO_H

struct address_space;

unsigned long ashmem_unlocked_end(struct address_space *mapping, unsigned long first,
				  unsigned long last, unsigned long limit);

#endif /* ASHMEM_HELPERS_FOLIO_H */
