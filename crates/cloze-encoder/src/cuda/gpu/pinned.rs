//! A piece of the host's memory that the GPU reads by itself, while the processor goes on.

use super::check;
use crate::error::Result;
use cudarc::driver::sys;
use std::ffi::c_void;

/// Grows with what is copied.
#[derive(Default)]
pub(super) struct Pinned {
    start: usize,
    bytes: usize,
    /// Whether the GPU may still read it.
    busy: bool,
}

impl Pinned {
    /// Queues a copy to the GPU; `bytes` may change when the call returns.
    pub(super) fn upload(&mut self, to: u64, bytes: &[u8], stream: sys::CUstream) -> Result<()> {
        if self.busy {
            // SAFETY: the stream is live.
            check("wait", unsafe { sys::cuStreamSynchronize(stream) })?;
            self.busy = false;
        }
        self.reserve(bytes.len())?;
        // SAFETY: the piece holds that many bytes, and nothing reads it now.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start as *mut u8, bytes.len());
            let from = self.start as *const c_void;
            self.busy = true;
            check("copy to the GPU", sys::cuMemcpyHtoDAsync_v2(to, from, bytes.len(), stream))
        }
    }

    /// All that was queued has ended.
    pub(super) fn is_free(&mut self) {
        self.busy = false;
    }

    fn reserve(&mut self, bytes: usize) -> Result<()> {
        if bytes <= self.bytes {
            return Ok(());
        }
        self.release();
        let mut start: *mut c_void = std::ptr::null_mut();
        let room = bytes.next_power_of_two();
        // SAFETY: a place to write to.
        check("allocate on the host", unsafe { sys::cuMemHostAlloc(&raw mut start, room, 0) })?;
        (self.start, self.bytes) = (start as usize, room);
        Ok(())
    }

    fn release(&mut self) {
        if self.bytes > 0 {
            // SAFETY: allocated once, given back once; nothing is queued that reads it.
            unsafe { sys::cuMemFreeHost(self.start as *mut c_void) };
            self.bytes = 0;
        }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        self.release();
    }
}
