// SPDX-License-Identifier: GPL-2.0
/*
 * What is inline in the header, as a function: the tools' header has no prototype for it, the
 * declaration for Rust is in src/lib.rs.
 */

#include <linux/rbtree.h>

void rust_helper_rb_link_node(struct rb_node *node, struct rb_node *parent, struct rb_node **link);

void rust_helper_rb_link_node(struct rb_node *node, struct rb_node *parent, struct rb_node **link)
{
	rb_link_node(node, parent, link);
}
