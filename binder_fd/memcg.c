// SPDX-License-Identifier: GPL-2.0
/* The inline functions on memory cgroups that both modules need: each has its own. */

#include "../helpers/memcg.c"
