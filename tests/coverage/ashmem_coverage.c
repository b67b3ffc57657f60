// SPDX-License-Identifier: GPL-2.0
/*
 * Collects what has been reached in the modules: a bit for each byte of their code,
 * set when a call of the hook returns there. It outlives them, and shows the offsets
 * in /sys/kernel/debug/ashmem_coverage.
 */

#include <linux/bitmap.h>
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/vmalloc.h>

#include "hook.h"

static struct region {
	const char *module;
	const char *kind;
	enum mod_mem_type type;
	/* Where it is now, or was last; 0 as long as it never was. */
	unsigned long base;
	unsigned long size;
	/* Its size, or 0 when it is there no more: something else may be in its place. */
	unsigned long there;
	unsigned long *hits;
} regions[] = {
	{ "ashmem", "text", MOD_TEXT },
	{ "ashmem", "init", MOD_INIT_TEXT },
	{ "binder_fd", "text", MOD_TEXT },
	{ "binder_fd", "init", MOD_INIT_TEXT },
};

void notrace ashmem_coverage_hit(unsigned long ip)
{
	for (int i = 0; i < ARRAY_SIZE(regions); i++) {
		unsigned long at = ip - READ_ONCE(regions[i].base);

		if (at < READ_ONCE(regions[i].there) && !test_bit(at, regions[i].hits))
			set_bit(at, regions[i].hits);
	}
}
EXPORT_SYMBOL_GPL(ashmem_coverage_hit);

/* A module is being loaded: its code is somewhere else each time, and always the same. */
static int module_notify(struct notifier_block *block, unsigned long action, void *data)
{
	const struct module *module = data;

	for (int i = 0; i < ARRAY_SIZE(regions); i++) {
		struct region *region = &regions[i];
		const struct module_memory *memory = &module->mem[region->type];

		if (strcmp(module->name, region->module))
			continue;
		/* What initialises a module goes when it is alive, the rest when it goes. */
		if (action == MODULE_STATE_GOING || region->type == MOD_INIT_TEXT)
			WRITE_ONCE(region->there, 0);
		if (action != MODULE_STATE_COMING || !memory->size)
			continue;
		if (!region->hits)
			region->hits = vzalloc(BITS_TO_LONGS(memory->size) * sizeof(long));
		if (!region->hits)
			return notifier_from_errno(-ENOMEM);
		if (region->size && region->size != memory->size)
			return notifier_from_errno(-EINVAL);
		WRITE_ONCE(region->base, (unsigned long)memory->base);
		region->size = memory->size;
		WRITE_ONCE(region->there, memory->size);
	}
	return NOTIFY_OK;
}

static struct notifier_block notifier = { .notifier_call = module_notify };

static int ashmem_coverage_show(struct seq_file *m, void *v)
{
	for (int i = 0; i < ARRAY_SIZE(regions); i++) {
		const struct region *region = &regions[i];
		unsigned long at;

		if (!region->hits)
			continue;
		seq_printf(m, "base %s %s %lx\n", region->module, region->kind, region->base);
		for_each_set_bit(at, region->hits, region->size)
			seq_printf(m, "hit %s %s %lx\n", region->module, region->kind, at);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(ashmem_coverage);

static int __init ashmem_coverage_init(void)
{
	debugfs_create_file("ashmem_coverage", 0400, NULL, NULL, &ashmem_coverage_fops);
	return register_module_notifier(&notifier);
}
module_init(ashmem_coverage_init);

MODULE_DESCRIPTION("Which code of ashmem and binder_fd has been reached");
MODULE_LICENSE("GPL");
