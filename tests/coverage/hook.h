/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the compiler has each block of a module call when it is reached. KCOV's own,
 * in the kernel, would tell the calling thread only where that itself has been: not
 * what reclaim does, or loading, or other threads. This one tells the collector.
 */
#ifndef COVERAGE_HOOK_H
#define COVERAGE_HOOK_H

#include <linux/compiler.h>

void ashmem_coverage_hit(unsigned long ip);
void __sanitizer_cov_trace_pc(void);

void notrace __sanitizer_cov_trace_pc(void)
{
	ashmem_coverage_hit((unsigned long)__builtin_return_address(0));
}

#endif /* COVERAGE_HOOK_H */
