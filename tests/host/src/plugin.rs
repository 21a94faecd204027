//! An instance of a plugin, on the main thread.

use anyhow::{Context, Result, anyhow};
use clack_extensions::gui::{
    GuiApiType, GuiConfiguration, GuiSize, PluginGui, Window as ClapWindow,
};
use clack_extensions::latency::PluginLatency;
use clack_extensions::params::{ParamInfoBuffer, PluginParams};
use clack_extensions::render::{PluginRender, RenderMode};
use clack_extensions::state::PluginState;
use clack_host::prelude::*;

use crate::asked::{Asked, Handlers, Main, Menu};
use crate::player::Player;

/// A parameter as the plugin lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// The host's identifier of it.
    pub id: ClapId,
    /// Shown name.
    pub name: String,
    /// Range and default, plain.
    pub range: [f64; 3],
}

/// A loaded instance.
pub struct Plugin {
    instance: PluginInstance<Handlers>,
}

impl Plugin {
    /// An instance of the first plugin of an entry.
    ///
    /// # Errors
    /// When the entry has none, or it cannot be made.
    pub fn new(entry: &PluginEntry) -> Result<Self> {
        let factory = entry.get_plugin_factory().context("no plugin factory")?;
        let descriptor = factory.plugin_descriptors().next().context("no plugin")?;
        let id = descriptor.id().context("the plugin has no identifier")?;
        let info = HostInfo::new("Mien tests", "Mien", "", "1")?;
        let instance =
            PluginInstance::new(|()| Asked::default(), |_| Main::default(), entry, id, &info);
        Ok(Self {
            instance: instance.map_err(|error| anyhow!("{error}"))?,
        })
    }

    /// Switches it on for blocks of up to `block` samples.
    ///
    /// # Errors
    /// When the plugin does not want to.
    pub fn activate(&mut self, rate: u32, block: u32) -> Result<Player> {
        let configuration = PluginAudioConfiguration {
            sample_rate: f64::from(rate),
            min_frames_count: 1,
            max_frames_count: block,
        };
        let processor = self
            .instance
            .activate(|_, _| (), configuration)
            .map_err(|error| anyhow!("the plugin does not switch on: {error}"))?;
        let processor = processor
            .start_processing()
            .map_err(|error| anyhow!("the plugin does not start: {error}"))?;
        Ok(Player::new(processor))
    }

    /// Switches it off.
    pub fn deactivate(&mut self, player: Player) {
        self.instance.deactivate(player.processor.stop_processing());
    }

    /// Says whether it plays live or is rendered.
    ///
    /// # Errors
    /// When the plugin does not ask, or refuses.
    pub fn set_mode(&mut self, mode: RenderMode) -> Result<()> {
        let handle = self.instance.plugin_handle();
        let render: PluginRender = handle.get_extension().context("no render extension")?;
        render
            .set(&handle, mode)
            .map_err(|error| anyhow!("{error}"))
    }

    /// The latency that it reports, in samples.
    ///
    /// # Errors
    /// When it reports none.
    pub fn latency(&mut self) -> Result<usize> {
        let handle = self.instance.plugin_handle();
        let latency: PluginLatency = handle.get_extension().context("no latency extension")?;
        Ok(latency.get(&handle) as usize)
    }

    fn with_params<T>(
        &mut self,
        ask: impl FnOnce(&PluginParams, &PluginMainThreadHandle) -> T,
    ) -> Result<T> {
        let handle = self.instance.plugin_handle();
        let params = handle.get_extension().context("no parameters")?;
        Ok(ask(&params, &handle))
    }

    /// Every parameter.
    ///
    /// # Errors
    /// When the plugin lists none.
    pub fn params(&mut self) -> Result<Vec<Param>> {
        let mut buffer = ParamInfoBuffer::new();
        self.with_params(|params, handle| {
            let mut read = |index| {
                let info = params.get_info(handle, index, &mut buffer)?;
                let name = info.name.split(|&byte| byte == 0).next()?;
                Some(Param {
                    id: info.id,
                    name: String::from_utf8_lossy(name).into_owned(),
                    range: [info.min_value, info.max_value, info.default_value],
                })
            };
            (0..params.count(handle)).filter_map(&mut read).collect()
        })
    }

    /// The parameter of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn param(&mut self, name: &str) -> Result<Param> {
        let found = self.params()?.into_iter().find(|param| param.name == name);
        found.with_context(|| format!("there is no parameter {name}"))
    }

    /// A parameter's value, plain.
    ///
    /// # Errors
    /// When there is no such parameter.
    pub fn get(&mut self, name: &str) -> Result<f64> {
        let id = self.param(name)?.id;
        self.with_params(|params, handle| params.get_value(handle, id))?
            .context("the parameter has no value")
    }

    /// A value of a parameter in words.
    ///
    /// # Errors
    /// When there is no such parameter, or no words for it.
    pub fn text(&mut self, name: &str, value: f64) -> Result<String> {
        let id = self.param(name)?.id;
        let mut buffer = [0; 256];
        let text = self
            .with_params(|params, handle| {
                let text = params.value_to_text(handle, id, value, &mut buffer);
                text.map(|text| String::from_utf8_lossy(text).into_owned())
            })?
            .map_err(|error| anyhow!("{error}"))?;
        Ok(text.trim_end_matches('\0').to_owned())
    }

    /// Its state.
    ///
    /// # Errors
    /// When it cannot be saved.
    pub fn save(&mut self) -> Result<Vec<u8>> {
        let handle = self.instance.plugin_handle();
        let state: PluginState = handle.get_extension().context("no state")?;
        let mut bytes = Vec::new();
        state
            .save(&handle, &mut bytes)
            .map_err(|error| anyhow!("{error}"))?;
        Ok(bytes)
    }

    /// Restores a state.
    ///
    /// # Errors
    /// When the plugin does not take it.
    pub fn load(&mut self, bytes: &[u8]) -> Result<()> {
        let handle = self.instance.plugin_handle();
        let state: PluginState = handle.get_extension().context("no state")?;
        state
            .load(&handle, &mut &*bytes)
            .map_err(|error| anyhow!("{error}"))
    }

    fn with_gui<T>(
        &mut self,
        ask: impl FnOnce(&PluginGui, &PluginMainThreadHandle) -> T,
    ) -> Result<T> {
        let handle = self.instance.plugin_handle();
        let gui = handle.get_extension().context("the plugin has no window")?;
        Ok(ask(&gui, &handle))
    }

    /// Opens its window, to be embedded; gives its size.
    ///
    /// # Errors
    /// When it has none.
    pub fn open(&mut self) -> Result<GuiSize> {
        let configuration = GuiConfiguration {
            api_type: GuiApiType::X11,
            is_floating: false,
        };
        self.with_gui(|gui, handle| {
            gui.create(handle, configuration)
                .map_err(|error| anyhow!("{error}"))?;
            gui.get_size(handle).context("the window has no size")
        })?
    }

    /// Puts its window into this one of the X server's.
    ///
    /// # Errors
    /// When the plugin cannot do it.
    ///
    /// # Safety
    /// The window stays until [`Self::close`].
    pub unsafe fn embed(&mut self, window: u32) -> Result<()> {
        let parent = ClapWindow::from_x11_handle(window.into());
        self.with_gui(|gui, handle| {
            // SAFETY: the caller's promise.
            unsafe { gui.set_parent(handle, parent) }.map_err(|error| anyhow!("{error}"))?;
            gui.show(handle).map_err(|error| anyhow!("{error}"))
        })?
    }

    /// Offers its window a size; gives the one that it takes.
    ///
    /// # Errors
    /// When the window keeps its size.
    pub fn resize(&mut self, size: GuiSize) -> Result<GuiSize> {
        self.with_gui(|gui, handle| {
            let size = gui
                .adjust_size(handle, size)
                .context("the window keeps its size")?;
            gui.set_size(handle, size)
                .map_err(|error| anyhow!("{error}"))?;
            Ok(size)
        })?
    }

    /// Closes its window.
    ///
    /// # Errors
    /// When it has none.
    pub fn close(&mut self) -> Result<()> {
        self.with_gui(|gui, handle| gui.destroy(handle))
    }

    /// Does on the main thread what the plugin asked for.
    pub fn idle(&mut self) {
        if self.asked(Asked::take_callback) {
            self.instance.call_on_main_thread_callback();
        }
    }

    /// Looks at what it asked for.
    pub fn asked<T>(&self, look: impl FnOnce(&Asked) -> T) -> T {
        self.instance.access_shared_handler(look)
    }

    /// The menus that it asked for since the last call.
    pub fn take_menus(&mut self) -> Vec<Menu> {
        self.instance
            .access_handler(|main| std::mem::take(&mut *main.menus.borrow_mut()))
    }
}
