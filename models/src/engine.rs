//! The engine's side of the C face: `mien_engine_face` and the functions it lists.
//!
//! Nothing unwinds into the caller: each function catches panics and tells them as errors.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use mien_face::{
    Controls, ConverterInfo, FACE_VERSION, FAILED, FRAME, Face, OK, PANICKED, RawConverter,
    RawPack, SAMPLE_RATE, Status, StepReport, Voice,
};

use crate::pack::LoadedPack;
use crate::streaming::{Converter, DELAY_SAMPLES};

thread_local! {
    static LAST_ERROR: RefCell<String> = const { RefCell::new(String::new()) };
}

struct PackHandle {
    pack: LoadedPack,
    json: CString,
}

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

/// The engine's one entry: its table of functions, valid as long as the library is mapped.
#[unsafe(no_mangle)]
pub extern "C" fn mien_engine_face() -> *const Face {
    &FACE
}

/// Runs `work`, turning errors and panics into a status and a text.
fn guarded(work: impl FnOnce() -> Result<()>) -> Status {
    let (text, status) = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => return OK,
        Ok(Err(error)) => (format!("{error:#}"), FAILED),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string()));
            (
                format!("the engine failed inside: {}", text.unwrap_or_default()),
                PANICKED,
            )
        }
    };
    LAST_ERROR.with(|last| *last.borrow_mut() = text);
    status
}

/// Copies text to a buffer of the caller's; returns the whole text's length.
unsafe fn copy_text(text: &[u8], buffer: *mut u8, capacity: usize) -> usize {
    if !buffer.is_null() {
        // SAFETY: the caller says that `capacity` bytes may be written.
        unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), buffer, text.len().min(capacity)) };
    }
    text.len()
}

unsafe extern "C" fn last_error(buffer: *mut u8, capacity: usize) -> usize {
    LAST_ERROR.with(|last| unsafe { copy_text(last.borrow().as_bytes(), buffer, capacity) })
}

unsafe fn text<'a>(pointer: *const c_char) -> Result<&'a str> {
    ensure!(!pointer.is_null(), "a text is missing");
    // SAFETY: the caller hands in a C string that lives for the call.
    unsafe { CStr::from_ptr(pointer) }
        .to_str()
        .context("a text is not UTF-8")
}

unsafe extern "C" fn load_pack(path: *const c_char, out: *mut *mut RawPack) -> Status {
    guarded(|| {
        // One thread a step: two gain nothing for one frame, and a host has its own.
        tch::set_num_threads(1);
        let pack = LoadedPack::load(Path::new(unsafe { text(path) }?))?;
        let json = CString::new(serde_json::to_string(&pack.description)?)?;
        ensure!(!out.is_null(), "no place for the pack");
        // SAFETY: `out` may be written, by the face's contract.
        unsafe { *out = Box::into_raw(Box::new(PackHandle { pack, json })).cast() };
        Ok(())
    })
}

unsafe extern "C" fn describe(pack: *const RawPack) -> *const c_char {
    // SAFETY: a live pack of ours, by the face's contract.
    unsafe { &*pack.cast::<PackHandle>() }.json.as_ptr()
}

unsafe extern "C" fn drop_pack(pack: *mut RawPack) {
    // SAFETY: made by `load_pack`, dropped once.
    guarded(|| {
        drop(unsafe { Box::from_raw(pack.cast::<PackHandle>()) });
        Ok(())
    });
}

unsafe extern "C" fn create_converter(pack: *const RawPack, out: *mut *mut RawConverter) -> Status {
    guarded(|| {
        // SAFETY: a live pack of ours, by the face's contract.
        let pack = unsafe { &*pack.cast::<PackHandle>() };
        let mut converter = Converter::new(Arc::clone(&pack.pack.networks));
        // The first steps make libtorch's caches; they must not fall into a live stream.
        for _ in 0..8 {
            converter.step(&[0.01; FRAME], &mut [0.0; FRAME], &Controls::default());
        }
        converter.reset();
        ensure!(!out.is_null(), "no place for the converter");
        // SAFETY: `out` may be written.
        unsafe { *out = Box::into_raw(Box::new(converter)).cast() };
        Ok(())
    })
}

unsafe fn converter<'a>(raw: *mut RawConverter) -> &'a mut Converter {
    // SAFETY: a live converter of ours that nobody else uses now, by the face's contract.
    unsafe { &mut *raw.cast::<Converter>() }
}

unsafe extern "C" fn info(raw: *const RawConverter) -> ConverterInfo {
    let converter = unsafe { converter(raw.cast_mut()) };
    ConverterInfo {
        sample_rate: SAMPLE_RATE,
        frame: FRAME as u32,
        delay_samples: DELAY_SAMPLES as u32,
        voices: converter.voices() as u32,
    }
}

unsafe extern "C" fn reset(raw: *mut RawConverter) {
    guarded(|| {
        unsafe { converter(raw) }.reset();
        Ok(())
    });
}

unsafe extern "C" fn step(
    raw: *mut RawConverter,
    input: *const f32,
    output: *mut f32,
    controls: *const Controls,
    report: *mut StepReport,
) -> Status {
    guarded(|| {
        // SAFETY: both hold a frame, by the face's contract.
        let (input, output) = unsafe {
            (
                &*input.cast::<[f32; FRAME]>(),
                &mut *output.cast::<[f32; FRAME]>(),
            )
        };
        // SAFETY: controls are readable, or null for the defaults.
        let controls = unsafe { controls.as_ref() }.copied().unwrap_or_default();
        let heard = unsafe { converter(raw) }.step(input, output, &controls);
        // SAFETY: writable, or null.
        if let Some(report) = unsafe { report.as_mut() } {
            *report = heard;
        }
        Ok(())
    })
}

unsafe extern "C" fn drop_converter(raw: *mut RawConverter) {
    guarded(|| {
        // SAFETY: made by `create_converter`, dropped once.
        drop(unsafe { Box::from_raw(raw.cast::<Converter>()) });
        Ok(())
    });
}

unsafe extern "C" fn embed_voice(
    pack: *const RawPack,
    samples: *const f32,
    length: usize,
    rate: u32,
    buffer: *mut u8,
    capacity: usize,
    needed: *mut usize,
) -> Status {
    guarded(|| {
        // SAFETY: a live pack of ours; `samples` holds `length` values.
        let pack = unsafe { &*pack.cast::<PackHandle>() };
        ensure!(
            !samples.is_null() && length > 0,
            "the recording is empty; give 5 to 30 s of speech"
        );
        let samples = unsafe { std::slice::from_raw_parts(samples, length) };
        ensure!(
            (8_000..=384_000).contains(&rate),
            "a recording of {rate} Hz cannot be read; give 8 to 384 kHz"
        );
        let voice = crate::speaker::embed(&pack.pack, samples, rate)?;
        let json = serde_json::to_vec(&voice)?;
        // SAFETY: the caller's buffer has that capacity.
        let length = unsafe { copy_text(&json, buffer, capacity) };
        // SAFETY: writable, or null.
        if let Some(needed) = unsafe { needed.as_mut() } {
            *needed = length;
        }
        Ok(())
    })
}

unsafe extern "C" fn add_voice(
    raw: *mut RawConverter,
    voice_json: *const c_char,
    index: *mut u32,
) -> Status {
    guarded(|| {
        let voice: Voice =
            serde_json::from_str(unsafe { text(voice_json) }?).context("the voice is broken")?;
        let place = unsafe { converter(raw) }.add_voice(&voice.embedding, voice.f0_mean_hz)?;
        // SAFETY: writable, or null.
        if let Some(index) = unsafe { index.as_mut() } {
            *index = place as u32;
        }
        Ok(())
    })
}

unsafe extern "C" fn command(argc: c_int, argv: *const *const c_char) -> c_int {
    let run = || -> Result<c_int> {
        let mut arguments = Vec::new();
        for i in 0..argc.max(0) as usize {
            // SAFETY: `argv` holds `argc` C strings, by the face's contract.
            arguments.push(unsafe { text(*argv.add(i)) }?.to_owned());
        }
        Ok(crate::commands::run(&arguments))
    };
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            eprintln!("mien: {error:#}");
            2
        }
        Err(_) => 101,
    }
}
