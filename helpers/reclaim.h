/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ASHMEM_HELPERS_RECLAIM_H
#define ASHMEM_HELPERS_RECLAIM_H

unsigned int ashmem_noreclaim_save(void);
void ashmem_noreclaim_restore(unsigned int flags);

#endif /* ASHMEM_HELPERS_RECLAIM_H */
