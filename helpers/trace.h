/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tracepoints of ashmem.ko.
 *
 * A region is known by its address until it has an inode, from its first mmap on.
 * Offsets and lengths are in pages, sizes in bytes.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ashmem

#if !defined(_ASHMEM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _ASHMEM_TRACE_H

#include <linux/ctype.h>
#include <linux/tracepoint.h>

TRACE_EVENT(ashmem_open,
	TP_PROTO(const void *area),
	TP_ARGS(area),
	TP_STRUCT__entry(
		__field(const void *, area)
	),
	TP_fast_assign(
		__entry->area = area;
	),
	TP_printk("area=%p", __entry->area)
);

TRACE_EVENT(ashmem_mmap,
	TP_PROTO(const void *area, u64 ino, u64 size, bool shared, const char *name),
	TP_ARGS(area, ino, size, shared, name),
	TP_STRUCT__entry(
		__field(const void *, area)
		__field(u64, ino)
		__field(u64, size)
		__field(bool, shared)
		__string(name, name)
	),
	TP_fast_assign(
		__entry->area = area;
		__entry->ino = ino;
		__entry->size = size;
		__entry->shared = shared;
		__assign_str(name);
		/* A process chose it: it is not to look like lines of the trace. */
		for (char *c = __get_str(name); *c; c++) {
			if (iscntrl(*c))
				*c = '?';
		}
	),
	TP_printk("area=%p ino=%llu size=%llu shared=%d name=%s", __entry->area,
		  __entry->ino, __entry->size, __entry->shared, __get_str(name))
);

/* What a process asked for about a range, and what it was answered. */
DECLARE_EVENT_CLASS(ashmem_range,
	TP_PROTO(u64 ino, u64 first, u64 pages, long ret),
	TP_ARGS(ino, first, pages, ret),
	TP_STRUCT__entry(
		__field(u64, ino)
		__field(u64, first)
		__field(u64, pages)
		__field(long, ret)
	),
	TP_fast_assign(
		__entry->ino = ino;
		__entry->first = first;
		__entry->pages = pages;
		__entry->ret = ret;
	),
	TP_printk("ino=%llu first=%llu pages=%llu ret=%ld", __entry->ino,
		  __entry->first, __entry->pages, __entry->ret)
);

DEFINE_EVENT(ashmem_range, ashmem_pin,
	TP_PROTO(u64 ino, u64 first, u64 pages, long ret),
	TP_ARGS(ino, first, pages, ret)
);

DEFINE_EVENT(ashmem_range, ashmem_unpin,
	TP_PROTO(u64 ino, u64 first, u64 pages, long ret),
	TP_ARGS(ino, first, pages, ret)
);

TRACE_EVENT(ashmem_purge,
	TP_PROTO(u64 ino, u64 first, u64 pages, u64 freed),
	TP_ARGS(ino, first, pages, freed),
	TP_STRUCT__entry(
		__field(u64, ino)
		__field(u64, first)
		__field(u64, pages)
		__field(u64, freed)
	),
	TP_fast_assign(
		__entry->ino = ino;
		__entry->first = first;
		__entry->pages = pages;
		__entry->freed = freed;
	),
	TP_printk("ino=%llu first=%llu pages=%llu freed=%llu", __entry->ino,
		  __entry->first, __entry->pages, __entry->freed)
);

TRACE_EVENT(ashmem_shrink,
	TP_PROTO(int nid, u64 nr_to_scan, u64 purged, u64 freed),
	TP_ARGS(nid, nr_to_scan, purged, freed),
	TP_STRUCT__entry(
		__field(int, nid)
		__field(u64, nr_to_scan)
		__field(u64, purged)
		__field(u64, freed)
	),
	TP_fast_assign(
		__entry->nid = nid;
		__entry->nr_to_scan = nr_to_scan;
		__entry->purged = purged;
		__entry->freed = freed;
	),
	TP_printk("nid=%d nr_to_scan=%llu purged=%llu freed=%llu", __entry->nid,
		  __entry->nr_to_scan, __entry->purged, __entry->freed)
);

#endif /* _ASHMEM_TRACE_H */

/* This part must be outside the guard. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
