// SPDX-License-Identifier: GPL-2.0

//! Loads and stores that may fault: a signal is an outcome, not the end of the process.
//!
//! Each access is one instruction of known length. When it faults, the signal handler notes the
//! signal and steps over the instruction.

use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

use crate::outcome::Signal;

/// What is going on: [`IDLE`], [`ARMED`], or the number of the signal that came.
static STATE: AtomicI32 = AtomicI32::new(IDLE);

/// No access of ours is under way: a fault is a bug of this program.
const IDLE: i32 = -1;
/// An access is under way that may fault.
const ARMED: i32 = 0;

/// Handles `SIGSEGV` and `SIGBUS` from now on, in this process and in those it forks.
pub fn install() {
    // SAFETY: All zeroes is a valid `sigaction`, which is then filled in.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };

    action.sa_sigaction = on_fault as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO;
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: The action is valid, and the handler only does what is allowed in one.
        unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) };
    }
}

/// Loads eight bytes from the address, which must be a multiple of 8.
pub fn load(address: usize) -> Result<u64, Signal> {
    STATE.store(ARMED, Relaxed);
    // SAFETY: It is one load of the kind that the handler can step over; whatever the address is,
    // it changes no memory.
    let value = unsafe { instruction::load(address) };
    outcome().map(|()| value)
}

/// Stores eight bytes at the address, which must be a multiple of 8.
///
/// # Safety
///
/// The address must be in the arena: nothing in this program may own the memory there.
pub unsafe fn store(address: usize, value: u64) -> Result<(), Signal> {
    STATE.store(ARMED, Relaxed);
    // SAFETY: It is one store of the kind that the handler can step over, and by the contract it
    // changes nothing that the program knows of.
    unsafe { instruction::store(address, value) };
    outcome()
}

/// What came of the access that was under way.
fn outcome() -> Result<(), Signal> {
    match STATE.swap(IDLE, Relaxed) {
        libc::SIGSEGV => Err(Signal::Segv),
        libc::SIGBUS => Err(Signal::Bus),
        _ => Ok(()),
    }
}

/// The signal handler.
extern "C" fn on_fault(signal: i32, _info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    if STATE.load(Relaxed) != ARMED {
        // Not ours: back to the default, so that the same instruction ends the process.
        // SAFETY: `signal` may be called in a handler.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
        return;
    }

    STATE.store(signal, Relaxed);
    // SAFETY: The kernel passes a valid context, and what faulted is one of our instructions.
    unsafe { instruction::step_over(context.cast()) };
}

/// The instructions of x86-64.
#[cfg(target_arch = "x86_64")]
mod instruction {
    use std::arch::asm;

    /// The length of `mov` between `rax` and where `rdi` points to.
    const LENGTH: i64 = 3;

    /// Loads eight bytes.
    ///
    /// # Safety
    ///
    /// The handler must be installed and armed.
    pub unsafe fn load(address: usize) -> u64 {
        let value;
        // SAFETY: A load; if it faults, the handler steps over it.
        unsafe { asm!("mov rax, [rdi]", in("rdi") address, inout("rax") 0_u64 => value) };
        value
    }

    /// Stores eight bytes.
    ///
    /// # Safety
    ///
    /// As for [`load`], and nobody may own the memory there.
    pub unsafe fn store(address: usize, value: u64) {
        // SAFETY: A store that the caller vouches for; if it faults, the handler steps over it.
        unsafe { asm!("mov [rdi], rax", in("rdi") address, in("rax") value) };
    }

    /// Continues behind the instruction that faulted.
    ///
    /// # Safety
    ///
    /// The context must be that of a fault in [`load`] or [`store`].
    pub unsafe fn step_over(context: *mut libc::ucontext_t) {
        // SAFETY: The context is valid by the contract.
        unsafe { (*context).uc_mcontext.gregs[libc::REG_RIP as usize] += LENGTH };
    }
}

/// The instructions of arm64.
#[cfg(target_arch = "aarch64")]
mod instruction {
    use std::arch::asm;

    /// The length of every instruction.
    const LENGTH: u64 = 4;

    /// Loads eight bytes.
    ///
    /// # Safety
    ///
    /// The handler must be installed and armed.
    pub unsafe fn load(address: usize) -> u64 {
        let value;
        // SAFETY: A load; if it faults, the handler steps over it.
        unsafe { asm!("ldr {v}, [{a}]", a = in(reg) address, v = inout(reg) 0_u64 => value) };
        value
    }

    /// Stores eight bytes.
    ///
    /// # Safety
    ///
    /// As for [`load`], and nobody may own the memory there.
    pub unsafe fn store(address: usize, value: u64) {
        // SAFETY: A store that the caller vouches for; if it faults, the handler steps over it.
        unsafe { asm!("str {v}, [{a}]", a = in(reg) address, v = in(reg) value) };
    }

    /// Continues behind the instruction that faulted.
    ///
    /// # Safety
    ///
    /// The context must be that of a fault in [`load`] or [`store`].
    pub unsafe fn step_over(context: *mut libc::ucontext_t) {
        // SAFETY: The context is valid by the contract.
        unsafe { (*context).uc_mcontext.pc += LENGTH };
    }
}
