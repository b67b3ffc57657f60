// SPDX-License-Identifier: GPL-2.0

//! The mapping of a buffer: what happens on a fault, and when it goes.
//!
//! C header: `include/linux/mm.h`

use kernel::{
    bindings,
    mm::virt::{
        VmaMixedMap,
        VmaNew, //
    },
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*, //
};

use super::Process;

/// The operations of a mapping.
///
/// `vm_private_data` of an area with these points to the [`Process`] of its file, which lives as long
/// as the area: that holds the file.
static VM_OPS: VmOperations = VmOperations(bindings::vm_operations_struct {
    close: Some(close),
    fault: Some(fault),
    // SAFETY: Null pointers, which are `None`, for all other operations.
    ..unsafe { core::mem::zeroed() }
});

/// A table of operations that can be a `static`.
struct VmOperations(bindings::vm_operations_struct);

// SAFETY: The table is never written, and the pointers in it are to functions.
unsafe impl Sync for VmOperations {}

/// Makes a new area the mapping of the buffer of `process`, whose file it is of.
///
/// Nobody can write it, now or later; a fork does not inherit it.
pub(super) fn set_up(process: &Process, vma: &VmaNew) -> Result {
    vma.try_clear_maywrite()?;
    vma.set_dontcopy();
    vma.set_mixedmap();
    // SAFETY: The area is being set up, so nobody else uses it.
    unsafe {
        (*vma.as_ptr()).vm_ops = &raw const VM_OPS.0;
        (*vma.as_ptr()).vm_private_data = core::ptr::from_ref(process).cast_mut().cast();
    }
    Ok(())
}

/// The mapping, or a part of it, goes.
///
/// # Safety
///
/// `vma` must be a valid area with [`VM_OPS`].
unsafe extern "C" fn close(vma: *mut bindings::vm_area_struct) {
    // SAFETY: See `VM_OPS`.
    let process = unsafe { &*(*vma).vm_private_data.cast::<Process>() };
    process.lose_buffer();
}

/// A page that is not in the page table is read: `SIGBUS`, unless it has been written.
///
/// # Safety
///
/// `vmf` must be a fault in a valid area with [`VM_OPS`], whose `mmap_lock` is held.
unsafe extern "C" fn fault(vmf: *mut bindings::vm_fault) -> bindings::vm_fault_t {
    // SAFETY: The caller passes a valid fault.
    let (vma, address) = unsafe {
        let fault = &(*vmf).__bindgen_anon_1;
        (fault.vma, fault.address & !(PAGE_SIZE - 1))
    };
    // SAFETY: See `VM_OPS`.
    let process = unsafe { &*(*vma).vm_private_data.cast::<Process>() };
    let mapped = process.buffer.mapped();
    let page = mapped.as_ref().and_then(|mapped| {
        let number = address.checked_sub(mapped.start)? >> PAGE_SHIFT;
        mapped.pages.get(number)
    });
    let Some(page) = page else {
        return bindings::vm_fault_reason_VM_FAULT_SIGBUS;
    };

    // SAFETY: `mmap_lock` is held during a fault, and `set_up` has set `VM_MIXEDMAP`.
    let vma = unsafe { VmaMixedMap::from_raw(vma) };
    match vma.vm_insert_page(address, page) {
        // `EBUSY`: somebody else was faster.
        Ok(()) => bindings::vm_fault_reason_VM_FAULT_NOPAGE,
        Err(err) if err == EBUSY => bindings::vm_fault_reason_VM_FAULT_NOPAGE,
        Err(err) if err == ENOMEM => bindings::vm_fault_reason_VM_FAULT_OOM,
        Err(_) => bindings::vm_fault_reason_VM_FAULT_SIGBUS,
    }
}
