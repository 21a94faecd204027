//! Steps that are timed and named, with a table at the end.

use anyhow::{Context, Result};
use std::time::{Duration, Instant};

/// The steps of one task, in order.
#[derive(Default)]
pub struct Steps {
    done: Vec<(String, Outcome)>,
}

enum Outcome {
    Took(Duration),
    Skipped(String),
}

impl Steps {
    /// Prints the step's name, runs it, and remembers how long it took.
    ///
    /// # Errors
    /// The step's own error with its name, after the table of what went before has been printed.
    pub fn step<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("\n== {name}");
        let start = Instant::now();
        match work() {
            Ok(value) => {
                let took = start.elapsed();
                println!("== {name}: {}", seconds(took));
                self.done.push((name.to_owned(), Outcome::Took(took)));
                Ok(value)
            }
            Err(error) => {
                println!("\n{}", self.table());
                println!("{name:<24} FAILED after {}", seconds(start.elapsed()));
                Err(error).with_context(|| format!("step \"{name}\""))
            }
        }
    }

    /// Remembers that a step was left out, and why.
    pub fn skip(&mut self, name: &str, why: impl Into<String>) {
        let why = why.into();
        println!("\n== {name}: skipped, {why}");
        self.done.push((name.to_owned(), Outcome::Skipped(why)));
    }

    /// A line for each step, and the total.
    pub fn table(&self) -> String {
        let mut total = Duration::ZERO;
        let mut lines: Vec<String> = self
            .done
            .iter()
            .map(|(name, outcome)| match outcome {
                Outcome::Took(took) => {
                    total += *took;
                    format!("{name:<24} {:>9}", seconds(*took))
                }
                Outcome::Skipped(why) => format!("{name:<24}   skipped ({why})"),
            })
            .collect();
        lines.push(format!("{:<24} {:>9}", "all", seconds(total)));
        lines.join("\n")
    }
}

fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 100.0 {
        format!("{seconds:.1} s")
    } else {
        format!(
            "{} min {:02.0} s",
            (seconds / 60.0) as u64,
            (seconds % 60.0).floor()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_tells_what_ran_and_what_did_not() {
        let mut steps = Steps::default();
        assert_eq!(steps.step("one", || Ok(7)).unwrap(), 7);
        steps.skip("two", "no such file");
        let table = steps.table();
        assert!(table.contains("one ") && table.contains("two ") && table.contains("no such file"));
        assert!(table.lines().last().unwrap().starts_with("all"));
    }

    #[test]
    fn an_error_is_named_after_its_step() {
        let error = Steps::default()
            .step::<()>("docs", || anyhow::bail!("bad link"))
            .unwrap_err();
        assert_eq!(format!("{error:#}"), "step \"docs\": bad link");
    }

    #[test]
    fn times_are_short() {
        assert_eq!(seconds(Duration::from_millis(1_240)), "1.2 s");
        assert_eq!(seconds(Duration::from_secs(127)), "2 min 07 s");
    }
}
