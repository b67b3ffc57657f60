// SPDX-License-Identifier: GPL-2.0
/*
 * The parameters of ashmem.ko: those that the module! macro makes do not appear
 * in sysfs, and cannot be changed while the module is loaded.
 */

#include <linux/moduleparam.h>

#include "param.h"

/* Read by reclaim without a lock; a change shows at the next call. */
bool ashmem_shrinker = true;

module_param_named(shrinker, ashmem_shrinker, bool, 0644);
MODULE_PARM_DESC(shrinker, "Let memory reclaim purge unpinned pages (default: Y)");
