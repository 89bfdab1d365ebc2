//! Reads `entry_points.txt`: leniently, with line numbers, one group.

/// One entry point of the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPoint {
    /// Its name.
    pub name: String,
    /// Its value, `module:attribute`.
    pub value: String,
    /// The line it stands on, counted from 1.
    pub line: usize,
}

/// Something in the file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseFinding {
    /// The line, counted from 1.
    pub line: usize,
    /// A stable word, as in [`crate::plugins::Finding::code`].
    pub code: &'static str,
    /// A finished sentence.
    pub message: String,
}

/// Reads the entry points of one group. What cannot be used is reported and hides nothing else.
#[must_use]
pub fn parse_entry_points(_text: &str, _group: &str) -> (Vec<EntryPoint>, Vec<ParseFinding>) {
    (Vec::new(), Vec::new())
}
