// SPDX-License-Identifier: GPL-2.0

//! What threads meet at: all of it is the model checker's.

pub mod arc;
pub mod atomic;
pub mod condvar;
pub mod lock;
pub mod once;

pub use arc::{Arc, ArcBorrow};
pub use condvar::CondVar;
pub use lock::mutex::Mutex;
pub use once::SetOnce;
