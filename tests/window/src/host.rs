//! What the steps need of a host, whatever its format.

use anyhow::{Result, bail, ensure};
use mien_host::Touch;

/// A host with one plugin.
pub trait Host {
    /// Lets the sound through, or silence.
    fn play(&mut self, _on: bool) -> Result<()> {
        bail!("this host plays nothing")
    }

    /// Moves a parameter, as automation does.
    fn set(&mut self, _name: &str, _value: f64) -> Result<()> {
        bail!("this host automates nothing")
    }

    /// A parameter's value, as the host sees it.
    fn get(&mut self, name: &str) -> Result<f64>;

    /// The host's number of a parameter.
    fn param(&mut self, name: &str) -> Result<u32>;

    /// What it would keep in a session, as text.
    fn state(&mut self) -> Result<String> {
        bail!("this host keeps nothing")
    }

    /// What hands on the panel did to parameters since the last look.
    fn take_touches(&mut self) -> Vec<(u32, Touch)>;

    /// The one menu that was asked for since the last look: whose it is, and where.
    fn menu(&mut self) -> Result<(String, [i32; 2])>;

    /// Right-clicks here, in this window, while the next menu is open.
    fn click_in_menu(&mut self, _window: u32, _place: (i16, i16)) -> Result<()> {
        bail!("the menus of this host are not open for long")
    }

    /// Opens the plugin's window; gives its size.
    fn open(&mut self) -> Result<[u32; 2]>;

    /// Puts the plugin's window into this one, which stays until [`Self::close`].
    fn embed(&mut self, window: u32) -> Result<()>;

    /// Offers the plugin's window a size; gives the one that it takes.
    fn resize(&mut self, size: [u32; 2]) -> Result<[u32; 2]>;

    /// Closes the plugin's window.
    fn close(&mut self) -> Result<()>;

    /// Does what the plugin asked the main thread for; gives a size that it wants its window to have.
    fn idle(&mut self) -> Result<Option<[u32; 2]>>;

    /// Ends the plugin.
    fn end(self: Box<Self>) -> Result<()>;
}

/// Fails unless `touches` are one gesture or more of this parameter: take hold, move, let go.
pub fn expect_gesture(touches: &[(u32, Touch)], name: &str, id: u32) -> Result<()> {
    let (mut held, mut moves, mut gestures) = (false, 0, 0);
    for &(param, touch) in touches {
        let in_order = match touch {
            Touch::Begin => !std::mem::replace(&mut held, true),
            Touch::Value(_) => held,
            Touch::End => std::mem::replace(&mut held, false),
        };
        ensure!(param == id && in_order, "the host saw {touches:?}");
        moves += usize::from(matches!(touch, Touch::Value(_)));
        gestures += usize::from(touch == Touch::End);
    }
    ensure!(moves > 0 && !held, "the host saw {touches:?}");
    println!("{name}: {gestures} gesture(s), {moves} value(s)");
    Ok(())
}
