//! The X server: windows, pictures of them, and a person's hands.

use anyhow::{Context, Result, bail};
use image::{Rgb, RgbImage};
use std::path::Path;
use std::time::Duration;
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{
    AtomEnum, ConfigureWindowAux, ConnectionExt, CreateWindowAux, ImageFormat, Window, WindowClass,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

const KEY_PRESS: u8 = 2;
const KEY_RELEASE: u8 = 3;
const BUTTON_PRESS: u8 = 4;
const BUTTON_RELEASE: u8 = 5;
const MOTION: u8 = 6;

/// A connection to the server.
pub struct Screen {
    server: RustConnection,
    root: Window,
}

impl Screen {
    /// The one that `$DISPLAY` names.
    pub fn open() -> Result<Self> {
        let (server, number) = RustConnection::connect(None)
            .context("there is no X server: start Xvfb and set DISPLAY")?;
        let root = server.setup().roots[number].root;
        Ok(Self { server, root })
    }

    /// A window for a plugin's to lie in.
    pub fn window(&self, width: u32, height: u32) -> Result<Window> {
        let window = self.server.generate_id()?;
        self.server.create_window(
            x11rb::COPY_DEPTH_FROM_PARENT,
            window,
            self.root,
            40,
            40,
            width as u16,
            height as u16,
            0,
            WindowClass::INPUT_OUTPUT,
            0,
            &CreateWindowAux::new(),
        )?;
        self.server.change_property8(
            x11rb::protocol::xproto::PropMode::REPLACE,
            window,
            AtomEnum::WM_NAME,
            AtomEnum::STRING,
            b"Mien in a host",
        )?;
        self.server.map_window(window)?;
        self.server.sync()?;
        Ok(window)
    }

    /// Gives a window another size.
    pub fn resize(&self, window: Window, width: u32, height: u32) -> Result<()> {
        let size = ConfigureWindowAux::new().width(width).height(height);
        self.server.configure_window(window, &size)?;
        self.server.sync()?;
        Ok(())
    }

    /// Takes a window away.
    pub fn close(&self, window: Window) -> Result<()> {
        self.server.destroy_window(window)?;
        self.server.sync()?;
        Ok(())
    }

    /// Width and height of a window.
    pub fn size(&self, window: Window) -> Result<(u16, u16)> {
        let geometry = self.server.get_geometry(window)?.reply()?;
        Ok((geometry.width, geometry.height))
    }

    /// The window of this title, wherever a window manager put it.
    pub fn find(&self, title: &str) -> Result<Option<Window>> {
        let mut waiting = vec![self.root];
        while let Some(window) = waiting.pop() {
            let name = self
                .server
                .get_property(false, window, AtomEnum::WM_NAME, AtomEnum::ANY, 0, 64)?
                .reply();
            if name.is_ok_and(|name| name.value == title.as_bytes()) {
                return Ok(Some(window));
            }
            if let Ok(tree) = self.server.query_tree(window)?.reply() {
                waiting.extend(tree.children);
            }
        }
        Ok(None)
    }

    /// Writes a picture of a window.
    pub fn shot(&self, window: Window, path: &Path) -> Result<()> {
        let (width, height) = self.size(window)?;
        let pixels = self
            .server
            .get_image(ImageFormat::Z_PIXMAP, window, 0, 0, width, height, !0)?
            .reply()
            .context("the window is not wholly on the screen")?;
        if pixels.depth < 24 {
            bail!("the screen has too few colours: start Xvfb with 24 bits");
        }
        let picture = RgbImage::from_fn(u32::from(width), u32::from(height), |x, y| {
            let at = ((y * u32::from(width) + x) * 4) as usize;
            let [blue, green, red] = [0, 1, 2].map(|part| pixels.data[at + part]);
            Rgb([red, green, blue])
        });
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        picture.save(path)?;
        println!("{width} × {height}  {}", path.display());
        Ok(())
    }

    /// Moves the pointer to a place of a window.
    pub fn point(&self, window: Window, x: i16, y: i16) -> Result<()> {
        let at = self
            .server
            .translate_coordinates(window, self.root, x, y)?
            .reply()?;
        self.server
            .xtest_fake_input(MOTION, 0, 0, self.root, at.dst_x, at.dst_y, 0)?;
        self.pause()
    }

    /// Presses or lets go of a button of the mouse.
    pub fn button(&self, button: u8, down: bool) -> Result<()> {
        let kind = if down { BUTTON_PRESS } else { BUTTON_RELEASE };
        self.server
            .xtest_fake_input(kind, button, 0, self.root, 0, 0, 0)?;
        self.pause()
    }

    /// Strikes a key by its code.
    pub fn key(&self, code: u8) -> Result<()> {
        for kind in [KEY_PRESS, KEY_RELEASE] {
            self.server
                .xtest_fake_input(kind, code, 0, self.root, 0, 0, 0)?;
            self.pause()?;
        }
        Ok(())
    }

    /// A frame's time, so that the panel sees one thing after the other.
    fn pause(&self) -> Result<()> {
        self.server.sync()?;
        std::thread::sleep(Duration::from_millis(60));
        Ok(())
    }
}
