//! What the host allocated, and that nothing else is touched.

use super::{GUARD, GUARD_BYTE, failure};
use crate::cuda::device::Address;
use crate::error::{EncoderError, Result};
use std::alloc::{Layout, dealloc};
use std::collections::BTreeMap;

/// Live allocations.
#[derive(Default)]
pub(super) struct Memory {
    /// Sizes in bytes, by first address.
    pub(super) sizes: BTreeMap<u64, usize>,
    /// What went wrong where no error could be returned; the next call that waits returns it.
    pub(super) trouble: Option<EncoderError>,
}

impl Memory {
    /// Checks that a range lies in one live allocation.
    pub(super) fn check(&self, call: &str, at: Address, bytes: usize) -> Result<()> {
        let end = at.0.checked_add(bytes as u64);
        let problem = match self.sizes.range(..=at.0).next_back() {
            Some((&start, &size)) if end.is_some_and(|end| end <= start + size as u64) => return Ok(()),
            Some((&start, &size)) => {
                format!("outside of the allocation before it, {size} bytes at {start:#x}")
            }
            None => "outside of any allocation".to_owned(),
        };
        Err(failure(call, format!("{bytes} bytes at {:#x}: {problem}", at.0)))
    }

    /// Checks the bytes behind an allocation.
    pub(super) fn check_guard(start: u64, size: usize) -> Result<()> {
        // SAFETY: `GUARD` bytes behind each live allocation belong to it.
        let guard = unsafe { std::slice::from_raw_parts((start as usize + size) as *const u8, GUARD) };
        match guard.iter().position(|&byte| byte != GUARD_BYTE) {
            None => Ok(()),
            Some(at) => Err(failure(
                "a kernel",
                format!("wrote {at} bytes behind the end of the {size} bytes at {start:#x}"),
            )),
        }
    }

    /// What went wrong so far, anywhere.
    pub(super) fn settle(&mut self) -> Result<()> {
        if let Some(trouble) = self.trouble.take() {
            return Err(trouble);
        }
        self.sizes.iter().try_for_each(|(&start, &size)| Self::check_guard(start, size))
    }

    /// Gives an allocation back, and remembers what was wrong with it.
    pub(super) fn free(&mut self, address: Address) {
        let Some(size) = self.sizes.remove(&address.0) else {
            let problem = format!("{:#x} is not the beginning of an allocation", address.0);
            self.trouble.get_or_insert(failure("free", problem));
            return;
        };
        if let Err(error) = Self::check_guard(address.0, size) {
            self.trouble.get_or_insert(error);
        }
        if let Ok(layout) = layout(size) {
            // SAFETY: allocated with this layout, and no longer in the map.
            unsafe { dealloc(address.0 as *mut u8, layout) };
        }
    }
}

/// An allocation with its guard.
pub(super) fn layout(bytes: usize) -> Result<Layout> {
    bytes
        .checked_add(GUARD)
        .and_then(|all| Layout::from_size_align(all, GUARD).ok())
        .ok_or_else(|| failure("allocate", format!("{bytes} bytes: more than there are addresses")))
}
