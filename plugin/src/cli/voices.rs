//! `mien voices`: what is installed.

use anyhow::bail;
use mien::engine::loader::open_engine;
use mien::engine::search;
use mien_face::PackDescription;

/// Arguments of `mien voices`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Prints JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// Runs it. The engine describes its packs; without one their cards do, which leave out what only
/// the networks know.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let engine = search::find_engine().ok();
    let mut packs = search::packs(engine.as_deref());
    if let Ok(engine) = open_engine() {
        for pack in &mut packs {
            match engine.load_pack(&pack.path) {
                Ok(loaded) => pack.card = loaded.description().clone(),
                Err(error) => eprintln!("mien: {}: {error}", pack.path.display()),
            }
        }
    }
    if arguments.json {
        let entry = |pack: &search::PackFile| {
            let mut card = serde_json::to_value(&pack.card)?;
            card["path"] = pack.path.to_string_lossy().into();
            Ok(card)
        };
        let all = packs
            .iter()
            .map(entry)
            .collect::<serde_json::Result<Vec<_>>>()?;
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    if packs.is_empty() {
        let folders = search::pack_folders(engine.as_deref());
        let list: Vec<_> = folders
            .iter()
            .map(|folder| format!("  {}", folder.display()))
            .collect();
        bail!(
            "no voice pack is installed. Put a .mien file into one of\n{}",
            list.join("\n")
        );
    }
    for pack in &packs {
        print(&pack.card);
        println!("  file: {}\n", pack.path.display());
    }
    Ok(())
}

fn print(card: &PackDescription) {
    let limits = if card.non_commercial {
        ", not for commercial use"
    } else {
        ""
    };
    println!(
        "{}: {} ({}{limits})",
        card.name, card.description, card.licence
    );
    for (name, lines) in [
        ("trained on", &card.trained_on),
        ("steps", &card.steps),
        ("measured", &card.figures),
    ] {
        if !lines.is_empty() {
            println!("  {name}: {}", lines.join("; "));
        }
    }
    println!("  voices:");
    for voice in &card.voices {
        let pitch = match voice.f0_mean_hz > 0.0 {
            true => format!(" ({:.0} Hz)", voice.f0_mean_hz),
            false => String::new(),
        };
        println!("    {:<12} {}{pitch}", voice.name, voice.description);
    }
    println!("  emotions:");
    for emotion in &card.emotions {
        println!("    {:<12} {}", emotion.name, emotion.description);
    }
}
