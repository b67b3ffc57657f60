/* SPDX-License-Identifier: GPL-2.0 */
/* Scenes for the benchmarks, and operations that more than one of them has. */
#ifndef SCENE_H
#define SCENE_H

#include "../cost.h"

/* The pages of a region that is mapped and read. */
#define SMALL		16

/* A region or a memfd of so many pages, mapped, without ranges. */
bool scene(struct bench *b, bool ours, unsigned int pages);

/* For rows: a region or a memfd with content, or nothing at all. */
bool begin_ashmem(struct bench *b);
bool begin_memfd(struct bench *b);
bool begin_nothing(struct bench *b);
void end(struct bench *b);

/* An access that the compiler leaves where it is. */
void write_byte(char *p);

/* The life of what a new descriptor is for: a page is mapped, touched and given back. */
bool live(int fd);
bool op_live_ashmem(struct bench *b);
bool op_live_memfd(struct bench *b);

bool op_read(struct bench *b);

#endif /* SCENE_H */
