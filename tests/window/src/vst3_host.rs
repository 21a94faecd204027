//! A VST3 host for the panel's window. It plays nothing.

use anyhow::{Context, Result, bail, ensure};
use mien_host::{Manner, Touch, Vst3, Vst3Menu};
use std::path::Path;

use crate::host::Host;
use crate::screen::Screen;

/// The host.
pub struct Vst3Host {
    plugin: Vst3,
}

impl Vst3Host {
    /// Loads a plugin.
    pub fn new(file: &Path, rate: u32, manner: &Manner) -> Result<Self> {
        // SAFETY: loading a library runs its code; it is the plugin that is to be looked at.
        let plugin = unsafe { Vst3::load(file, rate.into(), manner) };
        Ok(Self {
            plugin: plugin.with_context(|| file.display().to_string())?,
        })
    }
}

impl Host for Vst3Host {
    fn click_in_menu(&mut self, window: u32, (x, y): (i16, i16)) -> Result<()> {
        let screen = Screen::open()?;
        self.plugin.in_next_menu(Box::new(move || {
            // What goes wrong here shows in what the host is asked for.
            let _ = screen
                .point(window, x, y)
                .and_then(|()| screen.button(3, true))
                .and_then(|()| screen.button(3, false));
        }));
        Ok(())
    }

    fn get(&mut self, name: &str) -> Result<f64> {
        self.plugin.get(name)
    }

    fn param(&mut self, name: &str) -> Result<u32> {
        self.plugin.param(name)
    }

    fn take_touches(&mut self) -> Vec<(u32, Touch)> {
        self.plugin.take_touches()
    }

    fn menu(&mut self) -> Result<(String, [i32; 2])> {
        let menus = self.plugin.take_menus();
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
        let param = self
            .plugin
            .params()
            .into_iter()
            .find(|(param, _)| *param == id);
        Ok((param.context("a menu of no parameter")?.1, place))
    }

    fn open(&mut self) -> Result<[u32; 2]> {
        self.plugin.open()
    }

    fn embed(&mut self, window: u32) -> Result<()> {
        // SAFETY: the window stays until `close`.
        unsafe { self.plugin.embed(window) }
    }

    fn resize(&mut self, size: [u32; 2]) -> Result<[u32; 2]> {
        self.plugin.resize(size)
    }

    fn close(&mut self) -> Result<()> {
        self.plugin.close()
    }

    fn idle(&mut self) -> Result<Option<[u32; 2]>> {
        self.plugin.idle()?;
        Ok(self.plugin.take_size())
    }

    fn end(self: Box<Self>) -> Result<()> {
        let held = self.plugin.end()?;
        ensure!(
            held == 0,
            "the plugin holds the handler {held} times after its end"
        );
        Ok(())
    }
}
