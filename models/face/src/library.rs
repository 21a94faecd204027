//! The caller's side: opens an engine library and wraps its functions safely.

use std::ffi::{CStr, CString, c_char, c_int};
use std::mem::size_of;
use std::path::{Path, PathBuf};
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;

use libloading::Library;

use crate::abi::*;
use crate::{PackDescription, Voice};

/// Opens a library that finds its own libraries (libtorch) beside itself: by its run path on Linux and
/// macOS. Windows looks beside the *program* instead, which is the host, unless it is told otherwise.
///
/// # Safety
/// As [`Library::new`]: the library's initialisers run.
unsafe fn open(path: &Path) -> Result<Library, libloading::Error> {
    #[cfg(windows)]
    {
        use libloading::os::windows::{LOAD_WITH_ALTERED_SEARCH_PATH, Library as Windows};
        // The flag asks for an absolute path.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        // SAFETY: the caller's.
        let library = unsafe { Windows::load_with_flags(path, LOAD_WITH_ALTERED_SEARCH_PATH) };
        library.map(Library::from)
    }
    #[cfg(not(windows))]
    {
        // SAFETY: the caller's.
        unsafe { Library::new(path) }
    }
}

/// Why the engine could not do what was asked. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The library cannot be opened (missing, or libtorch beside it is).
    #[error(
        "cannot open the engine {path}: {reason}. Run `cargo xtask install`, or set MIEN_ENGINE to the library's path"
    )]
    Open {
        /// Where it was looked for.
        path: PathBuf,
        /// What the loader said.
        reason: String,
    },
    /// The library is of another version than this program.
    #[error(
        "the engine {path} speaks version {found} of the face, this program {FACE_VERSION}. Install both from the same release"
    )]
    Version {
        /// The library.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The engine refused; the text is its own.
    #[error("{0}")]
    Refused(String),
}

/// An open engine library. Cloning shares it. It stays mapped until the process ends, because
/// libtorch does not survive being unloaded.
#[derive(Clone)]
pub struct Engine {
    face: &'static Face,
    path: Arc<PathBuf>,
}

impl Engine {
    /// Opens the library at `path` and checks its version. Takes hundreds of milliseconds, since
    /// it loads libtorch: never on an audio thread.
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        let open_error = |reason: String| EngineError::Open {
            path: path.to_owned(),
            reason,
        };
        // SAFETY: opening runs the library's initialisers; it is our own engine by the caller's choice.
        let library = unsafe { open(path) }.map_err(|e| open_error(e.to_string()))?;
        // SAFETY: the symbol has this type in every version of the face.
        let entry = unsafe { library.get::<unsafe extern "C" fn() -> *const Face>(ENTRY_SYMBOL) }
            .map_err(|_| open_error("it is no Mien engine".into()))?;
        // SAFETY: the entry returns a table that lives as long as the library, or null.
        let face = unsafe { entry().as_ref() };
        let found = face.map_or(0, |face| face.version);
        let fits = |face: &&Face| found == FACE_VERSION && face.size as usize >= size_of::<Face>();
        let face = face.filter(fits).ok_or(EngineError::Version {
            path: path.to_owned(),
            found,
        })?;
        // The library is leaked below, so the table lives for the rest of the process.
        let face: &'static Face = unsafe { &*(face as *const Face) };
        std::mem::forget(library);
        Ok(Self {
            face,
            path: Arc::new(path.to_owned()),
        })
    }

    /// Where the library lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads and checks a pack.
    pub fn load_pack(&self, path: &Path) -> Result<Pack, EngineError> {
        let text = path
            .to_str()
            .and_then(|text| CString::new(text).ok())
            .ok_or_else(|| EngineError::Refused(format!("the path {path:?} is not UTF-8")))?;
        let mut raw = null_mut();
        // SAFETY: both pointers are valid for the call.
        self.check(unsafe { (self.face.load_pack)(text.as_ptr(), &mut raw) })?;
        let raw = NonNull::new(raw)
            .ok_or_else(|| EngineError::Refused("the engine returned no pack".into()))?;
        // SAFETY: the pack was just made; its description is a C string.
        let json = unsafe { CStr::from_ptr((self.face.describe)(raw.as_ptr())) };
        let mut pack = Pack {
            engine: self.clone(),
            raw,
            description: PackDescription::default(),
        };
        pack.description = serde_json::from_slice(json.to_bytes()).map_err(|e| {
            EngineError::Refused(format!(
                "the engine's description of {path:?} is broken: {e}"
            ))
        })?;
        Ok(pack)
    }

    /// Runs a command of the slow side. Arguments with zero bytes are refused with exit code 2.
    pub fn command(&self, arguments: &[String]) -> i32 {
        let Ok(owned) = arguments
            .iter()
            .map(|a| CString::new(a.as_str()))
            .collect::<Result<Vec<_>, _>>()
        else {
            return 2;
        };
        let pointers: Vec<*const c_char> = owned.iter().map(|a| a.as_ptr()).collect();
        // SAFETY: `argv` holds `argc` valid C strings for the call.
        unsafe { (self.face.command)(pointers.len() as c_int, pointers.as_ptr()) }
    }

    fn check(&self, status: Status) -> Result<(), EngineError> {
        if status == OK {
            return Ok(());
        }
        let mut buffer = vec![0_u8; 4096];
        // SAFETY: the buffer has that capacity.
        let length = unsafe { (self.face.last_error)(buffer.as_mut_ptr(), buffer.len()) };
        buffer.truncate(length);
        Err(EngineError::Refused(
            String::from_utf8_lossy(&buffer).into_owned(),
        ))
    }
}

/// A pack in memory.
pub struct Pack {
    engine: Engine,
    raw: NonNull<RawPack>,
    description: PackDescription,
}

// SAFETY: the face promises that a pack may be used from any thread, by one at a time.
unsafe impl Send for Pack {}

impl Pack {
    /// What is in it.
    pub fn description(&self) -> &PackDescription {
        &self.description
    }

    /// Makes a converter.
    pub fn converter(&self) -> Result<Converter, EngineError> {
        let mut raw = null_mut();
        // SAFETY: the pack is alive.
        let status = unsafe { (self.engine.face.create_converter)(self.raw.as_ptr(), &mut raw) };
        self.engine.check(status)?;
        let raw = NonNull::new(raw)
            .ok_or_else(|| EngineError::Refused("the engine returned no converter".into()))?;
        // SAFETY: the converter was just made.
        let info = unsafe { (self.engine.face.info)(raw.as_ptr()) };
        let converter = Converter {
            engine: self.engine.clone(),
            raw,
            info,
        };
        if info.sample_rate != SAMPLE_RATE || info.frame as usize != FRAME {
            return Err(EngineError::Refused(format!(
                "the pack wants {} Hz in frames of {}; this version runs {SAMPLE_RATE} Hz in frames of {FRAME}",
                info.sample_rate, info.frame
            )));
        }
        Ok(converter)
    }

    /// Makes a voice from a recording: `samples` mono at `rate` Hz, best 5 to 30 s of speech.
    pub fn embed_voice(&self, samples: &[f32], rate: u32) -> Result<Voice, EngineError> {
        let mut buffer = vec![0_u8; 1 << 16];
        let mut needed = 0;
        // SAFETY: the slices are valid for the call.
        let status = unsafe {
            (self.engine.face.embed_voice)(
                self.raw.as_ptr(),
                samples.as_ptr(),
                samples.len(),
                rate,
                buffer.as_mut_ptr(),
                buffer.len(),
                &mut needed,
            )
        };
        self.engine.check(status)?;
        serde_json::from_slice(&buffer[..needed.min(buffer.len())])
            .map_err(|e| EngineError::Refused(format!("the engine's voice is broken: {e}")))
    }
}

impl Drop for Pack {
    fn drop(&mut self) {
        // SAFETY: made by the same engine, dropped once.
        unsafe { (self.engine.face.drop_pack)(self.raw.as_ptr()) }
    }
}

/// One stream's converter.
pub struct Converter {
    engine: Engine,
    raw: NonNull<RawConverter>,
    info: ConverterInfo,
}

// SAFETY: the face promises that a converter may move between threads.
unsafe impl Send for Converter {}

impl Converter {
    /// Its fixed facts.
    pub fn info(&self) -> ConverterInfo {
        self.info
    }

    /// Forgets everything that was heard.
    pub fn reset(&mut self) {
        // SAFETY: alive, and `&mut` makes this the only user.
        unsafe { (self.engine.face.reset)(self.raw.as_ptr()) }
    }

    /// Converts one frame of 10 ms at 24 kHz. On an error `output` is silence.
    pub fn step(
        &mut self,
        input: &[f32; FRAME],
        output: &mut [f32; FRAME],
        controls: &Controls,
    ) -> Result<StepReport, EngineError> {
        let mut report = StepReport::default();
        // SAFETY: the arrays have the frame's length, checked when the converter was made.
        let status = unsafe {
            (self.engine.face.step)(
                self.raw.as_ptr(),
                input.as_ptr(),
                output.as_mut_ptr(),
                controls,
                &mut report,
            )
        };
        if status != OK {
            output.fill(0.0);
        }
        self.engine.check(status).map(|()| report)
    }

    /// Adds a voice (from [`Pack::embed_voice`]) and returns its index.
    pub fn add_voice(&mut self, voice: &Voice) -> Result<u32, EngineError> {
        let json = serde_json::to_string(voice)
            .ok()
            .and_then(|text| CString::new(text).ok())
            .ok_or_else(|| EngineError::Refused("the voice's name holds a zero byte".into()))?;
        let mut index = 0;
        // SAFETY: all pointers are valid for the call.
        let status =
            unsafe { (self.engine.face.add_voice)(self.raw.as_ptr(), json.as_ptr(), &mut index) };
        self.engine.check(status)?;
        self.info.voices = self.info.voices.max(index + 1);
        Ok(index)
    }
}

impl Drop for Converter {
    fn drop(&mut self) {
        // SAFETY: made by the same engine, dropped once.
        unsafe { (self.engine.face.drop_converter)(self.raw.as_ptr()) }
    }
}
