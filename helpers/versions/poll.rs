// SPDX-License-Identifier: GPL-2.0

//! What a thread waits at, on the heap.

#[cfg(not(before_7_3))]
pub(crate) use kernel::sync::poll::PollCondVarBox;

#[cfg(before_7_3)]
pub(crate) use boxed::PollCondVarBox;

/// Before 7.3: as it is there, but dropping it waits until nobody who polls can still be looking, and its
/// memory is charged.
#[cfg(before_7_3)]
mod boxed {
    use core::ops::Deref;

    use kernel::{
        alloc::AllocError,
        prelude::*,
        sync::{
            poll::PollCondVar,
            LockClassKey, //
        }, //
    };

    /// A [`PollCondVar`] on the heap.
    pub(crate) struct PollCondVarBox(Pin<KBox<PollCondVar>>);

    impl PollCondVarBox {
        /// A new one.
        pub(crate) fn new(
            name: &'static CStr,
            key: Pin<&'static LockClassKey>,
        ) -> Result<Self, AllocError> {
            KBox::pin_init(PollCondVar::new(name, key), GFP_KERNEL_ACCOUNT)
                .map(Self)
                .map_err(|_| AllocError)
        }
    }

    impl Deref for PollCondVarBox {
        type Target = PollCondVar;

        fn deref(&self) -> &PollCondVar {
            &self.0
        }
    }
}
