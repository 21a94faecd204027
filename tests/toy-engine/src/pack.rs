//! The toy's pack: a safetensors header with a card in it.

use std::ffi::CString;

use mien_face::PackDescription;

/// A pack in memory.
pub struct ToyPack {
    pub description: PackDescription,
    /// The description as the face hands it out.
    pub json: CString,
}

impl ToyPack {
    /// Reads the header of a safetensors file: its length as 8 bytes, then JSON.
    pub fn read(path: &str) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|e| format!("cannot read the pack {path}: {e}"))?;
        let broken = || format!("{path} is no pack");
        let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(broken)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| broken())?;
        let header = rest.get(..length).ok_or_else(broken)?;
        let header: serde_json::Value = serde_json::from_slice(header).map_err(|_| broken())?;
        let card = header["__metadata__"]["mien.card"]
            .as_str()
            .ok_or_else(broken)?;
        let card: serde_json::Value = serde_json::from_str(card).map_err(|_| broken())?;
        let description: PackDescription = serde_json::from_value(card["description"].clone())
            .map_err(|e| format!("{path}: its card is broken: {e}"))?;
        let json = crate::c_string(&card["description"].to_string());
        Ok(Self { description, json })
    }
}
