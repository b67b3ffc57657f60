// SPDX-License-Identifier: GPL-2.0

//! What a thread waits at, on the heap.

#[cfg(not(before_7_3))]
pub(crate) use kernel::sync::poll::PollCondVarBox;

#[cfg(before_7_3)]
pub(crate) use boxed::PollCondVarBox;

/// Before 7.3: as it is there, but its memory is charged.
#[cfg(before_7_3)]
mod boxed {
    use core::{
        mem::{
            size_of,
            ManuallyDrop, //
        },
        ops::Deref, //
    };

    use kernel::{
        alloc::AllocError,
        bindings,
        prelude::*,
        sync::{
            poll::PollCondVar,
            LockClassKey, //
        },
        types::Opaque, //
    };

    /// A [`PollCondVar`] on the heap, with what it takes to free it when nobody who polls can be looking at
    /// it any more.
    #[pin_data]
    struct Inner {
        /// It.
        #[pin]
        wait: PollCondVar,
        /// For RCU, while it is to be freed.
        rcu: Opaque<bindings::callback_head>,
    }

    // Its only field is a condition variable, whose only field with a size is a wait queue: that is where
    // it begins.
    const _: () = assert!(size_of::<PollCondVar>() == size_of::<bindings::wait_queue_head>());

    // SAFETY: A `PollCondVar` is, and nobody looks at the other field before all is to be freed.
    unsafe impl Send for Inner {}
    // SAFETY: As above.
    unsafe impl Sync for Inner {}

    /// A [`PollCondVar`] on the heap. Dropping it waits for nobody: each would wait for a grace period of RCU,
    /// and there may be thousands.
    pub(crate) struct PollCondVarBox(ManuallyDrop<Pin<KBox<Inner>>>);

    impl PollCondVarBox {
        /// A new one.
        pub(crate) fn new(
            name: &'static CStr,
            key: Pin<&'static LockClassKey>,
        ) -> Result<Self, AllocError> {
            let inner = pin_init!(Inner {
                wait <- PollCondVar::new(name, key),
                rcu: Opaque::uninit(),
            });
            KBox::pin_init(inner, GFP_KERNEL_ACCOUNT)
                .map(|inner| Self(ManuallyDrop::new(inner)))
                .map_err(|_| AllocError)
        }
    }

    impl Deref for PollCondVarBox {
        type Target = PollCondVar;

        fn deref(&self) -> &PollCondVar {
            &self.0.wait
        }
    }

    impl Drop for PollCondVarBox {
        fn drop(&mut self) {
            // SAFETY: It is not used after this.
            let inner = unsafe { ManuallyDrop::take(&mut self.0) };
            // SAFETY: Nothing is moved: it stays where it is until it is freed. Its destructor does not run:
            // what that would do is done here, but for waiting.
            let inner = KBox::into_raw(unsafe { Pin::into_inner_unchecked(inner) });
            // SAFETY: It is still there, and begins with a wait queue, as was checked above. Who polls it is
            // told to let go of it, in an RCU read section if it does so later.
            unsafe { bindings::__wake_up_pollfree((&raw mut (*inner).wait).cast()) };
            // SAFETY: It came from `kmalloc()`, and nobody has it any more but who is in an RCU read section.
            unsafe { bindings::kvfree_call_rcu((*inner).rcu.get(), inner.cast()) };
        }
    }
}
