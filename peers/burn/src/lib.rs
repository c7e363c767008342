//! GPT-2 in burn on its wgpu backend: what run.py loads and calls.
//!
//! Each function returns a negative number where it fails; [`error`] then says why.

mod model;

use std::ffi::{CStr, CString, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use burn::backend::Vulkan;
use burn::backend::wgpu::{RuntimeOptions, WgpuDevice, graphics, init_setup};
use burn::tensor::backend::Backend;

use model::{Generation, Model};

type B = Vulkan<f32, i32>;

struct Session {
    device: WgpuDevice,
    adapter: CString,
    model: Model<B>,
    last: Option<Generation<B>>,
}

static SESSION: Mutex<Option<Session>> = Mutex::new(None);
static ERROR: Mutex<Option<CString>> = Mutex::new(None);

/// A panic of the framework becomes an error too: the other peers go on.
fn guarded(work: impl FnOnce() -> Result<i64, String>) -> i64 {
    let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_else(|| "panicked".into()))
    });
    result.unwrap_or_else(|message| {
        let message = CString::new(message.replace('\0', " ")).unwrap_or_default();
        *ERROR.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(message);
        -1
    })
}

fn in_session(work: impl FnOnce(&mut Session) -> Result<i64, String>) -> i64 {
    guarded(|| {
        let mut session = SESSION.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        work(session.as_mut().ok_or("not prepared")?)
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn error() -> *const c_char {
    let error = ERROR.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    error.as_ref().map_or(c"".as_ptr(), |error| error.as_ptr())
}

/// Reads the case and puts its weights on the device: a discrete GPU, or a software device where `software` is not 0.
///
/// # Safety
/// `case` is a NUL-terminated path.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn prepare(case: *const c_char, software: c_int) -> i64 {
    // SAFETY: as this function asks of its caller.
    let case = unsafe { CStr::from_ptr(case) }.to_string_lossy().into_owned();
    guarded(|| {
        let device = if software == 0 { WgpuDevice::DiscreteGpu(0) } else { WgpuDevice::Cpu };
        let setup = init_setup::<graphics::Vulkan>(&device, RuntimeOptions::default());
        let adapter = CString::new(setup.adapter.get_info().name).unwrap_or_default();
        let model = Model::read(Path::new(&case), &device)?;
        *SESSION.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) =
            Some(Session { device, adapter, model, last: None });
        Ok(0)
    })
}

/// The adapter's name, valid until the next `prepare`.
#[unsafe(no_mangle)]
pub extern "C" fn adapter() -> *const c_char {
    let session = SESSION.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    session.as_ref().map_or(c"".as_ptr(), |session| session.adapter.as_ptr())
}

/// Wall time in nanoseconds of a whole generation, to the end of a wait for the device.
#[unsafe(no_mangle)]
pub extern "C" fn run() -> i64 {
    in_session(|session| {
        session.last = None;
        B::sync(&session.device).map_err(|error| format!("{error:?}"))?;
        let begin = Instant::now();
        let generation = session.model.generate(&session.device);
        B::sync(&session.device).map_err(|error| format!("{error:?}"))?;
        let elapsed = begin.elapsed();
        session.last = Some(generation);
        Ok(elapsed.as_nanos() as i64)
    })
}

/// New tokens and last logits of the last run.
///
/// # Safety
/// There is room for the case's new tokens and its vocabulary.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn output(tokens: *mut u32, logits: *mut f32) -> i64 {
    in_session(|session| {
        let last = session.last.as_ref().ok_or("nothing was run")?;
        for (at, token) in last.tokens().into_iter().enumerate() {
            // SAFETY: as this function asks of its caller.
            unsafe { tokens.add(at).write(token) };
        }
        for (at, logit) in last.logits().into_iter().enumerate() {
            // SAFETY: as this function asks of its caller.
            unsafe { logits.add(at).write(logit) };
        }
        Ok(0)
    })
}
