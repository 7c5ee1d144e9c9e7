//! What the commands show: progress on standard error, results on standard output.

use std::fmt::Write as _;
use std::io::{ErrorKind, IsTerminal, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Pause between plain lines where no bar can be drawn.
const PLAIN_PAUSE: Duration = Duration::from_secs(5);

/// Progress of one task: a bar on a terminal, a plain line every few seconds elsewhere.
#[derive(Debug)]
pub struct Progress {
    title: String,
    bar: Option<ProgressBar>,
    total: u64,
    position: u64,
    /// How far it was when it started; a resumed task does not count what was done before.
    first: Option<(u64, u64)>,
    items: u64,
    started: Instant,
    last_line: Instant,
}

impl Progress {
    /// Starts the clock. `total` is in the unit of [`Progress::advance_to`]'s position: bytes, or the items themselves.
    pub fn start(title: &str, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{msg} [{bar:30}] {percent:>3} %  {eta} left")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total).with_style(style.progress_chars("=> ")).with_message(title.to_owned())
        });
        let now = Instant::now();
        Self { title: title.to_owned(), bar, total, position: 0, first: None, items: 0, started: now, last_line: now }
    }

    /// Shows how far it is, and how many items are done.
    pub fn advance_to(&mut self, position: u64, items: u64) {
        self.first.get_or_insert((self.position, self.items));
        (self.position, self.items) = (position, items);
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {}, {}/s", self.title, grouped(items), grouped(self.rate())));
            bar.set_position(position);
        } else if self.last_line.elapsed() >= PLAIN_PAUSE {
            self.last_line = Instant::now();
            let percent = position.saturating_mul(100).checked_div(self.total).unwrap_or(100);
            let left = self.seconds_left().map_or_else(|| "?".to_owned(), |s| s.to_string());
            let (items, rate) = (grouped(items), grouped(self.rate()));
            eprintln!("{}: {items}, {rate}/s, {percent} %, {left} s left", self.title);
        }
    }

    /// Takes what was done by an earlier run as the start.
    pub fn resume_at(&mut self, position: u64, items: u64) {
        (self.position, self.items) = (position, items);
        if let Some(bar) = &self.bar {
            bar.set_position(position);
            bar.reset_eta();
        }
    }

    /// Ends it with one line that stays.
    pub fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let seconds = self.started.elapsed().as_secs_f64();
        eprintln!("{}: {} in {seconds:.1} s, {}/s", self.title, grouped(self.items), grouped(self.rate()));
    }

    fn rate(&self) -> u64 {
        let done = self.items.saturating_sub(self.first.map_or(0, |(_, items)| items));
        (done as f64 / self.started.elapsed().as_secs_f64().max(0.001)) as u64
    }

    fn seconds_left(&self) -> Option<u64> {
        let done = self.position.saturating_sub(self.first.map_or(0, |(position, _)| position));
        let left = self.total.saturating_sub(self.position) as f64;
        (done > 0).then(|| (left * self.started.elapsed().as_secs_f64() / done as f64) as u64)
    }
}

/// Writes a result to standard output. A reader that has gone away is no error.
///
/// # Errors
/// When standard output cannot be written for another reason.
pub fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// A number with its thousands apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Columns of plain text, each as wide as its widest cell; numbers to the right.
#[derive(Debug, Clone, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|h| (*h).to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The table as text, indented by two blanks.
    pub fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| self.rows.iter().filter_map(|r| r.get(column)).map(|c| columns_of(c)).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::from(" ");
            for (cell, width) in row.iter().zip(&widths) {
                let blanks = " ".repeat(width - columns_of(cell));
                let number = cell.starts_with(|c: char| c.is_ascii_digit()) && !cell.contains('-');
                let _ = if number { write!(line, " {blanks}{cell}") } else { write!(line, " {cell}{blanks}") };
                line.push(' ');
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Columns of a terminal that a text takes: two for each Chinese character.
fn columns_of(text: &str) -> usize {
    text.chars().map(|c| if ('\u{2E80}'..='\u{FFEF}').contains(&c) { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn chinese_columns_line_up() {
        let mut table = Table::new(&["venue", "scans"]);
        table.row(vec!["黄浦区".to_owned(), "7".to_owned()]);
        table.row(vec!["a".to_owned(), "1,200".to_owned()]);
        assert_eq!(table.render(), "  venue   scans\n  黄浦区      7\n  a       1,200\n");
    }
}
