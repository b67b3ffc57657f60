/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ASHMEM_HELPERS_NODE_H
#define ASHMEM_HELPERS_NODE_H

#include <linux/types.h>

unsigned long ashmem_node_shortage(int nid, gfp_t gfp);

#endif /* ASHMEM_HELPERS_NODE_H */
