//! What was measured, beside its limits.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;

#[derive(Default)]
pub(crate) struct Figures {
    lines: Vec<Line>,
}

struct Line {
    what: String,
    measured: String,
    /// The limit, and whether it was kept.
    limit: Option<(f64, bool)>,
}

impl Figures {
    /// A figure without a limit.
    pub(crate) fn note(&mut self, what: &str, measured: &str) {
        self.lines.push(Line { what: what.to_owned(), measured: measured.to_owned(), limit: None });
    }

    /// A figure that may be `limit` at most.
    pub(crate) fn limit(&mut self, what: &str, measured: f64, limit: f64) {
        let kept = measured <= limit;
        let measured = format!("{measured:.2}");
        self.lines.push(Line { what: what.to_owned(), measured, limit: Some((limit, kept)) });
    }

    pub(crate) fn all_kept(&self) -> bool {
        self.lines.iter().all(|line| line.limit.is_none_or(|(_, kept)| kept))
    }

    pub(crate) fn print(&self) -> Result<()> {
        let mut out = std::io::stdout();
        let processors = std::thread::available_parallelism()?;
        writeln!(out, "{:<44} {:<42} limit    ({processors} processors)", "relay", "measured")?;
        for Line { what, measured, limit } in &self.lines {
            let verdict = match limit {
                None => String::new(),
                Some((limit, true)) => format!("{limit:<8} kept"),
                Some((limit, false)) => format!("{limit:<8} BROKEN"),
            };
            writeln!(out, "{what:<44} {measured:<42} {verdict}")?;
        }
        Ok(())
    }
}

pub(crate) fn median(all: impl IntoIterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = all.into_iter().collect();
    all.sort_by(f64::total_cmp);
    percentile(&all, 0.5)
}

/// Of a sorted slice; the default of nothing.
pub(crate) fn percentile<T: Copy + Default>(sorted: &[T], share: f64) -> T {
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
