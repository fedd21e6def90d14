//! What the fuzzer's programs share: running a target, and mutating its bytes where structure is.

pub mod mutate;
pub mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, Once, PoisonError};

static PANIC: Mutex<String> = Mutex::new(String::new());

/// Gives bytes to a target. Only a panic that comes out of it counts: some of those of decoders that
/// are not ours are caught on the way, and are told to the caller as damage.
pub fn run(target: &targets::Target, data: &[u8]) {
    static HOOK: Once = Once::new();
    // The fuzzer's own hook ends the program at any panic.
    HOOK.call_once(|| std::panic::set_hook(Box::new(|panic| *last() = panic.to_string())));
    if catch_unwind(AssertUnwindSafe(|| (target.body)(data))).is_err() {
        eprintln!("{} broke its promise: {}", target.name, last());
        std::process::abort();
    }
}

fn last() -> std::sync::MutexGuard<'static, String> {
    PANIC.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The program of the target called `$name`.
#[macro_export]
macro_rules! program {
    ($name:literal) => {
        static TARGET: std::sync::LazyLock<&$crate::targets::Target> =
            std::sync::LazyLock::new(|| $crate::targets::find($name));
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::run(&TARGET, data));
        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            $crate::mutate::mutate(TARGET.form, data, size, max_size, seed)
        });
    };
}
