//! Results on stdout: for people as lines, for programs as JSON.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

/// One line for people.
pub(super) fn line(text: impl AsRef<str>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", text.as_ref())?;
    out.flush()
}

/// As [`line`], of what goes on whether or not anybody reads on: whoever read enough of it may close the pipe.
pub(super) fn greeting(text: impl AsRef<str>) -> io::Result<()> {
    match line(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// One JSON document for programs.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)?;
    out.flush()?;
    Ok(())
}

/// A list: JSON for programs, a table for people.
pub(super) fn list<const N: usize>(
    items: &[Value],
    json: bool,
    head: [&str; N],
    row: impl Fn(&Value) -> [String; N],
) -> anyhow::Result<()> {
    if json {
        return self::json(&items);
    }
    Ok(table(head, &items.iter().map(row).collect::<Vec<_>>())?)
}

/// A member as a cell of a table; empty when it is not there.
pub(super) fn cell(item: &Value, member: &str) -> String {
    item[member].as_str().unwrap_or_default().to_owned()
}

/// Rows in columns as wide as their widest cell.
fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> io::Result<()> {
    let mut widths = head.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = io::stdout().lock();
    for row in std::iter::once(&head.map(str::to_owned)).chain(rows) {
        let mut text = String::new();
        for (cell, width) in row.iter().zip(widths) {
            text.push_str(&format!("{cell:<width$}  "));
        }
        writeln!(out, "{}", text.trim_end())?;
    }
    out.flush()
}
