//! Processor time by thread, as the kernel counts it.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

/// Seconds of processor time by the threads' names, and that of the X server.
pub struct Usage {
    at: Instant,
    threads: BTreeMap<String, f64>,
}

impl Usage {
    /// Up to now, of a process.
    pub fn of(process: u32) -> Self {
        let mut threads = BTreeMap::new();
        let tasks = fs::read_dir(format!("/proc/{process}/task"));
        for task in tasks.into_iter().flatten().flatten() {
            let id = task.file_name().to_string_lossy().into_owned();
            if let Some((name, seconds)) = read(&format!("{}/stat", task.path().display())) {
                let name = match name.as_str() {
                    _ if id == process.to_string() => "main thread".to_owned(),
                    // The framework leaves its window thread without a name of its own.
                    "mien-window" | "mien" => "window thread".to_owned(),
                    other => other
                        .trim_end_matches(|c: char| c.is_ascii_digit() || c == '-')
                        .to_owned(),
                };
                *threads.entry(name).or_default() += seconds;
            }
        }
        if let Some(seconds) = server() {
            threads.insert("(X server)".into(), seconds);
        }
        Self {
            at: Instant::now(),
            threads,
        }
    }

    /// Prints the share of a core that each took since `before`.
    pub fn print_since(&self, before: &Self, label: &str) {
        let passed = self.at.duration_since(before.at).as_secs_f64();
        println!("{label}: share of one core over {passed:.0} s");
        for (name, seconds) in &self.threads {
            let share = seconds - before.threads.get(name).copied().unwrap_or_default();
            println!("  {name:<16} {:6.2} %", share / passed * 100.0);
        }
    }
}

/// Name and seconds from a line of the kernel's.
fn read(path: &str) -> Option<(String, f64)> {
    let text = fs::read_to_string(path).ok()?;
    let (head, rest) = text.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    // Linux counts in hundredths of a second for programs, whatever its own clock.
    Some((name, (ticks(11)? + ticks(12)?) / 100.0))
}

/// That of the X server that this display belongs to, where it is an Xvfb.
fn server() -> Option<f64> {
    let display = std::env::var("DISPLAY").ok()?;
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let line = fs::read_to_string(entry.path().join("cmdline")).ok()?;
        let mut words = line.split('\0');
        let is_it = words.next()?.ends_with("Xvfb") && words.any(|word| word == display);
        is_it
            .then(|| read(&format!("{}/stat", entry.path().display())))?
            .map(|(_, seconds)| seconds)
    })
}
