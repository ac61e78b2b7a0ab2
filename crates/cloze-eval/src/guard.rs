//! Panics of the Parquet reader as errors.
//!
//! It panics on some damaged metadata where it should return an error. The same stands in `cloze-data`, on which this
//! crate does not depend: whoever wants only the metrics builds neither readers nor downloads.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// Calls `work`; what it panics with is the error, and nothing is printed. What `work` was changing must not be used
/// after an error.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    HOOK.call_once(|| {
        let before = take_hook();
        // Every other panic is told as before.
        set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                before(panic);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    result.map_err(|panic| message(panic.as_ref()))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("an inconsistency").to_owned()
}

#[cfg(test)]
mod tests {
    use super::guarded;

    #[test]
    fn a_panic_is_an_error_with_its_message_and_a_value_is_a_value() {
        assert_eq!(guarded(|| 5), Ok(5));
        let index = std::hint::black_box(3);
        let error = guarded(|| [1, 2][index]).unwrap_err();
        assert!(error.contains("out of bounds"), "{error}");
    }
}
