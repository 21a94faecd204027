//! The X server: windows, pictures of them, and a person's hands.

use anyhow::{Context, Result, bail};
use image::{Rgb, RgbImage};
use std::path::Path;
use std::time::Duration;
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{
    AtomEnum, ConfigureWindowAux, ConnectionExt, CreateWindowAux, ImageFormat, InputFocus,
    MapState, Window, WindowClass,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

const KEY_PRESS: u8 = 2;
const KEY_RELEASE: u8 = 3;
const BUTTON_PRESS: u8 = 4;
const BUTTON_RELEASE: u8 = 5;
const MOTION: u8 = 6;
/// The symbol of the left shift key.
const SHIFT: u32 = 0xFFE1;

/// The symbol of a key by its name, or by the letter that it writes.
fn keysym(name: &str) -> Option<u32> {
    let mut letters = name.chars();
    if let (Some(letter), None) = (letters.next(), letters.next()) {
        return Some(letter.into());
    }
    Some(match name {
        "BackSpace" => 0xFF08,
        "Tab" => 0xFF09,
        "Return" => 0xFF0D,
        "Escape" => 0xFF1B,
        "Home" => 0xFF50,
        "Left" => 0xFF51,
        "Up" => 0xFF52,
        "Right" => 0xFF53,
        "Down" => 0xFF54,
        "End" => 0xFF57,
        "Delete" => 0xFFFF,
        "space" => 0x20,
        "shift" => SHIFT,
        "ctrl" => 0xFFE3,
        _ => return None,
    })
}

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

    /// A window's title.
    pub fn title(&self, window: Window) -> Result<String> {
        let name = self
            .server
            .intern_atom(false, b"_NET_WM_NAME")?
            .reply()?
            .atom;
        let read = |property: u32| -> Result<Vec<u8>> {
            let kind = AtomEnum::ANY;
            let asked = self
                .server
                .get_property(false, window, property, kind, 0, 256)?;
            Ok(asked.reply()?.value)
        };
        let mut title = read(name)?;
        if title.is_empty() {
            title = read(AtomEnum::WM_NAME.into())?;
        }
        Ok(String::from_utf8_lossy(&title).into_owned())
    }

    /// The window of this title that is shown, wherever a window manager put it.
    pub fn find(&self, title: &str) -> Result<Option<Window>> {
        let mut waiting = vec![self.root];
        while let Some(window) = waiting.pop() {
            let name = self
                .server
                .get_property(false, window, AtomEnum::WM_NAME, AtomEnum::ANY, 0, 64)?
                .reply();
            if name.is_ok_and(|name| name.value == title.as_bytes()) && self.is_shown(window) {
                return Ok(Some(window));
            }
            if let Ok(tree) = self.server.query_tree(window)?.reply() {
                waiting.extend(tree.children);
            }
        }
        Ok(None)
    }

    /// A window of another program's than ours, large enough for a dialog.
    pub fn dialog(&self, ours: Option<Window>) -> Result<Option<Window>> {
        let children = self.server.query_tree(self.root)?.reply()?.children;
        let is_one = |&window: &Window| {
            let size = self.size(window).unwrap_or_default();
            Some(window) != ours && size.0 > 100 && size.1 > 100 && self.is_shown(window)
        };
        Ok(children.into_iter().find(is_one))
    }

    fn is_shown(&self, window: Window) -> bool {
        let asked = self.server.get_window_attributes(window).ok();
        let attributes = asked.and_then(|asked| asked.reply().ok());
        attributes.is_some_and(|attributes| attributes.map_state == MapState::VIEWABLE)
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

    /// Red, green and blue at a place of a window.
    pub fn colour(&self, window: Window, x: i16, y: i16) -> Result<[u8; 3]> {
        let format = ImageFormat::Z_PIXMAP;
        let pixel = self
            .server
            .get_image(format, window, x, y, 1, 1, !0)?
            .reply()?;
        Ok([2, 1, 0].map(|part| pixel.data[part]))
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

    /// Strikes a key, or several at once with `+` between them: `Tab`, `ctrl+z`.
    pub fn key(&self, names: &str) -> Result<()> {
        let mut down = Vec::new();
        for name in names.split('+') {
            let (code, shift) =
                self.code(keysym(name).with_context(|| format!("no key {name}"))?)?;
            down.extend(shift);
            down.push(code);
        }
        self.strike(&down)
    }

    /// Types a text.
    pub fn write(&self, text: &str) -> Result<()> {
        for letter in text.chars() {
            // Latin letters have their own numbers, all others theirs plus a constant.
            let number = u32::from(letter);
            let keysym = if number < 0x100 {
                number
            } else {
                0x0100_0000 + number
            };
            let (code, shift) = self.code(keysym)?;
            self.strike(&shift.into_iter().chain([code]).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// Presses keys one after the other, and lets go of them in reverse.
    fn strike(&self, codes: &[u8]) -> Result<()> {
        let down = codes.iter().map(|code| (KEY_PRESS, code));
        let up = codes.iter().rev().map(|code| (KEY_RELEASE, code));
        for (kind, &code) in down.chain(up) {
            self.server
                .xtest_fake_input(kind, code, 0, self.root, 0, 0, 0)?;
        }
        self.pause()
    }

    /// The code of the key with this symbol, and that of shift where it needs it.
    fn code(&self, keysym: u32) -> Result<(u8, Option<u8>)> {
        let setup = self.server.setup();
        let (first, count) = (setup.min_keycode, setup.max_keycode - setup.min_keycode + 1);
        let map = self.server.get_keyboard_mapping(first, count)?.reply()?;
        let levels = usize::from(map.keysyms_per_keycode);
        let find = |wanted: u32, level: usize| {
            let mut keys = map.keysyms.chunks(levels);
            let at = keys.position(|key| key.get(level) == Some(&wanted))?;
            Some(first + at as u8)
        };
        if let Some(code) = find(keysym, 0) {
            return Ok((code, None));
        }
        let code = find(keysym, 1).with_context(|| format!("no key writes {keysym:#x}"))?;
        Ok((code, find(SHIFT, 0)))
    }

    /// Turns the keyboard to a window; without one to that under the pointer.
    pub fn focus(&self, window: Option<Window>) -> Result<()> {
        let window = window.unwrap_or(InputFocus::POINTER_ROOT.into());
        self.server
            .set_input_focus(InputFocus::POINTER_ROOT, window, x11rb::CURRENT_TIME)?;
        self.pause()
    }

    /// Writes a picture of the whole screen.
    pub fn shot_all(&self, path: &Path) -> Result<()> {
        self.shot(self.root, path)
    }

    /// A frame's time, so that the panel sees one thing after the other.
    fn pause(&self) -> Result<()> {
        self.server.sync()?;
        std::thread::sleep(Duration::from_millis(60));
        Ok(())
    }
}
