// SPDX-License-Identifier: GPL-2.0

//! The C part of the red-black tree.

#![allow(non_camel_case_types)]

use core::{
    ffi::c_ulong,
    ptr::null_mut, //
};

/// `struct rb_node`
#[repr(C)]
pub struct rb_node {
    __rb_parent_color: c_ulong,
    /// The subtree of what comes behind.
    pub rb_right: *mut rb_node,
    /// The subtree of what comes before.
    pub rb_left: *mut rb_node,
}

/// `struct rb_root`
#[repr(C)]
pub struct rb_root {
    /// The topmost node.
    pub rb_node: *mut rb_node,
}

impl Default for rb_node {
    fn default() -> Self {
        Self {
            __rb_parent_color: 0,
            rb_right: null_mut(),
            rb_left: null_mut(),
        }
    }
}

impl Default for rb_root {
    fn default() -> Self {
        Self {
            rb_node: null_mut(),
        }
    }
}

#[allow(missing_docs)]
extern "C" {
    #[link_name = "rust_helper_rb_link_node"]
    pub fn rb_link_node(node: *mut rb_node, parent: *mut rb_node, link: *mut *mut rb_node);
    pub fn rb_insert_color(node: *mut rb_node, root: *mut rb_root);
    pub fn rb_erase(node: *mut rb_node, root: *mut rb_root);
    pub fn rb_replace_node(victim: *mut rb_node, new: *mut rb_node, root: *mut rb_root);
    pub fn rb_first(root: *const rb_root) -> *mut rb_node;
    pub fn rb_last(root: *const rb_root) -> *mut rb_node;
    pub fn rb_next(node: *const rb_node) -> *mut rb_node;
    pub fn rb_prev(node: *const rb_node) -> *mut rb_node;
    pub fn rb_first_postorder(root: *const rb_root) -> *mut rb_node;
    pub fn rb_next_postorder(node: *const rb_node) -> *mut rb_node;
}
