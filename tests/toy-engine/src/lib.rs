//! A small engine behind Mien's C face, without networks.
//!
//! It lets the real-time tests run without libtorch, and with a converter whose delay, load and
//! failures are known exactly. Its pack is a safetensors file without tensors, whose card names the
//! voices; `delay_samples` of the card is the converter's delay. Two voices are known by name:
//! `Through`, the input delayed and nothing else, and `Ring`, the input ring-modulated and filtered.
//!
//! `mien_toy_slow` and `mien_toy_fail` make the running converters slow or failing, and
//! `$MIEN_TOY_LOAD` makes a pack take that many seconds to be read.

mod converter;
mod pack;

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mien_face::*;

use converter::ToyConverter;
use pack::ToyPack;

thread_local! {
    static LAST_ERROR: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Busy time of each step in microseconds.
static SLOW: AtomicU64 = AtomicU64::new(0);
/// Whether each step fails.
static FAIL: AtomicBool = AtomicBool::new(false);

static FACE: Face = Face {
    version: FACE_VERSION,
    size: size_of::<Face>() as u32,
    last_error,
    load_pack,
    describe,
    drop_pack,
    create_converter,
    info,
    reset,
    step,
    drop_converter,
    embed_voice,
    add_voice,
    command,
};

/// The entry of an engine library.
#[unsafe(no_mangle)]
pub extern "C" fn mien_engine_face() -> *const Face {
    &FACE
}

/// Makes each step of each converter take at least this long.
#[unsafe(no_mangle)]
pub extern "C" fn mien_toy_slow(microseconds: u64) {
    SLOW.store(microseconds, Ordering::Relaxed);
}

/// Makes each step of each converter fail, or work again.
#[unsafe(no_mangle)]
pub extern "C" fn mien_toy_fail(fail: bool) {
    FAIL.store(fail, Ordering::Relaxed);
}

/// Runs `work`, keeping its error for [`last_error`].
fn guarded(work: impl FnOnce() -> Result<(), String>) -> Status {
    let failed = |text: String, status| {
        LAST_ERROR.with(|slot| *slot.borrow_mut() = text);
        status
    };
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => OK,
        Ok(Err(text)) => failed(text, FAILED),
        Err(_) => failed("the toy engine panicked".into(), PANICKED),
    }
}

unsafe extern "C" fn last_error(buffer: *mut u8, capacity: usize) -> usize {
    LAST_ERROR.with(|slot| {
        let text = slot.borrow();
        // SAFETY: the caller's buffer holds `capacity` bytes.
        unsafe { buffer.copy_from_nonoverlapping(text.as_ptr(), text.len().min(capacity)) };
        text.len()
    })
}

unsafe extern "C" fn load_pack(path: *const c_char, out: *mut *mut RawPack) -> Status {
    guarded(|| {
        // SAFETY: the caller passes a C string.
        let path = unsafe { CStr::from_ptr(path) }
            .to_str()
            .map_err(|e| e.to_string())?;
        let wait = std::env::var("MIEN_TOY_LOAD").ok();
        if let Some(seconds) = wait.and_then(|seconds| seconds.parse().ok()) {
            std::thread::sleep(Duration::from_secs_f32(seconds));
        }
        let pack = Box::new(ToyPack::read(path)?);
        // SAFETY: `out` is valid for the call.
        unsafe { *out = Box::into_raw(pack).cast() };
        Ok(())
    })
}

unsafe extern "C" fn describe(pack: *const RawPack) -> *const c_char {
    // SAFETY: the pack was made by `load_pack`.
    unsafe { &*pack.cast::<ToyPack>() }.json.as_ptr()
}

unsafe extern "C" fn drop_pack(pack: *mut RawPack) {
    // SAFETY: the pack was made by `load_pack`, and is dropped once.
    drop(unsafe { Box::from_raw(pack.cast::<ToyPack>()) });
}

unsafe extern "C" fn create_converter(pack: *const RawPack, out: *mut *mut RawConverter) -> Status {
    guarded(|| {
        // SAFETY: the pack was made by `load_pack`.
        let pack = unsafe { &*pack.cast::<ToyPack>() };
        let converter = Box::new(ToyConverter::new(&pack.description)?);
        // SAFETY: `out` is valid for the call.
        unsafe { *out = Box::into_raw(converter).cast() };
        Ok(())
    })
}

unsafe extern "C" fn info(converter: *const RawConverter) -> ConverterInfo {
    // SAFETY: the converter was made by `create_converter`.
    unsafe { &*converter.cast::<ToyConverter>() }.info()
}

unsafe extern "C" fn reset(converter: *mut RawConverter) {
    // SAFETY: the converter was made by `create_converter`, and this is its only user.
    unsafe { &mut *converter.cast::<ToyConverter>() }.reset();
}

unsafe extern "C" fn step(
    converter: *mut RawConverter,
    input: *const f32,
    output: *mut f32,
    controls: *const Controls,
    report: *mut StepReport,
) -> Status {
    guarded(|| {
        let started = Instant::now();
        if FAIL.load(Ordering::Relaxed) {
            return Err("the toy engine was told to fail".into());
        }
        // SAFETY: the converter is alive and used here only; the arrays hold a frame each.
        let (converter, input, output, controls) = unsafe {
            (
                &mut *converter.cast::<ToyConverter>(),
                &*input.cast::<[f32; FRAME]>(),
                &mut *output.cast::<[f32; FRAME]>(),
                &*controls,
            )
        };
        let done = converter.step(input, output, controls);
        if !report.is_null() {
            // SAFETY: not null, so valid for the call.
            unsafe { *report = done };
        }
        let slow = Duration::from_micros(SLOW.load(Ordering::Relaxed));
        while started.elapsed() < slow {
            std::hint::spin_loop();
        }
        Ok(())
    })
}

unsafe extern "C" fn drop_converter(converter: *mut RawConverter) {
    // SAFETY: the converter was made by `create_converter`, and is dropped once.
    drop(unsafe { Box::from_raw(converter.cast::<ToyConverter>()) });
}

unsafe extern "C" fn embed_voice(
    _pack: *const RawPack,
    samples: *const f32,
    length: usize,
    rate: u32,
    buffer: *mut u8,
    capacity: usize,
    needed: *mut usize,
) -> Status {
    guarded(|| {
        if rate == 0 || length == 0 {
            return Err("the recording is empty".into());
        }
        // SAFETY: the caller's samples have that length.
        let samples = unsafe { std::slice::from_raw_parts(samples, length) };
        let level = samples.iter().map(|x| x.abs()).sum::<f32>() / length as f32;
        let voice = Voice {
            name: "Mine".into(),
            embedding: vec![level],
            ..Voice::default()
        };
        let json = serde_json::to_string(&voice).map_err(|e| e.to_string())?;
        // SAFETY: the buffer holds `capacity` bytes, and `needed` is valid.
        unsafe {
            *needed = json.len();
            buffer.copy_from_nonoverlapping(json.as_ptr(), json.len().min(capacity));
        }
        Ok(())
    })
}

unsafe extern "C" fn add_voice(
    converter: *mut RawConverter,
    voice_json: *const c_char,
    index: *mut u32,
) -> Status {
    guarded(|| {
        // SAFETY: the caller passes a C string.
        let json = unsafe { CStr::from_ptr(voice_json) };
        let voice: Voice = serde_json::from_slice(json.to_bytes()).map_err(|e| e.to_string())?;
        // SAFETY: the converter is alive and used here only; `index` is valid.
        unsafe { *index = (*converter.cast::<ToyConverter>()).add(&voice) };
        Ok(())
    })
}

unsafe extern "C" fn command(argc: c_int, argv: *const *const c_char) -> c_int {
    let words: Vec<String> = (0..argc.max(0) as usize)
        // SAFETY: `argv` holds `argc` C strings.
        .map(|i| unsafe { CStr::from_ptr(*argv.add(i)) })
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    println!("toy engine command: {}", words.join(" "));
    0
}

/// A C string of `text`, cut at its first zero byte.
fn c_string(text: &str) -> CString {
    CString::new(text.split('\0').next().unwrap_or_default()).unwrap_or_default()
}
