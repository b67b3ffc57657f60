// SPDX-License-Identifier: GPL-2.0
/*
 * A small disk in memory, /dev/ashmem_swap: the guest has none to swap to.
 */

#include <linux/blkdev.h>
#include <linux/highmem.h>
#include <linux/module.h>
#include <linux/vmalloc.h>

#define SIZE	(24UL << 20)

static void *content;
static struct gendisk *disk;

static void swap_submit_bio(struct bio *bio)
{
	struct bvec_iter iter;
	struct bio_vec bvec;

	bio_for_each_segment(bvec, bio, iter) {
		void *at = content + (iter.bi_sector << SECTOR_SHIFT);

		if (op_is_write(bio_op(bio)))
			memcpy_from_bvec(at, &bvec);
		else
			memcpy_to_bvec(&bvec, at);
	}
	bio_endio(bio);
}

static const struct block_device_operations swap_ops = {
	.owner = THIS_MODULE,
	.submit_bio = swap_submit_bio,
};

static int __init swap_init(void)
{
	struct queue_limits limits = {
		.logical_block_size = PAGE_SIZE,
		.physical_block_size = PAGE_SIZE,
		.features = BLK_FEAT_SYNCHRONOUS,
	};
	int ret;

	content = vzalloc(SIZE);
	if (!content)
		return -ENOMEM;
	disk = blk_alloc_disk(&limits, NUMA_NO_NODE);
	if (IS_ERR(disk)) {
		ret = PTR_ERR(disk);
		goto free_content;
	}
	disk->flags = GENHD_FL_NO_PART;
	disk->fops = &swap_ops;
	strscpy(disk->disk_name, "ashmem_swap", DISK_NAME_LEN);
	set_capacity(disk, SIZE >> SECTOR_SHIFT);
	ret = add_disk(disk);
	if (!ret)
		return 0;
	put_disk(disk);
free_content:
	vfree(content);
	return ret;
}

static void __exit swap_exit(void)
{
	del_gendisk(disk);
	put_disk(disk);
	vfree(content);
}

module_init(swap_init);
module_exit(swap_exit);

MODULE_DESCRIPTION("A disk to swap to, for the tests of ashmem");
MODULE_LICENSE("GPL");
