// SPDX-License-Identifier: GPL-2.0

//! Stands in for the attribute macros of the kernel that the module's code is written with.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// `#[pin_data]`: what is initialised where it is pinned. On the host values are moved there instead;
/// all there is to do is to take away the marks of the fields.
#[proc_macro_attribute]
pub fn pin_data(_args: TokenStream, item: TokenStream) -> TokenStream {
    item.into_iter()
        .map(|tree| match tree {
            TokenTree::Group(fields) if fields.delimiter() == Delimiter::Brace => {
                let mut bare = Group::new(Delimiter::Brace, without_marks(fields.stream()));
                bare.set_span(fields.span());
                bare.into()
            }
            other => other,
        })
        .collect()
}

/// The fields of a structure without each `#[pin]`.
fn without_marks(fields: TokenStream) -> TokenStream {
    let mut bare = Vec::new();
    for tree in fields {
        if is_mark(&tree) {
            // The hash before it.
            bare.pop();
        } else {
            bare.push(tree);
        }
    }
    bare.into_iter().collect()
}

/// Whether it is the `[pin]` of a mark.
fn is_mark(tree: &TokenTree) -> bool {
    matches!(tree, TokenTree::Group(group)
        if group.delimiter() == Delimiter::Bracket && group.stream().to_string() == "pin")
}
