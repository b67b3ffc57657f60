/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ASHMEM_HELPERS_NODE_H
#define ASHMEM_HELPERS_NODE_H

unsigned long ashmem_node_shortage(int nid);

#endif /* ASHMEM_HELPERS_NODE_H */
