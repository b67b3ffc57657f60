// SPDX-License-Identifier: GPL-2.0
/*
 * Locks the folio behind an address, as those do who collapse or migrate folios and then
 * allocate memory: the address is written to /sys/kernel/debug/ashmem_locker, and the lock is
 * held until that is closed.
 */

#include <linux/debugfs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>

static ssize_t locker_write(struct file *file, const char __user *text, size_t count, loff_t *pos)
{
	unsigned long address;
	struct page *page;
	struct folio *folio;
	int ret;

	if (file->private_data)
		return -EBUSY;
	ret = kstrtoul_from_user(text, count, 0, &address);
	if (ret)
		return ret;
	ret = get_user_pages_fast(address, 1, 0, &page);
	if (ret != 1)
		return ret ?: -EFAULT;
	folio = page_folio(page);
	folio_lock(folio);
	file->private_data = folio;
	return count;
}

static int locker_release(struct inode *inode, struct file *file)
{
	struct folio *folio = file->private_data;

	if (folio) {
		folio_unlock(folio);
		folio_put(folio);
	}
	return 0;
}

static const struct file_operations locker_fops = {
	.owner = THIS_MODULE,
	.write = locker_write,
	.release = locker_release,
};

static struct dentry *locker;

static int __init locker_init(void)
{
	locker = debugfs_create_file("ashmem_locker", 0200, NULL, NULL, &locker_fops);
	return PTR_ERR_OR_ZERO(locker);
}

static void __exit locker_exit(void)
{
	debugfs_remove(locker);
}

module_init(locker_init);
module_exit(locker_exit);

MODULE_DESCRIPTION("Locks folios, for the tests of ashmem");
MODULE_LICENSE("GPL");
