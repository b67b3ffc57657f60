// SPDX-License-Identifier: GPL-2.0

//! How a report travels from a worker to its parent: each value as a row of bytes.
//!
//! Both ends are the same program, so a message that cannot be read is a bug of it: [`Wire::take`]
//! answers [`None`], and the message counts as none.

use rustix::io::Errno;

use crate::outcome::{Attributes, Descriptor, Mapped, Outcome, Report, Signal, View};

/// A value that can be sent.
pub trait Wire: Sized {
    /// Adds the value to a message.
    fn put(&self, to: &mut Vec<u8>);
    /// Takes the value off the front of a message.
    fn take(from: &mut &[u8]) -> Option<Self>;
}

impl Wire for u8 {
    fn put(&self, to: &mut Vec<u8>) {
        to.push(*self);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let (first, rest) = from.split_first()?;

        *from = rest;
        Some(*first)
    }
}

impl Wire for u64 {
    fn put(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.to_le_bytes());
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let (first, rest) = from.split_first_chunk()?;

        *from = rest;
        Some(Self::from_le_bytes(*first))
    }
}

impl Wire for i64 {
    fn put(&self, to: &mut Vec<u8>) {
        (*self as u64).put(to);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        u64::take(from).map(|value| value as i64)
    }
}

impl Wire for () {
    fn put(&self, _to: &mut Vec<u8>) {}

    fn take(_from: &mut &[u8]) -> Option<Self> {
        Some(())
    }
}

impl Wire for Errno {
    fn put(&self, to: &mut Vec<u8>) {
        i64::from(self.raw_os_error()).put(to);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        i64::take(from).map(|errno| Self::from_raw_os_error(errno as i32))
    }
}

impl Wire for Signal {
    fn put(&self, to: &mut Vec<u8>) {
        u8::from(*self == Self::Bus).put(to);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some(if u8::take(from)? == 1 {
            Self::Bus
        } else {
            Self::Segv
        })
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, to: &mut Vec<u8>) {
        self.0.put(to);
        self.1.put(to);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some((A::take(from)?, B::take(from)?))
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, to: &mut Vec<u8>) {
        u8::from(self.is_some()).put(to);
        if let Some(value) = self {
            value.put(to);
        }
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        match u8::take(from)? {
            0 => Some(None),
            _ => T::take(from).map(Some),
        }
    }
}

impl<T: Wire, E: Wire> Wire for Result<T, E> {
    fn put(&self, to: &mut Vec<u8>) {
        u8::from(self.is_ok()).put(to);
        match self {
            Ok(value) => value.put(to),
            Err(error) => error.put(to),
        }
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        match u8::take(from)? {
            0 => E::take(from).map(Err),
            _ => T::take(from).map(Ok),
        }
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, to: &mut Vec<u8>) {
        (self.len() as u64).put(to);
        for value in self {
            value.put(to);
        }
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        (0..u64::take(from)?).map(|_| T::take(from)).collect()
    }
}

/// Sends a structure as its fields, one after the other.
macro_rules! fields {
    ($name:ident { $($field:ident),* }) => {
        impl Wire for $name {
            fn put(&self, to: &mut Vec<u8>) {
                $( self.$field.put(to); )*
            }

            fn take(from: &mut &[u8]) -> Option<Self> {
                Some(Self { $( $field: Wire::take(from)? ),* })
            }
        }
    };
}

fields!(Attributes {
    size,
    name,
    mask,
    file_id,
    position
});
fields!(Descriptor {
    attributes,
    fdinfo,
    content
});
fields!(Mapped {
    perms,
    page,
    inode,
    path
});
fields!(View { fds, cells, maps });
fields!(Report {
    outcome,
    attributes
});

/// Sends an enum as the number of the variant, then what is in it.
macro_rules! variants {
    ($name:ident { $($number:literal $variant:ident),* }) => {
        impl Wire for $name {
            fn put(&self, to: &mut Vec<u8>) {
                match self {
                    $( Self::$variant(value) => { to.push($number); value.put(to); } )*
                }
            }

            fn take(from: &mut &[u8]) -> Option<Self> {
                match u8::take(from)? {
                    $( $number => Wire::take(from).map(Self::$variant), )*
                    _ => None,
                }
            }
        }
    };
}

variants!(Outcome { 0 Number, 1 Bytes, 2 Loaded, 3 Stored, 4 Seen });
