/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ASHMEM_HELPERS_PARAM_H
#define ASHMEM_HELPERS_PARAM_H

#include <linux/types.h>

extern bool ashmem_shrinker;

#endif /* ASHMEM_HELPERS_PARAM_H */
