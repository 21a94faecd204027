//! A VST3 host for the panel's window. It plays nothing.

use anyhow::{Context, Result, bail, ensure};
use mien_host::{Touch, Vst3, Vst3Menu};
use std::path::Path;

use crate::host::Host;

/// The host.
pub struct Vst3Host(Vst3);

impl Vst3Host {
    /// Loads a plugin; with entries for the menu of a parameter, or without.
    pub fn new(file: &Path, rate: u32, has_menu: bool) -> Result<Self> {
        // SAFETY: loading a library runs its code; it is the plugin that is to be looked at.
        let plugin = unsafe { Vst3::load(file, rate.into(), has_menu) };
        Ok(Self(plugin.with_context(|| file.display().to_string())?))
    }
}

impl Host for Vst3Host {
    fn get(&mut self, name: &str) -> Result<f64> {
        self.0.get(name)
    }

    fn param(&mut self, name: &str) -> Result<u32> {
        self.0.param(name)
    }

    fn take_touches(&mut self) -> Vec<(u32, Touch)> {
        self.0.take_touches()
    }

    fn menu(&mut self) -> Result<(String, [i32; 2])> {
        let menus = self.0.take_menus();
        let [
            Vst3Menu {
                param: Some(id),
                place,
                proper: true,
            },
        ] = menus[..]
        else {
            bail!("the host was asked for {menus:?}");
        };
        let param = self.0.params().into_iter().find(|(param, _)| *param == id);
        Ok((param.context("a menu of no parameter")?.1, place))
    }

    fn open(&mut self) -> Result<[u32; 2]> {
        self.0.open()
    }

    fn embed(&mut self, window: u32) -> Result<()> {
        // SAFETY: the window stays until `close`.
        unsafe { self.0.embed(window) }
    }

    fn resize(&mut self, size: [u32; 2]) -> Result<[u32; 2]> {
        self.0.resize(size)
    }

    fn close(&mut self) -> Result<()> {
        self.0.close()
    }

    fn idle(&mut self) -> Result<Option<[u32; 2]>> {
        self.0.idle()?;
        Ok(self.0.take_size())
    }

    fn end(self: Box<Self>) -> Result<()> {
        let held = self.0.end()?;
        ensure!(
            held == 0,
            "the plugin holds the handler {held} times after its end"
        );
        Ok(())
    }
}
